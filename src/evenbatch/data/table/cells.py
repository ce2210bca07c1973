"""From cells of text to columns: which are numbers, which are categories, which are mistakes.

The rule: a column holds numbers when at least half of its filled cells are numbers, or look like
numbers written another way (1,5 or 1 000 or 12 %). The remaining cells of such a column are then
mistakes, and are reported. Any other column holds categories.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from evenbatch.data.table.columns import Column, Problem

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})

_DIGITS = r"[+-]?\d{1,3}"
_LOOKS_LIKE = (  # pattern, what to say about a cell that is written so
    (rf"{_DIGITS}(,\d{{3}})+(\.\d+)?", "has thousands separators: write the digits only"),
    (rf"{_DIGITS}([ '’\u00a0\u202f]\d{{3}})+([.,]\d+)?", "has thousands separators: "
     "write the digits only"),
    (rf"{_DIGITS}(\.\d{{3}})+,\d+", "has thousands separators: write the digits only"),
    (r"[+-]?\d*,\d+", "has a decimal comma: write a point, or pass decimal=','"),
    (r"[+-]?\d+(_\d+)+", "has thousands separators: write the digits only"),
    (r"[€$£¥]\s*[+-]?\d[\d.,]*", "carries a unit: write the number alone"),
    (r"[+-]?\d[\d.,]*\s*[%€$£¥]", "carries a unit: write the number alone"),
    (r"\u2212\s*\d[\d.,]*", "begins with a typographic minus: use the hyphen -"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), what) for pattern, what in _LOOKS_LIKE)


def parse(cell: str, decimal: str = ".") -> float | None:
    """The number a cell holds; NaN when it is missing, None when it is something else.

    >>> parse(" 1.5 "), parse("NA"), parse("1,5"), parse("1,5", decimal=","), parse("1_000")
    (1.5, nan, None, 1.5, None)
    """
    text = cell.strip()
    if text.casefold() in MISSING:
        return float("nan")
    if "_" in text:  # Python reads 1_000 as a number; a table that holds it means something else
        return None
    if decimal != ".":
        if "." in text:
            return None
        text = text.replace(decimal, ".")
    try:
        return float(text)
    except ValueError:
        return None


def mistake(cell: str, decimal: str = ".") -> str | None:
    """What is wrong with a cell that looks like a number but is none; None for plain text.

    >>> mistake("3,5")
    "'3,5' has a decimal comma: write a point, or pass decimal=','"
    >>> mistake("chewy") is None
    True
    """
    text = cell.strip()
    if decimal == "," and "." in text and re.fullmatch(r"[+-]?[\d.,]+", text):
        return f"{text!r} holds a point, but decimal=',' was passed: write the digits only"
    if re.fullmatch(rf"{_DIGITS},\d{{3}}", text):
        whole, point = text.replace(",", ""), text.replace(",", ".")
        return f"{text!r} may mean {whole} or {point}: write the one meant, or pass decimal=','"
    for pattern, what in _PATTERNS:
        if pattern.fullmatch(text):
            return f"{text!r} {what}"
    return None


def read_column(
    name: str, cells: Sequence[str], *, categories: bool, decimal: str
) -> tuple[Column, list[Problem]]:
    """One column of text cells as numbers or categories, and the cells that are mistakes.

    Args:
        name: of the column.
        cells: every cell, in order.
        categories: take the cells as categories, even if they are numbers (postcodes).
        decimal: the decimal separator, "." or ",".
    """
    if categories:
        return _texts(name, cells), []
    quick = _all_numbers(cells) if decimal == "." else None
    if quick is not None:
        return Column(name, numbers=quick), []
    parsed = [parse(cell, decimal) for cell in cells]
    others = [i for i, number in enumerate(parsed) if number is None]
    like = sum(mistake(cells[i], decimal) is not None for i in others)
    missing = sum(number is not None and number != number for number in parsed)
    filled = len(cells) - missing
    if filled and 2 * (filled - len(others) + like) < filled:
        return _texts(name, cells), []
    problems = [
        Problem(
            i,
            name,
            mistake(cells[i], decimal) or f"{cells[i].strip()!r} is not a number",
            is_text=True,
        )
        for i in others
    ]
    # A mistake is reported as such, not as a missing value too.
    numbers = [0.0 if number is None else number for number in parsed]
    return Column(name, numbers=np.array(numbers, dtype=np.float64)), problems


def _texts(name: str, cells: Sequence[str]) -> Column:
    stripped = [cell.strip() for cell in cells]
    return Column(name, texts=[None if c.casefold() in MISSING else c for c in stripped])


def _all_numbers(cells: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """The common case, without a Python call for each cell: nothing but numbers."""
    try:
        numbers = np.array(list(map(float, cells)), dtype=np.float64)
    except ValueError:
        return None
    return None if any("_" in cell for cell in cells) else numbers
