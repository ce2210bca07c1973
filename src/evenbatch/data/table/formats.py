"""Numbers that are written another way than the options say, and cells that hold no number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import listed
from evenbatch.data.table.cells import Numbers, is_category, unit_of
from evenbatch.data.table.columns import Column, Fault, Table
from evenbatch.table_options import TableOptions

MOST_CATEGORIES = 50

# Decimal and thousands separator, the likelier first where both would do (1,234).
_WAYS = ((".", ","), (",", ""), (".", " "), (".", "'"), (".", "_"), (",", "."), (",", " "),
         (",", "'"))  # fmt: skip
_NAMED = {
    ",": "a comma",
    ".": "a point",
    " ": "a space",
    "'": "an apostrophe",
    "_": "an underscore",
}

NOTHING = re.compile(
    r"none|nil|missing|unk(nown)?|n\.?[ad]\.?|nr|n\.r\.|tbd|undefined|undetermined|[+-]?inf"
    r"|\((na|null)\)|not (available|applicable|reported)|no data|#[a-z/0]+[!?]|[\W_]+",
    re.IGNORECASE,
)
"""What people write where a value is missing, beside what is always read as missing."""
_FEW = 0.05  # of the cells: above, they are a category of their own rather than a mistake


def written_otherwise(
    table: Table, columns: Sequence[Column], options: TableOptions
) -> Fault | None:
    """The separators that read most of the cells that are no numbers yet; None if none read any."""
    doubtful = [c for c in columns if c.codes is not None and not is_category(c)]
    if not doubtful:
        return None
    best, most, read_by = None, 0, list[Column]()
    ways = sorted(_WAYS, key=lambda way: way[0] != ",") if table.delimiter == ";" else _WAYS
    for decimal, thousands in ways:
        if options.decimal == "," != decimal or options.thousands not in ("", thousands):
            continue
        numbers = Numbers(decimal, thousands, options.missing)
        gains = {c.name: _read(c, numbers) for c in doubtful}
        lost = sum(_lost(c, numbers) for c in columns) if decimal != options.decimal else 0
        if sum(gains.values()) - lost > most:
            best, most = numbers, sum(gains.values()) - lost
            read_by = [c for c in doubtful if gains[c.name]]
    if best is None:
        return None
    column = read_by[0]
    text = next(text for text in column.used if best(text) is not None)
    what = f"{_NAMED[best.thousands]} between thousands" if best.thousands else ""
    change = {"thousands": best.thousands}
    if best.decimal != options.decimal:
        change = {"decimal": best.decimal} | (change if best.thousands else {})
        what = f"a decimal comma{' and ' * bool(what)}{what}"
    one = len(read_by) == 1
    cell = f"{text!r} with {column.unit!r}" if column.unit else repr(text)
    where = table.row(column.first(text))
    said = (
        f"column{'' if one else 's'} {listed([c.name for c in read_by])}: {most} "
        f"number{'s are' if most > 1 else ' is'} written with {what} ({where}: {cell})"
    )
    other = Numbers(",", "", options.missing)
    if (best.decimal, best.thousands) == _WAYS[0] and sum(_read(c, other) for c in read_by) == most:
        means = text.replace(",", ".")
        said += f"; should that mean {means}, put the comma for decimal, not for thousands"
    return Fault(said, change)


def _read(column: Column, numbers: Numbers) -> int:
    """How many cells of a column are numbers if they are written so."""
    return sum(n for text, n in column.used.items() if numbers(text) is not None)


def _lost(column: Column, numbers: Numbers) -> int:
    """How many cells that are numbers would no longer be, or become others, with this comma."""
    values = column.numbers[np.isfinite(column.numbers)]
    lost = ~_whole(values)
    if numbers.thousands == ".":  # 1.234 may be 1234 then; 0.25 is no number
        lost &= ~_whole(1000 * values) | _whole(100 * values)
    return int(lost.sum())


def _whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.abs(values - np.rint(values)) <= 1e-9 * np.abs(values)
    return found


def no_numbers(
    table: Table, column: Column, others: Sequence[Column], is_target: bool
) -> Fault | None:
    """The cells of a column of numbers that hold something else, and what that probably is."""
    if column.codes is None or is_category(column):
        return None
    texts, cells = list(column.used), sum(column.used.values())
    if not texts:
        return None
    filled = len(column.numbers) - int(column.missing.sum())
    said = (
        f"column {column.name!r}: {cells} of {filled} cells hold{'s' * (cells == 1)} no number: "
        f"{listed(texts, 5, 40)} ({table.row(column.first(texts[0]))})"
    )
    if unit_of(texts[0]) and not re.fullmatch(r"\d+[A-Za-z]", texts[0]):  # 136A is a name
        said += ", which carries a unit"
    different = len(np.unique(column.numbers[~np.isnan(column.numbers)])) + len(texts)
    if all(map(NOTHING.fullmatch, texts)):
        return Fault(said, {"missing": tuple(texts)})
    some = cells > _FEW * filled or (is_target and different <= MOST_CATEGORIES // 2)
    if some and different <= MOST_CATEGORIES:  # of a target, rather a class than a mistake
        return Fault(said, {"categories": (column.name,)})
    elsewhere = {t for c in others if c is not column and is_category(c) for t in c.texts}
    if (cells <= _FEW * filled or len(texts) <= 3) and not elsewhere.intersection(texts):
        return Fault(said, {"missing": tuple(texts)})
    if is_target:
        return Fault(f"{said}. Correct them, or choose another target.")
    return Fault(said, {"drop": (column.name,)})
