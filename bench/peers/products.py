"""Not a peer but a yardstick: only the matrix products of each step, by SciPy's BLAS.

`numpy.dot` inside a Numba loop calls SciPy's sgemm with no Python between two calls, its result is
written to an array made before, and the operands of each shape stay the same few arrays, in cache:
the machine's sgemm rate at the workload's own shapes, as high as it gets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg.blas  # noqa: F401  (loads the library to be limited)
from numba import njit
from threadpoolctl import threadpool_limits

from bench.peers.work import Floats, Workload


def setup(work: Workload, trials: range, seed: int) -> Products:
    """Prepare the products of one step; BLAS is held to one thread, for one process a core."""
    return Products(work, len(trials), seed)


@njit(nogil=True)
def repeat_forward(x: Any, weight: Any, out: Any, times: int) -> None:
    for _ in range(times):
        np.dot(x, weight, out=out)


@njit(nogil=True)
def repeat_weight_gradient(x: Any, dy: Any, out: Any, times: int) -> None:
    for _ in range(times):
        np.dot(x.T, dy, out=out)


@njit(nogil=True)
def repeat_input_gradient(dy: Any, weight: Any, out: Any, times: int) -> None:
    for _ in range(times):
        np.dot(dy, weight.T, out=out)


class Products:
    """Each layer's products, as often as trials and steps ask for."""

    def __init__(self, work: Workload, trials: int, seed: int) -> None:
        self.work, self.trials = work, trials
        self.limit = threadpool_limits(limits=1, user_api="blas")
        self.rng = np.random.default_rng(seed)
        self.arrays = {layer: self._operands(*layer) for layer in work.layers}

    def _operands(self, fan_in: int, fan_out: int) -> list[Floats]:
        """x, weight, y, and a place for the result of each kind of product."""
        batch = self.work.batch
        shapes = [(batch, fan_in), (fan_in, fan_out), (batch, fan_out)]
        return [self.rng.normal(size=shape).astype(np.float32) for shape in shapes + shapes]

    def __call__(self, steps: int) -> Floats:
        times = steps * self.trials
        for place, layer in enumerate(self.work.layers):
            x, weight, y, dx, dweight, out = self.arrays[layer]
            repeat_forward(x, weight, out, times)
            repeat_weight_gradient(x, y, dweight, times)
            if place > 0:
                repeat_input_gradient(y, weight, dx, times)
        return np.zeros(0, np.float32)
