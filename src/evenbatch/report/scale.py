"""Axes: from values to places on the paper, and the values worth a label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """A straight or logarithmic axis.

    Args:
        low, high: the values at its ends.
        start, end: where these lie, in pixels.
        log: decades.
        zero: where 0 lies on a logarithmic axis that has a place for it beside the decades.

    >>> Scale(0, 10, 100, 200)(5), Scale(0.01, 1, 0, 100, log=True)(0.1)
    (150.0, 50.0)
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    zero: float = math.nan

    def __call__(self, value: float) -> float:
        """The place of a value; NaN for one that has no place."""
        if math.isnan(value) or (self.log and value <= 0):
            return self.zero if value == 0 else math.nan
        if math.isinf(value):
            return self.end if value > 0 else self.start
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """At most about `most` round values between the ends."""
        return (
            log_ticks(self.low, self.high, most) if self.log else ticks(self.low, self.high, most)
        )


def extent(values: Iterable[float], log: bool, pad: float = 0.04) -> tuple[float, float] | None:
    """Ends of an axis that holds all these values, with some room; None if there is no value."""
    found = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not found:
        return None
    low, high = min(found), max(found)
    if log:
        if low == high:
            return low / 2, high * 2
        room = (high / low) ** pad
        return low / room, high * room
    if low == high:
        room = abs(low) / 2 or 1.0
        return low - room, high + room
    room = pad * (high - low)
    return low - room, high + room


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from low to high: steps of 1, 2 or 5 times a power of ten.

    >>> ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / max(most, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten from low to high; less than two decades get 2 and 5 times these as well.

    >>> log_ticks(0.001, 10, 5), log_ticks(3, 60, 5)
    ([0.001, 0.01, 0.1, 1.0, 10.0], [5.0, 10.0, 20.0, 50.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [k for k in range(first, last + 1) if low * 0.999 <= 10.0**k <= high * 1.001]
    if len(inside) >= 3:
        every = -(-len(inside) // max(most, 1))
        return [10.0**k for k in inside if k % every == 0]
    found = [round(m * 10.0**k, 12 - k) for k in range(first, last + 1) for m in (1, 2, 5)]
    fine = [v for v in found if low * 0.999 <= v <= high * 1.001]
    return fine if len(fine) > 1 else ticks(low, high, most)


def tick_labels(values: Sequence[float], log: bool = False, percent: bool = False) -> list[str]:
    """Values as an axis shows them; if one of a log axis needs a power of ten, all get it.

    >>> tick_labels([0.001, 1, 1000], log=True), tick_labels([1e-9, 0.001, 1, 1000], log=True)
    (['0.001', '1', '1,000'], ['10⁻⁹', '10⁻³', '1', '10³'])
    """
    powers = log and any(v and not LEAST < abs(v) < MOST for v in values)
    return [tick_label(value, percent, powers) for value in values]


LEAST, MOST = 9e-5, 1e5
"""Numbers between these are written out."""


def tick_label(value: float, percent: bool = False, power: bool = False) -> str:
    """A round value as an axis shows it.

    >>> [tick_label(v) for v in (0.25, 1000, 1e-5, 1e6, 3e7, 0)]
    ['0.25', '1,000', '10⁻⁵', '10⁶', '3·10⁷', '0']
    >>> tick_label(0.5, percent=True)
    '50 %'
    """
    if percent:
        return f"{_short(100 * value)} %"
    size = abs(value)
    if size and ((power and not 0.5 < size < 50) or not LEAST < size < MOST):
        return scientific(value)
    return _short(value)


def scientific(value: float) -> str:
    """A number in two digits as a power of ten.

    >>> scientific(2.6e-9), scientific(-1e6)
    ('2.6·10⁻⁹', '−10⁶')
    """
    power = math.floor(math.log10(abs(value)) + 1e-9)
    digit = float(f"{value / 10.0**power:.2g}")
    exponent = f"10{str(power).translate(SUPERSCRIPTS)}"
    if abs(digit) == 1:
        return exponent if digit > 0 else f"−{exponent}"
    return f"{_short(digit)}·{exponent}"


def _short(value: float) -> str:
    text = f"{value:,.6f}".rstrip("0").rstrip(".") if value else "0"
    return text.replace("-", "−")
