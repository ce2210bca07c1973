"""What every file is turned into before it becomes arrays: named columns; and what can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError, did_you_mean, listed, nearest
from evenbatch.table_options import TableOptions


@dataclass(frozen=True, eq=False)
class Column:
    """One column. A cell is a number, a text, or missing.

    Args:
        name: of the column.
        numbers: (n,) the numbers; NaN where there is a text or nothing.
        codes: (n,) from 1 where there is a text: its place in `texts`. None if there are no texts.
        texts: each different text, in the order of the file.
        padded_with_zeros: a cell such as "01000", if there is one.
        unit: what each cell carried beside its number, and what was taken away ("$", "km").
    """

    name: str
    numbers: NDArray[Any]
    codes: NDArray[np.int32] | None = None
    texts: Sequence[str] = ()
    padded_with_zeros: str = ""
    unit: str = ""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(n,) which cells hold nothing."""
        nothing: NDArray[np.bool_] = np.isnan(self.numbers)
        return nothing if self.codes is None else nothing & (self.codes == 0)

    @property
    def used(self) -> dict[str, int]:
        """How often each text occurs that does."""
        if self.codes is None:
            return {}
        counts = np.bincount(self.codes, minlength=len(self.texts) + 1)[1:].tolist()
        return {text: n for text, n in zip(self.texts, counts, strict=True) if n}

    def first(self, text: str) -> int:
        """The place of the first cell that holds this text."""
        return int(np.argmax(self.codes == list(self.texts).index(text) + 1))


@dataclass(frozen=True, eq=False)
class Table:
    """A file's columns, and how its rows are called where a person can look them up.

    Args:
        file: its name.
        names: of the columns, in order.
        n_rows: rows of each column.
        read: the columns with these names, one after the other.
        row: what a person calls row i: "row 2" in a CSV file, whose row 1 is the header.
        n_file: rows in the file; more than `n_rows` where only a sample of them is used.
        numbers: of the rows in the file, for `skip_rows`; None where that option does not exist.
        unnamed: columns that have no name in the file.
        delimiter: what separates the cells of a text file.
        groups: of an NPZ file, its arrays and their columns.
        unread: of an NPZ file, its arrays that are dropped.
        notes: what was noticed while reading.
        block: float32 (n, columns, padded), and the names of its columns, if they lie so already.
    """

    file: str
    names: Sequence[str]
    n_rows: int
    read: Callable[[Sequence[str]], Iterator[Column]]
    row: Callable[[int], str]
    n_file: int = 0
    numbers: NDArray[np.int64] | None = None
    unnamed: Sequence[str] = ()
    delimiter: str = ""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unread: Sequence[str] = ()
    notes: Sequence[str] = ()
    block: tuple[NDArray[np.float32], Sequence[str]] | None = None

    def column(self, name: str) -> Column:
        """One column."""
        return next(self.read([name]))


@dataclass(frozen=True)
class Fault:
    """Something in a file that keeps it from being used.

    Args:
        text: what, where, and the value found, in one line.
        change: the options that deal with it, by name; "target" may be among them. {} if none do.
    """

    text: str
    change: Mapping[str, Any] = field(default_factory=dict)


_THEN = {  # what an option does to what is at fault
    frozenset({"drop", "drop_missing"}): "columns with many, then rows with any, are left out",
    frozenset({"drop_missing"}): "such rows are left out",
    frozenset({"drop"}): "left out",
    frozenset({"skip_rows"}): "left out",
    frozenset({"comment"}): "left out",
    frozenset({"missing"}): "read as missing",
    frozenset({"categories"}): "read as categories",
}


@dataclass(frozen=True)
class Reading:
    """The options with which a file that was refused can be read, and what it gives then."""

    path: str
    target: tuple[str, ...]
    options: TableOptions
    gives: str


class TableError(DataError):
    """A table that cannot be used as it is: every fault of it, and the options that read it.

    Attributes:
        file: its name.
        faults: what is wrong with it.
        reading: the options that deal with all of it; None where no options do.
    """

    def __init__(self, file: str, faults: Sequence[Fault], reading: Reading | None = None) -> None:
        self.file, self.faults, self.reading = file, tuple(faults), reading
        super().__init__(file, faults, reading)

    def text(self, how: str = "") -> str:
        """The message; `how` is what to paste, in the words of whoever asked for the file."""
        texts = [self._line(fault, how) for fault in self.faults]
        said = f"{self.file}: {texts[0]}"
        if len(texts) > 1:
            said = "\n  ".join([f"{self.file} cannot be used as it is:", *texts])
        if self.reading is None or not how:
            return said
        return f"{said}\nThis reads it ({self.reading.gives}):\n  {how}"

    def _line(self, fault: Fault, how: str) -> str:
        """A fault, and what becomes of it when the file is read as shown."""
        if self.reading is None or not how:
            return fault.text
        if "target" in fault.change:
            target = listed(self.reading.target)
            return f"{fault.text} (the target below is {target}: put the one you mean)"
        then = [words for options, words in _THEN.items() if options <= fault.change.keys()]
        return f"{fault.text}; {then[0]} below" if then else fault.text

    def __str__(self) -> str:
        if self.reading is None:
            return self.text()
        target = self.reading.target
        arguments = [repr(self.reading.path), repr(target[0] if len(target) == 1 else list(target))]
        return self.text(f"load_table({', '.join([*arguments, *self.reading.options.keywords()])})")


def check_known(table: Table, options: TableOptions) -> None:
    """Raise unless every column that `drop` and `categories` name exists."""
    for option in ("drop", "categories"):
        for name in getattr(options, option):
            if name not in table.names and name not in table.unread:
                raise DataError(
                    f"{table.file}: {option} names a column {name!r}, which is not there."
                    f"{did_you_mean(name, table.names)} "
                    f"The columns are {listed(table.names, 1000)}."
                )


def unknown_target(file: str, name: str, names: Sequence[str]) -> Fault:
    """The fault of a target that no column is called; a name that is close is proposed."""
    close = nearest(name, names) or next((n for n in names if n.startswith(f"{name} (")), "")
    ask = f" Did you mean {close!r}?" if close else ""
    return Fault(
        f"there is no target column {name!r}.{ask} The columns are {listed(names, 1000)}.",
        {"target": (close,)} if close else {},
    )
