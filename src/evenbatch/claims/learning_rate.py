"""Claim "learning-rate": with batch normalization the learning rate matters less."""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "less sensitive to the learning rate"
ARMS = c.arms("none", "batch")
WIDER = 0.5  # decades: about 3 times, the step in which people try learning rates
WORDS = {
    "phrase": PHRASE,
    "states": "With normalization the learning rate matters less.",
    "question": "How many decades wide is the range of learning rates with which the network "
    "reaches the same {metric}, with and without batch norm?",
    "measure": "Width of the usable range in decades: learning rates that end at or above the "
    "goal, times their distance. Difference of the arms, paired by seed, mean with 95 % interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; Bjorck et al. 2018, "
    "arXiv:1806.02375.",
    "change": "A longer budget helps low rates, and another initialization or optimizer moves the "
    "range of the arm without normalization.",
}
FIGURE = p.Over(
    id="rates", kind=p.STRIPS, axis="rate", show="median", title="Where each arm learns",
    alt="A strip for each arm; the stronger the shade of a learning rate, the better the network "
    "it leads to.",
    y="{metric}", rows=c.rows(c.LEVEL.of(), ARMS), marks=(p.GOAL,),
)  # fmt: skip
TABLE = p.TableSpec(
    "Each learning rate: the median at the end, and how many seeds reached the goal",
    (p.Column("{metric}", "median"), p.Column("reached", "reached")),
    across="arm",
)


def width(spacing: float) -> p.Along:
    """Decades of learning rates with which an arm reaches the goal."""
    return p.Along(c.LEVEL.of(), "rate", "width", spacing=spacing)


def make(data: Dataset, effort: Effort) -> Made:
    """How wide the range of learning rates is that reaches the goal, for both arms."""
    spacing, steps = (0.5, 500) if effort.quick else (0.25, 1000)
    return with_spacing(p.Prepared(data).learnable(), spacing, steps, effort.seeds)


def with_spacing(prepared: p.Prepared, spacing: float, steps: int, seeds: int) -> Made:
    """The same at other distances between learning rates."""
    tried, label = p.rates_between(-4, 2, spacing), "batch norm against none"
    rate = p.numbered("rate", "learning rate", tried, lambda r: {"learning_rate": r})
    base = p.changes(depth=3, width=64, steps=steps, evaluate_every=steps // 20)
    none, batch = c.both(width(spacing))
    slow, fast = c.both(p.Along(c.LEVEL.of(), "rate", "highest"))
    return asked(
        prepared, claim="learning-rate", **WORDS,
        blocks=(p.Block(id="rates", base=base, axes=(rate, ARMS), seeds=seeds),),
        goals=(p.Goal(levels=("none", "batch")),),
        effects=(
            p.Mean("wider", label, "decades wider", batch - none),
            p.Ratio("higher", label, "times higher best rate", fast, slow),
        ),
        rule=wider_by(WIDER, "learning rates", f"{WIDER} decades"),
        figures=(FIGURE,), tables=(TABLE,),
    )  # fmt: skip


def wider_by(decades: float, of: str, words: str) -> p.Rule:
    """The rule, from how many decades wider the usable range is."""
    return p.Rule(
        clauses=(
            p.holds(p.above("wider", decades), f"the range of {of} is wider by at least {words}"),
            p.in_part(p.beyond("wider"), f"the range of {of} is wider, but not clearly by {words}"),
            p.fails(p.below("wider", decades), f"a range wider by {words} is ruled out"),
        ),
        names={"wider": f"the difference of the ranges, in decades of {of},"},
        otherwise=f"the interval includes both no gain and {words}",
    )


def open_ends(reading: p.Reading, axis: str, words: str) -> p.Notes:
    """Where a range reaches the end of what was tried."""
    levels = reading.block().axis(axis).levels
    for arm in reading.block().axis("arm").levels:
        for end, level in (("lowest", levels[0]), ("highest", levels[-1])):
            found = reading.values(c.LEVEL.of(**{"arm": arm.id, axis: level.id}))
            if (found >= reading.goal()).mean() > 0.5:
                yield f"The range of {arm.name} reaches the {end} {words} tried: it may be wider."


def happened(reading: p.Reading) -> str:
    """How wide both ranges are."""
    spacing = 6 / (len(reading.block().axis("rate").levels) - 1)
    none, batch = (reading.shown(of, "mean", "digits") for of in c.both(width(spacing)))
    return (
        f"{p.amount(reading.data, reading.goal())} was reached with learning rates over {batch} "
        f"decades with batch norm and {none} without"
    )


def notes(reading: p.Reading) -> p.Notes:
    """Where the range may be wider than was tried."""
    return open_ends(reading, "rate", "rate")


CLAIM = Claim("learning-rate", PHRASE, make, p.Telling(happened, notes))
