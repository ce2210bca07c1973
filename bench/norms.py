"""Norm + relu, forward and backward, against PyTorch's eager layers.

    python -m bench.norms [result.json]

Both run in this process with all available cores. Each round visits every contestant in turn: a
rest, in which the other library's threads stop spinning and go to sleep (without it they take a
core from whoever comes next), one untimed call, then two timed ones; the figure is the median over
all rounds. PyTorch is set up as its documentation has it: ``relu(norm(x))``, then
``backward``, gradients set to None before. The floor is what moving the data once costs: x read
and y written, x and dy read and dx written, five arrays or two and a half copies, at the rate this
machine copies arrays of that size with the same threads.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evenbatch.kernels.parallel import available_cores
from evenbatch.norms import BatchNorm, GroupNorm, LayerNorm, RMSNorm, using_threads

GOAL = 3.0
ROUNDS = 15
REST = 0.02  # seconds
ARRAYS_MOVED = 5
CASES: list[tuple[str, tuple[int, ...]]] = [
    ("batch", (32, 64, 56, 56)),
    ("batch", (32, 256, 14, 14)),
    ("group", (32, 256, 14, 14)),
    ("batch", (4096, 1024)),
    ("layer", (4096, 1024)),
    ("rms", (4096, 1024)),
]
GROUPS = 32


def ours(name: str, x: Any, dy: Any, keep: bool) -> Callable[[], None]:
    """One forward and backward; `keep` writes to the same arrays each time."""
    norm: Any = {
        "batch": lambda: BatchNorm(x.shape[1], activation="relu"),
        "group": lambda: GroupNorm(GROUPS, x.shape[1], activation="relu"),
        "layer": lambda: LayerNorm(x.shape[1], activation="relu"),
        "rms": lambda: RMSNorm(x.shape[1], activation="relu"),
    }[name]()
    y, dx = (x.copy(), x.copy()) if keep else (None, None)

    def run() -> None:
        norm(x, out=y)
        norm.backward(dy, out=dx)

    return run


def eager(name: str, x: Any, dy: Any) -> Callable[[], None]:
    """The same with PyTorch's layer."""
    import torch

    channels = x.shape[1]
    norm = {
        "batch": lambda: (torch.nn.BatchNorm2d if x.ndim == 4 else torch.nn.BatchNorm1d)(channels),
        "group": lambda: torch.nn.GroupNorm(GROUPS, channels),
        "layer": lambda: torch.nn.LayerNorm(channels),
        "rms": lambda: torch.nn.RMSNorm(channels),
    }[name]()
    tensor = torch.from_numpy(x).requires_grad_()
    gradient = torch.from_numpy(dy)

    def run() -> None:
        tensor.grad = None
        norm.zero_grad(set_to_none=True)
        torch.relu(norm(tensor)).backward(gradient)

    return run


def copying(x: Any) -> Callable[[], None]:
    """One copy of x with PyTorch's threads."""
    import torch

    source, target = torch.from_numpy(x), torch.zeros(x.shape)
    return lambda: target.copy_(source)


def race(contestants: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            time.sleep(REST)
            run()
            for _ in range(2):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: median(taken) * 1e3 for name, taken in seconds.items()}


def measure(name: str, shape: tuple[int, ...], rounds: int = ROUNDS) -> dict[str, Any]:
    """One row of the table."""
    random = np.random.default_rng(0)
    x = random.standard_normal(shape, np.float32)
    dy = random.standard_normal(shape, np.float32)
    taken = race(
        {
            "ours": ours(name, x, dy, keep=False),
            "eager": eager(name, x, dy),
            "ours_out": ours(name, x, dy, keep=True),
            "copy": copying(x),
        },
        rounds,
    )
    floor = taken["copy"] * ARRAYS_MOVED / 2
    return {
        "norm": name,
        "shape": list(shape),
        "ours_ms": taken["ours"],
        "ours_out_ms": taken["ours_out"],
        "torch_eager_ms": taken["eager"],
        "ratio": taken["eager"] / taken["ours"],
        "ratio_out": taken["eager"] / taken["ours_out"],
        "goal": GOAL,
        "copy_gb_per_s": 2 * x.nbytes / taken["copy"] / 1e6,
        "times_copy_floor": taken["ours"] / floor,
    }


def main(json_path: str | None = None, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure every case, print the table, write JSON where asked."""
    import torch

    threads = available_cores()
    torch.set_num_threads(threads)
    rows = []
    print(f"norm + relu, forward + backward, float32, {threads} threads, torch {torch.__version__}")
    print(
        f"{'norm':6} {'shape':18} {'ours':>8} {'torch':>8} {'ratio':>6} {'goal':>5} {'x floor':>8}"
    )
    with using_threads(threads):
        for name, shape in CASES:
            row = measure(name, shape, rounds)
            rows.append(row)
            print(
                f"{name:6} {'x'.join(map(str, shape)):18} {row['ours_ms']:6.2f}ms "
                f"{row['torch_eager_ms']:6.2f}ms {row['ratio']:5.1f}x {GOAL:4.0f}x "
                f"{row['times_copy_floor']:7.2f}x   (out=: {row['ratio_out']:.1f}x)",
                flush=True,
            )
    if json_path is not None:
        about = {"machine": platform.processor() or platform.machine(), "threads": threads}
        Path(json_path).write_text(json.dumps({**about, "torch": torch.__version__, "rows": rows}))
    return rows


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
