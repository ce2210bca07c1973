"""Claim "gamma-beta": batch norm's learned affine parameters make the network better."""

from __future__ import annotations

import math

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
from evenbatch.data.dataset import Dataset

PHRASE = "learned gamma and beta help"
NAMES = {
    "none": "both frozen",
    "gamma": "gamma learned",
    "beta": "beta learned",
    "both": "both learned",
}
LEVELS = tuple(p.Level(id, name, p.changes(affine=id)) for id, name in NAMES.items())
AXIS = p.Axis("arm", "affine parameters", LEVELS)
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


def compared(effort: Effort, block: str) -> Comparison:
    """Both learned, one of them, and none, in layers of one width."""
    every = STEPS // 20
    steps = {"steps": STEPS, "evaluate_every": every, "probe_every": every}
    base = p.changes(depth=3, width=WIDTHS[block], norm="batch", **steps)
    return Comparison(AXIS, effort, base, effort.rates(-2, 0.5), ("both", "none"), id=block)


def moved(block: str) -> tuple[p.Mean, p.Mean]:
    """How far both are from where they started, where both are learned."""
    unit = "root mean square"
    gamma, beta = (p.Measure(f"{n}-moved").of(block, arm="both") for n in ("gamma", "beta"))
    return (
        p.Mean(f"gamma/{block}", "gamma from 1", unit, gamma),
        p.Mean(f"beta/{block}", "beta from 0", unit, beta),
    )


ARMS = (p.Row(id, f"layers of {n} units", c.AVERAGE.of(id)) for id, n in WIDTHS.items())
MOVED = (
    p.Row(f"{name}/{id}", f"{name}, {n} units", block=id, number=place, cell={"arm": "both"})
    for id, n in WIDTHS.items()
    for place, name in enumerate(("gamma", "beta"))
)
FIGURES = (
    p.Over(id="arms", kind=p.DOTS, axis="arm", show="mean",
           title="Frozen and learned affine parameters",
           alt="Test {metric} averaged over the run for each arm at its best learning rate, with "
           "the interval of the mean, in wide and in narrow layers.",
           y="test {metric}, average of the run", y_id="average", rows=tuple(ARMS)),
    p.Ways(id="moved", path="affine", title="How far gamma and beta move",
           alt="Distance of gamma from 1 and of beta from 0 over the steps, root mean square over "
           "a layer, mean over layers, for both widths.",
           y="moved by (root mean square)", y_id="moved", percent=False, rows=tuple(MOVED)),
)  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """A network of usual width and a narrow one, where every unit counts."""
    wide, narrow = (compared(effort, block) for block in WIDTHS)
    return asked(
        c.of_one_scale(data),
        claim="gamma-beta",
        phrase=PHRASE,
        states="Gamma, the strength knob, and beta, the adjustment dial, are learned, and make the "
        "network better.",
        question="What does a network with batch norm lose when gamma stays 1 and beta stays 0, "
        f"and how far do they move when they may? Layers of {WIDTHS['wide']} units, and for "
        f"comparison of {WIDTHS['narrow']}.",
        measure="Test {metric} averaged over the run; both learned minus both frozen in {points}, "
        "paired by seed, mean with 95 % interval. Movement: root mean square of gamma − 1 and of "
        "beta over a layer's units, mean over layers.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3; Frankle, Schwab & Morcos 2021, "
        "arXiv:2003.00152 (what gamma and beta alone can learn).",
        change="The width: the second table has the same for a narrow network, in which the "
        "parameters move further.",
        blocks=(wide.block, narrow.block),
        effects=(*wide.gains("both", "none"), wide.gain("gamma", "none"),
                 wide.gain("beta", "none"), *moved("wide"),
                 narrow.gain("both", "none"), *moved("narrow")),
        rule=rule("wide"),
        figures=FIGURES,
        tables=(one.table(f"Layers of {WIDTHS[one.id]} units", "average")
                for one in (wide, narrow)),
    )  # fmt: skip


def far(reading: p.Reading, block: str) -> str:
    """How far both have moved."""
    moved = [reading.effects[f"{n}/{block}"].value for n in ("gamma", "beta")]
    if math.isnan(moved[0]):
        return "every run in which both are learned diverged"
    gamma, beta = map(p.digits, moved)
    return f"they moved by {gamma} (gamma, from 1) and {beta} (beta, from 0) in root mean square"


def happened(reading: p.Reading) -> str:
    """Learned and frozen, and how far they move."""
    both, none = (reading.shown(c.AVERAGE.of(arm=arm)) for arm in ("both", "none"))
    return (
        f"averaged over the run, test {reading.experiment.metric} was {both} with gamma and beta "
        f"learned and {none} with both frozen; {far(reading, 'wide')}"
    )


def notes(reading: p.Reading) -> p.Notes:
    """What the same rule says of a narrow network."""
    verdict = p.verdict_on(PHRASE, rule("narrow").apply(reading.effects))
    gain = reading.effects["gain/narrow/best/both/none"]
    yield (
        f"With {WIDTHS['narrow']} units a layer {verdict} (both learned was "
        f"{p.ahead(gain, 'both frozen')}); {far(reading, 'narrow')}."
    )


CLAIM = Claim("gamma-beta", PHRASE, make, p.Telling(happened, notes))
