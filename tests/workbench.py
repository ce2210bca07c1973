"""A flat workspace for testing kernels: matrices in it, NaN everywhere else.

A kernel that reads what it was not given meets NaN; one that writes outside its matrices is caught
by `Workbench.check_guards`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.kernels._lanes import padded

GUARD = 32
"""NaN elements left after each piece."""


class Workbench:
    """Hands out pieces of one flat array of `dtype`; rows are padded to multiples of 16 columns."""

    def __init__(self, dtype: Any, size: int = 1 << 15) -> None:
        self.dtype = np.dtype(dtype)
        self.flat = np.full(size, np.nan, self.dtype)
        self.used = np.zeros(size, bool)
        self.end = GUARD

    def take(self, size: int) -> int:
        """Offset of `size` elements, still NaN."""
        at, self.end = self.end, self.end + size + GUARD
        if self.end > len(self.flat):
            raise MemoryError(f"the workbench holds {len(self.flat)} elements; {self.end} needed")
        self.used[at : at + size] = True
        return at

    def room(self, rows: int, columns: int) -> int:
        """Offset of a matrix to be written by a kernel."""
        return self.take(rows * padded(columns))

    def put(self, matrix: Any, padding: float = 0.0) -> int:
        """Offset of a copy of the matrix (or vector), its padding filled."""
        matrix = np.atleast_2d(np.asarray(matrix))
        rows, columns = matrix.shape
        at = self.room(rows, columns)
        block = self.flat[at : at + rows * padded(columns)].reshape(rows, padded(columns))
        block[:, :columns] = matrix
        block[:, columns:] = padding
        return at

    def get(self, at: int, rows: int, columns: int) -> NDArray[Any]:
        """The live columns of a matrix."""
        return self.padded(at, rows, columns)[:, :columns].copy()

    def padding(self, at: int, rows: int, columns: int) -> NDArray[Any]:
        """The columns beyond the live ones."""
        return self.padded(at, rows, columns)[:, columns:].copy()

    def padded(self, at: int, rows: int, columns: int) -> NDArray[Any]:
        """The matrix with its padding (a view)."""
        return self.flat[at : at + rows * padded(columns)].reshape(rows, padded(columns))

    def check_guards(self) -> None:
        """Nothing was written outside the pieces handed out."""
        written = np.flatnonzero(~np.isnan(self.flat) & ~self.used)
        assert written.size == 0, f"a kernel wrote outside its matrices, at {written[:5]}"


def as_good_as_float32(
    kernel: Any, naive: Any, reference: Any, floor: float, what: str = "result"
) -> None:
    """|kernel − float64 reference| ≤ 2·|naive float32 − float64 reference| + floor, largest errors.

    The largest error over the array stands on each side: element by element the naive result is
    often right to the last bit by luck, and the rule would then test luck.
    """
    kernel, naive, reference = (np.asarray(a, np.float64) for a in (kernel, naive, reference))
    assert kernel.shape == naive.shape == reference.shape, f"{what}: shapes differ"
    assert np.isfinite(reference).all(), f"{what}: the reference itself is not finite"
    if reference.size == 0:
        return
    error, allowed = np.abs(kernel - reference).max(), np.abs(naive - reference).max()
    assert error <= 2 * allowed + floor, (
        f"{what}: off by {error:.3g}; naive float32 is off by {allowed:.3g}, floor {floor:.3g}"
    )
