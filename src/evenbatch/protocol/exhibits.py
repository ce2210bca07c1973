"""What a verdict shows: figures and tables as plain data, drawn by whoever reports them.

A figure is one of three kinds:

    LINES    y over x, an arm a line, a band where `low` and `high` are given
    STRIPS   a row for each series, a cell for each x, its shade the value y
    DOTS     an estimate with its interval for each x, side by side by arm

Every table row carries the keys of the trials its numbers come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind = Literal["lines", "strips", "dots"]
LINES: Final = "lines"
STRIPS: Final = "strips"
DOTS: Final = "dots"
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Series:
    """One arm in a figure. NaN is a value that does not exist: nothing is drawn there.

    Attributes:
        name: the arm, in words: "batch norm".
        x, y: positions and values.
        low, high: the band or interval around y; () for none.
        id: what it is, for looks and tests: "batch"; a normalizer's id is drawn the same
            everywhere.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    id: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        for part in (self.y, self.low, self.high):
            if len(part) not in (0 if part is not self.y else -1, len(self.x)):
                raise ValueError(f"{self.name}: {len(self.x)} positions, but {len(part)} values")


@dataclass(frozen=True)
class Axis:
    """
    Attributes:
        label: what it shows, with its unit.
        log: decades.
        percent: values are shares, shown times 100.
        names: a word for each position 0, 1, …, instead of numbers.
        id: what it shows: "steps", "rate", "metric".
        ids: of the levels that `names` are the words of.
    """

    label: str
    log: bool = False
    percent: bool = False
    names: tuple[str, ...] = ()
    id: str = field(default="", kw_only=True)
    ids: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Mark:
    """A line across the figure at a value worth knowing: "chance", "1/√N".

    In STRIPS a mark on "y" outlines the cells whose value is at or above it. A mark about one arm
    names its `series`, and is drawn as that. Its `id` is "chance", "goal", or what else it marks.
    """

    label: str
    value: float
    axis: Literal["x", "y"] = "y"
    series: str = ""
    id: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Figure:
    """
    Attributes:
        kind: one of `KINDS`.
        title: what is shown, in a few words.
        alt: what is to be seen, in a sentence or two, for those who cannot see it.
        x, y: axes; of STRIPS, y is what the shade means.
        series: the arms; the first is the plainest ("no normalization").
        marks: lines across.
        id: what pages and tests name it by.
    """

    kind: Kind
    title: str
    alt: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    id: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Table:
    """
    Attributes:
        title: what the numbers are.
        columns: a heading with unit for each column.
        rows: text as it is shown; a number is shown in three digits.
        keys: for each row, the keys of the trials it comes from.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    keys: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {len(self.columns)} columns, but a row {row}")
        if self.keys and len(self.keys) != len(self.rows):
            raise ValueError(f"{self.title}: {len(self.rows)} rows, but keys of {len(self.keys)}")


def numbers(values: ArrayLike) -> tuple[float, ...]:
    """Plain floats, for a `Series`.

    >>> numbers(np.array([1, 2.5]))
    (1.0, 2.5)
    """
    return tuple(float(value) for value in np.asarray(values, float).ravel())


def band(
    name: str, x: ArrayLike, runs: Sequence[ArrayLike] | NDArray[Any], series: str = ""
) -> Series:
    """The median of several runs at each x, and their middle half as the band.

    >>> band("batch norm", [0, 1], [[1, 2], [3, 4], [5, 9]]).y
    (3.0, 4.0)
    """
    values = np.asarray(runs, float)
    with np.errstate(all="ignore"):
        missing = np.isnan(values)
        gone = missing.all(axis=0)
        filled = np.where(gone, 0.0, values)
        quantile = np.nanquantile if missing.any() else np.quantile  # the first is ten times slower
        low, middle, high = (
            np.where(gone, np.nan, q) for q in quantile(filled, [0.25, 0.5, 0.75], axis=0)
        )
    return Series(name, numbers(x), numbers(middle), numbers(low), numbers(high), id=series)
