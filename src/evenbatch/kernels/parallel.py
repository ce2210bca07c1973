"""Split one kernel over threads: a small pool, fixed chunks, the same answer for any thread count.

A kernel handed to `split` takes ``(first, last, ...)`` and does the items ``first <= i < last``,
each on its own. Items never share a sum, so how they are divided among threads cannot change a
result. Kernels release the GIL; the calling thread takes a share itself, so one extra thread is
enough on two cores.

The pool is threads waiting at one queue: handing a share over and back takes 10 to 15 microseconds,
where a `ThreadPoolExecutor` was measured at 35. Work below `SPLIT_FROM` elements stays on the
calling thread all the same.

Where another library's threads have just worked, they may still be spinning, waiting for more, and
a second pool would share cores with them. `on_openmp` lets that library's threads do the work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from evenbatch.kernels._jit import jit_enabled
from evenbatch.kernels._region import region_of

SPLIT_FROM = 200_000  # elements

Answer = BaseException | None
Share = tuple[Callable[..., None], tuple[Any, ...], "SimpleQueue[Answer]"]

_lock = threading.Lock()
_shares: SimpleQueue[Share] = SimpleQueue()
_waiting_threads = 0
_threads: int | None = None


class _Here(threading.local):
    """What `on_openmp` set for the current thread."""

    count: int | None = None
    openmp: int | None = None


_here = _Here()


def available_cores() -> int:
    """Cores this process may use (its affinity where the system tells, else all)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads `split` uses for a large input."""
    count = _threads if _here.count is None else _here.count
    return available_cores() if count is None else count


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


@contextmanager
def on_openmp(count: int, gomp_parallel: int | None) -> Iterator[None]:
    """For the calling thread and the length of a ``with`` block, `count` threads of that library.

    Args:
        count: shares that large inputs are divided into.
        gomp_parallel: address of the library's function of that name; None for this module's pool.
    """
    before = _here.count, _here.openmp
    _here.count, _here.openmp = count, gomp_parallel
    try:
        yield
    finally:
        _here.count, _here.openmp = before


def _work(shares: SimpleQueue[Share]) -> None:
    while True:
        kernel, arguments, answers = shares.get()
        try:
            kernel(*arguments)
        except BaseException as error:  # raised again by whoever waits for the answer
            answers.put(error)
        else:
            answers.put(None)
        del kernel, arguments, answers  # or the last arrays would live until the next share


def _have_workers(count: int) -> None:
    global _waiting_threads
    with _lock:
        while _waiting_threads < count:
            name = f"evenbatch-norm-{_waiting_threads}"
            threading.Thread(target=_work, args=(_shares,), name=name, daemon=True).start()
            _waiting_threads += 1


def _forget_workers() -> None:
    """A forked child has none of its parent's threads, and a lock may be held by one of them."""
    global _lock, _shares, _waiting_threads
    _lock, _shares, _waiting_threads = threading.Lock(), SimpleQueue(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


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
    if _here.openmp is not None and jit_enabled():
        if region_of(kernel)(_here.openmp, shares, items, *args):
            kernel(0, items, *args)  # raises here what a share has raised there
        return
    edges = [items * k // shares for k in range(shares + 1)]
    _have_workers(shares - 1)
    answers: SimpleQueue[Answer] = SimpleQueue()
    for k in range(1, shares):
        _shares.put((kernel, (edges[k], edges[k + 1], *args), answers))
    try:
        kernel(edges[0], edges[1], *args)
    finally:
        # Even if this share failed, the others still write to the caller's arrays.
        errors = [answers.get() for _ in range(1, shares)]
    for error in errors:
        if error is not None:
            raise error
