"""What the claim "smoothness" shows: loss and gradient along the gradient's direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.experiments.exhibits import LINES, Axis, Figure, Series, Table, band, numbers
from evenbatch.experiments.protocol import Curves
from evenbatch.experiments.selection import chance, level
from evenbatch.experiments.setup import ARM_NAMES, INIT_NAMES, INIT_SHORT, named
from evenbatch.experiments.tuned import Floats, Grid
from evenbatch.experiments.wording import amount, digits

if TYPE_CHECKING:
    from evenbatch.experiments.smoothness import Smoothness

ARMS = ("none", "batch")
INITS = ("torch", "he")
BEST, EQUAL = "best", "equal"


@dataclass(frozen=True, eq=False)
class Way:
    """What is met along the gradient at each surveyed step: (steps,) each.

    Attributes:
        step: the surveyed steps.
        here: the loss at the step.
        low, high: the lowest and the highest loss on the way, the step included.
        gradient_norm: at the step.
        gradient_change: the largest distance of the gradient from the one at the step.
    """

    step: Floats
    here: Floats
    low: Floats
    high: Floats
    gradient_norm: Floats
    gradient_change: Floats


def landscape(curve: Curve) -> Way:
    """The curve's landscape, summed up over the points along the gradient."""
    found = curve.landscape
    if found is None:
        raise ValueError(f"trial {curve.trial.key} has no landscape")
    losses = np.concatenate([found.loss_here[:, None], found.loss], axis=1)
    changes = np.nan_to_num(found.gradient_change, nan=np.inf)
    return Way(
        found.step.astype(float),
        found.loss_here,
        losses.min(axis=1),
        losses.max(axis=1),
        found.gradient_norm,
        changes.max(axis=1),
    )


def name(cell: tuple[str, str]) -> str:
    """An initialization and an arm, in words."""
    init, arm = cell
    return named(arm, INIT_SHORT[init])


def number(value: float) -> str:
    """A change in a few digits; one that is not finite was cut.

    >>> number(0.0123), number(1e9)
    ('0.012', 'without limit')
    """
    return "without limit" if value >= 1e9 else digits(value)


def _runs(claim: Smoothness, curves: Curves, grid: Grid, cell: Any, field: str) -> Floats:
    """(seeds, steps) of one field of the ways; NaN after a run has diverged or is not finite."""
    length = len(range(0, claim.setup.trial(0).steps, claim.every))
    ways = [landscape(c) for c in grid.curves(cell, curves) if c is not None]
    full = np.full((len(ways), length), np.nan)
    for place, way in enumerate(ways):
        values = getattr(way, field)
        full[place, : len(values)] = values
    full[~np.isfinite(full)] = np.nan
    return full


def _middle(values: Floats) -> tuple[float, ...]:
    gone = np.isnan(values).all(axis=0)
    return numbers(np.where(gone, np.nan, np.nanmedian(np.where(gone, 0.0, values), axis=0)))


def figures(claim: Smoothness, curves: Curves, grid: Grid) -> tuple[Figure, ...]:
    """For each initialization the loss along the gradient; and how far the gradient changes."""
    steps = tuple(float(s) for s in range(0, claim.setup.trial(0).steps, claim.every))
    found = []
    for init in INITS:
        rows = []
        for arm in ARMS:
            here, low, high = (
                _middle(_runs(claim, curves, grid, (init, arm), field))
                for field in ("here", "low", "high")
            )
            rows.append(Series(ARM_NAMES[arm], steps, here, low, high))
        found.append(
            Figure(
                LINES,
                f"The loss along the gradient, {INIT_NAMES[init]}: {claim.setup.data.name}",
                "The line is the loss of the minibatch, the band what it becomes between half and "
                "four times the step along the gradient, median over seeds; a wide band is a rough "
                "way. Both arms have the same learning rate.",
                Axis("step"),
                Axis("loss", log=True),
                tuple(rows),
            )
        )
    change = tuple(
        band(name((init, arm)), steps, _runs(claim, curves, grid, (init, arm), "gradient_change"))
        for init in INITS
        for arm in ARMS
    )
    gradient = Figure(
        LINES,
        f"How far the gradient changes along its own direction: {claim.setup.data.name}",
        "A line for each arm and initialization, at equal learning rates: the lower, the longer a "
        "gradient stays true.",
        Axis("step"),
        Axis("largest change of the gradient", log=True),
        change,
    )
    return (*found, gradient)


def table(
    claim: Smoothness, curves: Curves, grids: Mapping[str, Grid], found: Mapping[Any, Any]
) -> Table:
    """Every arm at both kinds of learning rates."""
    data = claim.setup.data
    floor = chance(data)
    rows, keys = [], []
    for kind in (EQUAL, BEST):
        for cell in claim.tuned.cells:
            values = [float(np.median(v)) for v in found[kind, cell].values()]
            ends = grids[kind].read(cell, curves, lambda curve: level(curve, floor))
            rate = grids[kind].trials(cell)[0].learning_rate
            rows.append(
                (
                    name(cell),
                    f"{rate:g} ({kind})",
                    *map(number, values),
                    amount(data, float(np.nanmedian(ends))),
                )
            )
            keys.append(grids[kind].keys(cell))
    return Table(
        "Along the gradient, half to four times a step: median over steps and seeds",
        (
            "arm",
            "learning rate",
            "change of the loss (nats)",
            "change of the gradient",
            "change ÷ gradient",
            f"{claim.setup.metric} at the end",
        ),
        tuple(rows),
        tuple(keys),
    )
