"""How every kernel is compiled: one decorator, one cache folder, no surprises.

``@kernel`` is ``numba.njit(nogil=True)`` with the project's fast-math flags.
``@kernel(entry=True)`` marks the functions that Python calls; only those are kept in the on-disk
cache, because a compiled entry carries every kernel it calls.

Three decisions, and why:

* **Flags** are ``{"reassoc", "contract", "arcp", "nsz"}``. Sums may be reordered (that is what
  makes them vectorize), but NaN and infinity keep their meaning: plain ``fastmath=True`` deletes
  NaN checks, and a run that diverged would go unseen.
* **A cached kernel is named after a hash of its file and of all files it imports.** Numba itself
  only looks at the file of the cached function, so a changed callee in another file would go
  unnoticed (numba issues 1833 and 8396).
* **An unwritable cache folder is survived**: kernels are then compiled in each process.

``EVENBATCH_CACHE_DIR`` chooses another folder; ``EVENBATCH_CACHE_DIR=off`` turns the cache off.
``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from llvmlite.binding import Linkage
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NopythonTypeInference

F = TypeVar("F", bound=Callable[..., Any])

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
KEEP_DAYS = 60
STRICT = {"contract"}  # where the order of operations carries the accuracy


def jit_enabled() -> bool:
    """False when ``NUMBA_DISABLE_JIT=1`` made every kernel plain Python."""
    return not config.DISABLE_JIT


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


class _Library(JITCodeLibrary):
    """The machine code of a kernel, which calls nobody's copy of a kernel but its own.

    Numba links copies of all callees into a kernel and leaves them exported and weak, so a call
    goes to whichever copy of that name this process has loaded first: another kernel's, compiled
    among other code, with its sums in another order. A kernel just compiled then differed in the
    last bit from the same kernel read from the cache. Here the copies are made private before
    machine code is made of them; what other kernels link is kept as it was.
    """

    def _finalize_final_module(self) -> None:
        module = self._final_module
        defined = [f for f in module.functions if not f.is_declaration]
        own = [f.name for f in defined if f.linkage == Linkage.external]
        copies = [f.name for f in defined if f.linkage == Linkage.linkonce_odr]
        if own and copies:
            self._shared_module = module.clone()
            for name in own:
                self._shared_module.get_function(name).linkage = "linkonce_odr"
            for name in copies:
                module.get_function(name).linkage = "internal"
        super()._finalize_final_module()


@register_pass(mutates_CFG=False, analysis_only=False)
class _GiveLibrary(FunctionPass):
    """Lowering goes into a `_Library`."""

    _name = "give_library"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        library.__class__ = _Library
        library.enable_object_caching()
        state.library = library
        return True


class _Compiler(CompilerBase):
    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.add_pass_after(_GiveLibrary, NopythonTypeInference)
        manager.finalize()
        return [manager]


class _Locator(_CacheLocator):
    """Puts a function's cache into `cache_folder()`, under the hash of its sources."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return source_hash(self._py_file)

    def get_disambiguator(self) -> str:
        return f"{self._lineno}-{source_hash(self._py_file)}"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_func, py_file)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class _KernelCache(FunctionCache):
    _impl_class = _CacheImpl


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(
    *, entry: bool = False, strict: bool = False, inline: bool = False, allocates: bool = False
) -> Callable[[F], F]: ...
def kernel(
    function: F | None = None, *, entry: bool = False, strict: bool = False, inline: bool = False,
    allocates: bool = False,
) -> Any:  # fmt: skip
    """Compile a function that holds plain loops over arrays.

    Args:
        function: the function, when used without arguments.
        entry: Python calls it, so its compiled form is kept on disk.
        strict: do not reorder sums; for the few places where order is what makes them accurate.
        inline: force LLVM to inline it (tiny element-wise functions only: inlining whole loops into
            one long function was measured 3 times slower than keeping them apart).
        allocates: it makes arrays, or calls NumPy functions that do. Only such a kernel counts
            references to its arrays: each count is an atomic operation on memory that all threads
            share, and took two thirds of the time of short loops. Keep the loops out of it.
    """

    def wrap(py_function: F) -> Any:
        options: dict[str, Any] = {
            "nogil": True,
            "fastmath": STRICT if strict else FASTMATH,
            "pipeline_class": _Compiler,
            "_nrt": allocates,
        }
        if inline:
            options["forceinline"] = True
        dispatcher = numba.njit(**options)(py_function)
        if entry and jit_enabled() and cache_folder() is not None:
            dispatcher._cache = _KernelCache(py_function)
        return dispatcher

    return wrap if function is None else wrap(function)
