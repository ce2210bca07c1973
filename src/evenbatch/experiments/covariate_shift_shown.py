"""What the claim "covariate-shift" shows: learning and drift of three kinds of network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenbatch.engine import Curve
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import (
    DOTS,
    LINES,
    Axis,
    Figure,
    Series,
    Table,
    band,
    numbers,
)
from evenbatch.experiments.protocol import Curves
from evenbatch.experiments.setup import ARM_NAMES
from evenbatch.experiments.tuned import Floats, Grid
from evenbatch.experiments.wording import digits

if TYPE_CHECKING:
    from evenbatch.experiments.covariate_shift import CovariateShift

NONE, BATCH = ("none", 0.0), ("batch", 0.0)
ARMS = (NONE, BATCH, *(("batch", strength) for strength in (1.0, 2.0, 3.0, 4.0)))
"""Normalizer and strength of the drift behind it."""
BEST, EQUAL = "best learning rates", "equal learning rates"
WINDOW = 25  # steps over which drift is averaged to be drawn


@dataclass(frozen=True, eq=False)
class Found:
    """What was measured of each arm: (seeds,) each.

    Attributes:
        steps: to the goal; infinity where it was not reached.
        drift: of what the hidden layers receive.
    """

    steps: Mapping[tuple[str, float], Floats]
    drift: Mapping[tuple[str, float], Floats]


def name(arm: tuple[str, float]) -> str:
    """An arm in words."""
    norm, strength = arm
    return f"drift {strength:g} put back" if strength else ARM_NAMES[norm]


def steps_of_drift(curve: Curve) -> Floats:
    """(steps − 1,) how far what the hidden layers receive moves at each step, mean over layers."""
    if curve.probes is None:
        raise ValueError(f"trial {curve.trial.key} has no probes")
    mean = curve.probes.input_mean[:, 1:].astype(np.float64)
    spread = curve.probes.input_std[:, 1:].astype(np.float64)
    with np.errstate(all="ignore"):
        shift = np.diff(mean, axis=0) / spread[:-1]
        moved = np.sqrt(shift**2 + np.diff(np.log(spread), axis=0) ** 2)
    return np.asarray(moved.mean(axis=1))


def steps_text(steps: Floats, budget: int) -> str:
    """Median steps to the goal, in words.

    >>> steps_text(np.array([20.0, 22.0, 30.0]), 500)
    '22'
    >>> steps_text(np.array([20.0, np.inf, np.inf]), 500)
    'over 500'
    """
    middle = float(np.median(steps))
    return f"{middle:.0f}" if np.isfinite(middle) else f"over {budget}"


def figures(
    claim: CovariateShift, curves: Curves, grid: Grid, found: Found, drifted: tuple[str, float]
) -> tuple[Figure, ...]:
    """Learning; steps to the goal by strength of drift; and the drift itself."""
    some = tuple(dict.fromkeys((NONE, BATCH, drifted, ARMS[-1])))
    return (
        _learning(claim, curves, grid, some),
        _strengths(claim, found),
        _drift(claim, curves, grid),
    )


def _learning(
    claim: CovariateShift, curves: Curves, grid: Grid, arms: Sequence[tuple[str, float]]
) -> Figure:
    steps = claim.setup.trial(0, evaluate_every=max(1, claim.steps // 50)).evaluation_steps()
    series = []
    for arm in arms:
        runs = np.full((claim.seeds, len(steps)), np.nan)
        for place, curve in enumerate(grid.curves(arm, curves)):
            if curve is not None:
                runs[place, : len(curve.metric)] = curve.metric
        series.append(band(name(arm), steps, runs))
    metric = claim.setup.metric
    return Figure(
        LINES,
        f"Learning with drift put back: {claim.setup.data.name}",
        "A line for each arm at its best learning rate: without normalization, with batch norm, "
        "and with batch norm and added drift of growing strength.",
        Axis("step"),
        Axis(f"test {metric}", percent=metric == "accuracy"),
        tuple(series),
    )


def _strengths(claim: CovariateShift, found: Found) -> Figure:
    places, values, low, high = [], [], [], []
    for place, arm in enumerate(ARMS):
        steps = np.where(np.isfinite(found.steps[arm]), found.steps[arm], claim.steps)
        effect = mean_effect("", np.log10(np.maximum(steps, 1)), "")
        places.append(float(place))
        values.append(10**effect.value)
        low.append(10**effect.low)
        high.append(min(10**effect.high, claim.steps))
    return Figure(
        DOTS,
        f"Steps to the goal: {claim.setup.data.name}",
        "A dot with its interval for each arm, fewer steps are better. Runs that did not reach the "
        "goal count as the whole budget.",
        Axis("arm", names=tuple(map(name, ARMS))),
        Axis("steps", log=True),
        (Series("steps", tuple(places), numbers(values), numbers(low), numbers(high)),),
    )


def _drift(claim: CovariateShift, curves: Curves, grid: Grid) -> Figure:
    windows = (claim.steps - 1) // WINDOW
    series = []
    for arm in ARMS:
        runs = np.full((claim.seeds, windows), np.nan)
        for place, curve in enumerate(grid.curves(arm, curves)):
            moved = steps_of_drift(curve) if curve is not None else np.empty(0)
            whole = len(moved) // WINDOW
            runs[place, :whole] = moved[: whole * WINDOW].reshape(whole, WINDOW).mean(axis=1)
        runs[~np.isfinite(runs)] = np.nan
        middles = [WINDOW * (k + 0.5) for k in range(windows)]
        series.append(band(name(arm), middles, runs))
    return Figure(
        LINES,
        f"How much the layers' inputs drift: {claim.setup.data.name}",
        "A line for each arm: how far mean and spread of what the hidden layers receive move from "
        f"step to step, in standard deviations, averaged over {WINDOW} steps.",
        Axis("step"),
        Axis("drift a step", log=True),
        tuple(series),
    )


def table(claim: CovariateShift, grids: Mapping[str, Grid], found: Mapping[str, Found]) -> Table:
    """Every arm at both kinds of learning rates."""
    rows, keys = [], []
    for kind, grid in grids.items():
        for arm in ARMS:
            steps, drift = found[kind].steps[arm], found[kind].drift[arm]
            rows.append(
                (
                    name(arm),
                    f"{grid.trials(arm)[0].learning_rate:g} ({kind.split()[0]})",
                    steps_text(steps, claim.steps),
                    f"{np.isfinite(steps).sum()} of {len(steps)}",
                    digits(float(np.nanmean(drift))) if np.isfinite(drift).any() else "–",
                )
            )
            keys.append(grid.keys(arm))
    return Table(
        f"Steps to the goal (median) and drift of the layers' inputs, {claim.steps} steps",
        ("arm", "learning rate", "steps", "reached", "drift a step"),
        tuple(rows),
        tuple(keys),
    )
