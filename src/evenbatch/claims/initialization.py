"""Claim "initialization": with normalization the scale of the initial weights matters less."""

from __future__ import annotations

import math

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.learning_rate import open_ends, wider_by
from evenbatch.data.dataset import Dataset

PHRASE = "less sensitive to the initial weights"
ARMS = c.arms("none", "batch", "layer")
SPACING = 0.5  # decades between scales
SCALES = p.numbered(
    "scale", "standard deviation of the initial weights", p.rates_between(-4, 2, SPACING),
    lambda deviation: {"init": "gaussian", "sigma": deviation},
)  # fmt: skip
WIDER = 1.0  # decades: He's and PyTorch's initial weights lie less than that apart
WIDTH = 64
RANGE, OWN = (p.Along(c.LEVEL.of(), "scale", "width", goal, SPACING) for goal in ("goal", "own"))
"""Decades of scale with which an arm reaches the common goal, and its own."""
WORDS = {
    "phrase": PHRASE,
    "states": "With normalization the scale of the initial weights matters less.",
    "question": "Over how many decades can the standard deviation of the initial weights vary so "
    "that the network still reaches the same {metric}?",
    "measure": "Width of the usable range in decades: standard deviations (of all layers, biases "
    "0) that end at or above the goal, times their distance. Batch norm's less that without "
    "normalization, paired by seed, mean with 95 % interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3: the output of a normalized "
    "layer does not change if its weights are scaled.",
    "change": "More layers: without normalization a wrong scale counts once for each of them. A "
    "smaller eps lets batch norm begin with smaller weights.",
}
FIGURE = p.Over(
    id="scales", kind=p.STRIPS, axis="scale", show="median", title="Which initial weights train",
    alt="A strip for each arm; the stronger the shade of a scale of the initial weights, the "
    "better the network trained from it, at its best learning rate. Outlined: it reached the goal.",
    y="{metric}", rows=c.rows(c.LEVEL.of(), ARMS),
    marks=(p.GOAL, p.MarkSpec("He initialization", math.sqrt(2 / WIDTH), axis="x", id="he")),
)  # fmt: skip


def wider(id: str, of: p.Along, arm: str, label: str = "") -> p.Mean:
    """By how much wider the range of an arm is than that without normalization."""
    label = f"{c.ARM_NAMES[arm]} against none{label}"
    return p.Mean(id, label, "decades wider", of.where(arm=arm) - of.where(arm="none"))


def table(at: str, words: str) -> p.TableSpec:
    """Every scale, at one kind of learning rates."""
    columns = (p.Column("{metric}", "median"), p.Column("reached", "reached"))
    title = f"{{metric}} at the end, at {words} learning rates: median, seeds at the goal"
    return p.TableSpec(title, c.at_each(*columns, kinds=(at,)), across="arm")


def make(data: Dataset, effort: Effort) -> Made:
    """How wide the range of initial scales is that reaches the goal."""
    # The rate falls to 0, so that one evaluation at the end is enough.
    base = p.changes(depth=3, width=WIDTH, steps=300 if effort.quick else 500, schedule="cosine")
    rates = p.rates_between(-3, 0, 1) if effort.quick else p.rates_between(-4, 0, 0.5)
    plan = {"at": (p.Best(), p.Equal()), "rates": rates, "score": c.LEVEL}
    tuning = min(2, effort.tuning)
    return asked(
        p.Prepared(data).learnable(), claim="initialization", **WORDS,
        blocks=(c.searched("scales", effort, base, (SCALES, ARMS), tuning=tuning, **plan),),
        goals=(
            p.Goal(levels=("none", "batch")),
            p.Goal(id="own", levels=("none", "batch", "layer"), own=True),
        ),
        effects=(
            wider("wider", RANGE, "batch"),
            wider("wider-equal", RANGE.where(at="equal"), "batch", ", equal learning rates"),
            wider("wider-own", OWN, "batch", ", each to its own goal"),
            wider("wider-layer", RANGE, "layer"),
        ),
        rule=wider_by(WIDER, "scales", "a factor of ten"),
        figures=(FIGURE,), tables=(table("best", "its own best"), table("equal", "equal")),
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """The range of each arm: the scales at which most seeds reach the goal."""
    said = []
    for arm in ARMS.levels:
        levels = {one.name: c.LEVEL.of(arm=arm.id, scale=one.id) for one in SCALES.levels}
        shares = {
            name: (reading.values(of) >= reading.goal()).mean() for name, of in levels.items()
        }
        often = [name for name, share in shares.items() if share > 0.5]
        decades = reading.shown(RANGE.where(arm=arm.id), "mean", "digits")
        found = f"{often[0]} to {often[-1]} ({decades} decades)" if often else "at none"
        said.append(f"{arm.name} {found}")
    goal = p.amount(reading.data, reading.goal())
    return f"{goal} was reached with initial weights of standard deviation: {'; '.join(said)}"


def notes(reading: p.Reading) -> p.Notes:
    """Where a range may be wider; and what is not normalized."""
    yield from open_ends(reading, "scale", "scale")
    yield (
        "The output layer is not normalized, so large initial weights make wrong answers certain "
        "ones in every arm."
    )


CLAIM = Claim("initialization", PHRASE, make, p.Telling(happened, notes))
