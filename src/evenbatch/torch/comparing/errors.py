"""What is wrong with a comparison, its models or its data."""

from __future__ import annotations


class CompareError(ValueError):
    """The comparison cannot be made as asked; the message says where, and what to change."""


def short(error: BaseException) -> str:
    """An error of somebody else's code in one line.

    >>> short(ValueError("first line\\nsecond"))
    'ValueError: first line'
    """
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
