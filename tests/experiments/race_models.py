"""Curves from a formula instead of a training, so that the truth a verdict must find is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evenbatch.claims import Verdict
from evenbatch.claims.speed import Race, Speed
from evenbatch.data import Dataset
from evenbatch.engine import Curve, Trial

CHANCE, TOP = 0.5, 0.98


def tea(rows: int = 400) -> Dataset:
    """A data set of the right form; nothing is ever trained on it here. Chance is 0.5."""
    x, y = np.zeros((rows, 3), np.float32), np.arange(rows) % 2
    x[:, 0] = y
    return Dataset("tea", "classification", x, y, x, y, ("a", "b", "c"), ("no", "yes"))


@dataclass(frozen=True)
class Model:
    """How an arm learns: 1 - exp(-step / tau), tau smallest at its best learning rate.

    Attributes:
        steps: steps to 90 % of the way at the best learning rate.
        best: the best learning rate.
        width: decades away from it at which learning is e times slower.
        spread: standard deviation of log(steps) over seeds.
        top: where the metric ends.
        diverges: a function of the seed: True where every run diverges at step 3 (not those that
            are only timed).
        second: microseconds a step takes.
    """

    steps: float
    best: float = 0.1
    width: float = 0.5
    spread: float = 0.1
    top: float = TOP
    diverges: Callable[[int], bool] = lambda _seed: False
    second: float = 50.0

    def curve(self, trial: Trial) -> Curve:
        away = math.log10(trial.learning_rate / self.best) / self.width
        noise = np.random.default_rng([trial.seed, trial.network.norm == "none"]).normal()
        tau = self.steps / math.log(10) * math.exp(min(away**2, 20.0) + self.spread * noise)
        step = np.array(trial.evaluation_steps(), np.int64)
        metric = CHANCE + (self.top - CHANCE) * (1 - np.exp(-step / tau))
        ended = "finished"
        if self.diverges(trial.seed) and trial.evaluate_every:
            step, metric, ended = step[:1], metric[:1], "diverged"
        blank = np.full(len(step), np.nan)
        seconds = step * self.second * 1e-6
        last = 3 if ended == "diverged" else trial.steps
        return Curve(trial, step, seconds, blank, blank, metric, blank, blank, ended, last)


def held(race: Race, models: dict[str, Model], rounds: int = 30) -> Verdict:
    """What the experiment says when its arms learn by these models."""
    experiment = Speed(race)
    curves = curves_of(race, models, rounds)
    timed = [models[t.network.norm].curve(t) for t in experiment.timing(curves)]
    return experiment.verdict(curves, timed)


def curves_of(race: Race, models: dict[str, Model], rounds: int = 30) -> dict[str, Curve]:
    """Every curve the race asks for, round after round."""
    curves: dict[str, Curve] = {}
    for _ in range(rounds):
        wanted = race.trials(curves).trials
        if not wanted:
            return curves
        curves |= {t.key: models[t.network.norm].curve(t) for t in wanted}
    raise AssertionError(f"the race still wants {len(wanted)} trials after {rounds} rounds")
