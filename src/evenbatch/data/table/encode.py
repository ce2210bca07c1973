"""From named columns to the arrays of a `Dataset`: one-hot categories, classes or targets.

Every reason a column cannot be learned from is an error here, with the column's name in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.table.columns import Column, Problem, Table, report

MOST_CATEGORIES = 50
MOST_CLASSES = 20  # whole numbers with more values than this are taken as a quantity
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Encoded:
    """Inputs and target of all rows, and the names that belong to them."""

    x: NDArray[np.float32]  # (N, features)
    y: NDArray[np.int64] | NDArray[np.float32]  # (N,) classes or (N, targets)
    features: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def encode(
    table: Table,
    target: Sequence[str],
    *,
    task: str | None,
    categories: Sequence[str],
    keep_constant: bool,
) -> Encoded:
    """Turn a table into arrays, or raise a `DataError` that lists what is in the way."""
    columns = [_as_category(c) if c.name in categories else c for c in table.columns]
    wanted = resolve_target(table, target)
    targets = [c for c in columns if c.name in wanted]
    inputs = [c for c in columns if c.name not in wanted]
    if not inputs:
        raise DataError(f"{table.file}: nothing is left to learn from besides the target.")
    kind = task or infer_task(targets)
    problems = list(table.problems)
    for column in [*inputs, *targets]:
        problems += _bad_cells(column, is_target=column in targets)
    if problems:
        raise report(table, problems, wanted)
    if kind == "regression":
        _check_quantities(table, targets)

    blocks = [_input(table, column) for column in inputs]
    if not keep_constant:
        _check_constant(table, inputs, blocks)
    x = np.concatenate([values for values, _ in blocks], axis=1)
    features = tuple(name for _, names in blocks for name in names)
    if kind == "regression":
        return Encoded(x, _quantities(table, targets), features, (), ())
    y, classes = _classes(table, targets)
    single = [c for c, count in zip(classes, np.bincount(y), strict=True) if count == 1]
    notes = (f"Classes with a single row are never tested: {listed(single)}.",) if single else ()
    return Encoded(x, y, features, classes, notes)


def resolve_target(table: Table, target: Sequence[str]) -> list[str]:
    """The target's columns: the names given, or all columns of the NPZ arrays they name."""
    found: list[str] = []
    names = [*table.names, *table.groups]
    for name in target:
        if name not in names:
            raise DataError(
                f"{table.file}: there is no target column {name!r}.{did_you_mean(name, names)} "
                f"The columns are {listed(table.groups or table.names, 20)}."
            )
        found += table.groups.get(name, [name])
    return found


def infer_task(targets: Sequence[Column]) -> str:
    """Classification for one target of texts or of few whole numbers, else regression.

    Few: at most 20 different values, each met twice or more on average. Pass `task` to overrule.
    """
    if len(targets) > 1:
        return "regression"
    numbers = targets[0].numbers
    if numbers is None:
        return "classification"
    filled = numbers[np.isfinite(numbers)]
    different = len(np.unique(filled))
    whole = bool(np.all(filled == np.rint(filled)))
    few = different <= MOST_CLASSES and 2 * different <= len(filled)
    return "classification" if whole and few else "regression"


def _bad_cells(column: Column, is_target: bool) -> list[Problem]:
    what = "the target is missing" if is_target else "the value is missing"
    if column.texts is not None:
        return [Problem(i, column.name, what) for i, t in enumerate(column.texts) if t is None]
    assert column.numbers is not None
    missing = np.isnan(column.numbers)
    with np.errstate(invalid="ignore"):
        large = ~missing & ~(np.abs(column.numbers) <= _LARGEST)
    problems = [Problem(int(i), column.name, what) for i in np.flatnonzero(missing)]
    for i in np.flatnonzero(large):
        value = column.numbers[i]
        beyond = "is infinite" if np.isinf(value) else "is beyond 3.4e38, the largest float32"
        problems.append(Problem(int(i), column.name, f"{value} {beyond}"))
    return problems


def _check_quantities(table: Table, targets: Sequence[Column]) -> None:
    for column in targets:
        if column.texts is not None:
            raise DataError(
                f"{table.file}: the target {column.name!r} holds texts ({table.row(0)}: "
                f"{column.texts[0]!r}), but a regression needs numbers. Leave task out, or pass "
                "task='classification'."
            )


def _as_category(column: Column) -> Column:
    if column.numbers is None:
        return column
    return Column(column.name, texts=[_label(v) for v in column.numbers.tolist()])


