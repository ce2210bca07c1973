"""Checks the options with which a table is read."""

from __future__ import annotations

import re
from typing import Any

from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.table_options import DEFAULTS, MOST_ROWS, TASKS, TableOptions

WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
"""What may be written for a character that is hard to type in a shell."""
ONLY_TEXT = ("decimal", "thousands", "delimiter", "comment", "skip_rows", "header", "encoding")
_MAY_BE = {"task": TASKS, "drop_missing": ("rows", "columns"), "decimal": (".", ",")}
_CHARACTERS = ("decimal", "thousands", "delimiter")


def make(**given: Any) -> TableOptions:
    """Options from plain values: a name or a list of names, a number, a text; None is unset.

    >>> make(drop="id", skip_rows="2,4-6").skip_rows
    (2, 4, 5, 6)

    Raises:
        DataError: for an option that does not exist, or a value that it cannot have.
    """
    for name in given:
        if name not in DEFAULTS:
            raise DataError(
                f"a table has no option {name!r}.{did_you_mean(name, DEFAULTS)} "
                f"Its options are {listed(DEFAULTS, 99)}."
            )
    checked = {n: _checked(n, value) for n, value in given.items() if value is not None}
    options = TableOptions(**checked)
    if options.decimal == options.thousands:
        raise DataError(
            f"decimal and thousands are both {options.decimal!r}: one separator cannot be both."
        )
    return options


def _checked(name: str, value: Any) -> Any:
    """A value in the form the option has, or a `DataError`."""
    default = DEFAULTS[name]
    if name == "skip_rows":
        return _row_numbers(value)
    if isinstance(default, tuple):
        names = [value] if isinstance(value, str | int | float) else list(value)
        return tuple(str(n) for n in names)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise DataError(f"{name} is {value!r}; it must be True or False.")
        return value
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int) or value < 2:
            raise DataError(f"{name} is {value!r}; it must be a whole number of at least 2.")
        return value
    if not isinstance(value, str):
        raise DataError(f"{name} is {value!r}; it must be a text.")
    value = WORDS.get(value, value) if name in _CHARACTERS else value
    may_be = _MAY_BE.get(name)
    if may_be and value not in (*may_be, default):
        raise DataError(f"{name} is {value!r}, not one of {may_be}.{did_you_mean(value, may_be)}")
    if name in _CHARACTERS and (len(value) > 1 or value in tuple('\r\n"') or value.isalnum()):
        raise DataError(f"{name} is {value!r}; it must be one character, like ',' or ';'.")
    return value


def _row_numbers(value: Any) -> tuple[int, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    found: set[int] = set()
    for part in parts:
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", str(part))
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last or last - first > MOST_ROWS:
            raise DataError(
                f"skip_rows holds {part!r}; give numbers of rows, counted from 1, like 2,3 or 1-5."
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))
