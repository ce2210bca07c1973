"""What every data set is once loaded: two tables of numbers, names, and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError
from evenbatch.data.split import split_rows
from evenbatch.table_options import TASKS

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_LENGTHS = ("lengths_train", "lengths_test")
_BLOCK = 4096  # rows
ROOM = 16
"""Columns that the engine's rows are padded to a multiple of (`kernels._lanes.PAD`)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from and rows to test on, as they are: nothing is standardized.

    The arrays are read-only, because one loaded data set is shared by everything in the process.

    A row may also be a sequence of `time_steps` steps, laid out one after the other; it ends after
    its length, and what follows is zero.

    Args:
        name: what ``Trial.data`` holds: "digits", "cookies:seed=3", "table:wine".
        task: "classification" or "regression".
        x_train: (N, features) float32; of sequences (N, time_steps · features).
        y_train: classification: (N,) int64 class indices; regression: (N, targets) float32.
        x_test: (M, features) float32.
        y_test: as `y_train`, M rows.
        features: a name for each column of x; of sequences, for each column of one time step.
        classes: a name for each class index; () for regression.
        fingerprint: computed from the arrays; leave it out.
        source: one sentence: where the data comes from, whom to cite, its licence.
        notes: what was noticed while loading and is worth knowing, one sentence each.
        time_steps: steps of the longest sequence there is room for; 0 where rows are no sequences.
        lengths_train: (N,) int64, time steps of each sequence, from 1 to `time_steps`.
        lengths_test: as `lengths_train`, M rows.
        shape: where the columns are positions, for convolutions: (positions, channels), or (height,
            width, channels), the last varying fastest; () where they are not.

    Raises:
        DataError: for arrays that do not fit together, other number types, NaN or infinity, and for
            a sequence that goes on after its length.

    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> Dataset("eye", "classification", x, y, x[:1], y[:1], tuple("abcd"), ("no", "yes")).n_outputs
    2
    """

    name: str
    task: str
    x_train: NDArray[np.float32]
    y_train: NDArray[Any]
    x_test: NDArray[np.float32]
    y_test: NDArray[Any]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    fingerprint: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    time_steps: int = 0
    lengths_train: NDArray[np.int64] | None = None
    lengths_test: NDArray[np.int64] | None = None
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise DataError(f"{self.name}: task is {self.task!r}, not one of {TASKS}.")
        steps = self.time_steps
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
            raise DataError(
                f"{self.name}: time_steps is {steps!r}; it must be a whole number, 0 for rows that "
                "are no sequences."
            )
        object.__setattr__(self, "shape", self._checked_shape())
        for part in ("train", "test"):
            self._check_x(f"x_{part}")
            self._check_lengths(f"lengths_{part}", getattr(self, f"x_{part}"))
            self._check_y(f"y_{part}", len(getattr(self, f"x_{part}")))
        for field in _ARRAYS + (_LENGTHS if steps else ()):
            array = getattr(self, field)
            view = (array if is_roomy(array) else np.ascontiguousarray(array)).view()
            view.flags.writeable = False
            object.__setattr__(self, field, view)
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self))

    def _checked_shape(self) -> tuple[int, ...]:
        try:
            shape = tuple(index(size) for size in self.shape)
        except TypeError:
            shape = (0,)
        whole = len(shape) in (2, 3) and min(shape) > 0 and prod(shape) == self.n_features
        if shape and not whole:
            raise DataError(
                f"{self.name}: shape is {self.shape!r}; for {self.n_features} columns it must be "
                "(positions, channels) or (height, width, channels) with that product."
            )
        return shape

    def _check_x(self, field: str) -> None:
        x = getattr(self, field)
        if x.dtype != np.float32 or x.ndim != 2 or 0 in x.shape:
            raise DataError(
                f"{self.name}: {field} is {x.dtype} {x.shape}; it must be float32 with "
                "at least one row and one column."
            )
        if x.shape[1] != len(self.features) * max(self.time_steps, 1):
            steps = f" for each of {self.time_steps} time steps" if self.time_steps else ""
            raise DataError(
                f"{self.name}: {field} has {x.shape[1]} columns, "
                f"but {len(self.features)} feature names were given{steps}."
            )
        _check_finite(self.name, field, x)

    def _check_lengths(self, field: str, x: NDArray[Any]) -> None:
        lengths, steps = getattr(self, field), self.time_steps
        if not steps:
            if lengths is not None:
                raise DataError(
                    f"{self.name}: {field} is given, but time_steps is 0; sequences need both."
                )
            return
        if lengths is None or lengths.dtype != np.int64 or lengths.shape != (len(x),):
            found = "missing" if lengths is None else f"{lengths.dtype} {lengths.shape}"
            raise DataError(
                f"{self.name}: {field} is {found}; sequences need int64 ({len(x)},), the time "
                "steps of each row."
            )
        wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
        if len(wrong):
            raise DataError(
                f"{self.name}: {field}[{wrong[0]}] is {lengths[wrong[0]]}; a sequence has from 1 "
                f"to time_steps={steps} steps."
            )
        by_step = x.reshape(len(x), steps, -1)
        after = np.arange(steps) >= lengths[:, None]
        late = np.argwhere(after & by_step.any(axis=2))
        if len(late):
            row, step = (int(i) for i in late[0])
            raise DataError(
                f"{self.name}: x_{field.removeprefix('lengths_')}[{row}] is not zero at time step "
                f"{step}, but {field}[{row}] is {lengths[row]}; pad with zeros after the end."
            )

    def _check_y(self, field: str, rows: int) -> None:
        y = getattr(self, field)
        if len(y) != rows:
            raise DataError(f"{self.name}: {field} has {len(y)} rows, its inputs have {rows}.")
        if self.task == "regression":
            if y.dtype != np.float32 or y.ndim != 2 or self.classes:
                raise DataError(
                    f"{self.name}: {field} is {y.dtype} {y.shape} "
                    f"with {len(self.classes)} classes; a regression target is float32 "
                    "(rows, targets), without classes."
                )
            _check_finite(self.name, field, y)
            return
        if y.dtype != np.int64 or y.ndim != 1 or len(self.classes) < 2:
            raise DataError(
                f"{self.name}: {field} is {y.dtype} {y.shape} with {len(self.classes)} classes; "
                "a classification target is int64 (rows,), with at least two classes."
            )
        if y.min() < 0 or y.max() >= len(self.classes):
            raise DataError(
                f"{self.name}: {field} holds class {int(y.min() if y.min() < 0 else y.max())}, "
                f"but the classes are 0 to {len(self.classes) - 1}."
            )

    @property
    def n_features(self) -> int:
        """Columns of x; of sequences, of one time step."""
        return len(self.features)

    @property
    def n_outputs(self) -> int:
        """Classes, or regression targets; the width of a network's last layer."""
        return len(self.classes) if self.task == "classification" else int(self.y_train.shape[1])

    @property
    def n_train(self) -> int:
        return len(self.x_train)

    @property
    def n_test(self) -> int:
        return len(self.x_test)

    def __repr__(self) -> str:
        kind = "classes" if self.task == "classification" else "target" + "s" * (self.n_outputs > 1)
        steps = f"up to {self.time_steps} time steps of " if self.time_steps else ""
        return (
            f"Dataset({self.name!r}: {self.task}, {steps}{self.n_features} features, "
            f"{self.n_outputs} {kind}, {self.n_train} training + {self.n_test} test rows, "
            f"{self.fingerprint})"
        )


