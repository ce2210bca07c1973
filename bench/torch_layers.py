"""evenbatch.torch's layers + relu, forward and backward, against torch.nn, eager and compiled.

    python -m bench.torch_layers [result.json] [--quick] [--threads 2] [--rounds 15]

All contestants run in this process with the same threads and take turns (`bench.norms.race`: a rest
in which the other library's threads go to sleep, one untimed call, two timed ones; the figure is
the median over rounds). Ours is the drop-in layer with ``activation="relu"``; eager is
``relu(norm(x))``; compiled is `torch.compile` of the same. Training mode, float32 unless the row
says otherwise, gradients set to None before each step; before anything is timed the gradients are
compared. The goals speak of eager: 3, 4 or 5 times faster where the row says so, and never slower
than 0.95 times.

At the end one training step of a residual network as large as ResNet-18 (batch 16, 224 x 224), as
it is and after `accelerate`, both eager, in both memory formats.

``--quick`` checks that all of it runs: few rounds, no torch.compile, the network on small images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.harness import write_json
from bench.norms import race

ROUNDS = 15
THREADS = 2
NEVER_SLOWER = 0.95
IMAGES = (16, 224)  # batch and size of the network's input


@dataclass(frozen=True)
class Case:
    """One row: a layer, an input, and what is asked of it."""

    layer: str
    arguments: tuple[int, ...]
    shape: tuple[int, ...]
    last: bool = False  # channels last
    dtype: str = "float32"
    goal: float = NEVER_SLOWER


CASES = [
    Case("BatchNorm2d", (64,), (32, 64, 56, 56), goal=3),
    Case("BatchNorm2d", (128,), (32, 128, 28, 28), goal=3),
    Case("BatchNorm2d", (256,), (32, 256, 14, 14), goal=3),
    Case("BatchNorm2d", (512,), (32, 512, 7, 7), goal=3),
    Case("BatchNorm2d", (64,), (32, 64, 56, 56), last=True),
    Case("BatchNorm2d", (256,), (32, 256, 14, 14), last=True),
    Case("BatchNorm1d", (1024,), (4096, 1024)),
    Case("BatchNorm1d", (64,), (256, 64)),
    Case("InstanceNorm2d", (64,), (32, 64, 56, 56), goal=3),
    Case("InstanceNorm2d", (256,), (32, 256, 14, 14), goal=3),
    Case("InstanceNorm2d", (64,), (32, 64, 56, 56), last=True, goal=3),
    Case("GroupNorm", (32, 64), (32, 64, 56, 56)),
    Case("GroupNorm", (32, 256), (32, 256, 14, 14)),
    Case("GroupNorm", (32, 64), (32, 64, 56, 56), last=True, goal=4),
    Case("GroupNorm", (32, 256), (32, 256, 14, 14), last=True, goal=4),
    Case("LayerNorm", (1024,), (4096, 1024)),
    Case("LayerNorm", (64,), (65536, 64)),
    Case("LayerNorm", (768,), (8, 128, 768)),
    Case("RMSNorm", (1024,), (4096, 1024), goal=5),
    Case("RMSNorm", (64,), (65536, 64), goal=5),
    Case("RMSNorm", (768,), (8, 128, 768), goal=5),
    Case("BatchNorm2d", (64,), (32, 64, 56, 56), dtype="bfloat16"),
    Case("LayerNorm", (1024,), (4096, 1024), dtype="bfloat16"),
    Case("RMSNorm", (1024,), (4096, 1024), dtype="bfloat16"),
    Case("BatchNorm2d", (64,), (32, 64, 56, 56), dtype="float64"),
    Case("BatchNorm2d", (16,), (2, 16, 8, 8)),
    Case("LayerNorm", (64,), (4, 64)),
]


def contestants(case: Case, compiled: bool) -> dict[str, Callable[[], None]]:
    """One training step of each, forward, then backward; both computed the same when tried.

    Raises:
        RuntimeError: they did not.
    """
    import torch

    import evenbatch.torch as ours

    kind = torch.channels_last if case.last else torch.contiguous_format
    dtype = getattr(torch, case.dtype)
    torch.manual_seed(0)
    x = torch.randn(case.shape).to(dtype).to(memory_format=kind)
    dy = torch.randn(case.shape).to(dtype).to(memory_format=kind)

    leaves = []

    def step(norm: Any, call: Callable[[Any], Any]) -> Callable[[], None]:
        leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        leaves.append(leaf)

        def run() -> None:
            leaf.grad = None
            norm.zero_grad(set_to_none=True)
            call(leaf).backward(dy)

        return run

    fast = getattr(ours, case.layer)(*case.arguments, activation="relu", dtype=dtype)
    slow = getattr(torch.nn, case.layer)(*case.arguments, dtype=dtype)
    found = {"ours": step(fast, fast), "eager": step(slow, lambda t: torch.relu(slow(t)))}
    if compiled:
        other = getattr(torch.nn, case.layer)(*case.arguments, dtype=dtype)
        torch._dynamo.reset()  # after eight kinds of input it would give up compiling
        both = torch.compile(torch.nn.Sequential(other, torch.nn.ReLU()))
        found["compiled"] = step(both, both)
    for run in found.values():
        run()
    gradients = [leaf.grad.double() for leaf in leaves]
    apart = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    if not apart < (0.05 if case.dtype == "bfloat16" else 0.01):
        raise RuntimeError(f"{case}: the gradients of ours and eager are {apart:.1%} apart")
    return found


def measure(case: Case, rounds: int, compiled: bool) -> dict[str, Any]:
    """One row of the table."""
    taken = race(contestants(case, compiled), rounds)
    about = {"layer": case.layer, "shape": list(case.shape), "dtype": case.dtype, "last": case.last}
    return about | figures(taken, case.goal)


def figures(taken: dict[str, float], goal: float | None) -> dict[str, Any]:
    """The milliseconds of each, how many times ours is faster, and whether that is the goal."""
    row: dict[str, Any] = {f"{name}_ms": ms for name, ms in taken.items()}
    over = {name: ms / taken["ours"] for name, ms in taken.items() if name != "ours"}
    row |= {f"over_{name}": ratio for name, ratio in over.items()}
    return row | {"goal": goal, "met": None if goal is None else over["eager"] >= goal}


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    shape = "x".join(map(str, row["shape"])) + (" last" if row["last"] else "")
    words = f"{row['layer']:15}{shape:22}{row['dtype']:9}{row['ours_ms']:9.2f}"
    for name in ("eager", "compiled"):
        if f"{name}_ms" in row:
            words += f"{row[f'{name}_ms']:10.2f} ({row[f'over_{name}']:5.2f}x)"
    if row["goal"] is not None:
        words += f"  goal {row['goal']}x" + ("" if row["met"] else ", missed")
    return words


def residual_network() -> Any:
    """A network of ResNet-18's shape: 20 convolutions, 20 batch norms, 11.7 million weights."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.norm1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU()
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.norm2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU()
            self.short: nn.Module = nn.Identity()
            if stride != 1 or inputs != outputs:
                conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.short = nn.Sequential(conv, nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            y = self.relu1(self.norm1(self.conv1(x)))
            return self.relu2(self.norm2(self.conv2(y)) + self.short(x))

    widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [Block(a, b, 1 if a == b else 2) for a, b in pairwise(widths)]
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *blocks, *head)


