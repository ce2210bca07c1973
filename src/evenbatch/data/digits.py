"""`digits`: 1,797 handwritten digits of 8 × 8 pixels, the smallest real images there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, from_rows

BRIGHTEST = 16  # each pixel counts the set dots of a 4 × 4 block of the scanned bitmap

SOURCE = (
    "Optical Recognition of Handwritten Digits, test part (Alpaydin & Kaynak 1998, "
    "doi:10.24432/C50P49), in the order in which scikit-learn ships it; CC BY 4.0."
)


def load(test_share: float = 0.2, seed: int = 0) -> Dataset:
    """8 × 8 digits, 10 classes; a pixel is its brightness from 0 to 1.

    The file holds whole numbers from 0 to 16. They are divided by 16, the brightest value there can
    be: a change of unit, not a statistic of the data, so nothing is centred or scaled to a spread.

    Args:
        test_share: part of the rows kept for testing (each digit gives its share).
        seed: chooses those rows.

    Source: E. Alpaydin and C. Kaynak, "Cascading classifiers", Kybernetika 34 (1998);
    https://doi.org/10.24432/C50P49.

    >>> load()  # doctest: +ELLIPSIS
    Dataset('digits': classification, 64 features, 10 classes, 1438 training + 359 test rows, ...)
    """
    pixels, digit = _read()
    return from_rows(
        "digits",
        (pixels / BRIGHTEST).astype(np.float32),
        digit,
        features=[f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
        classes=[str(d) for d in range(10)],
        test_share=test_share,
        seed=seed,
        source=SOURCE,
        shape=(8, 8, 1),
    )


def _read() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(1797, 64) pixels from 0 to 16, and (1797,) digits, from the file beside this one."""
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        return file["pixels"], file["digit"].astype(np.int64)
