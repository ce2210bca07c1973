"""Worlds in which every setting has an effect drawn at random: what might come out of any claim."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from evenbatch.engine import Curve, Trial
from support.curves import CHANCE, curve, luck, probed, surveyed

LEVELS = (0.0, 0.0, 0.004, 0.012, 0.05, 0.2)
"""How much a setting may raise or lower the metric."""
DECADES = (0.0, 0.0, 0.05, 0.3, 1.0)
"""The same for steps, gradients and losses, which it multiplies."""
IGNORED = {"inputs", "outputs", "hidden", "data", "seed", "learning_rate", "network", "steps"}


class World:
    """A curve for any trial.

    Args:
        number: names the world; another one has other effects.
        start: the metric of guessing.
        calm: seeds differ by little, everything learns and nothing diverges.

    Every setting that is not the default, and the depth, width and data, adds to where the metric
    ends, to how soon it gets there, to the gradients and to the loss around. Seeds differ by
    little or by much, and runs of some settings diverge, always or now and then.
    """

    def __init__(self, number: int, start: float = CHANCE, calm: bool = False) -> None:
        self.number, self.start, self.calm = number, start, calm
        rng = np.random.default_rng(number)
        self.noise = float(rng.choice([0.0, 0.002, 0.01, 0.1]))
        self.base = float(rng.choice([0.0, 0.2, 0.3, 0.4]))
        self.best = float(rng.choice([0.01, 0.1, 1.0]))
        if calm:
            self.noise, self.base, self.best = 0.002, 0.35, 0.1
        self.settled = lru_cache(maxsize=None)(self._settled)

    def __call__(self, trial: Trial) -> Curve:
        net, key = trial.network, tuple(_settings(trial))
        level, soon, wild, rough, gone = self.settled(key)
        own = self.noise * luck(trial)
        away = abs(math.log10(max(trial.learning_rate, 1e-9) / self.best))
        top = max(self.start + self.base + level - 0.1 * away, self.start)
        at = 0.25 * trial.steps * 10 ** (soon + 3 * own)
        diverged = gone == 2 or (gone == 1 and trial.seed % 5 == 0)
        found = curve(trial, min(top + own, 0.99), at, start=self.start, diverged=diverged)
        if trial.evaluate_train:  # the training loss falls, below what is looked for or not
            part = np.minimum(found.step / at, 1)
            end = 0.02 * (1 if self.calm else 10 ** (1.5 * rough))
            found = replace(found, train_eval_loss=math.log(2) * min(end, 1.0) ** part)
        if trial.probe_every:
            layers = np.arange(net.depth + 1)
            count = len(trial.probe_steps())
            norms = 10 ** ((wild + own) * (layers - net.depth)) * np.ones((count, 1))
            moved = (np.arange(count) % 2)[:, None] * 10 ** (rough - 1.5 + own)
            found = probed(
                found, gradient_norm=norms, input_mean=moved, input_std=np.ones((count, 1)),
                gamma_shift=moved, beta_shift=2 * moved,
            )  # fmt: skip
        if trial.landscape_every:
            found = surveyed(found, 10 ** (rough + own), 10 ** (rough - wild + own))
        return found

    def timed(self, trial: Trial) -> Curve:
        """A run that is only timed: it never diverges."""
        soon = self.settled(tuple(_settings(trial)))[1]
        return curve(trial, second=50e-6 * 10 ** (soon / 4))

    def _settled(self, key: tuple[tuple[str, Any], ...]) -> tuple[float, float, float, float, int]:
        """What these settings add: to the level, and in decades; whether runs diverge."""
        total, gone = np.zeros(4), 0
        for name, value in key:
            rng = np.random.default_rng([self.number, *f"{name}={value}".encode()])
            sign = rng.choice([-1.0, 1.0], 4)
            total += sign * [rng.choice(LEVELS), *(rng.choice(DECADES) for _ in range(3))]
            gone = 0 if self.calm else max(gone, int(rng.choice([0, 0, 0, 0, 0, 0, 0, 0, 1, 2])))
        if self.calm:
            total[:2] = max(total[0], -0.05), min(total[1], 0.3)
        return (*(float(v) for v in total), gone)


def _settings(trial: Trial) -> Any:
    """All that is not the default, and what networks differ in besides."""
    net = trial.network
    yield "hidden", (net.depth, net.hidden[0] if net.hidden else net.conv[0].channels)
    yield "data", trial.data.partition(",")[2]
    for made in (net, trial):
        for name, default in _defaults(type(made)).items():
            value = getattr(made, name)
            if name not in IGNORED and value != default:
                yield name, value


@lru_cache
def _defaults(kind: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}


def start_of(data: Any) -> float:
    """Where curves on these data begin: at guessing."""
    from evenbatch.protocol.goals import chance

    return chance(data)
