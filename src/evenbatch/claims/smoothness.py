"""Claim "smoothness": with normalization the loss is smoother along the way of training."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import INITS, Claim, Effort, Made, arms, asked, inits, searched, ways
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import KEPT
from evenbatch.protocol.tables import mean, number, of_cells, rate

PHRASE = "a smoother loss"
ARMS, WHERE = arms("none", "batch"), ("torch", "he")
MEASURES = {"loss": p.Measure("loss-change"), "gradient": p.Measure("gradient-change")}
KINDS: tuple[p.Equal | p.Best, ...] = (
    p.Equal(by="min", name="equal learning rates"),
    p.Best(name="best learning rates"),
)

WORDS = {
    "phrase": PHRASE,
    "states": "With normalization the loss is smoother, so that the gradient can be trusted "
    "further.",
    "question": "How much do the loss and the gradient change along the gradient's direction, with "
    "and without batch norm?",
    "measure": "At each of 20 steps of the run, 8 points along the negative gradient, from half to "
    "four times the learning rate: highest less lowest loss, and the largest distance of the "
    "gradient from the one at the start; median over steps. Without, divided by with batch norm: "
    "geometric mean over seeds, 95 % interval.",
    "fairness": "At equal rates both arms go equally many times their gradients far. Where an arm "
    "learns nothing at such a rate, the case is left out: a plain is smooth, too.",
    "source": "Santurkar et al. 2018, arXiv:1805.11604, figure 4.",
    "change": "Other learning rates: they say how far along the gradient is looked. A network that "
    "learns nothing lies on a plain, which is smooth too.",
}


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


def rule() -> p.Rule:
    """From the factors by which loss and gradient change less."""
    smoother = "smoother/*"
    never_rougher = p.Interval(smoother, "high", "<", 1, "always")
    some = p.Both((p.beyond(smoother, 1, "any"), never_rougher))
    return p.Rule(
        clauses=(
            p.holds(p.beyond(smoother, 1), "smoother in every case"),
            p.in_part(some, "smoother in {0.n} of {0.of} cases, and rougher in {1.n}"),
            p.fails(p.below(smoother, 2), "smoother in no case; twice as smooth is ruled out"),
        ),
        names={smoother: "the factors by which loss and gradient change less"},
        otherwise="the intervals include both no gain and twice as smooth",
    )


def figures() -> Iterable[p.Ways]:
    """For each initialization the loss along the gradient; and how far the gradient changes."""
    for init in WHERE:
        yield p.Ways(
            id=f"loss/{init}",
            path="loss-along",
            title=f"The loss along the gradient, {INITS[init][1]}",
            alt="The line is the loss of the minibatch, the band what it becomes between half and "
            "four times the step along the gradient, median over seeds; a wide band is a rough "
            "way. Both arms have the same learning rate.",
            rows=ways(ARMS, init=init),
            y="loss",
            y_id="loss",
            log="y",
            percent=False,
            at="equal",
        )
    yield p.Ways(
        id="gradient",
        path="gradient-along",
        title="How far the gradient changes along its own direction",
        alt="A line for each arm and initialization, at equal learning rates: the lower, the "
        "longer a gradient stays true.",
        rows=tuple(
            p.Row(
                f"{arm.id}/{init}",
                f"{arm.name}, {INITS[init][0]}",
                cell={"init": init, "arm": arm.id},
            )
            for init, arm in product(WHERE, ARMS.levels)
        ),
        y="largest change of the gradient",
        y_id="gradient-change",
        log="y",
        percent=False,
        at="equal",
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Loss and gradient along the gradient's direction, with and without batch norm."""
    steps, every = (300, 15) if effort.quick else (1000, 50)
    surveys = {"steps": steps, "evaluate_every": every, "landscape_every": every}
    rates = p.rates_between(-4, 0, 1.0 if effort.quick else 0.5)
    plan = {"at": KINDS, "rates": rates, "score": LEVEL}
    base, axes = p.changes(depth=3, width=64, **surveys), (inits(64, *WHERE), ARMS)
    return asked(
        (p.Prepared(data),),
        claim="smoothness",
        **WORDS,
        blocks=(searched("surveyed", effort, base, axes, **plan),),
        effects=tuple(effects()),
        rule=rule(),
        figures=tuple(figures()),
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


CLAIM = Claim("smoothness", PHRASE, make, p.Telling(happened, notes, tables))
