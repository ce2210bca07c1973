"""Split one kernel over threads: a small pool, fixed chunks, the same answer for any thread count.

A kernel handed to `split` takes ``(first, last, ...)`` and does the items ``first <= i < last``,
each on its own. Items never share a sum, so how they are divided among threads cannot change a
result. Kernels release the GIL; the calling thread takes a share itself, so one extra thread is
enough on two cores. Work below `SPLIT_FROM` elements stays on the calling thread: waking a second
one was measured at 30 to 60 microseconds, which is what such an input takes by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

SPLIT_FROM = 200_000  # elements

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_threads: int | None = None


def available_cores() -> int:
    """Cores this process may use (its affinity where the system tells, else all)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads `split` uses for a large input."""
    return _threads if _threads is not None else available_cores()


def set_threads(count: int | None) -> None:
    """Use `count` threads for large inputs, or every available core when None.

    Raises:
        ValueError: `count` is below 1.
    """
    global _threads
    if count is not None and count < 1:
        raise ValueError(f"threads must be at least 1, got {count}; pass None for every core")
    _threads = count


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """`set_threads` for the length of a ``with`` block."""
    before = _threads
    set_threads(count)
    try:
        yield
    finally:
        set_threads(before)


def _workers(count: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < count:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool = ThreadPoolExecutor(count, thread_name_prefix="evenbatch-norm")
            _pool_size = count
        return _pool


def _forget_pool() -> None:
    """A forked child has none of its parent's threads, and the lock may be held by one of them."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def split(kernel: Callable[..., None], items: int, elements: int, *args: Any) -> None:
    """Run ``kernel(first, last, *args)`` over ``range(items)``, in parallel when it is large.

    Args:
        kernel: a compiled, GIL-releasing function of ``(first, last, *args)``.
        items: how many independent items there are.
        elements: array elements touched in all; decides whether threads are worth waking.
        args: passed on unchanged.
    """
    shares = min(threads(), items) if elements >= SPLIT_FROM else 1
    if shares <= 1:
        kernel(0, items, *args)
        return
    edges = [items * k // shares for k in range(shares + 1)]
    pool = _workers(shares - 1)
    waiting = [pool.submit(kernel, edges[k], edges[k + 1], *args) for k in range(1, shares)]
    try:
        kernel(edges[0], edges[1], *args)
    finally:
        # Even if this share failed, the others still write to the caller's arrays.
        errors = [future.exception() for future in waiting]
    for error in errors:
        if error is not None:
            raise error
