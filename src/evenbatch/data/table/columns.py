"""What every file format is turned into before it becomes arrays: named columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError, did_you_mean, listed

SHOWN = 5  # problems shown one by one; the others are counted


@dataclass(frozen=True, eq=False)
class Column:
    """One column: either `numbers` (NaN where missing) or `texts` (None where missing)."""

    name: str
    numbers: NDArray[np.float64] | None = None
    texts: Sequence[str | None] | None = None


@dataclass(frozen=True)
class Problem:
    """One cell that cannot be used."""

    index: int  # of the row in the table, from 0
    column: str
    what: str
    is_text: bool = False  # it would do as a category


@dataclass(frozen=True, eq=False)
class Table:
    """A file's columns, and how its rows are called where a person can look them up."""

    file: str
    columns: tuple[Column, ...]
    row: Callable[[int], str]  # 0 -> "row 2" in a CSV file, whose row 1 is the header
    problems: tuple[Problem, ...] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)  # array name -> its columns

    @property
    def n_rows(self) -> int:
        if not self.columns:
            return 0
        first = self.columns[0]
        values = first.numbers if first.numbers is not None else first.texts
        return len(values) if values is not None else 0

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


def report(table: Table, problems: Sequence[Problem], targets: Sequence[str]) -> DataError:
    """The error that shows every problem by row and column, and says what to do."""
    ordered = sorted(problems, key=lambda p: p.index)
    many = len(ordered)
    lines = [f"{table.row(p.index)}, column {p.column!r}: {p.what}" for p in ordered[:SHOWN]]
    if many > SHOWN:
        lines.append(f"and {many - SHOWN} more")
    advice = "Correct or fill these cells, or delete their rows"
    inputs = dict.fromkeys(p.column for p in ordered if p.column not in targets)
    if inputs:
        advice += f"; or leave whole columns out: drop=[{listed(inputs, 3)}]"
    texts = dict.fromkeys(p.column for p in ordered if p.is_text)
    if texts:
        advice += f"; or read them as categories: categories=[{listed(texts, 3)}]"
    return DataError(
        f"{table.file}: {many} cell{'s' * (many > 1)} cannot be used:\n  "
        + "\n  ".join(lines)
        + f"\n{advice}."
    )


def check_known(file: str, option: str, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise unless every column an option names exists."""
    for name in wanted:
        if name not in names:
            raise DataError(
                f"{file}: {option} names a column {name!r}, which is not there."
                f"{did_you_mean(name, names)} The columns are {listed(names, 20)}."
            )
