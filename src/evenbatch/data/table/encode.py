"""From judged columns to the arrays of a `Dataset`: one-hot categories, classes or targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, roomy
from evenbatch.data.errors import listed
from evenbatch.data.split import split_rows
from evenbatch.data.table.columns import Column, Fault, Table, TableError
from evenbatch.data.table.judge import Input, Judged, label, read
from evenbatch.table_options import TableOptions

MOST_CLASSES = 20  # whole numbers with more values than this are taken as a quantity
MOST_VALUES = 500_000_000  # 2 GB of float32
_TOGETHER = 16  # columns written at a time


def encode(
    table: Table,
    judged: Judged,
    options: TableOptions,
    *,
    name: str,
    test_share: float,
    seed: int,
    source: str,
) -> Dataset:
    """Turn a table into a data set, or raise a `TableError` that says what is in the way."""
    targets = judged.targets
    task = options.task or infer_task(targets)
    y: NDArray[np.float32] | NDArray[np.int64]
    classes: tuple[str, ...] = ()
    if task == "regression":
        y, fault = _quantities(table, targets, judged.kept)
    else:
        y, classes, fault = _classes(table, targets, judged.kept)
    features = tuple(
        feature
        for i in judged.inputs
        for feature in ([f"{i.name}={text}" for text in i.labels] if i.labels else [i.name])
    )
    fault = fault or _too_large(len(judged.kept), len(features), options)
    if fault:
        raise TableError(table.file, [fault])
    train, test = split_rows(len(y), test_share, seed, labels=y if classes else None)
    x = _fill(table, judged, options, len(features), train, test)
    return Dataset(
        name=name,
        task=task,
        x_train=x[: len(train)],
        y_train=y[train],
        x_test=x[len(train) :],
        y_test=y[test],
        features=features,
        classes=classes,
        source=source,
        notes=tuple(judged.notes),
    )


def infer_task(targets: Sequence[Column]) -> str:
    """Classification for one target of texts or of few whole numbers, else regression.

    Few: at most 20 different values, each met twice or more on average. Pass `task` to overrule.
    """
    if len(targets) > 1:
        return "regression"
    if targets[0].codes is not None:
        return "classification"
    filled = targets[0].numbers[~np.isnan(targets[0].numbers)]
    different = len(np.unique(filled))
    whole = bool(np.all(filled == np.rint(filled)))
    few = different <= MOST_CLASSES and 2 * different <= len(filled)
    return "classification" if whole and few else "regression"


def _too_large(rows: int, columns: int, options: TableOptions) -> Fault | None:
    if rows * columns <= MOST_VALUES:
        return None
    most = MOST_VALUES // columns
    return Fault(
        f"{rows:,} rows of {columns:,} input columns are {rows * columns * 4 / 1e9:.1f} GB as "
        f"float32; at most {MOST_VALUES * 4 / 1e9:.0f} GB are read",
        {"rows": most} if most >= 2 else {},
    )


def _fill(
    table: Table,
    judged: Judged,
    options: TableOptions,
    width: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> NDArray[np.float32]:
    """All rows, those for training first: (N, features)."""
    names = [i.name for i in judged.inputs]
    if table.block and list(table.block[1]) == names and len(judged.kept) == table.n_rows:
        return _arranged(table.block[0], train, test)
    rows = judged.kept[np.concatenate([train, test])]
    x = roomy(len(rows), width)
    start, together = 0, list[NDArray[np.float32]]()
    for block in _blocks(table, judged.inputs, options, rows):
        together.append(block)
        if sum(map(len, together)) >= _TOGETHER:
            start = _write(x, start, together)
    _write(x, start, together)
    return x


def _blocks(
    table: Table, inputs: Sequence[Input], options: TableOptions, rows: NDArray[np.int64]
) -> Iterator[NDArray[np.float32]]:
    """Each input as (features, rows)."""
    numbers = read(table, [i.name for i in inputs if i.codes is None], options)
    for i in inputs:
        if i.codes is None:
            yield next(numbers).numbers[rows].astype(np.float32)[None]
        else:
            yield (i.codes[rows] == np.arange(1, len(i.labels) + 1)[:, None]).astype(np.float32)


def _write(x: NDArray[np.float32], start: int, together: list[NDArray[np.float32]]) -> int:
    """Put columns side by side into x, some rows at a time; where the next begin."""
    if not together:
        return start
    columns = np.concatenate(together)
    together.clear()
    end = start + len(columns)
    for row in range(0, len(x), 4096):
        x[row : row + 4096, start:end] = columns[:, row : row + 4096].T
    return end


def _arranged(
    x: NDArray[np.float32], train: NDArray[np.int64], test: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The rows for training first, moved in place: a second copy may not fit into memory."""
    tested = x[test]
    for start in range(0, len(train), 4096):
        rows = train[start : start + 4096]  # never before their new place
        x[start : start + len(rows)] = x[rows]
    x[len(train) :] = tested
    return x


def _quantities(
    table: Table, targets: Sequence[Column], kept: NDArray[np.int64]
) -> tuple[NDArray[np.float32], Fault | None]:
    """(N, targets), and what is wrong with them."""
    y = np.zeros((len(kept), len(targets)), np.float32)
    for k, column in enumerate(targets):
        if column.codes is not None:
            text = column.texts[column.codes[kept[0]] - 1]
            return y, Fault(
                f"the target {column.name!r} holds texts ({table.row(int(kept[0]))}: {text!r}), "
                "but a regression needs numbers",
                {"task": "classification"} if len(targets) == 1 else {},
            )
        y[:, k] = column.numbers[kept]
        if (y[:, k] == y[0, k]).all():
            return y, Fault(
                f"the target {column.name!r} is {y[0, k]:g} in all {len(y)} rows: there is nothing "
                "to learn. Is it the column you meant?"
            )
    return y, None


def _classes(
    table: Table, targets: Sequence[Column], kept: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[str, ...], Fault | None]:
    """(N,) class indices, the classes in order (numbers by size, texts by alphabet), a fault."""
    column = targets[0]
    if len(targets) > 1:
        names = listed([c.name for c in targets], 5)
        said = f"{len(targets)} targets ({names}) cannot be one class"
        return np.zeros(0, np.int64), (), Fault(said, {"task": "regression"})
    if column.codes is None:
        if np.nanmax(np.abs(column.numbers)) > 2**53:
            said = (
                f"the target {column.name!r} holds whole numbers beyond 2^53, which cannot be told "
                "apart exactly. Number the classes from 0, or name them."
            )
            return np.zeros(0, np.int64), (), Fault(said)
        values, y = np.unique(column.numbers[kept], return_inverse=True)
        classes = tuple(label(value) for value in values.tolist())
    else:
        texts = np.array(column.texts, dtype=object)[column.codes[kept] - 1]
        different = sorted(set(texts.tolist()))
        place = {text: i for i, text in enumerate(different)}
        y, classes = np.array([place[text] for text in texts]), tuple(different)
    fault = None
    if len(classes) == 1:
        fault = Fault(
            f"the target {column.name!r} is {classes[0]!r} in all {len(y)} rows. One class leaves "
            "nothing to learn: two are needed."
        )
    elif 2 * len(classes) > len(y):
        said = (
            f"the target {column.name!r} has {len(classes)} classes in {len(y)} rows, fewer than "
            "two rows each"
        )
        is_number = column.codes is None
        fault = (
            Fault(f"{said}; a quantity, then", {"task": "regression"})
            if is_number
            else Fault(f"{said}. It looks like a name: choose another target.")
        )
    return y.astype(np.int64), classes, fault
