"""From cells of text to columns: how numbers are written, and what stands for a missing value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.table.columns import Column

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?", "<na>"})

_SPACES = "[ \u00a0\u2009\u202f]"
_GROUPS = {" ": _SPACES, "'": "['’]"}
_SIGNS = frozenset(["", *"%‰€$£¥₹°"])
_UNIT = re.compile(
    r"([€$£¥₹]?)\s*"
    rf"([+\-−]?\s*(?:\d+(?:(?:{_SPACES}|['’])\d{{3}}|[.,_]\d+)*[.,]?|[.,]\d+)(?:[eE][+-]?\d+)?)"
    r"\s*([%‰€$£¥₹°]?[A-Za-zµΩ°/²³·]{0,8})"
)


class Numbers:
    """Reads a cell as a number, written as the options say.

    >>> Numbers()(" 1.5 "), Numbers()("NA"), Numbers()("1,5"), Numbers()("1_000")
    (1.5, nan, None, None)
    >>> Numbers(decimal=",", thousands=".")("1.234,5"), Numbers(missing=["-9"])("-9.0")
    (1234.5, nan)
    """

    def __init__(
        self, decimal: str = ".", thousands: str = "", missing: Sequence[str] = ()
    ) -> None:
        self.decimal, self.thousands = decimal, thousands
        self.missing = MISSING | {text.strip().casefold() for text in missing}
        group = _GROUPS.get(thousands, re.escape(thousands))
        point = re.escape(decimal)
        self._group = re.compile(group)
        self._grouped = re.compile(rf"[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d*)?")
        self.codes = np.array([n for n in map(_plain, missing) if n is not None])

    def __call__(self, cell: str) -> float | None:
        """The number; NaN when the cell is missing, None when it holds something else."""
        text = cell.strip()
        if text.casefold() in self.missing:
            return float("nan")
        text = text.replace("\u2212", "-")  # a typographic minus
        if self.thousands and self._group.search(text):
            if self._grouped.fullmatch(text) is None:
                return None
            text = self._group.sub("", text)
        if self.decimal != ".":
            if "." in text:
                return None
            text = text.replace(self.decimal, ".")
        number = _plain(text)
        return float("nan") if number is not None and number in self.codes else number

    def all(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """The common case, without a call for each cell: nothing but plain numbers."""
        joined = "\0".join(cells)
        if "_" in joined:  # Python reads 1_000 as a number; a table means something else by it
            return None
        try:
            if self.decimal != ".":
                if "." in joined:
                    return None
                cells = joined.replace(self.decimal, ".").split("\0")
            found = np.array(list(map(float, cells)))
        except ValueError:
            return None
        if len(self.codes):
            found[np.isin(found, self.codes)] = np.nan
        return found


def _plain(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def unit_of(text: str) -> tuple[str, str] | None:
    """The number in a text that is a number with a unit, and the unit; None for any other text.

    >>> unit_of("$170,457"), unit_of("12.5 km"), unit_of("12 %"), unit_of("A-0001")
    (('170,457', '$'), ('12.5', 'km'), ('12', '%'), None)
    """
    match = _UNIT.fullmatch(text.strip())
    if match is None or not (match[1] or match[3]) or (match[3] and match[2][-1] in ".,"):
        return None  # "1. Male" is a name with a number before it
    return match[2].strip(), match[1] + match[3]


def is_category(column: Column) -> bool:
    """Whether a column holds categories: more than half of its filled cells are plain texts.

    Texts that look like numbers written another way (1,5 or 1 000 or 12 %) count as numbers: they
    are mistakes, or the options do not fit the file.
    """
    if column.codes is None:
        return False
    filled = len(column.numbers) - int(column.missing.sum())
    plain = sum(n for text, n in column.used.items() if not like_number(text))
    return 2 * plain > filled


def like_number(text: str) -> bool:
    """Whether a text looks like a number that is written another way.

    >>> like_number("1.234,5"), like_number("12 %"), like_number("12a"), like_number("-")
    (True, True, False, False)
    """
    match = _UNIT.fullmatch(text)
    return match is not None and match[3] in _SIGNS


def without_unit(column: Column, numbers: Numbers) -> Column:
    """The column without the unit that all its cells carry, if they do.

    Cells without a unit beside others that have one are left as they are: they may mean another.
    """
    if column.codes is None or np.isfinite(column.numbers).any():
        return column
    texts: dict[str, int] = {}
    values, places, units = [np.nan], [0], set()
    for written in column.texts:
        text, unit = unit_of(written) or ("", "")
        units.add(unit)
        if unit == "" or len(units) > 1:
            return column
        number = numbers(text)
        values.append(np.nan if number is None else number)
        places.append(texts.setdefault(text, len(texts) + 1) if number is None else 0)
    return replace(
        column,
        numbers=np.array(values)[column.codes],
        codes=np.array(places, np.int32)[column.codes] if texts else None,
        texts=list(texts),
        unit=units.pop(),
    )


class Cells:
    """Collects the cells of one column, some rows at a time.

    Args:
        name: of the column.
        numbers: how numbers are written; None if every cell is a text (a category).
        missing: what stands for a missing value.
    """

    def __init__(self, name: str, numbers: Numbers, as_text: bool) -> None:
        self.name, self.numbers, self.as_text = name, numbers, as_text
        self._codes: dict[str, int] = {}
        self._values: list[NDArray[np.float64]] = []
        self._places: list[NDArray[np.int32] | None] = []
        self._zeros = ""

    def add(self, cells: Sequence[str]) -> None:
        """The next rows."""
        if not self._values and not self.as_text:
            padded = re.compile(r"\s*0\d+\s*")
            self._zeros = next((c for c in cells[:1000] if padded.fullmatch(c)), "").strip()
        quick = None if self.as_text else self.numbers.all(cells)
        if quick is not None:
            self._values.append(quick)
            self._places.append(None)
            return
        values: dict[str, float] = {}
        places: dict[str, int] = {}
        for cell in dict.fromkeys(cells):
            text = cell.strip()
            number = self.numbers(cell)
            if number is None or (self.as_text and number == number):
                values[cell] = np.nan
                places[cell] = self._codes.setdefault(text, len(self._codes) + 1)
            else:
                values[cell], places[cell] = number, 0
        n = len(cells)
        self._values.append(np.fromiter(map(values.__getitem__, cells), np.float64, n))
        self._places.append(np.fromiter(map(places.__getitem__, cells), np.int32, n))

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the rows that are not in the sample."""
        column = self.column()
        self._values = [column.numbers[kept]]
        self._places = [None if column.codes is None else column.codes[kept]]

    def column(self) -> Column:
        """All rows so far."""
        codes = None
        if self._codes:
            codes = np.concatenate(
                [
                    np.zeros(len(values), np.int32) if places is None else places
                    for values, places in zip(self._values, self._places, strict=True)
                ]
            )
        values = np.concatenate(self._values) if self._values else np.zeros(0)
        return Column(self.name, values, codes, list(self._codes), self._zeros)

    @property
    def mixed(self) -> bool:
        """Whether some cells are numbers and some texts."""
        return bool(self._codes) and any(np.isfinite(values).any() for values in self._values)
