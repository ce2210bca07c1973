"""Carries a claim's experiment out on invented curves, so that the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np

from evenbatch.claims import Experiment, Verdict
from evenbatch.engine import Curve, Landscape, Trial
from evenbatch.engine.curve import Probes

Model = Callable[[Trial], Curve]


def invented(
    trial: Trial, end: float, *, start: float = 0.5, tau: float = 0.2, diverged: bool = False
) -> Curve:
    """A curve that rises from `start` to `end` within about `tau` of the budget.

    A diverged one ends after its first point. Train and test differ by nothing; replace what a
    claim looks at.
    """
    step = np.array(trial.evaluation_steps(), np.int64)
    metric = start + (end - start) * (1 - np.exp(-step / (tau * trial.steps)))
    metric[-1] = end
    loss = 1 - metric
    seconds = step * 5e-5
    ended, last = "finished", trial.steps
    if diverged:
        ended, last = "diverged", 3
        step, metric, loss, seconds = step[:1], metric[:1], loss[:1], seconds[:1]
    return Curve(trial, step, seconds, loss, loss, metric, loss, metric, ended, last)


def probed(curve: Curve, **read: np.ndarray) -> Curve:
    """The curve with probes of these names, (probes, layers) each; the others are NaN.

    A diverged curve keeps the first probe.
    """
    steps = np.array(curve.trial.probe_steps(), np.int64)
    steps = steps[:1] if curve.diverged else steps
    shape = (len(steps), curve.trial.network.depth + 1)
    names = [field.name for field in fields(Probes) if field.name != "step"]
    parts = {name: np.full(shape, np.nan, np.float32) for name in names}
    parts |= {name: np.broadcast_to(value[: len(steps)], shape) for name, value in read.items()}
    return replace(curve, probes=Probes(steps, **parts))


def surveyed(curve: Curve, loss: float, gradient: float, norm: float = 1.0) -> Curve:
    """The curve with a landscape: along the gradient, whose norm is `norm`, the loss rises to
    `loss` above the step's and the gradient changes by `gradient` in the end."""
    trial = curve.trial
    step = np.arange(0, trial.steps, trial.landscape_every)
    step = step[:1] if curve.diverged else step
    eta = trial.learning_rate * np.arange(1, 9) / 2
    rise = np.ones((len(step), 1)) * np.arange(1, 9) / 8
    landscape = Landscape(
        step, eta, np.ones(len(step)), 1 + loss * rise, np.full(len(step), norm), gradient * rise
    )
    return replace(curve, landscape=landscape)


def noise(trial: Trial, size: float = 0.01) -> float:
    """A little that differs from seed to seed, from arm to arm and from rate to rate."""
    word = repr((trial.network, trial.learning_rate, trial.batch_size))
    rng = np.random.default_rng([trial.seed, *word.encode()])
    return size * float(rng.normal())


def trained(experiment: Experiment, model: Model, rounds: int = 30) -> dict[str, Curve]:
    """Every curve the experiment asks for, round after round."""
    curves: dict[str, Curve] = {}
    for _ in range(rounds):
        wanted = experiment.trials(curves).trials
        if not wanted:
            return curves
        curves |= {trial.key: model(trial) for trial in wanted}
    raise AssertionError(f"still wants {len(wanted)} trials after {rounds} rounds")


def concluded(experiment: Experiment, model: Model) -> Verdict:
    """What the experiment says when its trials end by this model."""
    curves = trained(experiment, model)
    return experiment.verdict(curves, [model(trial) for trial in experiment.timing(curves)])


def changed(curve: Curve, **arrays: object) -> Curve:
    """The curve with some of its parts replaced."""
    return replace(curve, **arrays)  # type: ignore[arg-type]
