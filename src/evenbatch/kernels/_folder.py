"""The folder that compiled kernels are kept in, and when a kept one is stale."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

KEEP_DAYS = 60

_IMPORT = re.compile(
    r"^ *(?:from (?P<module>[\w.]+) import (?P<names>\([^)]*\)|[^\n(]*)|import (?P<plain>[\w.]+))",
    re.MULTILINE,
)


def _imports(text: str) -> set[Path]:
    """The files with kernels that a file's text imports (parsing it takes 30 ms a file)."""
    package = Path(__file__).resolve().parent.parent
    found = set()
    for match in _IMPORT.finditer(text):
        module = match["module"] or match["plain"]
        names = re.findall(r"\w+", match["names"] or "")
        for name in (module, *(f"{module}.{part}" for part in names)):
            head, *rest = name.split(".")
            if head == package.name and rest and rest[0] in ("kernels", "engine"):
                candidate = package.joinpath(*rest).with_suffix(".py")
                if candidate.is_file():
                    found.add(candidate)
    return found


@cache
def source_hash(file: str) -> str:
    """Hash of a file and of every file of the package whose text can reach its compiled code."""
    waiting, texts = {Path(file).resolve()}, {}
    while waiting:
        path = waiting.pop()
        if path not in texts:
            texts[path] = path.read_text("utf-8")
            waiting |= _imports(texts[path])
    digest = hashlib.sha256()
    for path in sorted(texts):
        digest.update(f"{'/'.join(path.parts[-3:])}\n{texts[path]}".encode())
    return digest.hexdigest()[:12]


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def cache_folder() -> Path | None:
    """The folder compiled kernels are kept in, or None where none can be written.

    A folder that cannot be made or written is not an error: everything still works, each new
    process just compiles again (some seconds).
    """
    chosen = os.environ.get("EVENBATCH_CACHE_DIR")
    if chosen == "off":
        return None
    try:
        root = Path(chosen).expanduser() if chosen else _user_cache() / "evenbatch"
        folder = root / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        _forget_old(folder)
    except (OSError, RuntimeError):  # RuntimeError: no home folder is known
        return None
    return folder


def _forget_old(folder: Path) -> None:
    """Delete what was compiled more than `KEEP_DAYS` ago: each changed source leaves a file
    behind."""
    oldest = time.time() - KEEP_DAYS * 86400
    for path in folder.glob("*.nb[ci]"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def is_cached(file: str, function: str) -> bool:
    """True if the compiled form of an entry kernel lies in the cache folder."""
    folder = cache_folder()
    pattern = f"{Path(file).stem}.{function}-*-{source_hash(file)}.*.nbc"
    return folder is not None and any(folder.glob(pattern))
