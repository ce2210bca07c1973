"""Where the names of the columns stand in a text file, and what stands above them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evenbatch.data.errors import DataError, listed
from evenbatch.data.table.cells import Numbers
from evenbatch.data.table.columns import Fault, TableError
from evenbatch.table_options import TableOptions

COMMENTS = ("#", "%", "//", "!", ";", "*")

_ATTRIBUTE = re.compile(r"\s*@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s*(.*)", re.IGNORECASE)

_PLAIN, _GROUPED = Numbers(), Numbers(thousands=",")

Row = tuple[int, list[str]]  # its number in the file, its cells


@dataclass(frozen=True)
class Header:
    """The names of the columns.

    Args:
        names: every column's; "column 3" where the file has none.
        row: number of the row that holds them; 0 where there is none.
        unnamed: the columns without a name.
        notes: what was noticed.
    """

    names: list[str]
    row: int
    unnamed: list[str]
    notes: list[str]


def find_header(
    file: str, head: Sequence[Row], target: Sequence[str], options: TableOptions
) -> Header:
    """The names, from the first rows of a file; a `TableError` if something stands above them."""
    if not head:
        raise DataError(f"{file}: the file is empty. It needs a header row and rows below it.")
    width = Counter(len(row) for _, row in head[1:] or head).most_common(1)[0][0]
    if width == 1:
        if not any(re.search(r"[,;|\t:]|\S\s+\S", ",".join(row)) for _, row in head):
            raise DataError(
                f"{file}: there is one column only, {listed([row[0] for _, row in head], 3)}. "
                "A table has the column to predict and at least one other."
            )
        raise DataError(
            f"{file}: only one column was found, {' '.join(head[0][1])[:60]!r}. No character "
            "splits the rows evenly; --delimiter names the one that separates the cells."
        )
    if not options.header:
        return replace(named(file, [""] * max(width, len(head[0][1]))), unnamed=[])
    place = _place(head, target, width)
    if 0 < place <= 200:
        raise TableError(file, [_rows_above(head, place)])
    number, first = head[0]
    cells = [cell.strip() for cell in first]
    if len(cells) == width + 1 and cells[0] in COMMENTS:
        cells = cells[1:]
    if _holds_data(head, target):
        raise TableError(file, [_no_header(number, cells, target)])
    notes = []
    numbers = _numbers(cells, [row for _, row in head[1:]])
    if numbers and not _are_names([*numbers.values()]):
        names = listed([cells[j] for j in numbers])
        notes.append(
            f"Columns whose names are numbers: {names}. If row {number} holds data: --no-header."
        )
    if len(cells) == width - 1 and _are_row_names([row[0] for _, row in head[1:]]):
        cells = ["", *cells]
        notes.append(
            f"The rows have one cell more than the header (row {number}): the first of each is "
            "taken as the name of the row."
        )
    while len(cells) > width and not cells[-1]:
        cells.pop()
    return named(file, cells, number, notes)


def names_of_arff(file: str, lines: Iterable[str]) -> tuple[list[str], int]:
    """The names in an ARFF file, which stand above ``@data``, one to a line, and the number of that
    line; ([], 0) for any other file."""
    names = list[str]()
    for number, line in enumerate(lines, start=1):
        attribute, text = _ATTRIBUTE.match(line), line.strip().casefold()
        if attribute:
            if attribute[2].casefold().startswith("relational"):
                raise DataError(
                    f"{file}: column {attribute[1]} of this ARFF file holds a table in each cell. "
                    "Such a file cannot be read: save it with a column for each number."
                )
            names.append(attribute[1].strip("'\""))
        elif text == "@data" and names:
            return names, number
        elif text and not text.startswith(("%", "@relation")):
            break
    return [], 0


def named(file: str, cells: list[str], row: int = 0, notes: Sequence[str] = ()) -> Header:
    """Every column with a name of its own."""
    names = [name or f"column {i}" for i, name in enumerate(cells, start=1)]
    unnamed = [name for name, cell in zip(names, cells, strict=True) if not cell]
    counts = Counter(names)
    met: Counter[str] = Counter()
    for i, name in enumerate(names):
        if counts[name] > 1:
            met[name] += 1
            names[i] = f"{name} ({met[name]})"
    twice = [
        f"{n} columns are called {name!r}; here they are {f'{name} (1)'!r} to {f'{name} ({n})'!r}."
        for name, n in met.items()
    ]
    return Header(names, row, unnamed, [*notes, *twice])


def _place(head: Sequence[Row], target: Sequence[str], width: int) -> int:
    """The place of the row of names among the first rows."""
    rows, widths = [row for _, row in head], [len(row) for _, row in head]
    for i, row in enumerate(rows):
        marked = len(row) == width + 1 and row[0].strip() in COMMENTS  # "# a b" above "1 2"
        if _holds_all(row, target) or (marked and widths[i + 1 : i + 2] == [width]):
            return i
    if width not in widths or (widths[0] == width - 1 > 1 and not rows[0][0].startswith(COMMENTS)):
        return 0  # a header without the name of the row names
    even = next((i for i in range(len(rows)) if {*widths[i : i + 5]} == {width}), 0)
    if even >= 5 and 2 * widths[:even].count(width) < even:
        return even  # below a page of prose
    place = widths.index(width)
    for i, row in enumerate(rows[place : place + 6], start=place):
        if 2 * sum(cell.strip() != "" for cell in row) >= width:  # a title fills a cell or some
            again = {cell for below in rows[i + 1 :] for cell in below}
            names = all(_number(cell) is None and cell not in again for cell in row if cell)
            return i if names else place
    return place


def _rows_above(head: Sequence[Row], place: int) -> Fault:
    """Comments, titles and the like above the row of names."""
    above = head[:place]
    numbers = [number for number, _ in above]
    texts = listed([",".join(row).strip()[:60] for _, row in above], 2)
    which = f"row {numbers[0]} stands" if place == 1 else f"rows {_words(numbers)} stand"
    marks = [m for m in COMMENTS if all(row[0].lstrip().startswith(m) for _, row in above)]
    if marks and not head[place][1][0].startswith(marks[0]):
        are = "is a comment" if place == 1 else "are comments"
        return Fault(
            f"{which} above the table, which begins in row {head[place][0]}, and {are}: {texts}",
            {"comment": marks[0]},
        )
    return Fault(
        f"{which} above the table, which begins in row {head[place][0]}: {texts}",
        {"skip_rows": tuple(numbers)},
    )


def _words(numbers: Sequence[int]) -> str:
    return f"{numbers[0]} {'and' if len(numbers) == 2 else 'to'} {numbers[-1]}"


def _holds_all(row: Sequence[str], target: Sequence[str]) -> bool:
    """Whether a row may be the header: the target is in it, and is no number."""
    cells = [cell.strip() for cell in row]
    return bool(target) and all(t in cells and _number(t) is None for t in target)


def _number(cell: str) -> float | None:
    """The number in a cell, with separators between thousands or not."""
    number = _PLAIN(cell)
    number = _GROUPED(cell) if number is None else number
    return None if number is None or number != number else number


def _holds_data(head: Sequence[Row], target: Sequence[str]) -> bool:
    """Whether the first row is data already, and no row of names.

    A row of names may hold numbers (years, or pixels from 0), but these rise. A row of data holds
    numbers in columns of numbers, or texts that are met again below.
    """
    first = head[0][1]
    body = [row for _, row in head[1:] if len(row) == len(first) and row != first]
    named = _holds_all(first, target) and not any(set(target) & set(row) for row in body)
    if named or not body:
        return False
    numbers = _numbers(first, body)
    known, new = 0, 0
    for j, cell in enumerate(first):
        if cell.strip() and j not in numbers:
            is_known = cell.strip() in (row[j].strip() for row in body)
            known, new = known + is_known, new + (not is_known)
    if len(numbers) > bool(first[0].strip()) and _are_names([*numbers.values()]):
        return False
    return len(numbers) + known > new and (len(numbers) > 1 or not new)


def _numbers(first: Sequence[str], body: Sequence[Sequence[str]]) -> dict[int, float]:
    """The numbers of a first row that stand above numbers, by their place."""
    found = {}
    for j, cell in enumerate(first):
        number = _number(cell)
        below = [row[j] for row in body[:60] if j < len(row)]
        if number is not None and 2 * sum(_number(c) is not None for c in below) >= len(below):
            found[j] = number
    return found


def _are_names(numbers: Sequence[float]) -> bool:
    """Whether the numbers of a first row count from 0 (or from 1, in many columns) or are years."""
    steps = np.diff(numbers)
    counted = numbers[0] == 0 or (numbers[0] == 1 and len(numbers) > 5)
    years = numbers[0] >= 1000 and numbers[-1] < 3000
    return bool((steps == 1).all() and counted) or bool((steps > 0).all() and years)


def _no_header(number: int, cells: list[str], target: Sequence[str]) -> Fault:
    """The columns have no names; the target is taken for the cell it names, or is the last."""
    last = len(cells)
    places = [cells.index(t) + 1 if cells.count(t) == 1 else last for t in target]
    change: dict[str, object] = {"target": tuple(f"column {place}" for place in places)}
    return Fault(
        f"row {number} holds data ({listed(cells, 4)}), not the names of columns, which are called "
        f"'column 1' to 'column {len(cells)}' then",
        {"header": False, **(change if target else {})},
    )


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether the first cells of all rows are names or numbers of rows: all different; rising."""
    numbers = [_number(cell) for cell in cells]
    if all(number is not None for number in numbers):
        return bool((np.diff(np.array(numbers, float)) > 0).all()) and len(cells) > 1
    return len(set(cells)) == len(cells) and not any(n is not None for n in numbers)
