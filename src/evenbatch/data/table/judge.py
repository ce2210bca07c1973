"""What becomes of each column: numbers, categories, the target; or every reason it cannot be used.

One pass over the columns finds what there is to know before room is made for the arrays. What is
read in a second pass, when they are filled, is not held meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import listed
from evenbatch.data.table.cells import Numbers, without_unit
from evenbatch.data.table.columns import Column, Fault, Table, TableError, unknown_target
from evenbatch.data.table.formats import MOST_CATEGORIES, no_numbers, written_otherwise
from evenbatch.data.table.gaps import Gaps
from evenbatch.data.table.rows import foreign_rows
from evenbatch.data.table.suspects import Suspects, is_date
from evenbatch.table_options import TableOptions

_LARGEST = float(np.finfo(np.float32).max)
_FEW = 20
"""Texts up to which two rows each are enough for a target; with more, ten: a place, not a class."""


@dataclass(frozen=True, eq=False)
class Input:
    """An input column: numbers, or categories with their codes (from 1; 0 where missing)."""

    name: str
    labels: tuple[str, ...] = ()
    codes: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """A table that can be used.

    Args:
        inputs: the input columns, in order.
        targets: the target's columns.
        kept: places of the rows that are used.
        notes: what was noticed.
    """

    inputs: list[Input]
    targets: list[Column]
    kept: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)


def judge(table: Table, target: Sequence[str], options: TableOptions) -> Judged:
    """Look at every column once; a `TableError` holds all that is wrong with them."""
    targets = resolve_target(table, target, options)
    names, notes = _without_index(table, [n for n in table.names if n not in options.drop], targets)
    if table.numbers is not None:
        _check_cells(table, list(read(table, names, options)), targets, options)
    inputs, found, faults = [], {}, list[Fault]()
    gaps, suspects = Gaps(table), Suspects()
    units: dict[str, str] = {}
    for column in read(table, names, options):
        if column.unit:
            units[column.name] = column.unit
        is_target = column.name in targets
        gaps.add(column.name, column.missing, is_target)
        made = _unusable(table, column, is_target) or (
            column if is_target else _input(column, options)
        )
        if isinstance(made, Fault):
            faults.append(made)
            continue
        suspects.look(column, is_target)
        if isinstance(made, Column):
            found[column.name] = made
        else:
            inputs.append(made)
    if faults:
        raise TableError(table.file, faults)
    if not inputs:
        said = "nothing is left to learn from besides the target."
        raise TableError(table.file, [Fault(said)])
    kept, left_out = gaps.close(options)
    inputs = [_of_rows(i, kept) for i in inputs if i.name not in left_out]
    notes += [f"Read as numbers without their unit: {_pairs(units)}."] if units else []
    texts = {i.name: f"{len(i.labels)}" for i in inputs if i.labels}
    notes += [f"Read as categories (how many): {_pairs(texts)}."] if texts else []
    notes += [*gaps.notes, *suspects.notes(left_out)]
    return Judged(inputs, [found[name] for name in targets], kept, notes)


def _pairs(named: dict[str, str]) -> str:
    shown = [f"{name!r} ({value})" for name, value in named.items()]
    more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
    return ", ".join(shown[:12]) + more


def read(table: Table, names: Sequence[str], options: TableOptions) -> Iterator[Column]:
    """Columns as they are used: codes for a missing value and units are gone; categories texts."""
    numbers = Numbers(options.decimal, options.thousands, options.missing)
    for column in table.read(names):
        if table.numbers is None and options.missing:
            column = _without_missing(column, options.missing, numbers.codes)
        is_category = column.name in options.categories
        yield as_category(column) if is_category else without_unit(column, numbers)


def _without_missing(column: Column, missing: Sequence[str], codes: NDArray[np.float64]) -> Column:
    """What stands for a missing value taken out of a column that was no text file's."""
    coded = np.isin(column.numbers, codes)
    column = replace(column, numbers=np.where(coded, np.nan, column.numbers))
    if column.codes is None:
        return column
    known = {text.strip().casefold() for text in missing}
    places = [0, *(0 if t.casefold() in known else k for k, t in enumerate(column.texts, start=1))]
    return replace(column, codes=np.array(places, np.int32)[column.codes])


def resolve_target(table: Table, target: Sequence[str], options: TableOptions) -> list[str]:
    """The target's columns: the names given, or all columns of the NPZ arrays they name."""
    known = [name for name in table.groups or table.names if name not in options.drop]
    if not known:
        raise TableError(table.file, [Fault("every column is dropped.")])
    if not target:
        said = "the column to predict is not named (--target). The columns are "
        likely = known[::-1]
        if not options.header and _is_class(table, known[0]) > _is_class(table, known[-1]):
            likely = [known[0], *likely]
        change = {"target": (next((n for n in likely if _may_be_target(table, n)), known[-1]),)}
        raise TableError(table.file, [Fault(said + listed(known, 1000), change)])
    found: list[str] = []
    for name in target:
        if name not in table.names and name not in table.groups:
            raise TableError(table.file, [unknown_target(table.file, name, known)])
        found += table.groups.get(name, [name])
    return found


