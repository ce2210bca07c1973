"""NPZ: NumPy arrays by name. One array is the target, the others are columns.

A (N,) array is one column, a (N, k) array is k columns named "x[0]" to "x[k-1]"; arrays with more
dimensions (images) are laid out flat.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import is_roomy
from evenbatch.data.errors import DataError
from evenbatch.data.split import random_order
from evenbatch.data.table.columns import Column, Fault, Table, TableError
from evenbatch.table_options import TableOptions

_TOGETHER = 32  # columns of a block read at a time: they lie side by side


def read_npz(path: Path, target: Sequence[str], options: TableOptions, seed: int) -> Table:
    """An NPZ file as a table; rows are counted from 0, as in the arrays."""
    arrays, unread = _arrays(path, options.drop)
    _check_lengths(path.name, arrays, target)
    n = n_file = len(next(iter(arrays.values())))
    if n > options.rows:
        n = options.rows
        chosen = np.sort(random_order(n_file, seed)[:n])
        arrays = {name: array[chosen] for name, array in arrays.items()}
    flat = {name: array.reshape(n, -1) for name, array in arrays.items()}
    groups = {
        name: [name] if arrays[name].ndim == 1 else [f"{name}[{j}]" for j in range(a.shape[1])]
        for name, a in flat.items()
    }
    place = {c: (flat[name], j) for name, group in groups.items() for j, c in enumerate(group)}

    def read(names: Sequence[str]) -> Iterator[Column]:
        for start in range(0, len(names), _TOGETHER):
            yield from _columns(names[start : start + _TOGETHER], place)

    blocks = ((a, groups[name]) for name, a in flat.items() if is_roomy(a) and a.flags.writeable)
    return Table(
        path.name,
        list(place),
        n,
        read,
        lambda i: f"index {i}",
        n_file=n_file,
        groups=groups,
        unread=unread,
        block=next(blocks, None),
    )


def _columns(names: Sequence[str], place: dict[str, tuple[NDArray[Any], int]]) -> Iterator[Column]:
    """Some columns; those that lie side by side are copied together, which is 10 times faster."""
    array, first = place[names[0]]
    if all(place[n][0] is array and place[n][1] == first + k for k, n in enumerate(names)):
        part = np.ascontiguousarray(array[:, first : first + len(names)].T)
        yield from (_column(name, part[k]) for k, name in enumerate(names))
    else:
        yield from (_column(name, place[name][0][:, place[name][1]]) for name in names)


def _check_lengths(file: str, arrays: dict[str, NDArray[Any]], target: Sequence[str]) -> None:
    """Arrays of other lengths than the target are no columns."""
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    wanted = {lengths[t] for t in target if t in lengths} or {max(lengths.values())}
    others = [name for name, length in lengths.items() if length not in wanted]
    if len(wanted) == 1 and wanted != {0} and not others:
        return
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    said = f"the arrays must have the same number of rows, at least one: {shapes}"
    mended = len(wanted) == 1 and wanted != {0}
    raise TableError(file, [Fault(said, {"drop": tuple(others)} if mended else {})])


def _arrays(path: Path, drop: Sequence[str]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays by name, and the names of those left unread because they are dropped."""
    try:
        # Opened here: np.load leaves a file open that it cannot read.
        with path.open("rb") as raw:
            file = _named(path.name, np.load(raw, allow_pickle=False))
            unread = [name for name in file if name in drop]
            found = {name: _one(file, name) for name in file if name not in drop}
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"{path.name}: not an NPZ file, or a damaged one ({error}). Save it again."
        ) from error
    faults = [fault for fault in found.values() if isinstance(fault, Fault)]
    if faults:
        raise TableError(path.name, faults)
    arrays = {name: array for name, array in found.items() if not isinstance(array, Fault)}
    if not arrays:
        raise DataError(f"{path.name}: the file holds no arrays. np.savez(path, x=x, y=y) does.")
    return arrays, unread


def _named(file: str, loaded: Mapping[str, Any] | NDArray[Any]) -> Mapping[str, Any]:
    """Arrays by name; of one array without a name (NPY), its columns or fields."""
    if not isinstance(loaded, np.ndarray):
        return loaded
    if loaded.dtype.names:
        return {name: loaded[name] for name in loaded.dtype.names}
    if loaded.ndim == 2 and loaded.shape[1] > 1:
        return {f"column {j}": column for j, column in enumerate(loaded.T, start=1)}
    raise DataError(
        f"{file}: this file holds one array {loaded.shape} without a name (NPY). "
        "Save inputs and target together: np.savez(path, x=x, y=y)."
    )


def _one(file: Mapping[str, Any], name: str) -> NDArray[Any] | Fault:
    """An array, or why it cannot be read."""
    try:
        array: NDArray[Any] = file[name]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        said = (
            f"array {name!r} holds Python objects, which are not read (loading them could run a "
            "program); array.astype(float) or array.astype(str) can be read"
        )
        return Fault(said, {"drop": (name,)})
    if array.dtype.kind == "S":
        array = np.char.decode(array, errors="replace")
    if array.dtype.kind not in "biufU":
        said = f"array {name!r} holds {array.dtype}, which is neither numbers nor text"
        return Fault(said, {"drop": (name,)})
    return array


def _column(name: str, values: NDArray[Any]) -> Column:
    if values.dtype.kind != "U":
        kind = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else float
        return Column(name, values.astype(kind, copy=False))
    texts, places = np.unique(np.char.strip(values), return_inverse=True)
    empty = int(len(texts) > 0 and texts[0] == "")
    codes = (places + 1 - empty).astype(np.int32)
    return Column(name, np.full(len(codes), np.nan), codes, texts[empty:].tolist())
