"""Where data that was generated or downloaded once is kept.

``EVENBATCH_DATA_DIR`` chooses the folder; ``EVENBATCH_DATA_DIR=off`` keeps nothing. Otherwise it is
``evenbatch/data`` in the platform's cache folder. A folder that cannot be made or written is no
error: data is then generated anew in each process.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def wanted_folder() -> Path | None:
    """The folder data should be kept in; None when turned off or when no home folder is known."""
    chosen = os.environ.get("EVENBATCH_DATA_DIR")
    if chosen == "off":
        return None
    try:
        return Path(chosen).expanduser() if chosen else _user_cache() / "evenbatch" / "data"
    except RuntimeError:  # Path.home() without a home
        return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def writable_folder() -> Path | None:
    """`wanted_folder()`, made if need be; None when nothing can be written there."""
    folder = wanted_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that another process sees all of it or none; a full disk is no error."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
