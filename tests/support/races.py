"""Arms that learn by a formula, for races."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenbatch.claims import race_study
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.race import Finding
from evenbatch.protocol.verdict import Verdict
from support.curves import curve, tea
from support.studies import trained

TOP = 0.98


@dataclass(frozen=True)
class Arm:
    """How an arm learns: on a straight line to `top`, soonest at its best learning rate.

    Attributes:
        steps: steps to 90 % of the way at the best learning rate.
        best: the best learning rate.
        width: decades away from it at which learning is e times slower.
        spread: standard deviation of log(steps) over seeds.
        top: where the metric ends.
        diverges: a function of the seed: True where every run diverges at once (not those that are
            only timed).
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
        luck = np.random.default_rng([trial.seed, trial.network.norm == "none"]).normal()
        at = self.steps / 0.9 * math.exp(min(away**2, 20.0) + self.spread * luck)
        gone = self.diverges(trial.seed) and bool(trial.evaluate_every)
        return curve(trial, self.top, at, diverged=gone, second=self.second * 1e-6)


LOST = Arm(100, diverges=lambda _seed: True)
Arms = Mapping[str, Arm]


def race_of(data: Any = None, **settings: Any) -> RaceStudy:
    """A race on data nothing is trained on."""
    return race_study(data or tea(), **settings)


def curves_of(study: RaceStudy, arms: Arms) -> dict[str, Curve]:
    """Every curve a race asks for, round after round."""
    return trained(study, lambda trial: arms[trial.network.norm].curve(trial))


def timed_of(study: RaceStudy, arms: Arms, curves: Mapping[str, Curve]) -> list[Curve]:
    """Its timing pass."""
    return [arms[trial.network.norm].curve(trial) for trial in study.timing(curves)]


def raced(study: RaceStudy, arms: Arms, timed: bool = True) -> tuple[Finding, Verdict]:
    """What a race finds when its arms learn so, and what it says."""
    curves = curves_of(study, arms)
    seconds = timed_of(study, arms, curves) if timed else []
    found = study.finding(curves, seconds)
    assert found is not None
    return found, study.verdict(curves, seconds)


def arms(without: Arm, with_norm: Arm, norm: str = "batch") -> dict[str, Arm]:
    """Both arms by their ids."""
    return {"none": without, norm: with_norm}
