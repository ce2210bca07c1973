"""How every kernel is compiled: one decorator, one cache folder, no surprises.

``@kernel`` is ``numba.njit(nogil=True)`` with the project's fast-math flags.
``@kernel(entry=True)`` marks the functions that Python calls. Machine code is made, and kept on
disk, of those alone; it carries every kernel they call.

Three decisions, and why:

* **Flags** let products and sums be fused where the machine can, and nothing else: the order of
  sums is the code's own, so that machines differ by their fusing alone. The normalizers' loops may
  also have their sums reordered, which is what makes those over single numbers vectorize; the
  engine's say themselves, by lanes, what is a vector. NaN and infinity always keep their meaning:
  plain ``fastmath=True`` deletes NaN checks, and a run that diverged would go unseen.
* **A cached kernel is named after a hash of its file and of all files it imports.** Numba itself
  only looks at the file of the cached function, so a changed callee in another file would go
  unnoticed (numba issues 1833 and 8396).
* **An unwritable cache folder is survived**: kernels are then compiled in each process. So they
  are where Numba's insides (`_insides`) are not those this was written for.

``EVENBATCH_CACHE_DIR`` chooses another folder; ``EVENBATCH_CACHE_DIR=off`` turns the cache off.
``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import config

from evenbatch.kernels import _folder

try:
    from evenbatch.kernels import _insides
except (ImportError, AttributeError):  # another Numba: correct all the same, compiled each time
    _insides = None  # type: ignore[assignment]

F = TypeVar("F", bound=Callable[..., Any])

FUSED = {"contract"}
REORDERED = {"reassoc", "contract", "arcp", "nsz"}


def cache_folder() -> Path | None:
    """The folder compiled kernels are kept in, or None where they are not kept."""
    return None if _insides is None else _folder.cache_folder()


def jit_enabled() -> bool:
    """False when ``NUMBA_DISABLE_JIT=1`` made every kernel plain Python."""
    return not config.DISABLE_JIT


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(
    *,
    entry: bool = False,
    reorder: bool = False,
    inline: bool = False,
    allocates: bool = False,
    beside: Callable[..., Any] | None = None,
) -> Callable[[F], F]: ...
def kernel(
    function: F | None = None, *, entry: bool = False, reorder: bool = False, inline: bool = False,
    allocates: bool = False, beside: Callable[..., Any] | None = None,
) -> Any:  # fmt: skip
    """Compile a function that holds plain loops over arrays.

    Args:
        function: the function, when used without arguments.
        entry: Python calls it, so machine code is made of it and kept on disk.
        reorder: sums may be reordered, and another machine may give another last digit.
        inline: force LLVM to inline it (tiny element-wise functions only: inlining whole loops into
            one long function was measured 3 times slower than keeping them apart).
        allocates: it makes arrays, or calls NumPy functions that do. Only such a kernel counts
            references to its arrays: each count is an atomic operation on memory that all threads
            share, and took two thirds of the time of short loops. Keep the loops out of it.
        beside: keep its machine code with that of this function, for an entry made by a program.
    """

    def wrap(py_function: F) -> Any:
        options: dict[str, Any] = {"nogil": True, "fastmath": REORDERED if reorder else FUSED}
        if inline:
            options["forceinline"] = True
        ours = _insides if jit_enabled() else None
        if ours is not None:
            compiler = ours.WholeCompiler if entry else ours.PartCompiler
            options |= {"pipeline_class": compiler, "_nrt": allocates}
        dispatcher = numba.njit(**options)(py_function)
        if ours is not None and not entry:
            ours.hide(dispatcher)
        elif ours is not None and cache_folder() is not None:
            dispatcher._cache = ours.KernelCache(beside or py_function)
        dispatcher.asked = {"reorder": reorder, "allocates": allocates}
        return dispatcher

    return wrap if function is None else wrap(function)
