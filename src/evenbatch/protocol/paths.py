"""What a curve gives over steps, layers or losses, by name: each path gives x and y for a figure.

A function here takes a curve, what there is to know about its data, and a number (a layer, a
window); it gives x and y, or x, y and a band around y. `PATHS` finds it by its name. A run that
ended early has a shorter path; `length` says how long a whole one is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evenbatch.engine import Curve
from evenbatch.protocol.measures import (
    About,
    affine_path,
    between,
    drift_steps,
    gradient_ratios,
    moved_from_start,
    read_at_loss,
    squared_gradients,
    way,
)

Path = Callable[[Curve, About, int], tuple[ArrayLike, ...]]
WINDOW = 25  # steps over which drift is averaged
SHARES = np.geomspace(1.0, 0.01, 25)
"""Training losses at which a curve is read, as shares of a guess's."""


def metric(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """The test metric over the steps."""
    return curve.step, curve.metric


def _probed(curve: Curve, values: Any) -> tuple[ArrayLike, ...]:
    steps = curve.trial.probe_steps()
    return steps[: len(values)], values


def gradient_range(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """The largest gradient of a layer divided by the smallest, over the steps."""
    return _probed(curve, gradient_ratios(curve))


def layer_gradient(curve: Curve, _about: About, at: int) -> tuple[ArrayLike, ...]:
    """The gradient norm of hidden layer `at` (from 2), over the steps."""
    return _probed(curve, between(curve)[:, at - 2])


def drift(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """How far the layers' inputs move from step to step, averaged over `WINDOW` steps."""
    moved = drift_steps(curve)
    whole = len(moved) // WINDOW
    middles = WINDOW * (np.arange(whole) + 0.5)
    return middles, moved[: whole * WINDOW].reshape(whole, WINDOW).mean(axis=1)


def moved(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """How far the mean of the layers' inputs is from where it started, mean over layers."""
    found = moved_from_start(curve)
    return _probed(curve, np.empty(0) if found is None else found.mean(axis=1))


def affine(curve: Curve, _about: About, at: int) -> tuple[ArrayLike, ...]:
    """How far gamma (0) is from 1, or beta (1) from 0, over the steps."""
    return _probed(curve, affine_path(curve)[at])


def loss_along(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """The loss at each surveyed step, and the lowest and highest along the gradient."""
    found = way(curve)
    return found.step, found.here, found.low, found.high


def gradient_along(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """How far the gradient changes along its own direction, at each surveyed step."""
    found = way(curve)
    return found.step, found.gradient_change


def by_loss(curve: Curve, about: About, _at: int) -> tuple[ArrayLike, ...]:
    """The test metric over the training loss reached, as a share of a guess's (`about.loss`)."""
    return SHARES, [read_at_loss(curve, share * about.loss, curve.metric) for share in SHARES]


def by_layer(curve: Curve, _about: About, _at: int) -> tuple[ArrayLike, ...]:
    """The squared gradient norm of each hidden layer from the second on, divided by the last's."""
    norms = squared_gradients(curve)
    with np.errstate(all="ignore"):
        return np.arange(2, len(norms) + 2), norms / norms[-1]


PATHS: Mapping[str, Path] = {
    "metric": metric,
    "gradient-range": gradient_range,
    "layer-gradient": layer_gradient,
    "drift": drift,
    "moved": moved,
    "affine": affine,
    "loss-along": loss_along,
    "gradient-along": gradient_along,
    "by-loss": by_loss,
    "by-layer": by_layer,
}
