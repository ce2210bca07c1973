"""Claim "gradients": with normalization gradients neither explode nor vanish."""

from __future__ import annotations

from itertools import product
from statistics import fmean

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import CAP

PHRASE = "no exploding or vanishing gradients"
CALM = 1.0  # decades: within a factor of ten, gradients count as neither exploding nor vanishing
WIDTH, SHALLOW, DEEP = 32, 2, 20
DEPTH = c.depths(WIDTH, SHALLOW, 5, 10, DEEP)
ARMS, INITS = c.arms("none", "batch"), c.inits(WIDTH, *c.INITS)
RANGE, FIRST = p.Measure("gradient-range"), p.Measure("first-gradient")
START = p.Clip(FIRST.of("start", depth=str(DEEP)) - FIRST.of("start", depth=str(SHALLOW)), CAP)
"""Decades from the gradient of the shallowest network to that of the deepest, at the first step, of
the first linear layer between two hidden layers."""
CHANGES: dict[str, tuple[str, p.Expr]] = {
    "start": ("before training", abs(START)),
    "best": ("while training", RANGE.of()),
    "equal": ("while training at equal learning rates", RANGE.of(at="equal")),
}
WORDS = {
    "phrase": PHRASE,
    "states": "With normalization gradients neither explode nor vanish.",
    "question": "How much does the gradient change from layer to layer and from a shallow network "
    f"to one of {DEEP} layers, before training and while training?",
    "measure": "Euclidean norm of the loss gradient by a layer's weights, for the layers between "
    "two hidden layers, which all have the same shape. Before training: decades between the first "
    f"of them at depth {SHALLOW} and at depth {DEEP}. While training {DEEP} layers: decades "
    "between the largest and the smallest, median over steps. Changes are cut at "
    f"{CAP:g} decades, and a diverged run counts as that. Difference of the arms paired by seed, "
    "mean with 95 % interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; against it Yang et al. 2019, "
    "arXiv:1902.08129: gradients of batch-normalized networks explode with depth at "
    "initialization.",
    "change": "Another initialization: the gradients of a network without normalization grow or "
    "fall by its scale at every layer. Residual connections change both arms.",
}
CALMER, WILD = p.beyond("calmer/*", 0, "any"), p.beyond("left/*", CALM, "any")
RULE = p.Rule(
    clauses=(
        p.holds(CALMER & p.up_to("left/*", CALM), "they stay within a factor of ten everywhere; "
                "without it they do not"),
        p.in_part(CALMER & WILD, "they change less in {0.n} of {0.of} cases, but still more than "
                  "tenfold {1}"),
        p.in_part(CALMER, "they change less, but whether less than tenfold is not settled"),
        p.fails(p.below("calmer/*", CALM), "they are nowhere clearly calmer with batch norm"),
    ),
    names={"calmer/*": "the decades of change saved, before and while training,",
           "left/*": "the decades of change left with batch norm"},
    otherwise="the intervals include both no gain and a factor of ten",
)  # fmt: skip


def effects() -> p.EffectSpecs:
    """How much calmer batch norm is, and what is left with it; at equal rates not judged."""
    for (phase, (when, of)), init in product(CHANGES.items(), INITS.levels):
        none, batch = c.both(of.where(init=init.id))
        id, label = "equal" if phase == "equal" else f"calmer/{phase}", f"{when}, {init.name}"
        yield p.Mean(f"{id}/{init.id}", label, "decades less change", none - batch, about=when)
        if phase != "equal":
            id, unit = f"left/{phase}/{init.id}", "decades of change are left"
            yield p.Mean(id, label, unit, batch, about=when)


