"""Which rows are kept of a part of a data set, where not all are wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.split import random_order

MOSTLY = 0.8
"""A class with so large a share of the rows hides what becomes of the others."""
RARE = 10
"""Rows of a class from which its share of right answers is known at all."""


def sharing(targets: NDArray[np.generic], rows: int, seed: int, classes: bool = True) -> list[int]:
    """Some rows in order; where targets are classes, each has its share as far as `rows` allow."""
    order = random_order(len(targets), seed)
    if classes:
        # Rank within its class, as a share: the first rows by it hold every class evenly.
        labels = targets[order]
        share = np.empty(len(order))
        for label in np.unique(labels):
            where = np.flatnonzero(labels == label)
            share[where] = (np.arange(len(where)) + 0.5) / len(where)
        order = order[np.argsort(share, kind="stable")]
    found: list[int] = np.sort(order[:rows]).tolist()
    return found


def balanced(labels: NDArray[np.int64], rows: int, seed: int) -> list[int] | None:
    """As many rows of each class, at most `rows` in all, in order; None where no class is so
    common that it would make a difference.

    A class with fewer than `RARE` rows is taken whole, and the others do not shrink to its number,
    unless all but one are so rare.

    >>> labels = np.arange(200) % 20 == 0
    >>> kept = balanced(labels.astype(np.int64), 1000, seed=0)
    >>> len(kept), int(labels[kept].sum())
    (20, 10)
    >>> balanced(np.arange(200) % 2, 1000, seed=0) is None
    True
    """
    there, counts = np.unique(labels, return_counts=True)
    if len(there) < 2 or counts.max() < MOSTLY * len(labels):
        return None
    enough = min(RARE, np.sort(counts)[-2])
    each = min(counts[counts >= enough].min(), rows // len(there))
    order = random_order(len(labels), seed)
    kept = [order[labels[order] == label][:each] for label in there]
    found: list[int] = np.sort(np.concatenate(kept)).tolist()
    return found
