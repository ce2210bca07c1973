"""`digits`: 1,797 handwritten digits of 8 × 8 pixels, the smallest real images there are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, from_rows

BRIGHTEST = 16  # each pixel counts the set dots of a 4 × 4 block of the scanned bitmap

SOURCE = (
    "Optical Recognition of Handwritten Digits, test part (Alpaydin & Kaynak 1998, "
    "doi:10.24432/C50P49), as scikit-learn ships it; CC BY 4.0."
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
    )


def _read() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(1797, 64) pixels and (1797,) digits.

    The table is read straight from scikit-learn's folder, because importing scikit-learn takes a
    second; should the file move, scikit-learn is asked.
    """
    spec = find_spec("sklearn")  # finds the package without running it
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.data, bunch.target.astype(np.int64)
