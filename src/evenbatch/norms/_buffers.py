"""Arrays for results, taken again from memory nobody uses any more.

A fresh 25 MB array costs several milliseconds of page faults, more than normalizing it (measured:
filling two such arrays takes 14 ms fresh and 2 ms used before). So large results are cut from
blocks that this module remembers, and a block is handed out again once nobody but this module
refers to it. Any array, view or tensor made from a result keeps its block; a result is never
overwritten while something can still see it. At most `KEPT` bytes stay remembered;
`release_buffers` forgets them all.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

SMALLEST = 1 << 17  # bytes; below this the allocator reuses memory well by itself
KEPT = 256 << 20  # bytes
ALIGN = 64  # a cache line, and the widest vector

# With a reference count that cannot be trusted, every result is simply a fresh array.
_COUNTED = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
_UNUSED = 3  # the list, the loop variable and getrefcount's own argument

_blocks: list[npt.NDArray[np.uint8]] = []


def empty(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """An uninitialized C-contiguous array, on memory used before where there is some."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST or not _COUNTED:
        return np.empty(shape, dtype)
    block = _take(size + ALIGN)
    start = -block.ctypes.data % ALIGN
    result: npt.NDArray[Any] = block[start : start + size].view(dtype).reshape(shape)
    return result


def _take(size: int) -> npt.NDArray[np.uint8]:
    # No lock: a thread that has just found a block unused refers to it, so another thread counts
    # one reference too many and passes on.
    for block in _blocks:
        if block.size == size and sys.getrefcount(block) == _UNUSED:
            return block
    block = np.empty(size, np.uint8)
    _blocks.append(block)
    total = sum(kept.size for kept in _blocks)
    while total > KEPT and _blocks:
        total -= _blocks.pop(0).size  # whoever still uses it keeps it alive
    return block


def release_buffers() -> None:
    """Forget every remembered block; memory nobody uses goes back to the system."""
    _blocks.clear()
