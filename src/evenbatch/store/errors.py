"""The one error of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ELSEWHERE = "Choose another file with --store FILE"


class StoreError(Exception):
    """A store cannot be read or written; the message says which, why, and what to do."""


_CAUSES = {
    "SQLITE_FULL": (
        "the disk is full",
        f"What was stored before is safe. Free some space, or: {ELSEWHERE[0].lower()}"
        f"{ELSEWHERE[1:]}.",
    ),
    "SQLITE_READONLY": ("it cannot be written", f"{ELSEWHERE}."),
    "SQLITE_CANTOPEN": ("it cannot be opened or made there", f"{ELSEWHERE}."),
    "SQLITE_PERM": ("it cannot be written", f"{ELSEWHERE}."),
    "SQLITE_AUTH": ("it cannot be written", f"{ELSEWHERE}."),
    "SQLITE_NOTADB": (
        "this file is no store",
        f"It was left as it is. {ELSEWHERE}, or move this one away.",
    ),
    "SQLITE_CORRUPT": (
        "the file is damaged",
        f"It was left as it is. {ELSEWHERE}, or move this one away (`sqlite3 FILE .recover` may "
        "save some of it).",
    ),
    "SQLITE_BUSY": (
        "another program has kept it locked",
        f"Wait for it to end, or: {ELSEWHERE[0].lower()}{ELSEWHERE[1:]}.",
    ),
    "SQLITE_IOERR": (
        "reading or writing it failed",
        f"The disk may be full or failing, or the network folder away. {ELSEWHERE}.",
    ),
}
_CAUSES["SQLITE_LOCKED"] = _CAUSES["SQLITE_PROTOCOL"] = _CAUSES["SQLITE_BUSY"]


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a `StoreError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        kind = next((kind for kind in _CAUSES if name.startswith(kind)), "")
        cause, advice = _CAUSES.get(kind, (str(error), f"{ELSEWHERE}."))
        code = f" ({name})" if name else ""
        raise StoreError(f"store {path}: {cause}{code}. {advice}") from error


def damaged(path: Path, what: str) -> StoreError:
    """A `StoreError` for content that does not fit its checksum."""
    cause, advice = _CAUSES["SQLITE_CORRUPT"]
    return StoreError(f"store {path}: {cause}: {what}. {advice}")
