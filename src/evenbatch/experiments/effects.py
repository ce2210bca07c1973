"""From values over seeds to an effect with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from evenbatch.experiments.exhibits import Series
from evenbatch.experiments.protocol import Effect
from evenbatch.experiments.ratios import mean_interval, ratio_of_means_interval


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
    return Effect(label, float(found.mean()), low, high, unit)


def intervals(name: str, x: Iterable[float], effects: Sequence[Effect]) -> Series:
    """Estimates with their intervals, one for each position.

    >>> intervals("batch norm", [8], [Effect("", 0.5, 0.4, 0.7, "")]).high
    (0.7,)
    """
    return Series(
        name,
        tuple(float(place) for place in x),
        tuple(effect.value for effect in effects),
        tuple(effect.low for effect in effects),
        tuple(effect.high for effect in effects),
    )


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
    return Effect(label, value, low, high, unit)


def share_effect(label: str, part: ArrayLike, whole: ArrayLike, unit: str) -> Effect:
    """What share of one mean another is, both over the same seeds, and its interval.

    >>> effect = share_effect("", [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.5], "of the gain")
    >>> round(effect.value, 2), effect.high < 0.52
    (0.49, True)
    """
    parts, wholes = np.asarray(part, float), np.asarray(whole, float)
    if not len(parts) or not wholes.mean():
        return Effect(label, math.nan, -math.inf, math.inf, unit)
    low, high = ratio_of_means_interval(parts, wholes)
    return Effect(label, float(parts.mean() / wholes.mean()), low, high, unit)


def seeds_told(*values: ArrayLike) -> int:
    """Seeds at which every one of these has a value."""
    told = np.isfinite(np.asarray(values[0], float))
    for more in values[1:]:
        told &= np.isfinite(np.asarray(more, float))
    return int(told.sum())
