"""The engine's own products and column sums, against BLAS and against plain loops: one core.

    python -m bench.matmul

Products: GFLOP/s of the three products of a linear layer, by `evenbatch.kernels.engine.matmul` and
by ``np.dot`` with ``out=`` (SciPy's BLAS called from compiled code), interleaved, best of many
short runs: what is asked here is what the code can do, not what the machine's other work leaves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench.harness import write_json
from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import columns, matmul

SHAPES = ((32, 16, 32), (32, 32, 32), (32, 32, 16), (100, 64, 64), (100, 100, 100), (128, 128, 128))
ROUNDS, EACH = 200, 3e-4


@kernel(entry=True)
def tile_forward(times, x, w, out, rows, inputs, outputs):
    for _ in range(times):
        matmul.product(x, 0, inputs, w, 0, out, 0, rows, outputs, inputs)


@kernel(entry=True)
def tile_weights(times, x, w, out, rows, inputs, outputs):
    for _ in range(times):
        matmul.product_transposed(x, 0, inputs, out, 0, w, 0, inputs, outputs, rows)


@kernel(entry=True)
def blas(times, a, b, out):
    for _ in range(times):
        np.dot(a, b, out)


@kernel(entry=True)
def lanes_statistics(times, ws, rows, stride):
    for _ in range(times):
        at = rows * stride
        columns.batch_statistics(ws, 0, rows, stride, at, at + stride, at + 2 * stride, 1e-5)


@kernel(entry=True)
def plain_statistics(times, ws, rows, stride):
    """The same two passes as loops over scalars."""
    one = np.float32(1)
    for _ in range(times):
        x = ws[: rows * stride].reshape(rows, stride)
        mean = ws[rows * stride : (rows + 1) * stride]
        rstd = ws[(rows + 1) * stride : (rows + 2) * stride]
        mean[:] = 0
        rstd[:] = 0
        for r in range(rows):
            for c in range(stride):
                mean[c] += x[r, c]
        for c in range(stride):
            mean[c] /= np.float32(rows)
        for r in range(rows):
            for c in range(stride):
                rstd[c] += (x[r, c] - mean[c]) * (x[r, c] - mean[c])
        for c in range(stride):
            rstd[c] = one / np.sqrt(rstd[c] / np.float32(rows) + np.float32(1e-5))


def best_seconds(works: dict[str, Callable[[int], Any]]) -> dict[str, float]:
    """Seconds of one call of each, interleaved; the best of `ROUNDS` short runs."""
    counts, found = {}, dict.fromkeys(works, float("inf"))
    for name, work in works.items():
        work(1)
        start = time.perf_counter()
        work(10)
        counts[name] = max(1, int(10 * EACH / (time.perf_counter() - start)))
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work(counts[name])
            found[name] = min(found[name], (time.perf_counter() - start) / counts[name])
    return found


def products(rows: int, inputs: int, outputs: int) -> dict[str, float]:
    """GFLOP/s of the products of one shape (widths that need no padding count in full)."""
    rng = np.random.default_rng(0)
    wide_in, wide_out = padded(inputs), padded(outputs)
    x = rng.standard_normal((rows, wide_in), np.float32)
    w = rng.standard_normal((wide_in, wide_out), np.float32)
    out = rng.standard_normal((rows, wide_out), np.float32)
    sizes = rows, wide_in, wide_out
    exact = [
        np.ascontiguousarray(m) for m in (x[:, :inputs], w[:inputs, :outputs], out[:, :outputs])
    ]
    torch_w = np.ascontiguousarray(exact[1].T)  # (outputs, inputs), PyTorch's layout
    z, dx, dw = np.empty_like(exact[2]), np.empty_like(exact[0]), np.empty_like(torch_w)
    found = best_seconds(
        {
            "forward": lambda n: tile_forward(n, x.ravel(), w.ravel(), out.ravel(), *sizes),
            "weight gradient": lambda n: tile_weights(n, x.ravel(), w.ravel(), out.ravel(), *sizes),
            "forward, BLAS": lambda n: blas(n, exact[0], torch_w.T, z),
            "weight gradient, BLAS": lambda n: blas(n, exact[2].T, exact[0], dw),
            "input gradient, BLAS": lambda n: blas(n, exact[2], torch_w, dx),
        }
    )
    return {name: 2e-9 * rows * inputs * outputs / seconds for name, seconds in found.items()}


def statistics(rows: int, stride: int) -> float:
    """How many times faster column statistics are by lanes than by plain loops."""
    ws = np.random.default_rng(0).standard_normal((rows + 4) * stride).astype(np.float32)
    found = best_seconds(
        {
            "lanes": lambda n: lanes_statistics(n, ws, rows, stride),
            "plain": lambda n: plain_statistics(n, ws, rows, stride),
        }
    )
    return found["plain"] / found["lanes"]


def main(json_path: Path | None = None) -> dict[str, Any]:
    """Print the table and return what it holds."""
    result: dict[str, Any] = {"products_gflops": {}, "column_statistics_speedup": {}}
    with threadpool_limits(1):
        for shape in SHAPES:
            row = products(*shape)
            result["products_gflops"]["x".join(map(str, shape))] = row
            print(
                f"{shape!s:>16}  " + "  ".join(f"{name} {rate:.0f}" for name, rate in row.items())
            )
        for rows, stride in ((32, 32), (100, 64), (100, 112)):
            ratio = statistics(rows, stride)
            result["column_statistics_speedup"][f"{rows}x{stride}"] = ratio
            print(f"column statistics {rows}×{stride}: {ratio:.1f} times plain loops")
    if json_path is not None:
        write_json(json_path, result)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    main(parser.parse_args().json)
