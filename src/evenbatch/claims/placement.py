"""Claim "placement": the normalizer belongs right before the activation."""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
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
    return Comparison(axis, effort, base, effort.rates(-4, 1), hosts, id=id)


def rule(block: str) -> p.Rule:
    """The rule, from how far "before" is ahead of each rival."""
    each, none = f"gain/{block}/best/before/*", f"gain/{block}/best/before/none"
    return p.Rule(
        clauses=(
            p.fails(p.up_to(each, -p.POINT, "any"), "{0} did better", leads=True),
            p.fails(p.below(none, p.POINT), "there it gained less than 1 point over none"),
            p.undecided(~p.beyond(none), "whether it gained anything over none is not settled"),
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
    return asked(
        raw,
        even,
        claim="placement",
        phrase=PHRASE,
        states="The normalizer is usually put after the linear step and before the activation.",
        question=f"Where does batch norm serve a network on {raw.data.name} best: before the "
        "activation, after it, on the input only, or nowhere? And where on standardized input?",
        measure="Test {metric} averaged over the run (a quick start and a good end both raise "
        "it). Difference between “before” and each other arm in {points}, paired by seed, mean "
        "with 95 % interval.",
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
            first.strips("Where each learns", "{metric}, average of the run"),
        ),
        tables=(
            one.table(f"Test {{metric}} on {one.block.base.data}", "average")
            for one in (first, second)
        ),
    )


def happened(reading: p.Reading) -> str:
    """All places, the best first."""
    of = {arm: c.AVERAGE.of(arm=arm) for arm in NAMES}
    said = (
        f"{reading.shown(of[arm])} "
        + ("without" if arm == "none" else f"with the norm {NAMES[arm]}")
        for arm in sorted(of, key=lambda arm: -reading.mean(of[arm]))
    )
    return f"averaged over the run, test {reading.experiment.metric} was {', '.join(said)}"


def notes(reading: p.Reading) -> p.Notes:
    """What the same rule says once the input is standardized."""
    decided = rule("even").apply(reading.effects)
    after = p.gain(reading.effects["gain/even/best/before/after"])
    verdict = p.verdict_on(PHRASE, decided)
    yield f"With standardized input: {verdict} (before against after: {after})."


CLAIM = Claim("placement", PHRASE, make, p.Telling(happened, notes))
