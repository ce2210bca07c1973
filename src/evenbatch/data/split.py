"""Which rows are kept for testing: decided by a seed, the same on every machine and version."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError


def random_order(n: int, seed: int) -> NDArray[np.int64]:
    """A permutation of 0..n-1 that depends on nothing but `n` and `seed`.

    The raw 64-bit words of PCG64 are sorted: NumPy may change what ``Generator.permutation``
    returns between versions (NEP 19), but not the words.
    """
    words = np.random.PCG64(seed).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64)


def split_rows(
    n: int, test_share: float = 0.2, seed: int = 0, labels: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows 0..n-1 into training and test rows, both in ascending order.

    With `labels`, every class gives its own share to the test rows (largest remainders make up the
    total), but keeps at least one training row: no class is met for the first time in the test.

    Args:
        n: number of rows, at least 2.
        test_share: part kept for testing, between 0 and 1 (neither).
        seed: chooses the rows; a whole number, 0 or more.
        labels: (n,) class of each row, or None.

    Raises:
        DataError: for a share, a seed or a number of rows that allows no split.

    >>> train, test = split_rows(10, test_share=0.3, seed=1)
    >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()]) == list(range(10))
    (7, 3, True)
    """
    check_split(test_share, seed)
    if n < 2:
        raise DataError(f"{n} row{'s' * (n != 1)} cannot be split into training and test: need 2.")
    order = random_order(n, seed)
    groups = [order] if labels is None else [order[labels[order] == c] for c in np.unique(labels)]
    counts = _test_counts([len(group) for group in groups], test_share)
    is_test = np.zeros(n, dtype=bool)
    for group, count in zip(groups, counts, strict=True):
        is_test[group[:count]] = True
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def _test_counts(sizes: list[int], share: float) -> list[int]:
    """How many rows of each group are tested; one at least in all, all but one at most in each."""
    counts = [int(size * share) for size in sizes]  # less than size: share is less than 1
    wanted = max(1, int(sum(sizes) * share + 0.5))
    by_remainder = sorted(range(len(sizes)), key=lambda g: counts[g] - sizes[g] * share)
    for group in by_remainder:
        if sum(counts) < wanted and counts[group] < sizes[group] - 1:
            counts[group] += 1
    if not any(counts):  # every class has a single row
        counts[0] = 1
    return counts


def check_split(test_share: float, seed: int) -> None:
    """Raise a `DataError` unless the two settings of a split make sense."""
    if not 0 < test_share < 1:
        raise DataError(
            f"test_share is {test_share!r}: it is the part of the rows kept for testing, "
            "between 0 and 1 (0.2 keeps a fifth)."
        )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed is {seed!r}: it must be a whole number, 0 or more.")
