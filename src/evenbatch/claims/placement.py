"""Claim "placement": the normalizer belongs right before the activation."""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, asked, points
from evenbatch.claims.comparison import AVERAGE, Comparison, arms_table
from evenbatch.data.dataset import Dataset

PHRASE = "best right before the activation"
BEFORE, RIVALS = "before", ("after", "input", "none")
STEPS = 500  # the same at every effort: the average over the run depends on it
NAMES = {
    "none": "no normalization",
    "input": "on the input only",
    "after": "after the activation",
    "before": "before the activation",
}


def compared(id: str, on: p.Prepared, effort: Effort, *places: str) -> Comparison:
    """Places of the normalizer, and none, on a data set."""
    levels = [p.Level("none", NAMES["none"], p.changes(norm="none"))]
    levels += [p.Level(at, NAMES[at], p.changes(norm="batch", placement=at)) for at in places]
    axis, hosts = p.Axis("arm", "place", tuple(levels)), (BEFORE, "none")
    base = p.changes(on.data.name, depth=3, width=64, steps=STEPS, evaluate_every=STEPS // 20)
    rates = p.rates_between(-4, 1, 0.5 if effort.quick else 0.25)
    return Comparison(on.data, axis, base, rates, effort.seeds, effort.tuning, hosts, id=id)


def rule(block: str) -> p.Rule:
    """The rule, from how far "before" is ahead of each rival."""
    each, none = f"gain/{block}/best/before/*", f"gain/{block}/best/before/none"
    return p.Rule(
        clauses=(
            p.fails(p.up_to(each, -p.POINT, "any"), "{0} did better", leads=True),
            p.fails(p.below(none, p.POINT), "there it gained less than 1 point over none"),
            p.undecided(p.not_beyond(none), "whether it gained anything over none is not settled"),
            p.holds(p.above(each, p.POINT), "at least 1 point better than every other place"),
            p.in_part(p.below(each, p.POINT, "any"), "it helps, but {0} did as well, or nearly"),
            p.in_part(p.beyond(none), "it helps, but is not clearly 1 point ahead of every place"),
        ),
        names={each: "its gains over the other places", none: "its gain over no normalization"},
        otherwise="the intervals are too wide",
        where="best against best",
    )


def make(data: Dataset, effort: Effort) -> Made:
    """All places; and all but the input on standardized input, which leaves it nothing to mend."""
    raw, even = (plain := p.Prepared(data).learnable()), plain.standardized()
    first = compared("raw", raw, effort, "input", "after", BEFORE)
    second = compared("even", even, effort, "after", BEFORE)
    metric = p.metric_name(data)
    return asked(
        (raw, even),
        claim="placement",
        phrase=PHRASE,
        states="The normalizer is usually put after the linear step and before the activation.",
        question=f"Where does batch norm serve a network on {raw.data.name} best: before the "
        "activation, after it, on the input only, or nowhere? And where on standardized input?",
        measure=f"Test {metric} averaged over the run (a quick start and a good end both raise "
        f"it). Difference between “before” and each other arm in {points(data)}, paired by seed, "
        "mean with 95 % interval.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2 (before); Mishkin & Matas "
        "2015, arXiv:1511.06422, section 4.2.1 (after did as well or better).",
        change="Standardizing the input takes from the norm on the input all that it does; the "
        "second table shows what is left of the order then.",
        blocks=(first.block, second.block),
        effects=(
            *(first.gain(BEFORE, rival) for rival in RIVALS),
            *(first.gain(BEFORE, "after", at) for at in first.kinds[1:]),
            *(second.gain(BEFORE, rival) for rival in ("after", "none")),
        ),
        rule=rule("raw"),
        figures=(
            first.ways("Four places for the normalizer"),
            first.strips("Where each learns", f"{metric}, average of the run"),
        ),
    )


def happened(reading: p.Reading) -> str:
    """All places, the best first."""
    means = {arm: reading.mean(AVERAGE.of(arm=arm)) for arm in NAMES}
    said = (
        f"{p.share(reading.data, means[arm])} "
        + ("without" if arm == "none" else f"with the norm {NAMES[arm]}")
        for arm in sorted(means, key=lambda arm: -means[arm])
    )
    return f"averaged over the run, test {reading.experiment.metric} was {', '.join(said)}"


def notes(reading: p.Reading) -> Iterable[str]:
    """What the same rule says once the input is standardized."""
    decided = rule("even").apply(reading.effects)
    after = p.gain(reading.effects["gain/even/best/before/after"])
    verdict = p.verdict_on(PHRASE, decided)
    yield f"With standardized input: {verdict} (before against after: {after})."


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Both inputs."""
    for block in reading.experiment.blocks:
        title = f"Test {reading.experiment.metric} on {block.base.data}"
        yield arms_table(reading, block.id, title, "average")


CLAIM = Claim("placement", PHRASE, make, p.Telling(happened, notes, tables))
