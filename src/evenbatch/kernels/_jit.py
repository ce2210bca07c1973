"""How every kernel is compiled: one decorator, one cache folder, no surprises.

``@kernel`` is ``numba.njit(nogil=True)`` with the project's fast-math flags. ``@kernel(entry=True)``
marks the functions that Python calls; only those are kept in the on-disk cache, because a compiled
entry carries every kernel it calls.

Three decisions, and why:

* **Flags** are ``{"reassoc", "contract", "arcp", "nsz"}``. Sums may be reordered (that is what makes
  them vectorize), but NaN and infinity keep their meaning: plain ``fastmath=True`` deletes NaN checks,
  and a diverged training would go unseen.
* **The cache folder is named after a hash of every file in this package.** Numba itself only looks at
  the file of the cached function, so a changed callee in another file would go unnoticed
  (numba issues 1833 and 8396).
* **An unwritable cache folder is survived**: kernels are then compiled in each process.

``EVENBATCH_CACHE_DIR`` chooses another folder; ``EVENBATCH_CACHE_DIR=off`` turns the cache off.
``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

F = TypeVar("F", bound=Callable[..., Any])

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
STRICT = {"contract"}  # where the order of operations carries the accuracy


def jit_enabled() -> bool:
    """False when ``NUMBA_DISABLE_JIT=1`` made every kernel plain Python."""
    return not config.DISABLE_JIT


@cache
def source_hash() -> str:
    """Hash of every Python file whose text can reach compiled code (kernels and engine)."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for folder in ("kernels", "engine"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


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
        folder = root / f"kernels-{source_hash()}"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # RuntimeError: no home folder is known
        return None
    return folder


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Puts a function's cache into `cache_folder()` and stamps it with `source_hash()`."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return source_hash()

    def get_disambiguator(self) -> str:
        return str(self._lineno)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_func, py_file)


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012


class _KernelCache(FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(
    *, entry: bool = False, strict: bool = False, inline: bool = False
) -> Callable[[F], F]: ...
def kernel(
    function: F | None = None, *, entry: bool = False, strict: bool = False, inline: bool = False
) -> Any:
    """Compile a function that holds plain loops over arrays.

    Args:
        function: the function, when used without arguments.
        entry: Python calls it, so its compiled form is kept on disk.
        strict: do not reorder sums; for the few places where order is what makes them accurate.
        inline: force LLVM to inline it (tiny element-wise functions only: inlining whole loops into
            one long function was measured 3 times slower than keeping them apart).
    """

    def wrap(py_function: F) -> Any:
        options: dict[str, Any] = {"nogil": True, "fastmath": STRICT if strict else FASTMATH}
        if inline:
            options["forceinline"] = True
        dispatcher = numba.njit(**options)(py_function)
        if entry and jit_enabled() and cache_folder() is not None:
            dispatcher._cache = _KernelCache(py_function)
        return dispatcher

    return wrap if function is None else wrap(function)
