"""Curves from a formula instead of a run, so that the truth a verdict must find is known.

One builder for claims, races and comparisons of PyTorch models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from evenbatch.data import Dataset
from evenbatch.engine import Curve, Landscape, Trial
from evenbatch.engine.curve import Probes

CHANCE = 0.5
"""Of guessing in `tea`."""
Model = Callable[[Trial], Curve]


@lru_cache
def tea(rows: int = 400, name: str = "tea") -> Dataset:
    """A data set of the right form, on which nothing is ever trained. Chance is 0.5."""
    x, y = np.zeros((rows, 3), np.float32), np.arange(rows) % 2
    x[:, 0] = y
    return Dataset(name, "classification", x, y, x, y, ("a", "b", "c"), ("no", "yes"))


def luck(trial: Any) -> float:
    """A normal number of its own for each seed, arm and learning rate.

    One network trained once but tested in several ways is as lucky in all of them.
    """
    arm = getattr(trial, "arm", None) or (trial.network, trial.batch_size)
    word = np.frombuffer(repr((arm, trial.learning_rate)).encode(), np.uint8)
    return float(np.random.default_rng(np.append(np.uint32(trial.seed), word)).normal())


def curve(
    trial: Any,
    reaches: float = 0.9,
    at: float | None = None,
    *,
    start: float = CHANCE,
    noise: float = 0.0,
    diverged: bool = False,
    second: float = 50e-6,
) -> Curve:
    """The metric goes from `start` to `reaches` on a straight line and stays there.

    Args:
        trial: of the engine, or of `evenbatch.torch.compare`.
        reaches: where it ends.
        at: the step at which it gets there; a quarter of the budget if left out.
        start: where it begins.
        noise: standard deviation over seeds of where it ends.
        diverged: it ends after its first evaluation.
        second: seconds a step takes.

    Test and training metric are the same, and so are the losses, 1 minus the metric.
    """
    step = np.array(sorted(trial.evaluation_steps()), np.int64)
    top = reaches + (noise * luck(trial) if noise else 0.0)
    part = np.minimum(step / (0.25 * trial.steps if at is None else at), 1.0)
    metric, ended, last = start + (top - start) * part, "finished", trial.steps
    if diverged:
        step, metric, ended, last = step[:1], metric[:1], "diverged", 3
    loss, seconds = 1 - metric, step * second
    return Curve(trial, step, seconds, loss, loss, metric, loss, metric, ended, last)


def probed(found: Curve, **read: Any) -> Curve:
    """The curve with probes of these names, (probes, layers) each; the others are NaN.

    A diverged curve keeps the first probe.
    """
    steps = np.array(found.trial.probe_steps(), np.int64)
    steps = steps[:1] if found.diverged else steps
    shape = (len(steps), found.trial.network.depth + 1)
    names = [field.name for field in fields(Probes) if field.name != "step"]
    parts = {name: np.full(shape, np.nan, np.float32) for name in names}
    for name, value in read.items():
        parts[name] = np.broadcast_to(np.asarray(value)[: len(steps)], shape)
    return replace(found, probes=Probes(steps, **parts))


def surveyed(found: Curve, loss: float, gradient: float, norm: float = 1.0) -> Curve:
    """The curve with a landscape: along the gradient, whose norm is `norm`, the loss rises to
    `loss` above the step's and the gradient changes by `gradient` in the end."""
    trial = found.trial
    step = np.arange(0, trial.steps, trial.landscape_every)
    step = step[:1] if found.diverged else step
    eta = trial.learning_rate * np.arange(1, 9) / 2
    rise = np.ones((len(step), 1)) * np.arange(1, 9) / 8
    landscape = Landscape(
        step, eta, np.ones(len(step)), 1 + loss * rise, np.full(len(step), norm), gradient * rise
    )
    return replace(found, landscape=landscape)