LAYERS = (
    p.Row(f"{arm.id}/layer={n}", f"{arm.name}, layer {n}", cell={"init": "torch", "arm": arm.id},
          number=n)
    for arm, n in product(ARMS.levels, range(2, DEEP + 1, 3))
)  # fmt: skip
LINES = "A line for each arm and initialization"
FIGURES = (
    p.Over(id="start", kind=p.LINES, axis="depth", show="band", block="start", percent=False,
           title="The first layers' gradient before training", y_id="first-gradient",
           alt=f"{LINES}. Where it rises with depth, gradients explode in deep networks; where it "
           "falls, they vanish.", rows=c.rows(FIRST.of("start"), ARMS, INITS),
           y="decades of the gradient norm of a layer near the input"),
    p.Ways(id="range", path="gradient-range", y_id="gradient-range",
           title=f"Largest over smallest gradient among {DEEP} layers", rows=c.ways(ARMS, INITS),
           alt=f"{LINES}, at its best learning rate. A line ends where runs diverge.",
           y="largest ÷ smallest gradient norm", log="y", percent=False,
           marks=(p.MarkSpec("a factor of ten", 10.0, id="tenfold"),)),
    p.Ways(id="layers", path="layer-gradient", kind=p.STRIPS,
           title=f"Gradient norms, layer by layer, with {c.INITS['torch'][1]}",
           alt="A strip for each layer, from the input on, first without normalization and then "
           "with batch norm; the stronger the shade, the larger the gradient.",
           y="gradient norm", y_id="gradient", log="y", percent=False, rows=tuple(LAYERS)),
)  # fmt: skip
BEFORE = f"Before training: the gradient of a layer near the input, {SHALLOW} to {DEEP} layers"
DECADES = p.Column("decades (below 0: smaller)", "mean", START, "signed")
COLUMNS = c.at_each(
    p.Column("rate, {at}", "rate"),
    p.Column("largest ÷ smallest, {at}", "mean", RANGE.of(), "fold"),
    p.Column("{metric}, {at}"),
)
TABLES = (
    p.TableSpec(BEFORE, (DECADES,), "start", rows=("init", "arm")),
    p.TableSpec(f"While training {DEEP} layers", COLUMNS),
)


def make(data: Dataset, effort: Effort) -> Made:
    """Gradient norms of each layer, before training over depth and while training."""
    steps, every = (200, 10) if effort.quick else (500, 25)
    once = p.changes(steps=1, learning_rate=0.0, probe_every=1)
    probed = {"probe_every": every, "evaluate_every": every}
    base = p.changes(depth=DEEP, width=WIDTH, steps=steps, **probed)
    plan = {"at": (p.Best(), p.Equal()), "rates": effort.rates(-5, 0, 0.5), "score": c.LEVEL}
    return asked(
        p.Prepared(data).learnable(), claim="gradients", **WORDS,
        blocks=(
            c.searched("trained", effort, base, (INITS, ARMS), **plan),
            p.Block(id="start", base=once, axes=(INITS, ARMS, DEPTH), seeds=effort.seeds),
        ),
        effects=effects(), rule=RULE, figures=FIGURES, tables=TABLES,
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """PyTorch's initialization, before and while training."""
    grown = [reading.mean(of) for of in c.both(START.where(init="torch"))]
    moved = [f"{'grew' if decades > 0 else 'fell'} {p.fold(decades)}" for decades in grown]
    none, batch = (reading.shown(of, "mean", "fold") for of in c.both(RANGE.of(init="torch")))
    return (
        f"over {DEEP} layers and before training, the gradient {moved[0]} without normalization "
        f"and {moved[1]} with batch norm ({c.INITS['torch'][1]}). While training, its layers' "
        f"gradients differed {none} without and {batch} with it"
    )


def notes(reading: p.Reading) -> p.Notes:
    """The growth a layer, against theory; where it is calmer without."""
    decades = fmean([reading.mean(START.where(init=init, arm="batch")) for init in c.INITS])
    growth = 10 ** (decades / (DEEP - SHALLOW))
    yield (
        f"Before training, batch norm lets the gradient grow {growth:.2f}-fold with each layer, "
        "whatever the initialization; theory says 1.21 for large batches (Yang et al. 2019)."
    )
    worse = [e.label for id, e in reading.effects.items() if id[:7] == "calmer/" and e.high < 0]
    if worse:
        yield f"Calmer without batch norm: {'; '.join(worse)}."


CLAIM = Claim("gradients", PHRASE, make, p.Telling(happened, notes))
