"""A value over seeds in words: statistics, and ways of writing a number, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import KEPT
from evenbatch.protocol.wording import amount, digits, fold, share, signed

STATISTICS: Mapping[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(values.mean()),
    "median": lambda values: float(np.median(values)),
    "lower": lambda values: float(np.quantile(values, 0.5, method="lower")),
    "geometric": lambda values: float(np.exp(np.log(values).mean())),
}
"""Of the seeds' values; "lower" is the lower of two middle ones, a median that was measured."""

_WORDS: Mapping[str, Callable[[float, Dataset], str]] = {
    "share": lambda value, data: share(data, value),
    "amount": lambda value, data: amount(data, value),
    "digits": lambda value, _data: digits(value),
    "signed": lambda value, _data: signed(value),
    "fold": lambda value, _data: fold(value),
    "layers": lambda value, _data: "none" if value <= 1 else f"{value:g}",
    "cut": lambda value, _data: "without limit" if value >= KEPT[1] else digits(value),
}


def in_words(value: float, words: str, data: Dataset, budget: int = 0) -> str:
    """A number as it is written.

        share, amount           a metric whose name is said, or is not: 93.5 %
        digits, signed, fold    a number, a difference, a factor in decades (see `wording`)
        steps                   to a goal; "over" the budget where it was not reached
        layers                  "none" for one alone
        cut                     a measure that is cut where it is not finite (`measures.KEPT`)
        .3f                     as Python formats it

    >>> from evenbatch.data import load
    >>> data = load("digits")
    >>> [in_words(value, "steps", data, 500) for value in (22.0, np.inf)]
    ['22', 'over 500']
    >>> [in_words(value, "cut", data) for value in (0.0123, 1e9)]
    ['0.012', 'without limit']
    >>> in_words(1.0, "layers", data), in_words(0.5, "share", data), in_words(0.5, ".3f", data)
    ('none', '50.0 %', '0.500')
    """
    if words == "steps":
        return f"{value:.0f}" if np.isfinite(value) else f"over {budget}"
    if words.startswith("."):
        return format(value, words)
    return _WORDS[words](value, data)
