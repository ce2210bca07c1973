"""CSV, TSV and their relatives: from bytes to rows of cells.

Rows are numbered as a spreadsheet shows them: the header is row 1, blank rows count.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from evenbatch.data.errors import DataError, listed
from evenbatch.data.table.cells import parse, read_column
from evenbatch.data.table.columns import Table, check_known

DELIMITERS = ",;\t|"
_LOOKED_AT = 100  # rows used to find the delimiter

_MARKS = (  # longest first: a UTF-32 mark begins like a UTF-16 one
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(
    path: Path,
    *,
    categories: Sequence[str],
    drop: Sequence[str],
    decimal: str | None,
    delimiter: str | None,
    encoding: str | None,
) -> Table:
    """A text file as a table; columns in `drop` are not looked at."""
    if decimal not in (".", ","):
        raise DataError(f"decimal is {decimal!r}; it is the decimal separator, '.' or ','.")
    text = decode(path.name, path.read_bytes(), encoding)
    rows, numbers = split_cells(
        path.name, text, find_delimiter(text) if delimiter is None else delimiter
    )
    if not rows:
        raise DataError(f"{path.name}: the file is empty. It needs a header row and rows below it.")
    header = _header(path.name, rows[0], numbers[0], drop)
    if len(header) == 1:
        raise DataError(
            f"{path.name}: only one column was found, {header[0][:60]!r}. Cells are separated by "
            "one of , ; tab | unless delimiter='…' says otherwise."
        )
    check_known(path.name, "drop", drop, header)
    check_known(path.name, "categories", categories, header)
    body = rows[1:]
    if not body:
        raise DataError(f"{path.name}: there are no rows below the header. Add some.")
    _check_lengths(path.name, header, body, numbers[1:])
    columns, problems = [], []
    for name, cells in zip(header, zip(*body, strict=True), strict=True):
        if name in drop:
            continue
        column, mistakes = read_column(name, cells, categories=name in categories, decimal=decimal)
        columns.append(column)
        problems += mistakes
    lines = numbers[1:]
    return Table(path.name, tuple(columns), lambda i: f"row {lines[i]}", tuple(problems))


def decode(file: str, raw: bytes, encoding: str | None) -> str:
    """The text of a file; UTF-8, or what its byte-order mark says, or what `encoding` says."""
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    if chosen == "utf-8" and b"\0" in raw:
        even, odd = (raw[i:2000:2].count(0) / len(raw[i:2000:2] or b"-") for i in (0, 1))
        if max(even, odd) > 0.5 and min(even, odd) < 0.1:  # every other byte: Latin in UTF-16
            hint = "utf-16-be" if even > odd else "utf-16-le"
            raise DataError(
                f"{file}: this looks like UTF-16 text without a byte-order mark. "
                f"Save it as UTF-8, or pass encoding={hint!r}."
            )
        raise DataError(
            f"{file}: this is a binary file (a zero byte at position {raw.index(0)}), not a table "
            "of text. CSV, TSV, Parquet and NPZ can be read; save it as one of them."
        )
    try:
        return raw.decode(chosen)
    except LookupError as error:
        raise DataError(f"{file}: there is no encoding {chosen!r}. Try 'cp1252'.") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}: line {line} holds a byte 0x{raw[error.start]:02X} that is not {chosen} text. "
            "Save the file as UTF-8; or, if it came from Excel or an older program, "
            "pass encoding='cp1252' (Western Europe) or the encoding it was written in."
        ) from error


def find_delimiter(text: str) -> str:
    """The delimiter under which most rows have as many cells as the header, and at least two.

    >>> find_delimiter("a;b\\n1,5;2,5\\n"), find_delimiter("a\\tb, c\\n1\\t2\\n")
    (';', '\\t')
    """
    lines = list(islice(io.StringIO(text, newline=""), 2 * _LOOKED_AT))
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = []
        try:
            for row in csv.reader(lines, delimiter=delimiter):
                if row:
                    widths.append(len(row))
                if len(widths) == _LOOKED_AT:
                    break
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        score = (sum(w == widths[0] for w in widths) / len(widths), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def split_cells(file: str, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows of cells without the blank ones, and the number of each row in the file."""
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise DataError(f"delimiter is {delimiter!r}; it must be one character, like ',' or ';'.")
    rows, numbers = [], []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(number)
    except csv.Error as error:
        raise DataError(
            f"{file}: row {number + 1} cannot be split into cells ({error}). "
            "Look for a quotation mark that is opened and never closed, or not doubled inside a "
            "quoted cell."
        ) from error
    return rows, numbers


def _header(file: str, cells: list[str], number: int, drop: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    values = [parse(cell) for cell in header if cell]
    if values and all(value is not None and value == value for value in values):
        raise DataError(
            f"{file}: row {number} holds numbers ({listed(header, 4)}), not the names of columns. "
            "Put a header row above it."
        )
    header = [name or f"column {i}" for i, name in enumerate(header, start=1)]
    for i, name in enumerate(header):
        if not cells[i].strip() and name not in drop:
            raise DataError(
                f"{file}: {name} has no name in the header (row {number}). Name it; or, if it only "
                f"counts the rows (pandas writes such an index), pass drop=[{name!r}]."
            )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        where = [str(i) for i, name in enumerate(header, start=1) if name == twice[0]]
        raise DataError(
            f"{file}: the column name {twice[0]!r} appears {len(where)} times in the header "
            f"(columns {' and '.join(where)}). Give every column its own name; "
            "if the first row is data already, put a header above it."
        )
    return header


def _check_lengths(file: str, header: list[str], body: list[list[str]], numbers: list[int]) -> None:
    wrong = [i for i, row in enumerate(body) if len(row) != len(header)]
    if not wrong:
        return
    shown = ", ".join(f"row {numbers[i]} has {len(body[i])}" for i in wrong[:5])
    more = f" and {len(wrong) - 5} more rows differ" if len(wrong) > 5 else ""
    raise DataError(
        f"{file}: the header has {len(header)} cells, but {shown}{more}. "
        "A text that holds the delimiter must be in quotation marks; an empty cell still needs "
        "its delimiter."
    )
