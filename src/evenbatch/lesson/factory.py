"""Chapter 1's experiment: what does each layer receive while a network trains?

Two networks that differ in batch norm alone learn to sort cookies. The learner drags how much of an
ingredient goes in; the amounts reach the networks as they are, in cups, grams and degrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data import Dataset
from evenbatch.engine import Session, Trial
from evenbatch.experiments.effects import ratio_effect
from evenbatch.experiments.exhibits import LINES, Axis, Figure, band
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import ARM_NAMES, Setup
from evenbatch.experiments.tuned import Grid
from evenbatch.experiments.wording import digits
from evenbatch.lesson.layers import histogram, layer_inputs

ARMS = ("none", "batch")
SAMPLE = 400  # rows whose way through the network is shown
FRAMES = 40  # pictures of a training
CLAIM = "normalization keeps what a layer receives steady"


def with_amounts(data: Dataset, amounts: Mapping[str, float]) -> Dataset:
    """The data with some columns multiplied, and all brought near 1 by fixed factors.

    The fixed factors are the powers of ten of each column's typical size: without them a column in
    grams would swamp all others before any learning starts.
    """
    size = 10.0 ** np.round(np.log10(np.abs(data.x_train).mean(axis=0) + 1e-12))
    factors = np.array([amounts.get(name, 1.0) for name in data.features])
    scale = (factors / size).astype(np.float32)
    changed = {name: f for name, f in amounts.items() if f != 1.0}
    words = ", ".join(f"{factor:g} × {name}" for name, factor in sorted(changed.items()))
    return replace(
        data,
        name=f"{data.name}, {words or 'as they are'}",
        x_train=data.x_train * scale,
        x_test=data.x_test * scale,
        fingerprint="",
    )


def moved(curve: Any) -> NDArray[np.float64] | None:
    """(probes, layers behind the first) how far the mean of what each layer receives is from where
    it started, in units of the spread at the start; None for a run that cannot tell.
    """
    probes = curve.probes
    if probes is None or curve.diverged or len(probes.step) < 2:
        return None
    mean, std = probes.input_mean[:, 1:], probes.input_std[0, 1:]
    return np.asarray(np.abs(mean - mean[0]) / np.maximum(std, 1e-12), np.float64)


def drift_of(curve: Any) -> float:
    """The largest distance of each layer's mean from its start, in spreads; the mean of layers."""
    found = moved(curve)
    return float("nan") if found is None else float(found.max(axis=0).mean())


def judge(ratio: Effect, seeds: int) -> tuple[str, str]:
    """The rule: steadier means that less than half the drift is left.

    >>> judge(Effect("", 4.0, 3.0, 5.0, ""), 5)[0], judge(Effect("", 0.9, 0.7, 1.2, ""), 5)[0]
    ('holds', 'does not hold')
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{seeds} of at least {MIN_SEEDS} seeds can be compared"
    if ratio.low >= 2:
        return HOLDS, "less than half the drift is left"
    if ratio.low > 1:
        return IN_PART, "less drift, but not surely less than half"
    if ratio.high < 2:
        return FAILS, "the drift is not surely smaller, and half of it is ruled out"
    return CANNOT_TELL, "the interval holds both no difference and half the drift"


@dataclass(frozen=True, eq=False)
class Factory(Untimed):
    """Both arms on the learner's amounts.

    Args:
        setup: data, network and training.
        seeds: pairs.
    """

    setup: Setup
    seeds: int

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def grid(self) -> Grid:
        steps = self.setup.trial(0).steps
        cells = {
            arm: self.setup.cell(norm=arm, probe_every=steps // 20, evaluate_every=steps // 20)
            for arm in ARMS
        }
        return Grid(cells, self.seeds)

    @property
    def statement(self) -> Statement:
        return Statement(
            claim="What a layer receives keeps changing while the network learns, and "
            "normalization keeps it steady.",
            question="How far does the mean of what the layers receive move, with and without "
            "batch norm?",
            arms=tuple((arm, ARM_NAMES[arm]) for arm in ARMS),
            grid="one learning rate",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed.",
            measure="Largest move of the mean input of a hidden layer during training, in spreads "
            "at the start, mean over layers; ratio without / with, geometric mean over seeds.",
            rule="Holds: the interval of the ratio lies at or above 2. In part: above 1. Does not "
            "hold: else, below 2. Cannot tell: else, or fewer than 5 seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167; Santurkar et al. 2018, "
            "arXiv:1805.11604.",
        )

    def trials(self, curves: Curves) -> Round:
        return Round("watching the layers", tuple(self.grid.wanted(curves)))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        drifts = [self.grid.read(arm, curves, drift_of) for arm in ARMS]
        both = np.isfinite(drifts[0]) & np.isfinite(drifts[1])
        ratio = ratio_effect("without / with", drifts[0][both], drifts[1][both], "times less drift")
        answer, reason = judge(ratio, int(both.sum()))
        means = [float(np.mean(d[both])) if both.any() else float("nan") for d in drifts]
        lost = int(self.seeds - both.sum())
        notes = (f"{lost} of {self.seeds} pairs could not be compared: a run diverged.",) * (
            lost > 0
        )
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"What the layers receive moved by {digits(means[0])} spreads without batch "
            f"norm and {digits(means[1])} with it; “{CLAIM}” {answer}: {reason}.",
            effects=(ratio,),
            measured_on=self.setup.words(self.seeds),
            notes=notes,
            figures=self._figures(curves),
        )

    def _figures(self, curves: Curves) -> tuple[Figure, ...]:
        series = []
        for arm in ARMS:
            runs = [curve for curve in self.grid.curves(arm, curves) if curve is not None]
            ways = [way.mean(axis=1) for curve in runs if (way := moved(curve)) is not None]
            if ways:
                steps = next(c.probes.step for c in runs if c.probes and not c.diverged)
                series.append(band(ARM_NAMES[arm], steps, ways))
        if not series:
            return ()
        return (
            Figure(
                LINES,
                "How far what the layers receive has moved",
                "Distance of the mean from where it started, in spreads at the start, mean over "
                "the layers; median and middle half of the seeds.",
                Axis("step"),
                Axis("spreads from the start"),
                tuple(series),
            ),
        )


def watched(experiment: Factory) -> Callable[[Session, Sequence[Trial]], dict[str, Any] | None]:
    """Histograms of what each layer receives in the first pair, from the weights as they are, at
    most `FRAMES` times a training.
    """
    sample = experiment.setup.data.x_train[:SAMPLE]
    limits: list[tuple[float, float]] = []
    every = experiment.setup.trial(0).steps // FRAMES
    due = 0

    def look(session: Session, group: Sequence[Trial]) -> dict[str, Any] | None:
        nonlocal due
        step = max((curve.ended_at for curve in session.curves()), default=0)
        if not any(trial.seed == 0 for trial in group) or (step < due and not session.finished):
            return None
        due = step + every
        arms = []
        for place, trial in enumerate(group):
            if trial.seed != 0:
                continue
            inputs, _ = layer_inputs(trial.network, session.weights(place), sample)
            if not limits:
                # One scale for both arms, set at the start: what leaves it has drifted.
                for values in inputs:
                    reach = 4 * float(values.std()) + 1e-6
                    limits.append((float(values.mean()) - reach, float(values.mean()) + reach))
            shown = [histogram(v, *limits[i]) for i, v in enumerate(inputs)]
            arms.append({"arm": trial.network.norm, "layers": shown})
        return {"step": step, "arms": arms}

    return look
