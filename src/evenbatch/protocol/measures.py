"""What is read off a curve, by name: each measure gives one number.

A function here takes a curve and what there is to know about its data (`About`); `MEASURES` finds
it by its name. NaN is the measure of a run that has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve

FALL = 0.1
"""Of the way from chance to a goal: so far a curve may fall back and still hold it."""
CAP = 10.0
"""Decades at which a change of gradients is cut, and which a diverged run counts as."""
KEPT = 1e-9, 1e9
"""Changes along the gradient are cut here: a loss that is not finite is a change of 10⁹."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class About:
    """What a measure may need besides the curve.

    Attributes:
        floor: chance, the metric of the best guess that does not look at the input.
        goal: the metric to be reached.
        loss: training loss to be reached.
    """

    floor: float
    goal: float = math.nan
    loss: float = math.nan


def level(curve: Curve, about: About) -> float:
    """The metric at the end: mean of the last tenth of the evaluations; chance if it diverged."""
    last = curve.metric[-max(1, len(curve.metric) // 10) :]
    if curve.diverged or not np.isfinite(last).all():
        return about.floor
    return max(float(last.mean()), about.floor)


def last(curve: Curve, about: About) -> float:
    """The metric at the last evaluation, even if worse than chance; chance if it diverged."""
    final = float(curve.metric[-1])
    return final if np.isfinite(final) and not curve.diverged else about.floor


def finished(curve: Curve, _about: About) -> float:
    """The metric at the last evaluation; NaN if it diverged."""
    return math.nan if curve.diverged else float(curve.metric[-1])


def average(curve: Curve, about: About) -> float:
    """The metric averaged over the run: how good the network was on the way.

    Quick learning and a good end both raise it, and it needs no goal. Below chance it counts as
    chance, and so does all of a run that diverged.

    >>> from evenbatch.engine import Network, Trial
    >>> trial, no = Trial(Network(inputs=1, hidden=(1,), outputs=2), steps=100), np.zeros(3)
    >>> step, metric = np.array([0, 50, 100]), np.array([0.5, 0.9, 0.9])
    >>> average(Curve(trial, step, no, no, no, metric, no, no, "finished", 100), About(0.5))
    0.8
    """
    metric = np.where(np.isfinite(curve.metric), curve.metric, about.floor)
    metric = np.maximum(metric, about.floor)
    if curve.diverged or len(metric) < 2:
        return about.floor
    steps = np.diff(curve.step)
    return float(((metric[1:] + metric[:-1]) / 2 * steps).sum() / steps.sum())


def steps_to(curve: Curve, about: About) -> float:
    """Steps until the goal was reached and held (`Curve.steps_to`); infinity if it was not.

    Later averages may fall back by a tenth of the way from chance to the goal: curves are noisy,
    and a goal is a part of the weaker arm's own best, so that it stays near it.
    """
    keep = about.goal - FALL * (about.goal - about.floor)
    return curve.steps_to(about.goal, keep)


# ---- at equal training loss ----------------------------------------------------------------------


def at_loss(curve: Curve, about: About) -> float:
    """The test metric where the loss on the training set first fell to a value; NaN if it never
    did."""
    return read_at_loss(curve, about.loss, curve.metric)


def gap_at_loss(curve: Curve, about: About) -> float:
    """Training metric minus test metric there."""
    return read_at_loss(curve, about.loss, curve.train_metric - curve.metric)


def read_at_loss(curve: Curve, loss: float, values: Floats) -> float:
    """A value of the curve where its training loss first fell to `loss`; NaN if it never did.

    Loss and value are each averaged over an evaluation and its two neighbours, because a single one
    jumps; then the value is read off the straight line between the two evaluations around the loss.
    """
    if curve.diverged:
        return math.nan
    seen, values = _smooth(curve.train_eval_loss), _smooth(values)
    there = np.flatnonzero(seen <= loss)
    if not len(there):
        return math.nan
    at = int(there[0])
    if at == 0 or not np.isfinite(seen[at - 1]):
        return float(values[at])
    part = (seen[at - 1] - loss) / (seen[at - 1] - seen[at])
    return float(values[at - 1] + part * (values[at] - values[at - 1]))


def _smooth(values: Floats) -> Floats:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


# ---- of the layers, from probes ------------------------------------------------------------------


def between(curve: Curve) -> Floats:
    """(probes, layers) gradient norms of the linear layers between two hidden layers, which all
    have the same shape."""
    if curve.probes is None:
        raise ValueError(f"trial {curve.trial.key} has no probes")
    return curve.probes.gradient_norm[:, 1:-1].astype(np.float64)


def first_gradient(curve: Curve, _about: About) -> float:
    """Decades of the gradient norm of the first of them, at the first step."""
    with np.errstate(all="ignore"):
        return float(np.log10(between(curve)[0, 0]))


def gradient_ratios(curve: Curve) -> Floats:
    """(probes,) the largest of those norms divided by the smallest; NaN where there is none."""
    norms = between(curve)
    with np.errstate(all="ignore"):
        return np.asarray(norms.max(axis=1) / norms.min(axis=1)) if len(norms) else np.empty(0)


def gradient_range(curve: Curve, _about: About) -> float:
    """Decades between the layers with the largest and the smallest gradient, median over the probed
    steps but the first; cut at `CAP`, which a diverged run counts as."""
    ratios = gradient_ratios(curve)[1:]
    if curve.diverged or not len(ratios):
        return CAP
    with np.errstate(all="ignore"):
        return float(np.median(np.clip(np.nan_to_num(np.log10(ratios), nan=CAP), 0, CAP)))


def squared_gradients(curve: Curve) -> Floats:
    """(layers,) squared gradient norm of each linear layer between two hidden layers, at the first
    probe."""
    if curve.probes is None or not len(curve.probes.step):
        return np.full(curve.trial.network.depth - 1, np.nan)
    return np.asarray(between(curve)[0] ** 2)


def gradient_growth(curve: Curve, _about: About) -> float:
    """Factor by which the squared gradient norm grows with each layer towards the input: from the
    slope of its logarithm; NaN if there is none."""
    with np.errstate(all="ignore"):
        logs = np.log(squared_gradients(curve))
    if not np.isfinite(logs).all():
        return math.nan
    return float(np.exp(-np.polyfit(np.arange(len(logs)), logs, 1)[0]))


def drift_steps(curve: Curve) -> Floats:
    """(steps − 1,) how far what the hidden layers receive moves from step to step, mean over
    layers: √((Δ mean / standard deviation)² + (Δ log standard deviation)²)."""
    if curve.probes is None:
        raise ValueError(f"trial {curve.trial.key} has no probes")
    mean = curve.probes.input_mean[:, 1:].astype(np.float64)
    deviation = curve.probes.input_std[:, 1:].astype(np.float64)
    with np.errstate(all="ignore"):
        shift = np.diff(mean, axis=0) / deviation[:-1]
        moved = np.sqrt(shift**2 + np.diff(np.log(deviation), axis=0) ** 2)
    return np.asarray(moved.mean(axis=1))


def drift(curve: Curve, _about: About) -> float:
    """The mean of `drift_steps`; NaN if the run diverged or its layers died."""
    found = drift_steps(curve)
    if curve.diverged or not len(found) or not np.isfinite(found).all():
        return math.nan
    return float(np.mean(found))


def moved_from_start(curve: Curve) -> Floats | None:
    """(probes, layers behind the first) how far the mean of what each layer receives is from where
    it started, in standard deviations at the start; None for a run that diverged."""
    probes = curve.probes
    if probes is None or curve.diverged or len(probes.step) < 2:
        return None
    mean, std = probes.input_mean[:, 1:], probes.input_std[0, 1:]
    return np.asarray(np.abs(mean - mean[0]) / np.maximum(std, 1e-12), np.float64)


def furthest(curve: Curve, _about: About) -> float:
    """The largest such distance of each layer, mean over layers."""
    found = moved_from_start(curve)
    return math.nan if found is None else float(found.max(axis=0).mean())


def affine_path(curve: Curve) -> Floats:
    """(2, probes) how far gamma is from 1 and beta from 0, root mean square over a layer, mean over
    the normalized layers."""
    if curve.probes is None:
        raise ValueError(f"trial {curve.trial.key} has no probes")
    hidden = curve.trial.network.depth
    both = (curve.probes.gamma_shift[:, :hidden], curve.probes.beta_shift[:, :hidden])
    return np.array([shift.mean(axis=1, dtype=np.float64) for shift in both])


def gamma_moved(curve: Curve, _about: About) -> float:
    """How far gamma is from 1 at the last probe."""
    path = affine_path(curve)
    return math.nan if curve.diverged or not path.size else float(path[0, -1])


def beta_moved(curve: Curve, _about: About) -> float:
    """How far beta is from 0 at the last probe."""
    path = affine_path(curve)
    return math.nan if curve.diverged or not path.size else float(path[1, -1])


# ---- along the gradient --------------------------------------------------------------------------


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


def way(curve: Curve) -> Way:
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


def _typical(values: Floats) -> float:
    """The median over the surveyed steps, each cut at `KEPT`."""
    if not len(values):
        return KEPT[1]
    return float(np.median(np.clip(np.nan_to_num(values, nan=np.inf), *KEPT)))


def loss_change(curve: Curve, _about: About) -> float:
    """From the lowest to the highest loss on the way, median over the surveyed steps."""
    found = way(curve)
    with np.errstate(all="ignore"):
        return _typical(found.high - found.low)


def gradient_change(curve: Curve, _about: About) -> float:
    """The largest distance of the gradient from the one at the step, median over those steps."""
    return _typical(way(curve).gradient_change)


def relative_change(curve: Curve, _about: About) -> float:
    """The same divided by the norm of the gradient at the step."""
    found = way(curve)
    with np.errstate(all="ignore"):
        return _typical(found.gradient_change / found.gradient_norm)


MEASURES: Mapping[str, Callable[[Curve, About], float]] = {
    "level": level,
    "last": last,
    "finished": finished,
    "average": average,
    "steps-to": steps_to,
    "at-loss": at_loss,
    "gap-at-loss": gap_at_loss,
    "first-gradient": first_gradient,
    "gradient-range": gradient_range,
    "gradient-growth": gradient_growth,
    "drift": drift,
    "furthest": furthest,
    "gamma-moved": gamma_moved,
    "beta-moved": beta_moved,
    "loss-change": loss_change,
    "gradient-change": gradient_change,
    "relative-change": relative_change,
}
