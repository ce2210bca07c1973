"""Not a peer but a yardstick: only the matrix products of each step, by SciPy's BLAS.

`numpy.dot` inside a Numba loop calls SciPy's sgemm with no Python between two calls, its result is
written to an array made before, and the operands of each shape stay the same few arrays, in cache:
the machine's sgemm rate at the workload's own shapes, as high as it gets. Called from Python as
``scipy.linalg.blas.sgemm`` the same product showed 50 GFLOP/s instead of 121 at 32 x 32 x 32, and
128 instead of 138 at 100 x 100 x 100.

``order="plain"`` gives BLAS every operand in the order it likes best; ``order="step"`` gives it the
transposed operands that the gradients of a row-major step come with, which is slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg.blas  # noqa: F401  (loads the library to be limited)
from numba import njit
from threadpoolctl import threadpool_limits

from bench.peers.work import Floats, Workload


def setup(work: Workload, trials: range, seed: int, *, order: str = "plain") -> Products:
    """Prepare the products of one step; BLAS is held to one thread, for one process a core."""
    return Products(work, len(trials), seed, order)


@njit(nogil=True)
def repeat(a: Any, b: Any, out: Any, times: int) -> None:
    """The same product again and again."""
    for _ in range(times):
        np.dot(a, b, out=out)


class Products:
    """Each product of a step, as often as trials and steps ask for."""

    def __init__(self, work: Workload, trials: int, seed: int, order: str) -> None:
        self.trials = trials
        self.limit = threadpool_limits(limits=1, user_api="blas")
        rng = np.random.default_rng(seed)
        self.products = [
            operands(rng, m, k, n, kind if order == "step" else "plain")
            for kind, m, k, n in work.products()
        ]
        for a, b, out in self.products:
            repeat(a, b, out, 1)  # compiles

    def __call__(self, steps: int) -> Floats:
        for a, b, out in self.products:
            repeat(a, b, out, steps * self.trials)
        return np.zeros(0, np.float32)


def operands(rng: np.random.Generator, m: int, k: int, n: int, kind: str) -> tuple[Any, Any, Any]:
    """a (m, k), b (k, n) and a place for their product; x.T and w.T as views where a step does."""
    a = rng.normal(size=(m, k)).astype(np.float32)
    b = rng.normal(size=(k, n)).astype(np.float32)
    if kind == "weight gradient":
        a = np.asfortranarray(a)
    if kind == "input gradient":
        b = np.asfortranarray(b)
    return a, b, np.empty((m, n), np.float32)
