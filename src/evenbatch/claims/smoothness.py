"""Claim "smoothness": with normalization the loss is smoother along the way of training."""

from __future__ import annotations

from itertools import product

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "a smoother loss"
ARMS, INITS = c.arms("none", "batch"), c.inits(64, "torch", "he")
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
SMOOTHER = "smoother/*"
NEVER_ROUGHER = p.Interval(SMOOTHER, "high", "<", 1, "always")
RULE = p.Rule(
    clauses=(
        p.holds(p.beyond(SMOOTHER, 1), "smoother in every case"),
        p.in_part(p.beyond(SMOOTHER, 1, "any") & NEVER_ROUGHER, "smoother in {0.n} of {0.of} "
                  "cases, and rougher in {1.n}"),
        p.fails(p.below(SMOOTHER, 2), "smoother in no case; twice as smooth is ruled out"),
    ),
    names={SMOOTHER: "the factors by which loss and gradient change less"},
    otherwise="the intervals include both no gain and twice as smooth",
)  # fmt: skip


def effects() -> p.EffectSpecs:
    """How many times less loss and gradient change, at both kinds of learning rates."""
    for at, init, (name, measure) in product(KINDS, INITS.levels, MEASURES.items()):
        none, batch = c.both(measure.of(at=at.id, init=init.id))
        yield p.Ratio(
            f"smoother/{at.id}/{init.id}/{name}", f"{{at}}, {init.name}",
            f"times smaller change of the {name}", none, batch, learned=True,
        )  # fmt: skip


def figures() -> p.FigureSpecs:
    """For each initialization the loss along the gradient; and how far the gradient changes."""
    for init in INITS.levels:
        yield p.Ways(
            id=f"loss/{init.id}", path="loss-along", at="equal",
            title=f"The loss along the gradient, {c.INITS[init.id][1]}",
            alt="The line is the loss of the minibatch, the band what it becomes between half and "
            "four times the step along the gradient, median over seeds; a wide band is a rough "
            "way. Both arms have the same learning rate.",
            y="loss", y_id="loss", log="y", percent=False, rows=c.ways(ARMS, init=init.id),
        )  # fmt: skip
    yield p.Ways(
        id="gradient", path="gradient-along", at="equal",
        title="How far the gradient changes along its own direction",
        alt="A line for each arm and initialization, at equal learning rates: the lower, the "
        "longer a gradient stays true.",
        y="largest change of the gradient", y_id="gradient-change", log="y", percent=False,
        rows=c.ways(ARMS, INITS),
    )  # fmt: skip


def table(at: p.Equal | p.Best) -> p.TableSpec:
    """Every arm at one kind of learning rates."""
    columns = (
        p.Column("learning rate", "rate"),
        p.Column("change of the loss (nats)", "median", MEASURES["loss"].of(), "cut"),
        p.Column("change of the gradient", "median", MEASURES["gradient"].of(), "cut"),
        p.Column("change ÷ gradient", "median", p.Measure("relative-change").of(), "cut"),
        p.Column("{metric} at the end"),
    )
    title = f"Along the gradient, half to four times a step, at {at.name}: medians"
    return p.TableSpec(title, c.at_each(*columns, kinds=(at.id,)))


def make(data: Dataset, effort: Effort) -> Made:
    """Loss and gradient along the gradient's direction, with and without batch norm."""
    steps, every = (300, 15) if effort.quick else (1000, 50)
    surveyed = {"steps": steps, "evaluate_every": every, "landscape_every": every}
    base = p.changes(depth=3, width=64, **surveyed)
    plan = {"at": KINDS, "rates": effort.rates(-4, 0, 0.5), "score": c.LEVEL}
    return asked(
        p.Prepared(data).learnable(), claim="smoothness", **WORDS,
        blocks=(c.searched("surveyed", effort, base, (INITS, ARMS), **plan),),
        effects=effects(), rule=RULE, figures=figures(), tables=map(table, KINDS),
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """Both measures at equal learning rates."""
    found = []
    for init in INITS.levels:
        values = (c.both(of.of(at="equal", init=init.id)) for of in MEASURES.values())
        loss, gradient = ([reading.shown(of, "median", "cut") for of in both] for both in values)
        found.append(
            f"the loss changes by {loss[0]} without and {loss[1]} with batch norm, the gradient by "
            f"{gradient[0]} and {gradient[1]} ({c.INITS[init.id][1]})"
        )
    return f"along the gradient, at equal learning rates, {'; '.join(found)}"


def notes(reading: p.Reading) -> p.Notes:
    """What is left out, and where both comparisons are one."""
    left_out = [spec for spec in reading.experiment.effects if not reading.judged(spec)]
    for label in dict.fromkeys(reading.effect(spec).label for spec in left_out):
        yield f"Left out, because an arm learned nothing there, or it is the same case: {label}."


CLAIM = Claim("smoothness", PHRASE, make, p.Telling(happened, notes))
