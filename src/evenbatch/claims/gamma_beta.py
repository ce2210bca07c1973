"""Claim "gamma-beta": batch norm's learned affine parameters make the network better."""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, asked, points
from evenbatch.claims.comparison import AVERAGE, Comparison, arms_table
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import affine_path

PHRASE = "learned gamma and beta help"
NAMES = {
    "none": "both frozen",
    "gamma": "gamma learned",
    "beta": "beta learned",
    "both": "both learned",
}
WIDTHS = {"wide": 64, "narrow": 8}
STEPS = 500  # the same at every effort: the average over the run depends on it


def rule(block: str) -> p.PerPart:
    """The rule, from what learning both gains over freezing both."""
    return p.PerPart(
        parts=(p.OnePart(f"gain/{block}/best/both/none"),),
        gain="what learning both gains over freezing both, in points,",
        because={
            p.HOLDS: "frozen, the network was at least 1 point worse",
            p.IN_PART: "freezing them cost something, but not clearly a full point",
            p.FAILS: "frozen, the network was less than 1 point worse",
            p.CANNOT_TELL: "whether they gain anything is not settled",
        },
        where="best against best",
    )


def moved(block: str) -> tuple[p.Mean, p.Mean]:
    """How far both are from where they started, where both are learned."""
    unit = "root mean square"
    gamma, beta = (p.Measure(f"{n}-moved").of(block, arm="both") for n in ("gamma", "beta"))
    return (
        p.Mean(id=f"gamma/{block}", label="gamma from 1", unit=unit, of=gamma),
        p.Mean(id=f"beta/{block}", label="beta from 0", unit=unit, of=beta),
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm with both learned, one of them, and none, in a network of usual width and in a
    narrow one, where every unit counts.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    even, metric = p.Prepared(data).learnable().of_one_scale(), p.metric_name(data)
    rates, every = p.rates_between(-2, 0.5, 0.5 if effort.quick else 0.25), STEPS // 20
    levels = tuple(p.Level(id, name, p.changes(affine=id)) for id, name in NAMES.items())
    axis = p.Axis("arm", "affine parameters", levels)
    compared = {}
    for id, width in WIDTHS.items():
        steps = {"steps": STEPS, "evaluate_every": every, "probe_every": every}
        base = p.changes(depth=3, width=width, norm="batch", **steps)
        seeds, hosts = (effort.seeds, effort.tuning), ("both", "none")
        compared[id] = Comparison(even.data, axis, base, rates, *seeds, hosts, id=id)
    wide, narrow = compared.values()
    return asked(
        (even,),
        claim="gamma-beta",
        phrase=PHRASE,
        states="Gamma, the strength knob, and beta, the adjustment dial, are learned, and make the "
        "network better.",
        question="What does a network with batch norm lose when gamma stays 1 and beta stays 0, "
        f"and how far do they move when they may? Layers of {WIDTHS['wide']} units, and for "
        f"comparison of {WIDTHS['narrow']}.",
        measure=f"Test {metric} averaged over the run; both learned minus both frozen in "
        f"{points(data)}, paired by seed, mean with 95 % interval. Movement: root mean square of "
        "gamma − 1 and of beta over a layer's units, mean over layers.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3; Frankle, Schwab & Morcos 2021, "
        "arXiv:2003.00152 (what gamma and beta alone can learn).",
        change="The width: the second table has the same for a narrow network, in which the "
        "parameters move further.",
        blocks=(wide.block, narrow.block),
        effects=(
            *wide.gains("both", "none"),
            wide.gain("gamma", "none"),
            wide.gain("beta", "none"),
            *moved("wide"),
            narrow.gain("both", "none"),
            *moved("narrow"),
        ),
        rule=rule("wide"),
        figures=(
            p.Over(
                id="arms",
                kind=p.DOTS,
                axis="arm",
                show="mean",
                title="Frozen and learned affine parameters",
                alt=f"Test {metric} averaged over the run for each arm at its best learning rate, "
                "with the interval of the mean, in wide and in narrow layers.",
                y=f"test {metric}, average of the run",
                rows=tuple(
                    p.Row(id, f"layers of {width} units", AVERAGE.of(id, arm="$"))
                    for id, width in WIDTHS.items()
                ),
            ),
        ),
    )


def far(reading: p.Reading, block: str) -> str:
    """How far both have moved."""
    gamma, beta = (p.digits(reading.effects[f"{n}/{block}"].value) for n in ("gamma", "beta"))
    return f"they moved by {gamma} (gamma, from 1) and {beta} (beta, from 0) in root mean square"


def happened(reading: p.Reading) -> str:
    """Learned and frozen, and how far they move."""
    both, none = (
        p.share(reading.data, reading.mean(AVERAGE.of(arm=arm))) for arm in ("both", "none")
    )
    return (
        f"averaged over the run, test {reading.experiment.metric} was {both} with gamma and beta "
        f"learned and {none} with both frozen; {far(reading, 'wide')}"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """What the same rule says of a narrow network."""
    verdict = p.verdict_on(PHRASE, rule("narrow").apply(reading.effects))
    gain = reading.effects["gain/narrow/best/both/none"]
    ahead = p.compared(gain, "ahead of", "behind", "level with", "both frozen")
    yield (
        f"With {WIDTHS['narrow']} units a layer {verdict} (both learned was {ahead}); "
        f"{far(reading, 'narrow')}."
    )


def figures(reading: p.Reading) -> Iterable[p.Figure]:
    """How far both move over the run."""
    series = []
    for block, width in WIDTHS.items():
        runs = [run for run in reading.runs(("both",), block) if not run.diverged]
        if not runs or runs[0].probes is None:
            continue
        for place, name in enumerate(("gamma", "beta")):
            paths = [affine_path(run)[place] for run in runs]
            series.append(
                p.band(f"{name}, {width} units", runs[0].probes.step, paths, f"{name}/{block}")
            )
    yield p.Figure(
        p.LINES,
        f"How far gamma and beta move: {reading.data.name}",
        "Distance of gamma from 1 and of beta from 0 over the steps, root mean square over a "
        "layer, mean over layers, for both widths.",
        p.FigureAxis("steps"),
        p.FigureAxis("moved by (root mean square)"),
        tuple(series),
        id="moved",
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Both widths."""
    for id, width in WIDTHS.items():
        yield arms_table(reading, id, f"Layers of {width} units", "average")


CLAIM = Claim("gamma-beta", PHRASE, make, p.Telling(happened, notes, figures, tables))
