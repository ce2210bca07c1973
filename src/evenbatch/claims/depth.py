"""Claim "depth": with normalization networks of 50 and more layers train, without it not."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import INITS, Claim, Effort, Made, arms, asked, initial
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import median, of_cells, of_values, rate, reached

PHRASE = "even 50+ layers train"
LAYERS, WIDTH = 50, 32
SHARE = 0.5  # of the way to the weaker arm's best: a network that got so far trains
USUAL = (0.001, 0.01, 0.1)
ARMS = arms("none", "batch")
INSIDE = {
    f"{'residual' if k else 'plain'}-{i}": (k, i) for k, i in product((0, 2), ("torch", "he"))
}
NAMES = {id: f"{id.split('-')[0]}, {INITS[init][0]}" for id, (_, init) in INSIDE.items()}
PLAIN, RESIDUAL = dict(list(NAMES.items())[:2]), dict(list(NAMES.items())[2:])
KINDS = (p.Best(), p.Among(USUAL, "usual", "usual learning rates"), p.Equal())


def deepest(arm: str, setting: str, at: str = p.BEST) -> p.Along:
    """The deepest network that reaches the goal, as all shallower ones do; 1 if none does. (A
    single deep one that gets there by luck is no depth that trains.)"""
    return p.Along(LEVEL.of(at=at, arm=arm, setting=setting), "depth", "deepest")


def rule() -> p.Rule:
    """At `LAYERS` layers, and how many times deeper."""
    alone = p.Both((p.above("batch/$", 1), p.below("none/$", 1)))
    deeper = p.beyond("deeper/*", 1, "any")
    no_gain = p.Either((p.below("batch/$", 1), p.above("none/$", 1), p.up_to("deeper/$", 1)))
    layers = f"{LAYERS} layers"
    return p.Rule(
        clauses=(
            p.holds(p.Each(PLAIN, alone), f"{layers} train with batch norm alone, not without it"),
            p.in_part(
                p.Each(PLAIN, alone, "any"), f"{layers} need batch norm under one initialization"
            ),
            p.in_part(
                p.Each(RESIDUAL, alone, "any"),
                f"{layers} train with batch norm only if there are residual connections",
            ),
            p.in_part(
                p.Both((deeper, p.below("batch/*", 1))),
                f"deeper networks train, but none of {layers}",
            ),
            p.in_part(deeper, f"deeper networks train, but {layers} not by batch norm alone"),
            p.fails(p.Each(NAMES, no_gain), "batch norm takes no network deeper"),
        ),
        names={
            "batch/$": "batch norm", "none/$": "no normalization", "batch/*": "batch norm",
            "deeper/$": "the factor of depth", "deeper/*": "the factors of depth",
        },
        otherwise=f"whether {layers} train is not settled",
        where=f"best against best, {layers} as a share of the way to the goal",
    )  # fmt: skip


def effects(setting: str) -> Iterable[p.Mean | p.Ratio]:
    """Of one kind of network: how many times deeper, and how far `LAYERS` layers get."""
    yield p.Ratio(
        id=f"deeper/{setting}",
        label=f"deepest network, {NAMES[setting]}",
        unit="times deeper",
        above=deepest("batch", setting),
        below=deepest("none", setting),
    )
    for arm in reversed(ARMS.levels):
        yield p.Mean(
            id=f"{arm.id}/{setting}",
            label=f"{LAYERS} layers, {arm.name}, {NAMES[setting]}",
            unit="of the way to the goal",
            of=p.WayToGoal(LEVEL.of(arm=arm.id, setting=setting, depth=str(LAYERS))),
        )


def figures(metric: str) -> tuple[p.Over, p.Over]:
    """The ladder of depths, and where each arm stops."""
    ladder = [
        p.Row(
            f"{arm.id}/{s}", f"{arm.name}, {NAMES[s]}", LEVEL.of(arm=arm.id, setting=s, depth="$")
        )
        for s in INSIDE
        for arm in ARMS.levels
    ]
    return p.Over(
        id="depths",
        kind=p.STRIPS,
        axis="depth",
        show="median",
        title="Which depths train",
        alt="A strip for each arm and kind of network, from shallow to deep; the stronger the "
        "shade, the better the trained network. Outlined: it reached the goal.",
        y=metric,
        rows=tuple(ladder),
        marks=(p.GOAL,),
    ), p.Over(
        id="deepest",
        kind=p.DOTS,
        axis="setting",
        show="range",
        title="The deepest network that trains",
        alt="For each kind of network the deepest of both arms that reached the goal, as all "
        f"shallower ones did, median and range over seeds; {WIDTH} units a layer. 1 means that "
        "none did.",
        y="hidden layers",
        y_id="depth",
        log="y",
        percent=False,
        rows=tuple(p.Row(arm.id, arm.name, deepest(arm.id, "$")) for arm in ARMS.levels),
    )


def make(data: Dataset, effort: Effort) -> Made:
    """How deep a network trains with and without batch norm."""
    metric = p.metric_name(data)
    depths = (2, 10, 20, 50, 100) if effort.quick else (2, 5, 10, 20, 30, 50, 100)
    depth = p.numbered("depth", "hidden layers", depths, lambda d: {"depth": d, "width": WIDTH})
    levels = [
        p.Level(id, NAMES[id], p.changes(residual=k, **initial(init, WIDTH)))
        for id, (k, init) in INSIDE.items()
    ]
    return asked(
        (p.Prepared(data),),
        claim="depth",
        phrase=PHRASE,
        states="With normalization even 50 and more layers train; without it training becomes "
        "nearly impossible.",
        question=f"Up to which depth does a network reach the same {metric} within the same number "
        "of steps, with and without batch norm?",
        measure="The deepest network that reaches the goal, as all shallower ones do, and how many "
        f"times deeper it is with batch norm; how far networks of {LAYERS} layers get, as a share "
        "of the way to the goal. Paired by seed, 95 % interval.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167; He et al. 2016, arXiv:1603.05027 (residual "
        "connections); against it Yang et al. 2019, arXiv:1902.08129.",
        change="More steps and more careful learning rates (warm-up) let deeper networks train, in "
        "both arms. Residual connections matter more than anything tried here.",
        blocks=(
            p.Block(
                id="depths",
                # The rate falls to 0, so that one evaluation at the end is enough; more of them
                # would cost as much as the training.
                base=p.changes(steps=150 if effort.quick else 300, schedule="cosine"),
                axes=(p.Axis("setting", "network", tuple(levels)), depth, ARMS),
                at=KINDS,
                rates=p.rates_between(-4 if effort.quick else -5, 0, 1.0),
                score=LEVEL,
                seeds=effort.seeds,
                tuning=min(2, effort.tuning),
            ),
        ),
        goals=(p.Goal(levels=("none", "batch"), share=SHARE),),
        effects=tuple(effect for setting in INSIDE for effect in effects(setting)),
        rule=rule(),
        figures=figures(metric),
    )


def middle(values: p.Floats) -> str:
    """The deepest that at least half of the seeds reached: a median that was measured."""
    depth = float(np.quantile(values, 0.5, method="lower"))
    return "none" if depth <= 1 else f"{depth:g}"


def happened(reading: p.Reading) -> str:
    """How deep both arms get, plain and with residual connections."""
    said = []
    for setting, (_, init) in INSIDE.items():
        none, batch = (middle(reading.values(deepest(arm, setting))) for arm in ("none", "batch"))
        said.append(f"{none} without and {batch} with batch norm ({INITS[init][1]})")
    plain, residual = ", ".join(said[:2]), ", ".join(said[2:])
    return f"the most layers that trained were {plain}; with residual connections {residual}"


def notes(reading: p.Reading) -> Iterable[str]:
    """What trains without batch norm as well."""
    without = [name for id, name in NAMES.items() if reading.effects[f"none/{id}"].low >= 1]
    if without:
        yield f"{LAYERS} layers train without batch norm as well: {'; '.join(without)}."


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every depth; and where each arm stops at each kind of learning rates."""
    columns = {"median": median(LEVEL), "reached": reached(), "best rate": rate()}
    title = f"{reading.experiment.metric} at the end"
    yield of_cells(reading, title, columns, across="arm", at=(p.BEST,))
    yield of_values(
        reading,
        "The deepest network that trains (median over seeds)",
        ("network", "arm"),
        {
            (name, arm.name): [deepest(arm.id, id, at.id) for at in KINDS]
            for id, name in NAMES.items()
            for arm in ARMS.levels
        },
        [f"layers, {at.name}" for at in KINDS],
        middle,
    )


CLAIM = Claim("depth", PHRASE, make, p.Telling(happened, notes, tables))
