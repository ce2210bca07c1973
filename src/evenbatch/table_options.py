"""How a table is read: the one definition for `load_table`, the command line and sweep files.

It stands alone and imports nothing heavy, so that ``--help`` can show it at once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

TASKS = ("classification", "regression")
MOST_ROWS = 1_000_000


def _option(default: Any, metavar: str, text: str) -> Any:
    return field(default=default, metadata={"metavar": metavar, "help": text})


@dataclass(frozen=True)
class TableOptions:
    """How a table is read. `evenbatch.data.table.options.make` checks what it is given."""

    drop: tuple[str, ...] = _option((), "COLUMN,…", "Columns to leave out.")
    categories: tuple[str, ...] = _option(
        (), "COLUMN,…", "Columns to read as categories: numbers that are names, or many texts."
    )
    missing: tuple[str, ...] = _option(
        (), "TEXT,…", "What else stands for a missing value, beside NA and the like: -,-999."
    )
    drop_missing: str = _option(
        "", "rows|columns", "Leave out rows, or input columns, in which a value is missing."
    )
    task: str = _option(
        "", "|".join(TASKS), "What the target asks for. (default: as its values suggest)"
    )
    decimal: str = _option(".", "CHAR", "Decimal separator of a text file.")
    thousands: str = _option("", "CHAR", "Thousands separator of a text file.")
    delimiter: str = _option(
        "", "CHAR|tab|space", "What separates the cells. (default: what splits rows most evenly)"
    )
    comment: str = _option("", "TEXT", "Leave out lines that begin with this.")
    skip_rows: tuple[int, ...] = _option(
        (), "N,N-M,…", "Rows of the file to leave out, counted from 1: 2,3 or 1-5."
    )
    header: bool = _option(
        True, "", "Whether the first row holds names; if not, they are 'column 1', 'column 2', …"
    )
    encoding: str = _option("", "NAME", "Encoding of a text file. (default: UTF-8)")
    rows: int = _option(
        MOST_ROWS, "N", "Of a longer table, use as many rows, drawn at random by the seed."
    )

    def changed(self, change: Mapping[str, Any]) -> TableOptions:
        """With some options set; what lists names or rows is added to what is listed already."""
        merged: dict[str, Any] = {
            name: tuple(dict.fromkeys((*getattr(self, name), *value)))
            if isinstance(value, tuple)
            else value
            for name, value in change.items()
        }
        if "skip_rows" in merged:
            merged["skip_rows"] = tuple(sorted(merged["skip_rows"]))
        if "drop" in merged:
            kept = merged.get("categories", self.categories)
            merged["categories"] = tuple(name for name in kept if name not in merged["drop"])
        return replace(self, **merged)

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {n: getattr(self, n) for n, d in DEFAULTS.items() if getattr(self, n) != d}

    def arguments(self) -> list[str]:
        """As on the command line.

        >>> TableOptions(drop=("id", "name, first"), missing=("-",)).arguments()
        ['--drop', 'id,"name, first"', '--missing=-']
        """
        found: list[str] = []
        for name, value in self.given().items():
            flag = f"--{name.replace('_', '-')}"
            if value is False:
                found.append(f"--no-{name}")
                continue
            if name == "skip_rows":
                value = _ranges(value)
            text = _joined(value) if isinstance(value, tuple) else str(value)
            text = "tab" if text == "\t" else text
            found += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
        return found

    def keywords(self) -> list[str]:
        """As keyword arguments of `load_table`.

        >>> TableOptions(drop=("id",), header=False).keywords()
        ["drop=['id']", 'header=False']
        """
        return [
            f"{name}={list(value) if isinstance(value, tuple) else value!r}"
            for name, value in self.given().items()
        ]


DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(TableOptions)}
HELP: dict[str, Mapping[str, str]] = {f.name: f.metadata for f in fields(TableOptions)}


def split_names(text: str) -> list[str]:
    """Names written with commas between them; one that holds a comma stands in quotation marks.

    >>> split_names('id, "name, first"')
    ['id', 'name, first']
    """
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def _joined(names: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(names)
    return out.getvalue()


def _ranges(numbers: Iterable[int]) -> tuple[str, ...]:
    """Runs of numbers as ranges: 2, 4, 5, 6 is "2", "4-6"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return tuple(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
