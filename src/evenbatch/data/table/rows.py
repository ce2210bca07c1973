"""Rows of a text file that are no data: units below the header, the header again, a footer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import listed
from evenbatch.data.table.cells import is_category, like_number
from evenbatch.data.table.columns import Column, Fault, Table
from evenbatch.data.table.formats import NOTHING

_AT_AN_END = 3  # rows looked at below the header, and at the end
_FEWEST = 5  # rows a column must have before it says what belongs in it


def foreign_rows(table: Table, columns: Sequence[Column]) -> list[Fault]:
    """Rows that fit no column: text where all others hold numbers, a word that occurs once.

    Only the first and last rows are looked at, and rows that repeat the names of the columns.
    """
    if table.n_rows < _FEWEST or table.numbers is None or not columns:
        return []
    ends = min(_AT_AN_END, table.n_rows // 2)
    votes = [_votes(column, ends) for column in columns]
    belongs, foreign = (np.sum([vote[k] for vote in votes], axis=0) for k in (0, 1))
    faults = []
    first = _run(belongs, foreign, range(ends))
    if first:
        faults.append(_fault(table, columns, first, "units or types, and no data"))
    last = _run(belongs, foreign, range(-1, -ends - 1, -1))
    if last:
        rows = sorted(table.n_rows + i for i in last)
        faults.append(_fault(table, columns, rows, "a footer, and no data"))
    again = _repeats(columns)
    if len(again):
        faults.append(_fault(table, columns, again.tolist(), "the header again"))
    return faults


def _votes(column: Column, ends: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the first and last rows: does the cell belong in its column, or is it foreign there?"""
    places = np.r_[0:ends, -ends:0]
    is_number = ~np.isnan(column.numbers[places])
    if column.codes is None:
        return is_number.astype(int), np.zeros(len(places), int)
    codes = column.codes[places]
    if not is_category(column):
        texts = [column.texts[c - 1] if c else "" for c in codes]
        is_number |= np.array([like_number(text) for text in texts])
        # What stands for a missing value may do so in any row.
        foreign = np.array([bool(t) and not NOTHING.fullmatch(t) for t in texts])
        return is_number.astype(int), (foreign & ~is_number).astype(int)
    times = np.bincount(column.codes)
    times[0] = 0
    if 3 * len(column.used) > len(column.codes):
        return np.zeros(len(places), int), np.zeros(len(places), int)  # most cells differ
    return (times[codes] > 1).astype(int), (times[codes] == 1).astype(int)


def _run(belongs: NDArray[np.int64], foreign: NDArray[np.int64], places: range) -> list[int]:
    """Rows from an end inward in which hardly a cell belongs; the first has two foreign ones."""
    found: list[int] = []
    for i in places:
        if 4 * belongs[i] > foreign[i] or (not found and foreign[i] < 2):
            break
        found.append(i)
    return found


def _repeats(columns: Sequence[Column]) -> NDArray[np.int64]:
    """Rows in which two columns or more hold their own names."""
    times = np.zeros(len(columns[0].numbers) if columns else 0, int)
    for column in columns:
        if column.codes is not None and column.name in column.texts:
            times += column.codes == list(column.texts).index(column.name) + 1
    return np.flatnonzero(times > 1)


def _fault(table: Table, columns: Sequence[Column], rows: Sequence[int], what: str) -> Fault:
    assert table.numbers is not None
    cells = [
        column.texts[column.codes[rows[0]] - 1]
        for column in columns
        if column.codes is not None and column.codes[rows[0]]
    ]
    numbers = tuple(int(table.numbers[i]) for i in rows)
    *most, last = map(str, numbers)
    these = f"rows {', '.join(most)} and {last} look" if most else f"row {last} looks"
    return Fault(f"{these} like {what} ({listed(cells, 4, 40)})", {"skip_rows": numbers})
