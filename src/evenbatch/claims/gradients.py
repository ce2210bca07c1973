"""Claim "gradients": with normalization gradients neither explode nor vanish."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import (
    ARM_NAMES,
    INITS,
    Claim,
    Effort,
    Made,
    arms,
    asked,
    inits,
    searched,
)
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import CAP
from evenbatch.protocol.tables import mean, number, of_cells, of_values, rate

PHRASE = "no exploding or vanishing gradients"
CALM = 1.0  # decades: within a factor of ten, gradients count as neither exploding nor vanishing
WIDTH, DEPTHS = 32, (2, 5, 10, 20)
DEEP, SHALLOW, ARMS = DEPTHS[-1], DEPTHS[0], arms("none", "batch")
RANGE, FIRST = p.Measure("gradient-range"), p.Measure("first-gradient")
WHEN = {
    "start": "before training",
    "best": "while training",
    "equal": "while training at equal learning rates",
}
PAIRS = [(init, arm) for init in INITS for arm in ("none", "batch")]
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


def start(init: str, arm: str) -> p.Clip:
    """Decades from the gradient of the shallowest network to that of the deepest, at the first
    step, of the first linear layer between two hidden layers."""
    deep, shallow = (FIRST.of("start", init=init, arm=arm, depth=str(d)) for d in (DEEP, SHALLOW))
    return p.Clip(deep - shallow, CAP)


def change(init: str, arm: str, phase: str) -> p.Expr:
    """How many decades gradients change: with depth, or over the layers while training."""
    return abs(start(init, arm)) if phase == "start" else RANGE.of(at=phase, init=init, arm=arm)


def effects() -> Iterable[p.Mean]:
    """How much calmer batch norm is, and what is left with it; at equal rates not judged."""
    for phase, when in WHEN.items():
        for init in INITS:
            none, batch = (change(init, arm, phase) for arm in ("none", "batch"))
            name = "equal" if phase == "equal" else f"calmer/{phase}"
            label, unit = f"{when}, {INITS[init][0]}", "decades less change"
            yield p.Mean(id=f"{name}/{init}", label=label, unit=unit, about=when, of=none - batch)
            if phase != "equal":
                unit = "decades of change are left"
                id = f"left/{phase}/{init}"
                yield p.Mean(id=id, label=label, unit=unit, about=when, of=batch)


def rule() -> p.Rule:
    """From how much less gradients change, and by how much they still do."""
    calmer, wild = p.beyond("calmer/*", 0, "any"), p.beyond("left/*", CALM, "any")
    calm = p.Both((calmer, p.up_to("left/*", CALM)))
    still = "they change less in {0.n} of {0.of} cases, but still more than tenfold {1}"
    return p.Rule(
        clauses=(
            p.holds(calm, "they stay within a factor of ten everywhere; without it they do not"),
            p.in_part(p.Both((calmer, wild)), still),
            p.in_part(calmer, "they change less, but whether less than tenfold is not settled"),
            p.fails(p.below("calmer/*", CALM), "they are nowhere clearly calmer with batch norm"),
        ),
        names={
            "calmer/*": "the decades of change saved, before and while training,",
            "left/*": "the decades of change left with batch norm",
        },
        otherwise="the intervals include both no gain and a factor of ten",
    )


def figures() -> Iterable[p.Over | p.Ways]:
    """Before training over depth; while training over steps, and layer by layer."""
    named = {(init, arm): f"{ARM_NAMES[arm]}, {INITS[init][0]}" for init, arm in PAIRS}
    depth = tuple(
        p.Row(f"{arm}/{init}", named[init, arm], FIRST.of("start", init=init, arm=arm, depth="$"))
        for init, arm in PAIRS
    )
    trained = tuple(p.Row(f"{a}/{i}", named[i, a], cell={"init": i, "arm": a}) for i, a in PAIRS)
    shown = np.linspace(2, DEEP, 7).round().astype(int).tolist()
    layers = tuple(
        p.Row(
            f"{arm}/layer={n}",
            f"{ARM_NAMES[arm]}, layer {n}",
            cell={"init": "torch", "arm": arm},
            number=n,
        )
        for arm in ("none", "batch")
        for n in shown
    )
    lines = "A line for each arm and initialization"
    rising = "Where it rises with depth, gradients explode in deep networks; where it falls, they "
    near = "decades of the gradient norm of a layer near the input"
    yield p.Over(id="start", kind=p.LINES, axis="depth", show="band", y=near, percent=False,
                 y_id="first-gradient",
                 title="The first layers' gradient before training", rows=depth, block="start",
                 alt=f"{lines}. {rising}vanish.")  # fmt: skip
    yield p.Ways(id="range", path="gradient-range", y="largest ÷ smallest gradient norm", log="y",
                 y_id="gradient-range",
                 title=f"Largest over smallest gradient among {DEEP} layers", rows=trained,
                 alt=f"{lines}, at its best learning rate. A line ends where runs diverge.",
                 percent=False,
                 marks=(p.MarkSpec("a factor of ten", 10.0, id="tenfold"),))  # fmt: skip
    yield p.Ways(id="layers", path="layer-gradient", kind=p.STRIPS, y="gradient norm", log="y",
                 y_id="gradient",
                 title=f"Gradient norms, layer by layer, with {INITS['torch'][1]}", rows=layers,
                 alt="A strip for each layer, from the input on, first without normalization and "
                 "then with batch norm; the stronger the shade, the larger the gradient.",
                 percent=False)  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """Gradient norms of each layer, before training over depth and while training."""
    steps, axis = 200 if effort.quick else 500, inits(WIDTH, *INITS)
    once = p.changes(steps=1, learning_rate=0.0, probe_every=1)
    every = {"steps": steps, "probe_every": steps // 20, "evaluate_every": steps // 20}
    depth = p.numbered("depth", "hidden layers", DEPTHS, lambda d: {"depth": d, "width": WIDTH})
    rates = p.rates_between(-5, 0, 1.0 if effort.quick else 0.5)
    plan = {"at": (p.Best(), p.Equal()), "rates": rates, "score": LEVEL}
    base = p.changes(depth=DEEP, width=WIDTH, **every)
    return asked(
        (p.Prepared(data),),
        claim="gradients",
        **WORDS,
        blocks=(
            searched("trained", effort, base, (axis, ARMS), **plan),
            p.Block(id="start", base=once, axes=(axis, ARMS, depth), seeds=effort.seeds),
        ),
        effects=tuple(effects()),
        rule=rule(),
        figures=tuple(figures()),
    )


def happened(reading: p.Reading) -> str:
    """PyTorch's initialization, before and while training."""
    grown = [reading.mean(start("torch", arm)) for arm in ("none", "batch")]
    moved = [f"{'grew' if decades > 0 else 'fell'} {p.fold(decades)}" for decades in grown]
    none, batch = (p.fold(reading.mean(RANGE.of(init="torch", arm=a))) for a in ("none", "batch"))
    return (
        f"over {DEEP} layers and before training, the gradient {moved[0]} without normalization "
        f"and {moved[1]} with batch norm ({INITS['torch'][1]}). While training, its layers' "
        f"gradients differed {none} without and {batch} with it"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """The growth a layer, against theory; where it is calmer without."""
    decades = np.mean([reading.mean(start(init, "batch")) for init in INITS])
    growth = 10 ** (decades / (DEEP - SHALLOW))
    yield (
        f"Before training, batch norm lets the gradient grow {growth:.2f}-fold with "
        "each layer, whatever the initialization; theory says 1.21 for large batches "
        "(Yang et al. 2019)."
    )
    worse = [e.label for id, e in reading.effects.items() if id[:7] == "calmer/" and e.high < 0]
    if worse:
        yield f"Calmer without batch norm: {'; '.join(worse)}."


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Before training, and while training at both kinds of learning rates."""
    title = f"Before training: the gradient of a layer near the input, {SHALLOW} to {DEEP} layers"
    found: dict[tuple[str, ...], list[p.Expr]] = {
        (INITS[init][0], ARM_NAMES[arm]): [start(init, arm)] for init, arm in PAIRS
    }
    heads = (("initialization", "arm"), ["decades (below 0: smaller)"])
    yield of_values(reading, title, heads[0], found, heads[1], lambda v: p.signed(float(v.mean())))
    columns = {}
    for at, words in reading.kinds("trained").items():
        columns[f"rate, {words}"] = rate(at)
        columns[f"largest ÷ smallest, {words}"] = number(RANGE, p.fold, at)
        columns[f"{reading.experiment.metric}, {words}"] = mean(LEVEL, at)
    yield of_cells(reading, f"While training {DEEP} layers", columns, block="trained")


CLAIM = Claim("gradients", PHRASE, make, p.Telling(happened, notes, tables))
