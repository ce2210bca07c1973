"""How settings are checked: one kind of error, which names the setting, the value and a remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class SettingError(ValueError):
    """A network or trial was described in a way that cannot be trained; the message says why."""


def choose(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise a `SettingError` that lists what is allowed, and the nearest of it, if value is not."""
    if value in allowed:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise SettingError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}{hint}")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """The value as an int; a `SettingError` unless it is a whole number from low to high."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise SettingError(f"{name} is {value!r}; it must be a whole number")
    if not low <= value <= high:
        raise SettingError(f"{name} is {value}; it must be from {low} to {high}")
    return int(value)


def number(name: str, value: Any, low: float, high: float, open_high: bool = False) -> float:
    """The value as a float; a `SettingError` unless it is a finite number from low to high."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise SettingError(f"{name} is {value!r}; it must be a number")
    if not math.isfinite(value) or not low <= value <= high or (open_high and value == high):
        below = "below" if open_high else "at most"
        raise SettingError(f"{name} is {value}; it must be a number from {low:g}, {below} {high:g}")
    return float(value)


def plain(settings: Any, **values: Any) -> None:
    """Put checked values into a frozen dataclass: 1 and 1.0, or NumPy's numbers, are one setting,
    and equal settings must have equal keys.
    """
    for name, value in values.items():
        object.__setattr__(settings, name, value)
