"""Numbers in words, the same in the terminal, in pictures and in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from evenbatch.data.dataset import Dataset
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    Effect,
    Verdict,
)

_OPPOSITE = {"fewer": "more", "less": "more", "at least": "at most", "at most": "at least", "": ""}


def digits(value: float) -> str:
    """A number in two or three digits.

    >>> digits(8.734), digits(123.4), digits(0.8372), digits(float("inf"))
    ('8.7', '123', '0.84', '∞')
    """
    if math.isinf(value) or math.isnan(value):
        return "?" if math.isnan(value) else "∞"
    if abs(value) >= 99.5:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2g}"


def times(effect: Effect, brief: bool = False) -> str:
    """An effect in words; a ratio below 1 is turned round, so that no one has to divide.

    >>> times(Effect("", 4.0, 3.5, 4.6, "times fewer steps"))
    '4.0 times fewer steps (95 % interval 3.5 to 4.6)'
    >>> times(Effect("", 0.5, 0.4, 0.8, "times less time"))
    '2.0 times more time (95 % interval 1.2 to 2.5)'
    """
    value, low, high, unit, bound = effect.value, effect.low, effect.high, effect.unit, effect.bound
    if value < 1:
        less = unit.split()[1]
        unit = unit.replace(less, _OPPOSITE[less], 1)
        low, high = (1 / high if high else math.inf), (1 / low if low else math.inf)
        value, bound = 1 / value, _OPPOSITE[bound]
    interval = "" if brief else "95 % interval "
    text = f"{digits(value)} {unit} ({interval}"
    if bound == "at least":
        return f"at least {text}from {digits(low)})"
    if bound == "at most":
        return f"at most {text}up to {digits(high)})"
    return f"{text}{digits(low)} to {digits(high)})"


def ratio(effect: Effect) -> str:
    """A ratio for a table.

    >>> ratio(Effect("", 4.0, 3.5, 4.6, "")), ratio(Effect("", 37.3, 33.7, 412, "", "at least"))
    ('4.0× [3.5–4.6]', '≥ 37.3× [33.7–∞]')
    """
    low, high, value = digits(effect.low), digits(effect.high), digits(effect.value)
    if effect.bound == "at least":
        return f"≥ {value}× [{low}–∞]"
    if effect.bound == "at most":
        return f"≤ {value}× [0–{high}]"
    return f"{value}× [{low}–{high}]"


def metric_name(data: Dataset) -> str:
    """What the metric of a data set is called."""
    return "R²" if data.task == "regression" else "accuracy"


def amount(data: Dataset, metric: float) -> str:
    """A metric as people say it: a share of test rows in percent, or R².

    >>> from evenbatch.data import load
    >>> amount(load("digits"), 0.9346), amount(load("cookies-taste"), 0.5)
    ('93.5 %', 'R² 0.500')
    """
    return f"R² {metric:.3f}" if data.task == "regression" else f"{100 * metric:.1f} %"


def points(difference: float, data: Dataset) -> str:
    """A difference of metrics: accuracy in points of percent, R² as it is.

    >>> from evenbatch.data import load
    >>> points(0.0312, load("digits")), points(-0.05, load("cookies-taste"))
    ('+3.1 points', '−0.050')
    """
    sign = "−" if difference < 0 else "+"
    if data.task == "regression":
        return f"{sign}{abs(difference):.3f}"
    return f"{sign}{100 * abs(difference):.1f} points"


def points_unit(data: Dataset) -> str:
    """The unit of a difference of metrics times 100.

    >>> from evenbatch.data import load
    >>> points_unit(load("digits"))
    'points of accuracy'
    """
    return f"points of {metric_name(data)}"


def gain(effect: Effect) -> str:
    """A difference in words.

    >>> gain(Effect("", -2.13, -3.02, 0.11, "points of accuracy"))
    '−2.1 points of accuracy (95 % interval −3.0 to 0.11)'
    """
    value, low, high = (signed(v) for v in (effect.value, effect.low, effect.high))
    return f"{value} {effect.unit} (95 % interval {low} to {high})"


def compared(effect: Effect, more: str, less: str, same: str, than: str = "") -> str:
    """A difference in words that say which way it goes, if its interval does.

    >>> compared(Effect("", -2, -3, -1, "points"), "ahead of", "behind", "level with", "dropout")
    '2.0 points (95 % interval 1.0 to 3.0) behind dropout'
    >>> compared(Effect("", 0.5, -1, 2, "points"), "ahead of", "behind", "level with", "dropout")
    'level with dropout (0.5 points, 95 % interval −1.0 to 2.0)'
    """
    than = f" {than}" if than else ""
    if effect.low > 0:
        return f"{gain(effect)} {more}{than}"
    if effect.high < 0:
        turned = replace(effect, value=-effect.value, low=-effect.high, high=-effect.low)
        return f"{gain(turned)} {less}{than}"
    return f"{same}{than} ({gain(effect).replace(' (', ', ', 1)}"


def signed(value: float) -> str:
    """A difference as `digits` has it, to no more than two places, with a true minus sign.

    >>> signed(-0.4), signed(12.34), signed(0.0042)
    ('−0.4', '12.3', '0')
    """
    return digits(round(value, 2) or 0.0).replace("-", "−")


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["sugar"]), listed(["sugar", "flour", "eggs"])
    ('sugar', 'sugar, flour and eggs')
    """
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + list(names[-1:]))


def share(data: Dataset, metric: float) -> str:
    """A metric where its name is already said.

    >>> from evenbatch.data import load
    >>> share(load("digits"), 0.9346), share(load("cookies-taste"), 0.5)
    ('93.5 %', '0.500')
    """
    return amount(data, metric).removeprefix("R² ").replace("-", "−")


_VERBS = {
    HOLDS: "held",
    IN_PART: "held in part",
    FAILS: "did not hold",
    CANNOT_TELL: "could not be told",
}


def listed_answers(
    verdicts: Mapping[str, Verdict],
    named: Callable[[str, Verdict], str] = lambda name, _verdict: name,
) -> str:
    """What came out on which data set.

    >>> verdicts = {"digits": Verdict(HOLDS, "", "", (), ""), "tea": Verdict(FAILS, "", "", (), "")}
    >>> listed_answers(verdicts)
    'held here on digits; did not hold on tea'
    """
    said: list[str] = []
    for answer, verb in _VERBS.items():
        names = [named(name, v) for name, v in verdicts.items() if v.answer == answer]
        if names:
            here = " here" if not said else ""
            listed = " and on ".join([", on ".join(names[:-1])] * (len(names) > 1) + names[-1:])
            said.append(f"{verb}{here} on {listed}")
    return "; ".join(said)


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
