"""Claim "smoothness": with normalization the loss is smoother along the way of training."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, INITS, Claim, Effort, Made, arms, asked, inits
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import KEPT, way
from evenbatch.protocol.tables import mean, number, of_cells, rate

PHRASE = "a smoother loss"
ARMS, WHERE = arms("none", "batch"), ("torch", "he")
MEASURES = {"loss": p.Measure("loss-change"), "gradient": p.Measure("gradient-change")}
KINDS: tuple[p.Equal | p.Best, ...] = (
    p.Equal(by="min", name="equal learning rates"),
    p.Best(name="best learning rates"),
)


def effects() -> Iterable[p.Ratio]:
    """How many times less loss and gradient change, at both kinds of learning rates."""
    for at, init, (name, measure) in product(KINDS, WHERE, MEASURES.items()):
        none, batch = (measure.of(at=at.id, init=init, arm=arm) for arm in ("none", "batch"))
        yield p.Ratio(
            id=f"smoother/{at.id}/{init}/{name}",
            label=f"{at.name}, {INITS[init][0]}",
            unit=f"times smaller change of the {name}",
            above=none,
            below=batch,
            learned=True,
        )


def make(data: Dataset, effort: Effort) -> Made:
    """Loss and gradient along the gradient's direction, with and without batch norm."""
    steps, every = (300, 15) if effort.quick else (1000, 50)
    surveys = {"steps": steps, "evaluate_every": every, "landscape_every": every}
    smoother = "smoother/*"
    return asked(
        (p.Prepared(data),),
        claim="smoothness",
        phrase=PHRASE,
        states="With normalization the loss is smoother, so that the gradient can be trusted "
        "further.",
        question="How much do the loss and the gradient change along the gradient's direction, "
        "with and without batch norm?",
        measure="At each of 20 steps of the run, 8 points along the negative gradient, from half "
        "to four times the learning rate: highest less lowest loss, and the largest distance of "
        "the gradient from the one at the start; median over steps. Without, divided by with batch "
        "norm: geometric mean over seeds, 95 % interval.",
        fairness="At equal rates both arms go equally many times their gradients far. Where an arm "
        "learns nothing at such a rate, the case is left out: a plain is smooth, too.",
        source="Santurkar et al. 2018, arXiv:1805.11604, figure 4.",
        change="Other learning rates: they say how far along the gradient is looked. A network "
        "that learns nothing lies on a plain, which is smooth too.",
        blocks=(
            p.Block(
                id="surveyed",
                base=p.changes(depth=3, width=64, **surveys),
                axes=(inits(64, *WHERE), ARMS),
                at=KINDS,
                rates=p.rates_between(-4, 0, 1.0 if effort.quick else 0.5),
                score=LEVEL,
                seeds=effort.seeds,
                tuning=effort.tuning,
            ),
        ),
        effects=tuple(effects()),
        rule=p.Rule(
            clauses=(
                p.holds(p.beyond(smoother, 1), "smoother in every case"),
                p.in_part(
                    p.Both(
                        (
                            p.beyond(smoother, 1, "any"),
                            p.Interval(smoother, "high", "<", 1, "always"),
                        )
                    ),
                    "smoother in {0.n} of {0.of} cases, and rougher in {1.n}",
                ),
                p.fails(p.below(smoother, 2), "smoother in no case; twice as smooth is ruled out"),
            ),
            names={smoother: "the factors by which loss and gradient change less"},
            otherwise="the intervals include both no gain and twice as smooth",
        ),
    )


def said(value: float) -> str:
    """A change in a few digits; one that is not finite was cut.

    >>> said(0.0123), said(1e9)
    ('0.012', 'without limit')
    """
    return "without limit" if value >= KEPT[1] else p.digits(value)


def happened(reading: p.Reading) -> str:
    """Both measures at equal learning rates."""
    found = []
    for init in WHERE:
        loss, gradient = (
            [
                said(float(np.median(reading.values(measure.of(at="equal", init=init, arm=arm)))))
                for arm in ("none", "batch")
            ]
            for measure in MEASURES.values()
        )
        found.append(
            f"the loss changes by {loss[0]} without and {loss[1]} with batch norm, the gradient by "
            f"{gradient[0]} and {gradient[1]} ({INITS[init][1]})"
        )
    return f"along the gradient, at equal learning rates, {'; '.join(found)}"


def notes(reading: p.Reading) -> Iterable[str]:
    """What is left out, and where both comparisons are one."""
    left_out = [spec.label for spec in effects() if not reading.judged(spec)]
    for label in dict.fromkeys(left_out):
        yield f"Left out, because an arm learned nothing there, or it is the same case: {label}."


def figures(reading: p.Reading) -> Iterable[p.Figure]:
    """For each initialization the loss along the gradient; and how far the gradient changes."""
    name, lines = reading.data.name, []
    for init in WHERE:
        series = []
        for arm in ARMS.levels:
            runs = [way(run) for run in reading.runs((init, arm.id), at="equal")]
            here, low, high, moved = (
                p.way_of(arm.id, arm.name, [(w.step, getattr(w, part)) for w in runs])
                for part in ("here", "low", "high", "gradient_change")
            )
            series.append(p.Series(arm.name, here.x, here.y, low.y, high.y, id=arm.id))
            words = f"{ARM_NAMES[arm.id]}, {INITS[init][0]}"
            lines.append(p.Series(words, moved.x, moved.y, moved.low, moved.high, id=arm.id))
        yield p.Figure(
            p.LINES,
            f"The loss along the gradient, {INITS[init][1]}: {name}",
            "The line is the loss of the minibatch, the band what it becomes between half and four "
            "times the step along the gradient, median over seeds; a wide band is a rough way. "
            "Both arms have the same learning rate.",
            p.FigureAxis("steps"),
            p.FigureAxis("loss", log=True),
            tuple(series),
            id=f"loss/{init}",
        )
    yield p.Figure(
        p.LINES,
        f"How far the gradient changes along its own direction: {name}",
        "A line for each arm and initialization, at equal learning rates: the lower, the longer a "
        "gradient stays true.",
        p.FigureAxis("steps"),
        p.FigureAxis("largest change of the gradient", log=True),
        tuple(lines),
        id="gradient",
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every arm at both kinds of learning rates."""
    for at in KINDS:
        columns = {
            "learning rate": rate(at.id),
            "change of the loss (nats)": number(MEASURES["loss"], said, at.id, middle=True),
            "change of the gradient": number(MEASURES["gradient"], said, at.id, middle=True),
            "change ÷ gradient": number(p.Measure("relative-change"), said, at.id, middle=True),
            f"{reading.experiment.metric} at the end": mean(LEVEL, at.id),
        }
        title = f"Along the gradient, half to four times a step, at {at.name}: medians"
        yield of_cells(reading, title, columns, at=(at.id,))


CLAIM = Claim("smoothness", PHRASE, make, p.Telling(happened, notes, figures, tables))
