"""Claim "initialization": with normalization the scale of the initial weights matters less."""

from __future__ import annotations

import math
from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, Claim, Effort, Made, arms, asked, rows
from evenbatch.claims.comparison import LEVEL
from evenbatch.claims.learning_rate import open_ends, wider_by
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import median, of_cells, reached

PHRASE = "less sensitive to the initial weights"
ARMS = arms("none", "batch", "layer")
SPACING = 0.5  # decades between scales
WIDER = 1.0  # decades: He's and PyTorch's initial weights lie less than that apart
WIDTH = 64


def width(arm: str, at: str = p.BEST, goal: str = "goal") -> p.Along:
    """Decades of scale with which an arm reaches a goal."""
    return p.Along(LEVEL.of(at=at, arm=arm), "scale", "width", goal, SPACING)


def wider(id: str, arm: str, label: str = "", at: str = p.BEST, goal: str = "goal") -> p.Mean:
    """By how much wider the range of an arm is than that without normalization."""
    of = width(arm, at, goal) - width("none", at, goal)
    label = f"{ARM_NAMES[arm]} against none{label}"
    return p.Mean(id=id, label=label, unit="decades wider", of=of)


def make(data: Dataset, effort: Effort) -> Made:
    """How wide the range of initial scales is that reaches the goal."""
    metric = p.metric_name(data)
    deviation = "standard deviation of the initial weights"
    scale = p.numbered("scale", deviation, p.rates_between(-4, 2, SPACING), lambda s: initial(s))
    # The rate falls to 0, so that one evaluation at the end is enough.
    steps = {"steps": 300 if effort.quick else 500, "schedule": "cosine"}
    return asked(
        (p.Prepared(data),),
        claim="initialization",
        phrase=PHRASE,
        states="With normalization the scale of the initial weights matters less.",
        question="Over how many decades can the standard deviation of the initial weights vary so "
        f"that the network still reaches the same {metric}?",
        measure="Width of the usable range in decades: standard deviations (of all layers, biases "
        "0) that end at or above the goal, times their distance. Batch norm's less that without "
        "normalization, paired by seed, mean with 95 % interval.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3: the output of a normalized "
        "layer does not change if its weights are scaled.",
        change="More layers: without normalization a wrong scale counts once for each of them. A "
        "smaller eps lets batch norm begin with smaller weights.",
        blocks=(
            p.Block(
                id="scales",
                base=p.changes(depth=3, width=WIDTH, **steps),
                axes=(scale, ARMS),
                at=(p.Best(), p.Equal()),
                rates=p.rates_between(-3, 0, 1) if effort.quick else p.rates_between(-4, 0, 0.5),
                score=LEVEL,
                seeds=effort.seeds,
                tuning=min(2, effort.tuning),
            ),
        ),
        goals=(
            p.Goal(levels=("none", "batch")),
            p.Goal(id="own", levels=("none", "batch", "layer"), own=True),
        ),
        effects=(
            wider("wider", "batch"),
            wider("wider-equal", "batch", ", equal learning rates", at="equal"),
            wider("wider-own", "batch", ", each to its own goal", goal="own"),
            wider("wider-layer", "layer"),
        ),
        rule=wider_by(WIDER, "scales", "a factor of ten"),
        figures=(
            p.Over(
                id="scales",
                kind=p.STRIPS,
                axis="scale",
                show="median",
                title="Which initial weights train",
                alt="A strip for each arm; the stronger the shade of a scale of the initial "
                "weights, the better the network trained from it, at its best learning rate. "
                "Outlined: it reached the goal.",
                y=metric,
                rows=rows(ARMS, lambda arm: LEVEL.of(arm=arm, scale="$")),
                marks=(
                    p.GOAL,
                    p.MarkSpec("He initialization", math.sqrt(2 / WIDTH), axis="x", id="he"),
                ),
            ),
        ),
    )


def initial(deviation: float) -> dict[str, object]:
    """Normal initial weights."""
    return {"init": "gaussian", "sigma": deviation}


def happened(reading: p.Reading) -> str:
    """The range of each arm: the scales at which most seeds reach the goal."""
    said = []
    for arm in ARMS.levels:
        often = [
            level.name
            for level in reading.block().axis("scale").levels
            if (reading.values(LEVEL.of(arm=arm.id, scale=level.id)) >= reading.goal()).mean() > 0.5
        ]
        decades = p.digits(reading.mean(width(arm.id)))
        found = f"{often[0]} to {often[-1]} ({decades} decades)" if often else "at none"
        said.append(f"{arm.name} {found}")
    goal = p.amount(reading.data, reading.goal())
    return f"{goal} was reached with initial weights of standard deviation: {'; '.join(said)}"


def notes(reading: p.Reading) -> Iterable[str]:
    """Where a range may be wider; and what is not normalized."""
    yield from open_ends(reading, "scale", "scale")
    yield (
        "The output layer is not normalized, so large initial weights make wrong answers certain "
        "ones in every arm."
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every scale, at both kinds of learning rates."""
    metric = reading.experiment.metric
    for at, words in ((p.BEST, "its own best"), ("equal", "equal")):
        title = f"{metric} at the end, at {words} learning rates: median, seeds at the goal"
        columns = {metric: median(LEVEL, at), "reached": reached(at=at)}
        yield of_cells(reading, title, columns, across="arm", at=(at,))


CLAIM = Claim("initialization", PHRASE, make, p.Telling(happened, notes, tables))