def _label(value: float) -> str | None:
    if value != value:
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def _input(table: Table, column: Column) -> tuple[NDArray[np.float32], list[str]]:
    """(N, 1) numbers, or (N, categories) of zeros and ones."""
    if column.numbers is not None:
        return _float32(table, column)[:, None], [column.name]
    texts = [str(text) for text in column.texts or ()]
    different = sorted(set(texts))
    if len(different) > MOST_CATEGORIES:
        raise DataError(
            f"{table.file}: column {column.name!r} holds {len(different)} different texts in "
            f"{len(texts)} rows (such as {listed(different, 3)}). More than {MOST_CATEGORIES} is "
            "more likely a name, a date or free text than a category: leave it out with "
            f"drop=[{column.name!r}], or merge rare ones."
        )
    index = {text: i for i, text in enumerate(different)}
    x = np.zeros((len(texts), len(different)), dtype=np.float32)
    x[np.arange(len(texts)), [index[text] for text in texts]] = 1
    return x, [f"{column.name}={text}" for text in different]


def _float32(table: Table, column: Column) -> NDArray[np.float32]:
    """The numbers as float32, unless rounding would swallow what distinguishes the rows."""
    assert column.numbers is not None
    numbers = column.numbers
    rounded = numbers.astype(np.float32)
    spread = float(numbers.std())
    error = float(np.abs(numbers - rounded).max())
    if error > 0.01 * spread > 0:
        raise DataError(
            f"{table.file}: column {column.name!r} holds numbers near {numbers.mean():.6g} that "
            f"differ by {spread:.3g}; float32, in which networks are trained, is off by up to "
            f"{error:.3g} there. Subtract a constant or change the unit "
            "(seconds since 1970 into days since the first), "
            f"or leave it out with drop=[{column.name!r}]."
        )
    return rounded


def _check_constant(
    table: Table,
    inputs: Sequence[Column],
    blocks: Sequence[tuple[NDArray[np.float32], list[str]]],
) -> None:
    constant = [
        column.name
        for column, (values, _) in zip(inputs, blocks, strict=True)
        if (values == values[0]).all()
    ]
    if not constant:
        return
    one = len(constant) == 1
    raise DataError(
        f"{table.file}: column{'' if one else 's'} {listed(constant)} "
        f"hold{'s' if one else ''} the same value in all {table.n_rows} rows, which says nothing "
        f"about the target. Leave {'it' if one else 'them'} out with "
        f"drop=[{listed(constant, 3)}], or pass keep_constant=True."
    )


def _quantities(table: Table, targets: Sequence[Column]) -> NDArray[np.float32]:
    y = np.stack([_float32(table, column) for column in targets], axis=1)
    for column, values in zip(targets, y.T, strict=True):
        if (values == values[0]).all():
            raise DataError(
                f"{table.file}: the target {column.name!r} is {values[0]:g} in all {len(y)} rows: "
                "there is nothing to learn. Is it the column you meant?"
            )
    return y


def _classes(table: Table, targets: Sequence[Column]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """(N,) class indices and the classes in order: numbers by size, texts by alphabet."""
    if len(targets) > 1:
        raise DataError(
            f"{table.file}: {len(targets)} targets ({listed([c.name for c in targets], 5)}) cannot "
            "be one class. Pass one target, or task='regression'."
        )
    column = targets[0]
    if column.numbers is not None:
        if np.abs(column.numbers).max() > 2**53:
            raise DataError(
                f"{table.file}: the target {column.name!r} holds whole numbers beyond 2^53, which "
                "cannot be told apart exactly. Number the classes from 0, or name them."
            )
        values, y = np.unique(column.numbers, return_inverse=True)
        classes = tuple(str(_label(v)) for v in values.tolist())
    else:
        different = sorted({text for text in column.texts or () if text is not None})
        index = {text: i for i, text in enumerate(different)}
        y = np.array([index[str(text)] for text in column.texts or ()])
        classes = tuple(different)
    if len(classes) == 1:
        raise DataError(
            f"{table.file}: the target {column.name!r} is {classes[0]!r} in all {len(y)} rows. "
            "One class leaves nothing to learn: two are needed."
        )
    if 2 * len(classes) > len(y):
        raise DataError(
            f"{table.file}: the target {column.name!r} has {len(classes)} classes in {len(y)} "
            "rows, fewer than two rows each. If it is a quantity, pass task='regression'; if it is "
            "a name, choose another target."
        )
    return y.astype(np.int64), classes
