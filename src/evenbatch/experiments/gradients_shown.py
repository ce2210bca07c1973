"""What the claim "gradients" shows: gradient norms over depth, layers and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.experiments.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    band,
    numbers,
)
from evenbatch.experiments.protocol import Curves
from evenbatch.experiments.selection import chance, level
from evenbatch.experiments.setup import INIT_NAMES, INIT_SHORT, named
from evenbatch.experiments.tuned import Floats, Grid
from evenbatch.experiments.wording import amount, digits, fold

if TYPE_CHECKING:
    from evenbatch.experiments.gradients import Found, Gradients


def name(cell: tuple[str, str]) -> str:
    """An initialization and an arm, in words."""
    init, arm = cell
    return named(arm, INIT_SHORT[init])


def between(curve: Curve) -> Floats:
    """(probes, layers) gradient norms of the linear layers between two hidden layers."""
    if curve.probes is None:
        raise ValueError(f"trial {curve.trial.key} has no probes")
    return curve.probes.gradient_norm[:, 1:-1].astype(np.float64)


def ratios(curve: Curve) -> Floats:
    """(probes,) the largest of those norms divided by the smallest; NaN where there is none."""
    norms = between(curve)
    if not len(norms):
        return np.empty(0)
    with np.errstate(all="ignore"):
        return np.asarray(norms.max(axis=1) / norms.min(axis=1))


def _padded(rows: list[Floats], length: int) -> Floats:
    """Runs of equal length: a diverged one goes on with NaN."""
    full = np.full((len(rows), length, *rows[0].shape[1:]), np.nan)
    for place, row in enumerate(rows):
        full[place, : len(row)] = row
    full[~np.isfinite(full)] = np.nan
    return full


def _over_depth(claim: Gradients, curves: Curves, cells: tuple[Any, ...]) -> Figure:
    series = []
    for cell in cells:
        columns = [claim.start.curves((*cell, depth), curves) for depth in claim.depths]
        runs = np.array(
            [[np.nan if c is None else between(c)[0, 0] for c in column] for column in columns]
        )
        series.append(band(name(cell), claim.depths, runs.T))
    return Figure(
        LINES,
        f"The first layers' gradient before training: {claim.setup.data.name}",
        "A line for each arm and initialization. Where a line rises with depth, gradients explode "
        "in deep networks, where it falls, they vanish.",
        Axis("hidden layers", log=True),
        Axis("gradient norm of a layer near the input", log=True),
        tuple(series),
    )


def _while_training(
    claim: Gradients, curves: Curves, cells: tuple[Any, ...], measured: Grid
) -> Figure:
    steps = claim.tuned.cells[cells[0]](1.0, 0).probe_steps()
    series = []
    for cell in cells:
        found = [c for c in measured.curves(cell, curves) if c is not None]
        series.append(band(name(cell), steps, _padded([ratios(c) for c in found], len(steps))))
    return Figure(
        LINES,
        f"Largest over smallest gradient among {claim.depths[-1]} layers: {claim.setup.data.name}",
        "A line for each arm and initialization, at its best learning rate: how unequal the "
        "gradients of the layers are while training. A line ends where runs diverge.",
        Axis("step"),
        Axis("largest ÷ smallest gradient norm", log=True),
        tuple(series),
        (Mark("a factor of ten", 10.0),),
    )


def _layers(claim: Gradients, curves: Curves, measured: Grid, init: str) -> Figure:
    steps = claim.tuned.cells[init, "none"](1.0, 0).probe_steps()
    series = []
    for arm in ("none", "batch"):
        found = measured.curves((init, arm), curves)
        runs = _padded([between(c) for c in found if c is not None], len(steps))
        gone = np.isnan(runs).all(axis=0)
        middle = np.where(gone, np.nan, np.nanmedian(np.where(gone, 0.0, runs), axis=0))
        for layer in np.unique(np.linspace(0, runs.shape[2] - 1, 7).round().astype(int)):
            values = middle[:, layer]
            series.append(Series(named(arm, f"layer {layer + 2}"), numbers(steps), numbers(values)))
    return Figure(
        STRIPS,
        f"Gradient norms, layer by layer, with {INIT_NAMES[init]}: {claim.setup.data.name}",
        "A strip for each layer, from the input on, first of the network without normalization and "
        "then of the one with batch norm; the stronger the shade, the larger the gradient at that "
        "step.",
        Axis("step"),
        Axis("gradient norm", log=True),
        tuple(series),
    )


def figures(claim: Gradients, curves: Curves, found: Found) -> tuple[Figure, ...]:
    """Before training over depth; while training over steps; and layer by layer."""
    cells = tuple(claim.tuned.cells)
    return (
        _over_depth(claim, curves, cells),
        _while_training(claim, curves, cells, found.measured),
        _layers(claim, curves, found.measured, "torch"),
    )


def tables(claim: Gradients, curves: Curves, found: Found) -> tuple[Table, ...]:
    """Before training, and while training at both kinds of learning rate."""
    return _before(claim, found), _during(claim, curves, found)


def _before(claim: Gradients, found: Found) -> Table:
    shallow, deep = claim.depths[0], claim.depths[-1]
    rows, keys = [], []
    for cell in claim.tuned.cells:
        decades = float(found.start[cell].mean())
        word = "larger" if decades > 0 else "smaller"
        rows.append((name(cell), f"{10 ** (decades / (deep - shallow)):.2f}", fold(decades), word))
        keys.append(claim.start.keys((*cell, shallow), (*cell, deep)))
    return Table(
        f"Before training: the gradient of a layer near the input, {shallow} to {deep} layers",
        ("arm", "times as large per layer", "change", "and in all"),
        tuple(rows),
        tuple(keys),
    )


def _during(claim: Gradients, curves: Curves, found: Found) -> Table:
    data = claim.setup.data
    floor = chance(data)
    rows, keys = [], []
    for label, grid, values in (
        ("best", found.measured, found.best),
        ("equal", found.together, found.equal),
    ):
        for cell in claim.tuned.cells:
            gone = all(c is not None and c.diverged for c in grid.curves(cell, curves))
            decades = float(values[cell].mean())
            ends = grid.read(cell, curves, lambda curve: level(curve, floor))
            rows.append(
                (
                    name(cell),
                    f"{grid.trials(cell)[0].learning_rate:g} ({label})",
                    "diverged" if gone else fold(decades),
                    "–" if gone else digits(decades),
                    "–" if gone else amount(data, float(np.nanmedian(ends))),
                )
            )
            keys.append(grid.keys(cell))
    return Table(
        f"While training {claim.depths[-1]} layers: largest over smallest gradient",
        ("arm", "learning rate", "ratio", "decades", f"{claim.setup.metric} at the end"),
        tuple(rows),
        tuple(keys),
    )
