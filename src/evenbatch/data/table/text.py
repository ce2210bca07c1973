"""CSV, TSV and their relatives: from bytes to rows of cells, some thousand at a time.

Rows are numbered as a spreadsheet shows them: the header is row 1, blank rows count.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError
from evenbatch.data.table.cells import Cells, Numbers, is_category
from evenbatch.data.table.columns import Column, Fault, Table, TableError
from evenbatch.data.table.header import COMMENTS, Header, find_header, named, names_of_arff
from evenbatch.data.table.unpacked import DAMAGED, encoding_fault, encoding_of, opened, unpacker
from evenbatch.table_options import TableOptions

DELIMITERS = (",", ";", "\t", "|", " ", "  ", ":")  # "  ": two blanks or more, as cells hold one
_WIDE = re.compile(r" {2,}|\t")
_HEAD = 300  # rows looked at to find the delimiter and the header
_CHUNK = 5000  # rows taken apart at a time: small, so that they are forgotten soon


def read_text(path: Path, target: Sequence[str], options: TableOptions, seed: int) -> Table:
    """A text file as a table; columns in `drop` are not looked at."""
    try:
        try:
            return _read(path, target, options, seed, {})
        except _QuoteError as error:
            with opened(path) as raw:
                escaped = b'\\"' in raw.read()
            how = {"escapechar": "\\"} if escaped else {"quoting": csv.QUOTE_NONE}
            try:
                return _read(path, target, options, seed, how)
            except _QuoteError:
                raise DataError(str(error)) from None
        except UnicodeError:
            raise TableError(path.name, [encoding_fault(path, options)]) from None
    except DAMAGED as error:
        if unpacker(path) is open:
            raise
        raise DataError(
            f"{path.name}: this archive cannot be unpacked ({error}). Pack it again."
        ) from error


class _QuoteError(DataError):
    """Quotation marks that do not match; some programs write a backslash before those of a text,
    some write them as any other letter."""


def _read(
    path: Path, target: Sequence[str], options: TableOptions, seed: int, quotes: Mapping[str, Any]
) -> Table:
    encoding = encoding_of(path, options)
    with opened(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as stream:
        names, above = names_of_arff(path.name, stream) if options.header else ([], 0)
        if names:
            options = replace(options, comment=options.comment or "%")
        stream.seek(0)
        numbered = enumerate(_lines(stream, options, above), start=1)
        every = (line for number, line in numbered if number not in options.skip_rows)
        lines = list(islice(every, above, above + _HEAD))
    likely = "," if names and "," in "".join(lines) else find_delimiter(lines)
    delimiter = options.delimiter or likely
    if names:
        quotes = {**_quoted_in_arff(path.name, lines), **quotes}

    how = {"delimiter": delimiter, **quotes}
    rows = partial(_rows, path, encoding, options, above, how)
    unquoted = "quoting" in quotes
    if unquoted and (delimiter not in "\t|" or len({len(row) for _, row in rows()}) > 1):
        raise _QuoteError
    head = [] if names else [*islice(rows(), _HEAD)]
    header = named(path.name, names) if names else find_header(path.name, head, target, options)
    columns, sample = _columns(path.name, rows(), header, options, seed, set(options.categories))
    mixed = {c.name for c in columns if c.mixed and is_category(c.column())}
    if mixed:  # read again: a category is the text as it is written, "01" and not 1
        as_text = mixed | set(options.categories)
        columns, sample = _columns(path.name, rows(), header, options, seed, as_text)
    found = {cells.name: cells.column() for cells in columns}

    numbers = sample.numbers

    def read(names: Sequence[str]) -> Iterator[Column]:
        return (found[name] for name in names)

    return Table(
        path.name,
        header.names,
        len(numbers),
        read,
        lambda i: f"row {numbers[i]}",
        n_file=sample.seen,
        numbers=numbers,
        unnamed=header.unnamed,
        delimiter=delimiter,
        notes=header.notes + ["Quotation marks are read as letters."] * unquoted,
    )


def _lines(stream: IO[str], options: TableOptions, above: int) -> Iterator[str]:
    """The lines of a file; a comment becomes a blank line, so that rows keep their numbers, and so
    do the first lines, those `above` the table."""
    blank = ("\n" for _ in islice(stream, above))
    kept = ("\n" if line.lstrip().startswith(options.comment) else line for line in stream)
    return chain(blank, kept if options.comment else stream)


def _quoted_in_arff(file: str, lines: Sequence[str]) -> dict[str, Any]:
    """How texts are quoted in an ARFF file whose rows begin so."""
    if any(line.lstrip().startswith("{") for line in lines):
        raise DataError(
            f"{file}: the rows of this ARFF file are sparse ({{column value, …}}), and such rows "
            "are not read. Save it with every value in every row."
        )
    return {"quotechar": max("'\"", key="".join(lines).count), "escapechar": "\\"}


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits most rows into as many cells, and at least two.

    The first row, which holds the names, must be one of them (or have one cell less, as R writes
    it), or the delimiter counts for half. Blanks, of which any number count as one, are tried where
    no other does well, and must make more cells (there may be blanks within each cell) or split
    many more rows (there may be commas in what stands above the table).

    >>> find_delimiter(["a;b", "1,5;2,5"]), find_delimiter(["a\\tb, c", "1\\t2"])
    (';', '\\t')
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        if delimiter == " " and best_score[0] > 0.6:
            break
        widths: list[int] = []
        try:
            for row in _split(iter(lines), delimiter):
                if any(cell.strip() for cell in row):
                    widths.append(len(row))
        except csv.Error:
            if not widths:  # a quotation mark that the last line leaves open is no reason
                continue
        counts = Counter(width for width in widths if width > 1)
        if counts:
            width, n = counts.most_common(1)[0]
            agrees = width - 1 <= widths[0] <= width and widths[0] > 1
            score = (n / len(widths) * (1 if agrees else 0.5), width)
            better = {
                " ": score > best_score and (width > best_score[1] or score[0] > 4 * best_score[0]),
                "  ": score[0] > best_score[0],
                ":": best_score[0] == 0 and widths[0] == width,  # a time of day holds it
            }
            if better.get(delimiter, score > best_score):
                best, best_score = delimiter, score
    return best


def _split(lines: Iterator[str], delimiter: str, **quotes: Any) -> Iterator[list[str]]:
    if delimiter == " ":
        lines = (line.strip().replace("\t", " ") for line in lines)
    elif delimiter == "  ":
        lines, delimiter = (_WIDE.sub("\t", line.strip()) for line in lines), "\t"
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True, **quotes)


def _rows(
    path: Path, encoding: str, options: TableOptions, above: int, how: Mapping[str, Any]
) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank and not to be skipped, with their numbers."""
    skipped, number = set(options.skip_rows), 0
    try:
        with opened(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as stream:
            lines = _lines(stream, options, above)
            for number, row in enumerate(_split(lines, **how), start=1):
                if row and (row[0].strip() or any(map(str.strip, row))) and number not in skipped:
                    yield number, row
    except csv.Error as error:
        raise _QuoteError(
            f"{path.name}: row {number + 1} cannot be split into cells ({error}). "
            "Look for a quotation mark that is opened and never closed, or not doubled inside a "
            "quoted cell."
        ) from error


def _columns(
    file: str,
    rows: Iterator[tuple[int, list[str]]],
    header: Header,
    options: TableOptions,
    seed: int,
    as_text: set[str],
) -> tuple[list[Cells], _Sample]:
    """The cells of every column that is not dropped, and the rows they are of."""
    width = len(header.names)
    numbers = Numbers(options.decimal, options.thousands, options.missing)
    columns = [
        None if name in options.drop else Cells(name, numbers, name in as_text)
        for name in header.names
    ]
    used = [cells for cells in columns if cells is not None]
    sample, ragged = _Sample(options.rows, seed), list[tuple[int, int, str]]()
    if header.row:
        next(rows)  # it is the first that is not skipped
    while chunk := list(islice(rows, _CHUNK)):
        places, body = zip(*chunk, strict=True)
        if set(map(len, body)) != {width}:
            ragged += _even(places, body, width)
        for cells, column in zip(zip(*body, strict=True), columns, strict=True):
            if column is not None:
                column.add(cells)
        _keep(used, sample.add(places))
    _keep(used, sample.forget())
    if ragged:
        raise TableError(file, [_ragged(ragged, header, sample)])
    if not sample.seen:
        raise DataError(f"{file}: there are no rows below the header. Add some.")
    return used, sample


def _even(
    numbers: Sequence[int], rows: Sequence[list[str]], width: int
) -> Iterator[tuple[int, int, str]]:
    """Give every row as many cells; the number, width and first cell of those that had others.

    Blank cells at the end of a row are nothing: separators too many.
    """
    for number, row in zip(numbers, rows, strict=True):
        if len(row) != width:
            if len(row) < width or any(map(str.strip, row[width:])):
                yield number, len(row), row[0]
            row[:] = (row + [""] * width)[:width]


def _keep(columns: Sequence[Cells], kept: NDArray[np.bool_] | None) -> None:
    if kept is not None:
        for cells in columns:
            cells.keep(kept)


class _Sample:
    """Which rows of a long file are used: those with the smallest of random keys.

    Keys are the raw words of PCG64 in the order of the rows, so that a row's fate depends on the
    seed and its place, and not on how many rows are read at a time.
    """

    def __init__(self, most: int, seed: int) -> None:
        self.most, self.seen = most, 0
        self._kept = 0
        self._numbers: list[NDArray[np.int64]] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._words = np.random.PCG64(seed)

    def add(self, numbers: Sequence[int]) -> NDArray[np.bool_] | None:
        """More rows; which of all rows so far are kept, when it is time to forget some."""
        self.seen += len(numbers)
        self._kept += len(numbers)
        self._numbers.append(np.array(numbers))
        self._keys.append(self._words.random_raw(len(numbers)))
        return self.forget() if self._kept > 1.5 * self.most else None

    def forget(self) -> NDArray[np.bool_] | None:
        """Forget the rows that are too many; which are kept, or None for all."""
        if self._kept <= self.most:
            return None
        keys = np.concatenate(self._keys)
        kept: NDArray[np.bool_] = keys <= np.partition(keys, self.most - 1)[self.most - 1]
        self._numbers, self._keys, self._kept = [self.numbers[kept]], [keys[kept]], self.most
        return kept

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers of the rows kept."""
        return np.concatenate(self._numbers) if self._numbers else np.zeros(0, np.int64)


def _ragged(ragged: list[tuple[int, int, str]], header: Header, sample: _Sample) -> Fault:
    """Rows (number, cells, first cell) with another number of cells than the header."""
    width, many, n = len(header.names), len(ragged), sample.seen
    shown = ", ".join(f"row {number} has {cells}" for number, cells, _ in ragged[:5])
    more = f" and {many - 5} more rows differ" if many > 5 else ""
    if many == n > 1 and len({cells for _, cells, _ in ragged}) == 1:
        shown, more = f"every row has {ragged[0][1]}", ""
    said = f"the header has {width} cells, but {shown}{more}"
    marks = [m for m in COMMENTS if all(first.lstrip().startswith(m) for *_, first in ragged)]
    if marks:
        are = "it is a comment" if many == 1 else "they are comments"
        return Fault(f"{said}; {are} ({ragged[0][2][:60]!r})", {"comment": marks[0]})
    numbers = tuple(number for number, *_ in ragged)
    if many <= max(3, n // 20):
        return Fault(said, {"skip_rows": numbers})
    last = 2 * many < n and numbers == tuple(sample.numbers[-many:].tolist())
    if last and all(Numbers()(first) is None for *_, first in ragged):
        return Fault(f"{said}; the last rows, with words, are a footer", {"skip_rows": numbers})
    return Fault(
        f"{said}. A text or a number with a decimal comma that holds the delimiter must be in "
        "quotation marks; an empty cell still needs its delimiter."
    )
