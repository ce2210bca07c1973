"""The one error of this floor, and the helper that suggests what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot be used: the message says where, what was found, and what to do."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to `word`, or "" when none is close.

    >>> nearest("Digit", ["cookies", "digits"])
    'digits'
    >>> nearest("zebra", ["cookies", "digits"])
    ''
    """
    by_folded = {k.strip().casefold(): k for k in reversed(list(known))}
    close = difflib.get_close_matches(word.strip().casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean 'digits'?', or nothing; to be added to the end of a message."""
    match = nearest(word, known)
    return f" Did you mean {match!r}?" if match else ""


def listed(items: Iterable[object], limit: int = 10, longest: int = 1000) -> str:
    """Quoted and joined by commas; the tail is counted, not shown, and long texts are cut.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = [repr(item) for item in items]
    shown = [text if len(text) <= longest else f"{text[:longest]}…{text[0]}" for text in shown]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")
