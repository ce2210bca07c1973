"""BLAS kept to one thread while trials large enough to call it train: each has a core already, and
the order of its sums must not depend on what else runs."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Sequence
from typing import Any

from evenbatch.engine.trial import Trial
from evenbatch.kernels.engine.matmul import BLAS_FROM


def _uses_blas(trial: Trial) -> bool:
    net = trial.network
    sizes = (net.inputs, *net.hidden, net.outputs)
    widest = max(a * b for a, b in itertools.pairwise(sizes))
    if net.time_steps:
        widest = max(widest, net.hidden[0] ** 2)
    return widest * max(trial.batch_size, 128) >= BLAS_FROM // 2


class _OneBlasThread:
    """BLAS on one thread for as long as any caller is inside.

    The limit is the process's. If each caller set and took back its own, the first to leave would
    let BLAS use more threads in the products of the others, whose sums then come out in another
    order; and threadpoolctl (since 3.8) ignores all threads but the one that set a limit first,
    unless that one is made to give up control.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        import scipy.linalg.blas  # noqa: F401  (the library must be loaded to be limited)
        from threadpoolctl import ThreadpoolController

        with self._lock:
            if not self._inside:
                libraries = ThreadpoolController().select(user_api="blas").lib_controllers
                self._before = [(library, library.get_num_threads()) for library in libraries]
                for library in libraries:
                    self._set(library, 1)
            self._inside += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for library, threads in self._before:
                    self._set(library, threads)

    @staticmethod
    def _set(library: Any, threads: int) -> None:
        give_up_control = getattr(library, "clear_controlling_thread", lambda force: None)
        give_up_control(force=True)
        library.set_num_threads(threads)
        give_up_control(force=True)


_one_blas = _OneBlasThread()


def one_blas_thread(trials: Sequence[Trial]) -> Any:
    """A context in which BLAS uses one thread, where any trial is large enough to call it."""
    return _one_blas if any(map(_uses_blas, trials)) else contextlib.nullcontext()
