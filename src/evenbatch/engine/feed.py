"""A data set as the kernels read it: flat arrays of the trial's precision, rows padded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, is_roomy
from evenbatch.engine.layout import Data
from evenbatch.kernels._lanes import padded

Array = NDArray[Any]


@dataclass(frozen=True)
class Feed:
    """A data set as the kernels read it."""

    data: Data
    x_stride: int
    y_stride: int
    sst: tuple[float, float]  # total sum of squares of the targets: train, test


def _flat(matrix: Array, dtype: Any) -> Array:
    there = _as_it_lies(matrix) if matrix.dtype == dtype else None
    if there is not None:
        return there
    out = np.zeros((len(matrix), padded(matrix.shape[1])), dtype)
    out[:, : matrix.shape[1]] = matrix
    return out.ravel()


def _as_it_lies(matrix: Array) -> Array | None:
    """The memory of a matrix, if its rows are padded with zeros already: no second copy is made.

    A data set's arrays are read-only, and the loop is compiled for arrays that are not; what they
    are views of may be written.
    """
    whole = matrix.base
    if not (
        is_roomy(matrix)
        and isinstance(whole, np.ndarray)
        and whole.dtype == matrix.dtype
        and whole.flags.c_contiguous
        and whole.flags.writeable
    ):
        return None
    width = padded(matrix.shape[1])
    start = (matrix.ctypes.data - whole.ctypes.data) // matrix.itemsize
    flat = whole.reshape(-1)[start : start + len(matrix) * width]
    if len(flat) != len(matrix) * width or flat.reshape(-1, width)[:, matrix.shape[1] :].any():
        return None
    return flat


def _with_length(x: Array, lengths: NDArray[np.int64] | None) -> Array:
    """Sequences carry their length behind them; the tape looks for it there."""
    return x if lengths is None else np.column_stack([x, lengths])


def _spread(target: Array) -> float:
    return float(((target - target.mean(axis=0)) ** 2).sum()) or float("nan")


def make_feed(data: Dataset, dtype: Any) -> Feed:
    """The data set laid out for the kernels."""
    nothing, none = np.zeros(0, dtype), np.zeros(0, np.int64)
    x_train = _with_length(data.x_train, data.lengths_train)
    x_test = _with_length(data.x_test, data.lengths_test)
    strides = padded(x_train.shape[1]), padded(data.n_outputs)
    x, x_test = _flat(x_train, dtype), _flat(x_test, dtype)
    if data.task == "classification":
        # Copies: a data set is read-only, and the loop is compiled for arrays that are not.
        labels = np.array(data.y_train, np.int64)
        labels_test = np.array(data.y_test, np.int64)
        found = Data(x, labels, nothing, x_test, labels_test, nothing)
        return Feed(found, *strides, (1.0, 1.0))
    y, y_test = data.y_train.astype(np.float64), data.y_test.astype(np.float64)
    found = Data(x, none, _flat(y, dtype), x_test, none, _flat(y_test, dtype))
    return Feed(found, *strides, (_spread(y), _spread(y_test)))
