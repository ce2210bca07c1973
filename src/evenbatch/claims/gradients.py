"""Claim "gradients": with normalization gradients neither explode nor vanish."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, INITS, Claim, Effort, Made, arms, asked, inits
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import CAP, between, gradient_ratios
from evenbatch.protocol.tables import mean, number, of_cells, of_values, rate

PHRASE = "no exploding or vanishing gradients"
ARMS = arms("none", "batch")
CALM = 1.0  # decades: within a factor of ten, gradients count as neither exploding nor vanishing
WIDTH, DEPTHS = 32, (2, 5, 10, 20)
RANGE, FIRST = p.Measure("gradient-range"), p.Measure("first-gradient")
EQUAL = "while training at equal learning rates"


def start(init: str, arm: str) -> p.Clip:
    """Decades from the gradient of the shallowest network to that of the deepest, at the first
    step, of the first linear layer between two hidden layers."""
    deep, shallow = (
        FIRST.of("start", init=init, arm=arm, depth=str(d)) for d in (DEPTHS[-1], DEPTHS[0])
    )
    return p.Clip(deep - shallow, CAP)


def change(init: str, arm: str, phase: str) -> p.Expr:
    """How many decades gradients change: with depth, or over the layers while training."""
    if phase == "start":
        return abs(start(init, arm))
    return RANGE.of("trained", "equal" if phase == "equal" else p.BEST, init=init, arm=arm)


def effects() -> Iterable[p.Mean]:
    """How much calmer batch norm is, and what is left with it."""
    phases = {"start": "before training", "best": "while training", "equal": EQUAL}
    for kind, words in (("calmer", "decades less change"), ("left", "decades of change are left")):
        for phase, when in phases.items() if kind == "calmer" else list(phases.items())[:2]:
            for init in INITS:
                batch = change(init, "batch", phase)
                yield p.Mean(
                    id=f"{kind}-{phase}/{init}" if phase == "equal" else f"{kind}/{phase}/{init}",
                    label=f"{when}, {INITS[init][0]}",
                    unit=words,
                    about=when,
                    of=change(init, "none", phase) - batch if kind == "calmer" else batch,
                )


def rule() -> p.Rule:
    """From how much less gradients change, and by how much they still do."""
    calmer, wild = p.Interval("calmer/*", "low", ">", 0, "any"), p.beyond("left/*", CALM, "any")
    return p.Rule(
        clauses=(
            p.holds(
                p.Both((calmer, p.up_to("left/*", CALM))),
                "they stay within a factor of ten everywhere, and without it they do not",
            ),
            p.in_part(
                p.Both((calmer, wild)),
                "they change less in {0.n} of {0.of} cases, but still more than tenfold {1}",
            ),
            p.in_part(calmer, "they change less, but whether less than tenfold is not settled"),
            p.fails(p.below("calmer/*", CALM), "they are nowhere clearly calmer with batch norm"),
        ),
        names={
            "calmer/*": "the decades of change saved, before and while training,",
            "left/*": "the decades of change left with batch norm",
        },
        otherwise="the intervals include both no gain and a factor of ten",
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Gradient norms of each layer, before training over depth and while training."""
    deep, steps, axis = DEPTHS[-1], 200 if effort.quick else 500, inits(WIDTH, *INITS)
    once = {"steps": 1, "learning_rate": 0.0, "probe_every": 1}
    every = {"steps": steps, "probe_every": steps // 20, "evaluate_every": steps // 20}
    depth = p.numbered("depth", "hidden layers", DEPTHS, lambda d: {"depth": d, "width": WIDTH})
    return asked(
        (p.Prepared(data),),
        claim="gradients",
        phrase=PHRASE,
        states="With normalization gradients neither explode nor vanish.",
        question="How much does the gradient change from layer to layer and from a shallow network "
        f"to one of {deep} layers, before training and while training?",
        measure="Euclidean norm of the loss gradient by a layer's weights, for the layers between "
        "two hidden layers, which all have the same shape. Before training: decades between the "
        f"first of them at depth {DEPTHS[0]} and at depth {deep}. While training {deep} layers: "
        "decades between the largest and the smallest, median over steps. Changes are cut at "
        f"{CAP:g} decades, and a diverged run counts as that. Difference of the arms paired by "
        "seed, mean with 95 % interval.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; against it Yang et al. 2019, "
        "arXiv:1902.08129: gradients of batch-normalized networks explode with depth at "
        "initialization.",
        change="Another initialization: the gradients of a network without normalization grow or "
        "fall by its scale at every layer. Residual connections change both arms.",
        blocks=(
            p.Block(
                id="trained",
                base=p.changes(depth=deep, width=WIDTH, **every),
                axes=(axis, ARMS),
                at=(p.Best(), p.Equal()),
                rates=p.rates_between(-5, 0, 1.0 if effort.quick else 0.5),
                score=LEVEL,
                seeds=effort.seeds,
                tuning=effort.tuning,
            ),
            p.Block(
                id="start", base=p.changes(**once), axes=(axis, ARMS, depth), seeds=effort.seeds
            ),
        ),
        effects=tuple(effects()),
        rule=rule(),
        figures=(
            p.Over(
                id="start",
                kind=p.LINES,
                axis="depth",
                show="band",
                title="The first layers' gradient before training",
                alt="A line for each arm and initialization. Where a line rises with depth, "
                "gradients explode in deep networks, where it falls, they vanish.",
                y="decades of the gradient norm of a layer near the input",
                percent=False,
                rows=tuple(
                    p.Row(arm, f"{ARM_NAMES[arm]}, {INITS[init][0]}", FIRST.of("start", **cell))
                    for init in INITS
                    for arm in ("none", "batch")
                    for cell in ({"init": init, "arm": arm, "depth": "$"},)
                ),
                block="start",
            ),
        ),
    )


def happened(reading: p.Reading) -> str:
    """PyTorch's initialization, before and while training."""
    grown = [reading.mean(start("torch", arm)) for arm in ("none", "batch")]
    moved = [f"{'grew' if decades > 0 else 'fell'} {p.fold(decades)}" for decades in grown]
    none, batch = (
        p.fold(reading.mean(RANGE.of(init="torch", arm=arm))) for arm in ("none", "batch")
    )
    return (
        f"over {DEPTHS[-1]} layers and before training, the gradient {moved[0]} without "
        f"normalization and {moved[1]} with batch norm ({INITS['torch'][1]}). While training, its "
        f"layers' gradients differed {none} without and {batch} with it"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """The growth a layer, against theory; where it is calmer without."""
    decades = np.mean([reading.mean(start(init, "batch")) for init in INITS])
    growth = 10 ** (decades / (DEPTHS[-1] - DEPTHS[0]))
    yield (
        f"Before training, batch norm lets the gradient grow {growth:.2f}-fold with each layer, "
        "whatever the initialization; theory says 1.21 for large batches (Yang et al. 2019)."
    )
    found = reading.effects.items()
    worse = [e.label for id, e in found if id.startswith("calmer/") and e.high < 0]
    if worse:
        yield f"Calmer without batch norm: {'; '.join(worse)}."


def figures(reading: p.Reading) -> Iterable[p.Figure]:
    """While training over steps, and layer by layer."""
    name = reading.data.name
    series, strips = [], []
    for init in INITS:
        for arm, words in (("none", ARM_NAMES["none"]), ("batch", ARM_NAMES["batch"])):
            runs = reading.runs((init, arm), "trained")
            steps = runs[0].trial.probe_steps()
            found = [(steps[: len(r)], r) for r in map(gradient_ratios, runs)]
            series.append(p.way_of(arm, f"{words}, {INITS[init][0]}", found, steps))
            layers = [between(run) for run in runs]
            shown = np.linspace(0, layers[0].shape[1] - 1, 7).round().astype(int)
            for layer in shown if init == "torch" else ():
                own = [(steps[: len(r)], r[:, layer]) for r in layers]
                strips.append(p.way_of(arm, f"{words}, layer {layer + 2}", own, steps))
    yield p.Figure(
        p.LINES,
        f"Largest over smallest gradient among {DEPTHS[-1]} layers: {name}",
        "A line for each arm and initialization, at its best learning rate: how unequal the "
        "gradients of the layers are while training. A line ends where runs diverge.",
        p.FigureAxis("steps"),
        p.FigureAxis("largest ÷ smallest gradient norm", log=True),
        tuple(series),
        (p.Mark("a factor of ten", 10.0),),
        id="range",
    )
    yield p.Figure(
        p.STRIPS,
        f"Gradient norms, layer by layer, with {INITS['torch'][1]}: {name}",
        "A strip for each layer, from the input on, first of the network without normalization and "
        "then of the one with batch norm; the stronger the shade, the larger the gradient at that "
        "step.",
        p.FigureAxis("steps"),
        p.FigureAxis("gradient norm", log=True),
        tuple(p.Series(s.name, s.x, s.y, id=s.id) for s in strips),
        id="layers",
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Before training, and while training at both kinds of learning rates."""
    yield of_values(
        reading,
        f"Before training: the gradient of a layer near the input, {DEPTHS[0]} to {DEPTHS[-1]} "
        "layers",
        ("initialization", "arm"),
        {
            (INITS[init][0], ARM_NAMES[arm]): [start(init, arm)]
            for init in INITS
            for arm in ("none", "batch")
        },
        ["decades (below 0: smaller)"],
        lambda values: p.signed(float(values.mean())),
    )
    columns = {}
    for at, words in reading.kinds("trained").items():
        columns[f"rate, {words}"] = rate(at)
        columns[f"largest ÷ smallest, {words}"] = number(RANGE, p.fold, at)
        columns[f"{reading.experiment.metric}, {words}"] = mean(LEVEL, at)
    yield of_cells(reading, f"While training {DEPTHS[-1]} layers", columns, block="trained")


CLAIM = Claim("gradients", PHRASE, make, p.Telling(happened, notes, figures, tables))
