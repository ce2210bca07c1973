"""NPZ: NumPy arrays by name. One array is the target, the others are columns.

A (N,) array is one column, a (N, k) array is k columns named "x[0]" to "x[k-1]"; arrays with more
dimensions (images) are laid out flat.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError
from evenbatch.data.table.columns import Column, Table, check_known


def read_npz(path: Path, *, categories: Sequence[str], drop: Sequence[str]) -> Table:
    """An NPZ file as a table; rows are counted from 0, as in the arrays."""
    arrays, dropped = _arrays(path, drop)
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"{path.name}: the arrays must have the same number of rows, at least one: {shapes}. "
            "Leave arrays that are no columns out with drop=['NAME']."
        )
    by_array = {name: _columns(name, array) for name, array in arrays.items()}
    columns = [column for group in by_array.values() for column in group]
    names = [column.name for column in columns]
    check_known(path.name, "drop", [name for name in drop if name not in dropped], names)
    check_known(path.name, "categories", categories, names)
    groups = {
        name: [column.name for column in group if column.name not in drop]
        for name, group in by_array.items()
    }
    kept = tuple(column for column in columns if column.name not in drop)
    return Table(path.name, kept, lambda i: f"index {i}", groups=groups)


def _arrays(path: Path, drop: Sequence[str]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays by name, and the names of those left unread because they are dropped."""
    try:
        # Opened here: np.load leaves a file open that it cannot read.
        with path.open("rb") as raw, _load(path, raw) as file:
            dropped = [name for name in file.files if name in drop]
            arrays = {name: _one(path, file, name) for name in file.files if name not in drop}
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"{path.name}: not an NPZ file, or a damaged one ({error}). Save it again."
        ) from error
    if not arrays:
        raise DataError(f"{path.name}: the file holds no arrays. np.savez(path, x=x, y=y) does.")
    return arrays, dropped


def _load(path: Path, raw: BinaryIO) -> Any:
    loaded = np.load(raw, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        raise DataError(
            f"{path.name}: this file holds one array without a name (NPY). "
            "Save inputs and target together: np.savez(path, x=x, y=y)."
        )
    return loaded


def _one(path: Path, file: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise DataError(
            f"{path.name}: array {name!r} holds Python objects, which are not read (loading them "
            "could run a program). Save it as numbers or text: array.astype(float) or "
            "array.astype(str)."
        ) from error
    if array.dtype.kind not in "biufU":
        raise DataError(
            f"{path.name}: array {name!r} holds {array.dtype}, which is neither numbers nor text. "
            f"Convert it, or pass drop=[{name!r}]."
        )
    return array


def _columns(name: str, array: NDArray[Any]) -> list[Column]:
    if array.ndim == 1:
        return [_column(name, array)]
    flat = array.reshape(len(array), -1)
    return [_column(f"{name}[{j}]", flat[:, j]) for j in range(flat.shape[1])]


def _column(name: str, values: NDArray[Any]) -> Column:
    if values.dtype.kind == "U":
        return Column(name, texts=[text.strip() or None for text in values.tolist()])
    return Column(name, numbers=values.astype(np.float64))