def network_step(last: bool, batch: int, size: int) -> dict[str, Callable[[], None]]:
    """A training step of the residual network, as it is and with our layers.

    Raises:
        RuntimeError: their losses at the first step differ.
    """
    import torch

    from evenbatch.torch import accelerate

    kind = torch.channels_last if last else torch.contiguous_format
    found: dict[str, Any] = {}
    losses = []
    for name in ("ours", "eager"):
        torch.manual_seed(0)
        x = torch.randn(batch, 3, size, size).to(memory_format=kind)
        goals = torch.randint(1000, (batch,))
        model = residual_network().to(memory_format=kind)
        if name == "ours":
            accelerate(model, x)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

        def run(model: Any = model, x: Any = x, goals: Any = goals, o: Any = optimizer) -> float:
            o.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), goals)
            loss.backward()
            o.step()
            return float(loss.detach())

        losses.append(run())
        found[name] = run
    if not abs(losses[0] / losses[1] - 1) < 0.001:
        raise RuntimeError(f"the network's first losses differ: {losses[0]} and {losses[1]}")
    return found


def measure_network(last: bool, rounds: int, batch: int, size: int) -> dict[str, Any]:
    """The network's row of the table."""
    taken = race(network_step(last, batch, size), rounds)
    about = {"layer": "ResNet-18 step", "shape": [batch, 3, size, size], "dtype": "float32"}
    return about | {"last": last} | figures(taken, None)


def run(
    json_path: Path | None = None,
    quick: bool = False,
    threads: int = THREADS,
    rounds: int = ROUNDS,
) -> list[dict[str, Any]]:
    """Measure every case, print the table, write JSON where asked."""
    import numba
    import numpy
    import torch

    torch.set_num_threads(threads)
    versions = {"torch": torch.__version__, "numpy": numpy.__version__, "numba": numba.__version__}
    print(f"norm + relu, forward + backward, ms, {threads} threads, torch {torch.__version__}")
    print(f"{'':46}{'ours':>9}{'eager':>10}{'' if quick else '          compiled'}")
    rounds = min(rounds, 3) if quick else rounds
    rows = []
    for case in CASES:
        rows.append(measure(case, rounds, compiled=not quick))
        print(line(rows[-1]), flush=True)
    batch, size = (2, 64) if quick else IMAGES
    for last in (False, True):
        rows.append(measure_network(last, min(rounds, 5), batch, size))
        print(line(rows[-1]), flush=True)
    goals = [row for row in rows if row["goal"] is not None]
    print(f"{sum(row['met'] for row in goals)} of {len(goals)} goals met")
    if json_path is not None:
        about = {"threads": threads, "rounds": rounds, "quick": quick, "versions": versions}
        write_json(json_path, {**about, "rows": rows})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.torch_layers", description=__doc__)
    parser.add_argument("json", nargs="?", type=Path, help="file for the result")
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    run(options.json, options.quick, options.threads, options.rounds)


if __name__ == "__main__":
    main()
