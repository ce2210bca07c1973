"""95 % intervals over seeds: of a mean, of a ratio of means, of a median."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 20_000
PART = 400
_normal = NormalDist()

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


def mean_intervals(values: Floats, confidence: float = 0.95) -> list[tuple[float, float]]:
    """`mean_interval` of each column, but for the last digits, from the same resamples.

    For many values: a resample is how often each value is in it, and the means of all columns are
    one product.

    Args:
        values: (n, k) independent rows.
        confidence: between 0 and 1.

    >>> mean_intervals(np.array([[1.0], [2.0], [3.0]]))[0] == mean_interval(np.array([1.0, 2, 3]))
    True
    """
    n, columns = values.shape
    if n < 2:
        return [(-math.inf, math.inf)] * columns
    rng = np.random.default_rng(0)
    means = np.empty((RESAMPLES, columns))
    across = np.ascontiguousarray(values.T)
    # A part of the resamples at a time, in the cache: kept whole, 300 values would take 48 MB.
    for first in range(0, RESAMPLES, PART):
        places = rng.integers(0, n, (PART, n)) + np.arange(0, PART * n, n)[:, None]
        counts = np.bincount(places.ravel(), minlength=PART * n).reshape(PART, n)
        # Not by BLAS: its threads wait for each other where other programs run (8 times as long).
        sums = np.einsum("ij,kj->ik", counts.astype(float), across)
        means[first : first + PART] = sums / n
    return [_expanded(means[:, k], n, confidence) for k in range(columns)]


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
    tail = _normal.cdf(-math.sqrt(n / (n - 1)) * student_t(confidence, n - 1))
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


@lru_cache(maxsize=256)
def student_t(confidence: float, freedom: int) -> float:
    """The t with P(|T| ≤ t) = `confidence` for Student's distribution.

    Source: Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4: for a
    whole number of degrees of freedom the probability is a finite sum in θ = arctan(t / √freedom).

    >>> round(student_t(0.95, 4), 4), round(student_t(0.95, 9), 4)
    (2.7764, 2.2622)
    """

    def within(theta: float) -> float:
        sine, cosine = math.sin(theta), math.cos(theta)
        odd = freedom % 2
        term = total = cosine if odd else 1.0
        for k in range(2 + odd, freedom, 2):
            term *= (k - 1) / k * cosine * cosine
            total += term
        if not odd:
            return sine * total
        return 2 / math.pi * (theta + (sine * total if freedom > 1 else 0.0))

    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if within(middle) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


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
    ordered = np.sort(values)
    n = len(ordered)
    k, ways, fewer = 0, 1, 1  # of 2ⁿ: with exactly k values below the median, with at most k
    while k + 1 < (n + 1) // 2:
        ways = ways * (n - k) // (k + 1)
        fewer += ways
        if 2 * fewer / 2**n > 1 - confidence:
            break
        k += 1
    return float(ordered[k]), float(ordered[n - 1 - k])