def _check_finite(name: str, field: str, values: NDArray[Any]) -> None:
    for start, block in _blocks(values):
        finite = np.isfinite(block)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise DataError(
                f"{name}: {field}[{start + row}, {column}] is {block[row, column]}, not a number."
            )


def _blocks(values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Some rows at a time and where they begin, so that no second copy of a large table is made."""
    for start in range(0, max(len(values), 1), _BLOCK):
        yield start, values[start : start + _BLOCK]


def roomy(rows: int, columns: int) -> NDArray[np.float32]:
    """Zeros (rows, columns), each row with room behind it up to a multiple of 16 columns.

    So the engine reads rows, and trains on such an array as it lies, without a copy.
    """
    return np.zeros((rows, -(-columns // ROOM) * ROOM), np.float32)[:, :columns]


def is_roomy(x: NDArray[Any]) -> bool:
    """Whether an array lies as `roomy` makes one."""
    return bool(
        x.ndim == 2
        and x.dtype == np.float32
        and x.strides == (-(-x.shape[1] // ROOM) * ROOM * 4, 4)
    )


def fingerprint(dataset: Dataset) -> str:
    """16 hexadecimal digits of SHA-256 over the four arrays: type, shape and bytes.

    Of sequences also over their time steps and lengths. Names are left out: the same numbers under
    another name are the same data.
    """
    digest = hashlib.sha256()
    if dataset.time_steps:
        digest.update(f"time_steps {dataset.time_steps}".encode())
    for field in _ARRAYS + (_LENGTHS if dataset.time_steps else ()):
        array = getattr(dataset, field)
        little = array.dtype.newbyteorder("<")
        digest.update(f"{field} {little.str} {array.shape}".encode())
        for _, block in _blocks(array):
            digest.update(np.ascontiguousarray(block, little).data)
    return digest.hexdigest()[:16]


def from_rows(
    name: str,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    features: Sequence[str],
    classes: Sequence[str] = (),
    test_share: float,
    seed: int,
    source: str,
    notes: Sequence[str] = (),
    lengths: NDArray[np.int64] | None = None,
    shape: tuple[int, ...] = (),
) -> Dataset:
    """A `Dataset` from all rows together, split by `split_rows` (each class by its own share).

    With `lengths` the rows are sequences, x (n, time steps, features).
    """
    train, test = split_rows(len(x), test_share, seed, labels=y if classes else None)
    x = x.astype(np.float32, copy=False)
    y = y.astype(np.int64 if classes else np.float32, copy=False)
    steps = 0 if lengths is None else x.shape[1]
    x = x.reshape(len(x), -1)
    return Dataset(
        name=name,
        task="classification" if classes else "regression",
        x_train=x[train],
        y_train=y[train],
        x_test=x[test],
        y_test=y[test],
        features=tuple(features),
        classes=tuple(classes),
        source=source,
        notes=tuple(notes),
        time_steps=steps,
        lengths_train=None if lengths is None else lengths[train],
        lengths_test=None if lengths is None else lengths[test],
        shape=shape,
    )


def check_batch_size(dataset: Dataset, batch_size: int) -> None:
    """Raise a `DataError` unless a batch of this size can be filled from the training rows.

    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    >>> eye = Dataset("eye", "classification", x, y, x[:1], y[:1], tuple("abcd"), ("no", "yes"))
    >>> check_batch_size(eye, 8)
    Traceback (most recent call last):
    evenbatch.data.errors.DataError: eye: a batch of 8 rows cannot be filled from 4 training rows
    (5 rows in all, 1 kept for testing). Use a batch size of at most 4, or more rows.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise DataError(f"{dataset.name}: batch size is {batch_size!r}; it must be a whole number.")
    if batch_size < 1:
        raise DataError(f"{dataset.name}: batch size is {batch_size}; it must be at least 1.")
    if batch_size > dataset.n_train:
        raise DataError(
            f"{dataset.name}: a batch of {batch_size} rows cannot be filled from "
            f"{dataset.n_train} training rows\n({dataset.n_train + dataset.n_test} rows in all, "
            f"{dataset.n_test} kept for testing). Use a batch size of at most {dataset.n_train}, "
            "or more rows."
        )
