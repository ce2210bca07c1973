"""What the claim "depth" shows: the depth ladder and where each arm stops."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from evenbatch.experiments.exhibits import (
    DOTS,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    numbers,
)
from evenbatch.experiments.setup import ARM_NAMES, INIT_SHORT, named
from evenbatch.experiments.wording import amount

if TYPE_CHECKING:
    from evenbatch.experiments.depth import Depth, Found

ARMS = ("none", "batch")
SETTINGS = tuple(product((0, 2), ("torch", "he")))
"""Layers in a residual block and initialization: where arms are compared."""
KINDS = {"best": "wide grid", "usual": "usual grid", "equal": "equal rates"}
"""Kinds of learning rates, as tables call them."""


def called(setting: tuple[int, str]) -> str:
    """A setting as tables call it."""
    residual, init = setting
    return f"{'residual' if residual else 'plain'}, {INIT_SHORT[init]}"


def name(cell: tuple[str, tuple[int, str], int]) -> str:
    """A cell in words."""
    arm, setting, depth = cell
    return named(arm, called(setting), f"{depth} layers")


def figures(claim: Depth, found: Found) -> tuple[Figure, ...]:
    """The ladder at the best learning rates, and where each arm stops."""
    rows = []
    for setting, arm in product(SETTINGS, ARMS):
        levels = [np.median(found.levels["best"][arm, setting, d]) for d in claim.depths]
        rows.append(Series(named(arm, called(setting)), claim.depths, numbers(levels)))
    ladder = Figure(
        STRIPS,
        f"Which depths train: {claim.setup.data.name}",
        "A strip for each arm and setting, from shallow to deep; the stronger the shade, the "
        "better the trained network. Outlined: it reached the goal.",
        Axis("hidden layers", log=True),
        Axis(claim.setup.metric, percent=claim.setup.metric == "accuracy"),
        tuple(rows),
        (Mark("goal", found.goal.value),),
    )
    dots = []
    for arm in ARMS:
        reached = [found.deepest["best"][arm, setting] for setting in SETTINGS]
        middle, low, high = (
            numbers([f(values) for values in reached]) for f in (middle_depth, np.min, np.max)
        )
        dots.append(Series(ARM_NAMES[arm], numbers(range(len(SETTINGS))), middle, low, high))
    stops = Figure(
        DOTS,
        f"The deepest network that trains: {claim.setup.data.name}",
        "For each setting the deepest network of both arms that reached the goal, as all shallower "
        f"ones did, median and range over seeds; {claim.setup.width} units a layer. 1 means that "
        "none did.",
        Axis("setting", names=tuple(called(setting) for setting in SETTINGS)),
        Axis("hidden layers", log=True),
        tuple(dots),
    )
    return ladder, stops


def tables(claim: Depth, found: Found) -> tuple[Table, ...]:
    """Every depth, and where each arm stops under each kind of learning rate."""
    return _levels(claim, found), _stops(claim, found)


def _levels(claim: Depth, found: Found) -> Table:
    grid = found.grids["best"]
    rows, keys = [], []
    for setting, depth in product(SETTINGS, claim.depths):
        cells = [(arm, setting, depth) for arm in ARMS]
        ends = [
            f"{amount(claim.setup.data, float(np.median(found.levels['best'][cell])))} "
            f"({grid.trials(cell)[0].learning_rate:g})"
            for cell in cells
        ]
        rows.append((called(setting), str(depth), *ends))
        keys.append(grid.keys(*cells))
    return Table(
        f"Median {claim.setup.metric} at the end (and the best learning rate)",
        ("network", "layers", *(ARM_NAMES[arm] for arm in ARMS)),
        tuple(rows),
        tuple(keys),
    )


def _stops(claim: Depth, found: Found) -> Table:
    rows, keys = [], []
    for setting, arm in product(SETTINGS, ARMS):
        values = [found.deepest[kind][arm, setting] for kind in KINDS]
        rows.append((named(arm, called(setting)), *(_range(v) for v in values)))
        cells: list[Any] = [(arm, setting, depth) for depth in claim.depths]
        keys.append(tuple(k for kind in KINDS for k in found.grids[kind].keys(*cells)))
    return Table(
        "The deepest network that trains (median over seeds, and range)",
        ("arm", *(f"layers, {word}" for word in KINDS.values())),
        tuple(rows),
        tuple(keys),
    )


def _range(values: Any) -> str:
    low, middle, high = (f"{v:g}" for v in (values.min(), middle_depth(values), values.max()))
    text = middle if low == high else f"{middle} ({low}–{high})"
    return "none" if text == "1" else text


def middle_depth(values: Any) -> float:
    """The deepest that at least half of the seeds reached: a median that was measured.

    >>> middle_depth(np.array([2.0, 5.0, 10.0, 20.0]))
    5.0
    """
    return float(np.quantile(values, 0.5, method="lower"))
