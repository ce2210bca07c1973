"""Claim "depth": with normalization networks of 50 and more layers train, without it not."""

from __future__ import annotations

from itertools import product

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "even 50+ layers train"
LAYERS, WIDTH = 50, 32
SHARE = 0.5  # of the way to the weaker arm's best: a network that got so far trains
USUAL = (0.001, 0.01, 0.1)
ARMS = c.arms("none", "batch")
INSIDE = {
    f"{'residual' if k else 'plain'}-{i}": (k, i) for k, i in product((0, 2), ("torch", "he"))
}
NAMES = {id: f"{id.split('-')[0]}, {c.INITS[init][0]}" for id, (_, init) in INSIDE.items()}
LEVELS = (
    p.Level(id, NAMES[id], p.changes(residual=k, **c.initial(init, WIDTH)))
    for id, (k, init) in INSIDE.items()
)
NETWORKS = p.Axis("setting", "network", tuple(LEVELS))
PLAIN, RESIDUAL = dict(list(NAMES.items())[:2]), dict(list(NAMES.items())[2:])
KINDS = (p.Best(), p.Among(USUAL, "usual", "usual learning rates"), p.Equal())
WORDS = {
    "phrase": PHRASE,
    "states": "With normalization even 50 and more layers train; without it training becomes "
    "nearly impossible.",
    "question": "Up to which depth does a network reach the same {metric} within the same number "
    "of steps, with and without batch norm?",
    "measure": "The deepest network that reaches the goal, as all shallower ones do, and how many "
    f"times deeper it is with batch norm; how far networks of {LAYERS} layers get, as a share of "
    "the way to the goal. Paired by seed, 95 % interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167; He et al. 2016, arXiv:1603.05027 (residual "
    "connections); against it Yang et al. 2019, arXiv:1902.08129.",
    "change": "More steps and more careful learning rates (warm-up) let deeper networks train, in "
    "both arms. Residual connections matter more than anything tried here.",
}
DEEPEST = p.Along(c.LEVEL.of(), "depth", "deepest")
"""The deepest network that reaches the goal, as all shallower ones do; 1 if none does. (A single
deep one that gets there by luck is no depth that trains.)"""
ALONE = p.above("batch/$", 1) & p.below("none/$", 1)
DEEPER = p.beyond("deeper/*", 1, "any")
NO_GAIN = p.below("batch/$", 1) | p.above("none/$", 1) | p.up_to("deeper/$", 1)
RULE = p.Rule(
    clauses=(
        p.holds(p.Each(PLAIN, ALONE), f"{LAYERS} layers train with batch norm alone, not without "
                "it"),
        p.in_part(p.Each(PLAIN, ALONE, "any"), f"{LAYERS} layers need batch norm under one "
                  "initialization"),
        p.in_part(p.Each(RESIDUAL, ALONE, "any"), f"{LAYERS} layers train with batch norm only if "
                  "there are residual connections"),
        p.in_part(DEEPER & p.below("batch/*", 1), f"deeper networks train, but none of {LAYERS} "
                  "layers"),
        p.in_part(DEEPER, f"deeper networks train, but {LAYERS} layers not by batch norm alone"),
        p.fails(p.Each(NAMES, NO_GAIN), "batch norm takes no network deeper"),
    ),
    names={"batch/$": "batch norm", "none/$": "no normalization", "batch/*": "batch norm",
           "deeper/$": "the factor of depth", "deeper/*": "the factors of depth"},
    otherwise=f"whether {LAYERS} layers train is not settled",
    where=f"best against best, {LAYERS} layers as a share of the way to the goal",
)  # fmt: skip


def effects() -> p.EffectSpecs:
    """Of each kind of network: how many times deeper, and how far `LAYERS` layers get."""
    for id, name in NAMES.items():
        none, batch = c.both(DEEPEST.where(setting=id))
        yield p.Ratio(f"deeper/{id}", f"deepest network, {name}", "times deeper", batch, none)
        for arm in reversed(ARMS.levels):
            way = p.WayToGoal(c.LEVEL.of(arm=arm.id, setting=id, depth=str(LAYERS)))
            label = f"{LAYERS} layers, {arm.name}, {name}"
            yield p.Mean(f"{arm.id}/{id}", label, "of the way to the goal", way)


FIGURES = (
    p.Over(id="depths", kind=p.STRIPS, axis="depth", show="median", title="Which depths train",
           alt="A strip for each arm and kind of network, from shallow to deep; the stronger the "
           "shade, the better the trained network. Outlined: it reached the goal.",
           y="{metric}", rows=c.rows(c.LEVEL.of(), ARMS, NETWORKS), marks=(p.GOAL,)),
    p.Over(id="deepest", kind=p.DOTS, axis="setting", show="range",
           title="The deepest network that trains",
           alt="For each kind of network the deepest of both arms that reached the goal, as all "
           f"shallower ones did, median and range over seeds; {WIDTH} units a layer. 1 means that "
           "none did.",
           y="hidden layers", y_id="depth", log="y", percent=False, rows=c.rows(DEEPEST, ARMS)),
)  # fmt: skip
REACHED = (p.Column("median", "median"), p.Column("reached", "reached"))
STOPS = (p.Column(f"layers, {at.name}", "lower", DEEPEST.where(at=at.id), "layers") for at in KINDS)
TABLES = (
    p.TableSpec("{metric} at the end", (*REACHED, p.Column("best rate", "rate")), across="arm"),
    p.TableSpec("The deepest network that trains (median over seeds)", tuple(STOPS),
                rows=("setting", "arm")),
)  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """How deep a network trains with and without batch norm."""
    depths = (2, 10, 20, 50, 100) if effort.quick else (2, 5, 10, 20, 30, 50, 100)
    # The rate falls to 0, so that one evaluation at the end is enough; more of them would cost as
    # much as the training.
    base = p.changes(steps=150 if effort.quick else 300, schedule="cosine")
    axes = (NETWORKS, c.depths(WIDTH, *depths), ARMS)
    rates, few = p.rates_between(-4 if effort.quick else -5, 0, 1.0), min(2, effort.tuning)
    plan = {"at": KINDS, "rates": rates, "score": c.LEVEL, "tuning": few}
    return asked(
        p.Prepared(data).learnable(), claim="depth", **WORDS,
        blocks=(c.searched("depths", effort, base, axes, **plan),),
        goals=(p.Goal(levels=("none", "batch"), share=SHARE),),
        effects=effects(), rule=RULE, figures=FIGURES, tables=TABLES,
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """How deep both arms get, plain and with residual connections."""
    said = []
    for id, (_, init) in INSIDE.items():
        both = c.both(DEEPEST.where(setting=id))
        none, batch = (reading.shown(of, "lower", "layers") for of in both)
        said.append(f"{none} without and {batch} with batch norm ({c.INITS[init][1]})")
    plain, residual = ", ".join(said[:2]), ", ".join(said[2:])
    return f"the most layers that trained were {plain}; with residual connections {residual}"


def notes(reading: p.Reading) -> p.Notes:
    """What trains without batch norm as well."""
    without = [name for id, name in NAMES.items() if reading.effects[f"none/{id}"].low >= 1]
    if without:
        yield f"{LAYERS} layers train without batch norm as well: {'; '.join(without)}."


CLAIM = Claim("depth", PHRASE, make, p.Telling(happened, notes))
