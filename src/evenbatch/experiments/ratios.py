"""From the steps of two arms to a ratio with its interval, paired by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evenbatch.experiments.protocol import Effect

PENALTY = 10
"""A run that did not reach the goal is taken to need between 1 and this many times the budget."""
RESAMPLES = 20_000

Floats = NDArray[np.float64]


def mean_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Bootstrap interval of a mean: the expanded percentile interval.

    The plain percentile interval is too narrow for few values, by the factor √((n−1)/n) and by
    using the normal quantile where Student's t belongs. Both are mended by reading the bootstrap
    distribution at Φ(±√(n/(n−1)) t) instead of at 2.5 % and 97.5 %.

    Source: T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69 (2015), section 4.2 in arXiv:1411.5279.

    Args:
        values: (n,) independent values; for a paired comparison, one difference for each pair.
        confidence: between 0 and 1.

    >>> low, high = mean_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> low < 1.8 and high > 4.2
    True
    >>> mean_interval(np.array([1.0]))
    (-inf, inf)
    """
    if len(values) < 2:
        return -math.inf, math.inf
    return _expanded(values[_resamples(len(values))].mean(axis=1), len(values), confidence)


def ratio_of_means_interval(
    part: Floats, whole: Floats, confidence: float = 0.95
) -> tuple[float, float]:
    """The same for mean(part) / mean(whole), whose values are pairs: both are resampled together.

    A mean of `whole` that may as well be 0 makes the ratio anything.

    >>> low, high = ratio_of_means_interval(np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 6, 8.5]))
    >>> low > 0.45 and high < 0.52
    True
    """
    if len(part) < 2:
        return -math.inf, math.inf
    places = _resamples(len(part))
    parts, wholes = part[places].mean(axis=1), whole[places].mean(axis=1)
    if wholes.min() <= 0 <= wholes.max():
        return -math.inf, math.inf
    return _expanded(parts / wholes, len(part), confidence)


def _expanded(resampled: Floats, n: int, confidence: float) -> tuple[float, float]:
    """The expanded percentile interval of a statistic of n values that was resampled."""
    from scipy.special import ndtr, stdtrit

    tail = ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - confidence) / 2))
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _resamples(n: int) -> NDArray[np.int64]:
    """The same for every interval of n values, so they are drawn once."""
    return np.random.default_rng(0).integers(0, n, (RESAMPLES, n))


def median_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a median between two order statistics; it holds whatever the distribution.

    The innermost symmetric pair of order statistics whose binomial coverage is at least
    `confidence`; for fewer than 6 values there is none at 95 %, and the whole range is returned.

    >>> median_interval(np.arange(1.0, 25.0))
    (7.0, 18.0)
    """
    from scipy.special import bdtr

    ordered = np.sort(values)
    n = len(ordered)
    k = 0
    while k + 1 < (n + 1) // 2 and 2 * bdtr(k + 1, n, 0.5) <= 1 - confidence:
        k += 1
    return float(ordered[k]), float(ordered[n - 1 - k])


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
        bound = ""
        if late.any() != late_norm.any():
            bound = "at least" if late.any() else "at most"
        low, high = (
            math.exp(value - down),
            math.exp(min(value + up, 700.0)) if up < math.inf else up,
        )
        return Effect(label, math.exp(value), low, high, unit, bound)