def _is_class(table: Table, name: str) -> bool:
    """Whether a column numbers classes: in a file without names, the first may well do so."""
    values = table.column(name).numbers
    few = len(np.unique(values)) <= min(_FEW, len(values) // 2)
    return few and bool((values == np.rint(values)).all())


def _may_be_target(table: Table, name: str) -> bool:
    """Whether a column of this name can be predicted: it holds no one value, no names, and no gap
    in most rows."""
    if name in table.groups:
        return True
    column = table.column(name)
    filled, texts = int((~column.missing).sum()), len(column.used)
    different = texts + len(np.unique(column.numbers[~np.isnan(column.numbers)]))
    rows_each = 2 if texts <= _FEW else 10
    return different > 1 and rows_each * texts <= filled and 2 * filled >= len(column.missing)


def _without_index(
    table: Table, names: list[str], targets: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Leave out columns without a name that only count the rows, or hold nothing; and say so."""
    counting, empty = [], []
    for column in table.read([n for n in names if n in table.unnamed and n not in targets]):
        if column.missing.all():
            empty.append(column.name)
        elif (
            column.codes is None
            and column.numbers[0] in (0, 1)
            and (np.diff(column.numbers) == 1).all()
        ):
            counting.append(column.name)
    notes = list(table.notes)
    if counting:
        notes.append(f"Left out, since it has no name and counts the rows: {listed(counting, 99)}.")
    if empty:
        notes.append(f"Left out, since it has no name and holds nothing: {listed(empty, 99)}.")
    return [name for name in names if name not in counting + empty], notes


def _check_cells(
    table: Table, columns: Sequence[Column], targets: Sequence[str], options: TableOptions
) -> None:
    """Rows that are no data, numbers written otherwise, cells that hold no number: in this order,
    since each hides the next."""
    columns = [c for c in columns if c.name not in options.categories]
    rows = foreign_rows(table, columns)
    if rows:
        raise TableError(table.file, rows)
    otherwise = written_otherwise(table, columns, options)
    if otherwise:
        raise TableError(table.file, [otherwise])
    faults = [no_numbers(table, c, columns, c.name in targets) for c in columns]
    if any(faults):
        raise TableError(table.file, [fault for fault in faults if fault])


def _unusable(table: Table, column: Column, is_target: bool) -> Fault | None:
    """Numbers that float32 cannot hold."""
    values = column.numbers
    with np.errstate(invalid="ignore"):
        large = np.abs(values) > _LARGEST
    if large.any():
        different = np.unique(values[large]).tolist()
        i = int(np.argmax(large))
        beyond = "is infinite" if np.isinf(values[i]) else "is beyond 3.4e38, the largest float32"
        said = f"column {column.name!r}: {values[i]} {beyond} ({table.row(i)})"
        if len(different) <= 3 or is_target:
            missing = tuple(repr(float(value)) for value in different)
            return Fault(said, {"missing": missing})
        return Fault(said, {"drop": (column.name,)})
    return _blurred(table, column, is_target) if values.dtype == np.float64 else None


def _blurred(table: Table, column: Column, is_target: bool) -> Fault | None:
    """Numbers of which float32 would swallow what distinguishes the rows."""
    filled = column.numbers[~np.isnan(column.numbers)]
    if not len(filled):
        return None
    error, spread = float(np.abs(filled - filled.astype(np.float32)).max()), float(filled.std())
    if not error > 0.01 * spread > 1e-12 * np.abs(filled).max():  # below, a constant but for noise
        return None
    said = (
        f"column {column.name!r} holds numbers near {filled.mean():.6g} that differ by "
        f"{spread:.3g}; float32, in which networks are trained, is off by up to {error:.3g} there"
    )
    if is_target:
        return Fault(f"{said}. Subtract a constant or change the unit.")
    said += (
        " (subtract a constant, or change the unit: seconds since 1970 into days since the first)"
    )
    return Fault(said, {"drop": (column.name,)})


def _input(column: Column, options: TableOptions) -> Input | Fault:
    """The column as an input; a column of too many different texts is no category."""
    if column.codes is None:
        return Input(column.name)
    labels = sorted(column.used)
    n = len(column.numbers)
    if len(labels) > MOST_CATEGORIES and column.name not in options.categories:
        return _no_category(column.name, labels, n)
    place = {label: i for i, label in enumerate(labels, start=1)}
    codes = np.array([0, *(place.get(text, 0) for text in column.texts)], np.int32)[column.codes]
    return Input(column.name, tuple(labels), codes)


def _of_rows(made: Input, kept: NDArray[np.int64]) -> Input:
    """Without the categories that only rows had that are left out."""
    if made.codes is None or len(kept) == len(made.codes):
        return made
    used = np.unique(made.codes[kept])
    place = np.zeros(len(made.labels) + 1, np.int32)
    place[used] = np.arange(1, len(used) + 1)
    return Input(made.name, tuple(made.labels[k - 1] for k in used), place[made.codes])


def _no_category(name: str, labels: list[str], n: int) -> Fault:
    said = (
        f"column {name!r} holds {len(labels)} different texts in {n} rows ({listed(labels, 3, 40)})"
    )
    if is_date(labels):
        how = "days since the first, the month or the hour would be numbers"
        return Fault(f"{said}: dates or times ({how})", {"drop": (name,)})
    if len(labels) * 10 <= n and len(labels) <= 4 * MOST_CATEGORIES:
        return Fault(
            f"{said}: more than {MOST_CATEGORIES} are taken for categories only where that is said",
            {"categories": (name,)},
        )
    what = (
        "a name or an identifier" if 2 * len(labels) > n else "a name, an identifier or free text"
    )
    return Fault(f"{said}: {what}, and no category", {"drop": (name,)})


def as_category(column: Column) -> Column:
    """A column of numbers as one of texts."""
    if column.codes is not None:
        return column
    values, places = np.unique(column.numbers, return_inverse=True)
    labels = [label(value) for value in values.tolist()]
    codes = np.where(np.isnan(column.numbers), 0, places + 1).astype(np.int32)
    return Column(column.name, np.full(len(codes), np.nan), codes, labels)


def label(value: float) -> str:
    """A number as the name of a class or category: 3.0 is "3"."""
    return str(int(value)) if np.isfinite(value) and float(value).is_integer() else repr(value)
