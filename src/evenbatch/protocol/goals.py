"""Chance, and a goal that arms can reach, by a rule that does not know which arm is which."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evenbatch.data.dataset import Dataset

SHARE = 0.9  # of the way from chance to the weaker arm's best
NOTHING = 0.1  # of the stronger arm's gain: with less, the weaker arm has learned nothing


def chance(data: Dataset) -> float:
    """The metric of the best guess that does not look at the input.

    Classification: the share of test rows in the class most frequent in training. Regression: R² =
    0, which the mean of the targets reaches.
    """
    if data.task == "regression":
        return 0.0
    favourite = np.bincount(data.y_train, minlength=data.n_outputs).argmax()
    return float((data.y_test == favourite).mean())


def noise(data: Dataset) -> float:
    """How far above chance a metric must be to have learned anything.

    Classification: three standard errors of a share of the test rows. Regression: R² of 0.05.
    """
    if data.task == "regression":
        return 0.05
    p = chance(data)
    return 3 * math.sqrt(max(p * (1 - p), 1e-9) / data.n_test)


def guess_loss(data: Dataset) -> float:
    """Training loss of the best guess that does not look at the input: entropy, or variance.

    >>> from evenbatch.data import load
    >>> round(guess_loss(load("digits")), 2)  # ln 10
    2.3
    """
    if data.task == "regression":
        return float(data.y_train.var(axis=0, dtype=np.float64).mean())
    shares = np.bincount(data.y_train) / data.n_train
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


@dataclass(frozen=True)
class Chosen:
    """The metric to be reached, and in words why it is this one.

    Attributes:
        value: the metric.
        bar: the level from which it was taken; NaN if it was asked for.
        weaker: False if the weaker arm learned next to nothing, so that the other one set it.
        share: of the way from chance.
    """

    value: float
    bar: float = math.nan
    weaker: bool = True
    share: float = SHARE

    def rule(self, said: Mapping[float, str] | None = None) -> str:
        """Why it is this one."""
        if math.isnan(self.bar):
            return "asked for"
        which = "weaker" if self.weaker else "stronger"
        rest = "" if self.weaker else "; the other learned next to nothing"
        return f"{100 * self.share:.0f} % of the way from chance to the {which} arm's best{rest}"


def chosen(
    levels: Mapping[str, float], floor: float, least: float, share: float = SHARE
) -> Chosen | None:
    """The goal for two arms: `share` of the way from chance to the best of the weaker one.

    If the weaker arm gained less than `NOTHING` of what the other gained, its best is no goal worth
    the name; the other's best then takes its place, and a ratio of steps will only be a bound. None
    if no arm learned anything.

    Args:
        levels: the best level of each arm.
        floor: chance.
        least: how far above chance a level must be to have learned anything (`noise`).
        share: of the way.

    >>> chosen({"a": 0.8, "b": 0.9}, 0.1, 0.05).bar, chosen({"a": 0.11, "b": 0.9}, 0.1, 0.05).bar
    (0.8, 0.9)
    """
    ranked = sorted(levels, key=lambda name: levels[name])
    weaker, stronger = ranked[0], ranked[-1]
    if levels[stronger] - floor < least:
        return None
    nothing = levels[weaker] - floor < max(NOTHING * (levels[stronger] - floor), least)
    bar = levels[stronger if nothing else weaker]
    return Chosen(floor + share * (bar - floor), bar, not nothing, share)


def best_median(levels: Sequence[Sequence[float]]) -> float:
    """The highest median over seeds of any of several groups of runs."""
    return max(float(np.median(group)) for group in levels)
