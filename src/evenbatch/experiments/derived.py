"""Data sets made from a given one: standardized, in other units, with fewer rows, with noise.

Each has a name of its own, which says what was done: "digits, 200 rows". The test rows stay what
they are, except where their columns must change with those of the training rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.data.split import random_order


def _derived(data: Dataset, suffix: str, **changes: Any) -> Dataset:
    return replace(data, name=f"{data.name}, {suffix}", fingerprint="", **changes)


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


ALIKE = 5.0


def spreads(data: Dataset) -> NDArray[np.float64]:
    """Standard deviations of the columns that are not constant in training, largest last."""
    found = np.sort(data.x_train.std(axis=0, dtype=np.float64))
    found = found[found > 0]
    return found if len(found) else np.ones(1)


def alike(data: Dataset) -> bool:
    """Whether the columns are of one scale: the middle half of their spreads lies within a factor
    of `ALIKE`.

    >>> from evenbatch.data import load
    >>> alike(load("digits")), alike(load("cookies"))
    (True, False)
    """
    low, high = np.quantile(spreads(data), [0.25, 0.75])
    return bool(high < ALIKE * low)


def standardized(data: Dataset) -> Dataset:
    """Each column minus the mean of its training rows, divided by their standard deviation.

    A column that is constant in training becomes 0 there.

    >>> from evenbatch.data import load
    >>> even = standardized(load("cookies"))
    >>> even.name, bool(abs(even.x_train.std(axis=0) - 1).max() < 1e-3)
    ('cookies, columns standardized', True)
    """
    x = data.x_train.astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    # A constant column of floats has a spread of rounding errors, not of 0.
    spread = np.where(spread > 1e-6 * np.abs(mean), spread, np.inf)
    spread = np.where(spread > 0, spread, np.inf)
    return _derived(
        data,
        "columns standardized",
        x_train=_float32((x - mean) / spread),
        x_test=_float32((data.x_test.astype(np.float64) - mean) / spread),
    )


def rescaled(data: Dataset, factors: ArrayLike, suffix: str) -> Dataset:
    """Each column times a factor, as if it were written in another unit.

    >>> from evenbatch.data import load
    >>> digits = load("digits")
    >>> small = rescaled(digits, 0.01, "in units 100 times larger")
    >>> round(float(digits.x_train.max() / small.x_train.max()))
    100
    """
    by = np.broadcast_to(np.asarray(factors, np.float64), data.n_features)
    return _derived(
        data, suffix, x_train=_float32(data.x_train * by), x_test=_float32(data.x_test * by)
    )


def binary(data: Dataset) -> Dataset:
    """1 where a value is above half, else 0: a picture in black and white.

    >>> from evenbatch.data import load
    >>> sorted(set(binary(load("digits")).x_train.ravel().tolist()))
    [0.0, 1.0]
    """
    return _derived(
        data,
        "black and white",
        x_train=_float32(data.x_train > 0.5),
        x_test=_float32(data.x_test > 0.5),
    )


def with_constant(data: Dataset, value: float) -> Dataset:
    """One more column that is the same in every row.

    >>> from evenbatch.data import load
    >>> with_constant(load("digits"), 1.0).n_features
    65
    """

    def more(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.column_stack([x, np.full(len(x), value, np.float32)])

    return _derived(
        data,
        f"with a column of {value:g}",
        x_train=more(data.x_train),
        x_test=more(data.x_test),
        features=(*data.features, "constant"),
    )


def fewer_rows(data: Dataset, rows: int, seed: int = 0) -> Dataset:
    """Some training rows, each class with its share as far as `rows` allow; all test rows.

    >>> from evenbatch.data import load
    >>> few = fewer_rows(load("digits"), 200)
    >>> few.name, few.n_train, few.n_test
    ('digits, 200 rows', 200, 359)
    """
    order = random_order(data.n_train, seed)
    if data.task == "classification":
        # Rank within its class, as a share: the first rows by it hold every class evenly.
        labels = data.y_train[order]
        share = np.empty(len(order))
        for label in np.unique(labels):
            where = np.flatnonzero(labels == label)
            share[where] = (np.arange(len(where)) + 0.5) / len(where)
        order = order[np.argsort(share, kind="stable")]
    kept = np.sort(order[:rows])
    return _derived(data, f"{rows} rows", x_train=data.x_train[kept], y_train=data.y_train[kept])


def shuffled_targets(data: Dataset, share: float, seed: int = 0) -> Dataset:
    """A share of the training rows get each other's targets; the test rows keep theirs.

    >>> from evenbatch.data import load
    >>> digits = load("digits")
    >>> noisy = shuffled_targets(digits, 0.3)
    >>> noisy.name, bool(0.2 < (noisy.y_train != digits.y_train).mean() < 0.3)
    ('digits, 30 % labels shuffled', True)
    """
    chosen = random_order(data.n_train, seed)[: round(share * data.n_train)]
    y = data.y_train.copy()
    y[chosen] = y[np.roll(chosen, 1)]
    what = "labels" if data.task == "classification" else "targets"
    return _derived(data, f"{100 * share:g} % {what} shuffled", y_train=y)


def learnable(data: Dataset) -> Dataset:
    """The data set itself, unless it is a regression whose targets are far from the size of 1.

    Then the targets are standardized: learning rates are tried over a few decades, and a price in
    cents would put all of them out of reach. R² stays what it is.

    >>> from evenbatch.data import load
    >>> learnable(load("digits")).name, learnable(load("cookies-taste")).name
    ('digits', 'cookies-taste')
    """
    if data.task == "classification":
        return data
    y = data.y_train.astype(np.float64)
    mean, spread = y.mean(axis=0), y.std(axis=0)
    size = np.sqrt((y**2).mean(axis=0))
    if not spread.all() or ((size >= 0.1) & (size <= 10)).all():
        return data
    return _derived(
        data,
        "target standardized",
        y_train=_float32((y - mean) / spread),
        y_test=_float32((data.y_test.astype(np.float64) - mean) / spread),
    )


def shuffled_rows(data: Dataset, seed: int = 0) -> Dataset:
    """The same test rows in another order: neighbours share nothing any more.

    >>> from evenbatch.data import load
    >>> shuffled_rows(load("cookies")).name
    'cookies, test rows shuffled'
    """
    order = random_order(data.n_test, seed)
    return _derived(
        data, "test rows shuffled", x_test=data.x_test[order], y_test=data.y_test[order]
    )
