"""Numbers in words, the same in the terminal, in pictures and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evenbatch.data.dataset import Dataset


def digits(value: float) -> str:
    """A number in two or three digits.

    >>> digits(8.734), digits(123.4), digits(0.8372), digits(float("inf"))
    ('8.7', '123', '0.84', '∞')
    """
    if math.isinf(value) or math.isnan(value):
        return "?" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if abs(value) >= 99.5:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2g}"


def metric_name(data: Dataset) -> str:
    """What the metric of a data set is called."""
    return "R²" if data.task == "regression" else "accuracy"


def amount(data: Dataset, metric: float) -> str:
    """A metric as people say it: a share of test rows in percent, or R².

    >>> from evenbatch.data import load
    >>> amount(load("digits"), 0.9346), amount(load("cookies-taste"), 0.5)
    ('93.5 %', 'R² 0.500')
    >>> amount(load("cookies-taste"), -1.5)
    'R² −1.500'
    """
    text = f"R² {metric:.3f}" if data.task == "regression" else f"{100 * metric:.1f} %"
    return text.replace("-", "−")


def points_unit(data: Dataset) -> str:
    """The unit of a difference of metrics times 100.

    >>> from evenbatch.data import load
    >>> points_unit(load("digits")), points_unit(load("cookies-taste"))
    ('percentage points', 'points (0.01) of R²')
    """
    return "points (0.01) of R²" if data.task == "regression" else "percentage points"


def signed(value: float) -> str:
    """A difference as `digits` has it, to no more than two places, with a true minus sign.

    >>> signed(-0.4), signed(12.34), signed(0.0042)
    ('−0.4', '12.3', '0')
    """
    return digits(round(value, 2) or 0.0).replace("-", "−")


def listed(names: Sequence[str], last: str = "and") -> str:
    """
    >>> listed(["sugar"]), listed(["sugar", "flour", "eggs"]), listed(["tea", "milk"], "or")
    ('sugar', 'sugar, flour and eggs', 'tea or milk')
    """
    return f" {last} ".join([", ".join(names[:-1])] * (len(names) > 1) + list(names[-1:]))


def share(data: Dataset, metric: float) -> str:
    """A metric where its name is already said.

    >>> from evenbatch.data import load
    >>> share(load("digits"), 0.9346), share(load("cookies-taste"), 0.5)
    ('93.5 %', '0.500')
    """
    return amount(data, metric).removeprefix("R² ")


def count(number: int, thing: str) -> str:
    """
    >>> count(1, "seed"), count(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def fold(decades: float) -> str:
    """A factor given in decades, as people say it; from 10,000 on as a power of ten.

    >>> fold(1.3), fold(2.0), fold(-8.1), fold(0.02)
    ('20-fold', '100-fold', '10⁸-fold', '1.0-fold')
    """
    size = abs(decades)
    if size >= 4:
        return f"10{str(round(size)).translate(_RAISED)}-fold"
    factor = 10**size
    return f"{factor:.0f}-fold" if factor >= 9.95 else f"{digits(factor)}-fold"


def span(seconds: float) -> str:
    """A time in a unit that needs no zeros.

    >>> span(0.0000612), span(0.0123), span(3.21)
    ('61 µs', '12 ms', '3.2 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
