"""From values over seeds to an effect with its 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evenbatch.protocol.intervals import mean_interval, median_interval, ratio_of_means_interval
from evenbatch.protocol.verdict import Bound, Effect

PENALTY = 10
"""A run that did not reach the goal is taken to need between 1 and this many times the budget."""

Floats = NDArray[np.float64]


def mean_effect(label: str, values: ArrayLike, unit: str) -> Effect:
    """The mean over seeds and its interval (see `mean_interval`); seeds without a value are left
    out. For a paired comparison, give the differences seed by seed.

    >>> effect = mean_effect("batch − none", [1.0, 1.5, 1.25, 1.0, 1.5], "decades wider")
    >>> effect.value, effect.low > 0.9, effect.high < 1.6
    (1.25, True, True)
    """
    found = np.asarray(values, float)
    found = found[np.isfinite(found)]
    if not len(found):
        return Effect(label, math.nan, -math.inf, math.inf, unit)
    low, high = mean_interval(found)
    return Effect(label, float(found.mean()), low, high, unit, seeds=len(found))


def ratio_effect(label: str, above: ArrayLike, below: ArrayLike, unit: str) -> Effect:
    """The geometric mean over seeds of above / below, both positive, and its interval.

    >>> effect = ratio_effect("", [2.0, 4.0, 8.0], [1.0, 2.0, 4.0], "times larger")
    >>> round(effect.value, 6), round(effect.low, 6)
    (2.0, 2.0)
    """
    with np.errstate(all="ignore"):
        logs = np.log(np.asarray(above, float)) - np.log(np.asarray(below, float))
    found = mean_effect(label, logs, unit)
    if math.isnan(found.value):
        return Effect(label, math.nan, 0.0, math.inf, unit)
    value, low, high = (math.exp(min(v, 700.0)) for v in (found.value, found.low, found.high))
    return Effect(label, value, low, high, unit, seeds=found.seeds)


def share_effect(label: str, part: ArrayLike, whole: ArrayLike, unit: str) -> Effect:
    """What share of one mean another is, both over the same seeds, and its interval.

    >>> effect = share_effect("", [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.5], "of the gain")
    >>> round(effect.value, 2), effect.high < 0.52
    (0.49, True)
    """
    parts, wholes = np.asarray(part, float), np.asarray(whole, float)
    there = np.isfinite(parts) & np.isfinite(wholes)
    parts, wholes = parts[there], wholes[there]
    if not len(parts) or not wholes.mean():
        return Effect(label, math.nan, -math.inf, math.inf, unit)
    low, high = ratio_of_means_interval(parts, wholes)
    value = float(parts.mean() / wholes.mean())
    return Effect(label, value, low, high, unit, seeds=len(parts))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Steps to the goal of both arms, seed by seed; infinity where it was not reached.

    Attributes:
        without, with_norm: (n,) of the two arms; the same place is the same seed.
        budget: the most steps a run could take.
    """

    without: Floats
    with_norm: Floats
    budget: int

    @property
    def told(self) -> int:
        """Pairs that tell something: at least one of the two reached the goal."""
        return int((np.isfinite(self.without) | np.isfinite(self.with_norm)).sum())

    def log_ratios(self, without: float = 1, with_norm: float = 1) -> Floats:
        """log(without / with_norm), an unfinished run counted as that many budgets."""
        a = np.where(np.isfinite(self.without), self.without, without * self.budget)
        b = np.where(np.isfinite(self.with_norm), self.with_norm, with_norm * self.budget)
        return np.asarray(np.log(a) - np.log(b))

    def ratio(self, unit: str, label: str = "", price: Floats | None = None) -> Effect:
        """How many times less the normalized arm needed: geometric mean over seeds, 95 % interval.

        A run that did not reach the goal needed more than its budget, and nobody knows how much.
        The value counts it as one budget. The interval counts it as anything from 1 to `PENALTY`
        budgets: its low end assumes the worst for the normalized arm, its high end the best.

        Args:
            unit, label: of the effect.
            price: if given, (k,) measured ratios of what a step costs, without divided by with.
                Their median multiplies the ratio. Its interval and that of the steps, which are
                independent, are joined on the log scale, where distances from the estimate add in
                quadrature (Zou & Donner 2008, Statistics in Medicine 27, doi:10.1002/sim.3095).

        >>> without, with_norm = [200.0, 240, 180, 220, 210], [50.0, 60, 45, 55, 50]
        >>> steps = Pairs(np.array(without), np.array(with_norm), 1000)
        >>> effect = steps.ratio("times fewer steps")
        >>> round(effect.value, 1), effect.low > 3.9, effect.high < 4.3, effect.bound
        (4.0, True, True, '')
        >>> round(steps.ratio("times less time", price=np.array([0.5, 0.5])).value, 1)
        2.0
        >>> Pairs(np.full(5, np.inf), np.full(5, 50.0), 1000).ratio("times fewer steps").bound
        'at least'
        """
        if self.told == 0:
            return Effect(label, math.nan, 0.0, math.inf, unit)
        late, late_norm = ~np.isfinite(self.without), ~np.isfinite(self.with_norm)
        value = float(self.log_ratios().mean())
        down = value - mean_interval(self.log_ratios(1, PENALTY))[0]
        up = mean_interval(self.log_ratios(PENALTY, 1))[1] - value
        if price is not None:
            cost = np.log(price)
            middle = float(np.median(cost))
            low, high = median_interval(cost)
            value, down, up = (
                value + middle,
                math.hypot(down, middle - low),
                math.hypot(up, high - middle),
            )
        bound: Bound = ""
        if late.any() != late_norm.any():
            bound = "at least" if late.any() else "at most"
        low, high = (
            math.exp(value - down),
            math.exp(min(value + up, 700.0)) if up < math.inf else up,
        )
        return Effect(label, math.exp(value), low, high, unit, bound, seeds=self.told)
