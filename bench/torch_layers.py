"""evenbatch.torch's layers + relu, forward and backward, against torch.nn, eager and compiled.

    python -m bench.torch_layers [result.json] [--quick]

All contestants run in this process with the same threads and take turns (`bench.norms.race`: a rest
in which the other library's threads go to sleep, one untimed call, two timed ones; the figure is
the median over rounds). Ours is the drop-in layer with ``activation="relu"``; eager is
``relu(norm(x))``; compiled is `torch.compile` of the same. Training mode, float32 unless the row
says otherwise, gradients set to None before each step. The goals speak of eager.

At the end one training step of a residual network as large as ResNet-18, as it is and after
`accelerate`, both eager, in both memory formats.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.harness import commit, machine
from bench.norms import race
from evenbatch.kernels.parallel import available_cores

ROUNDS = 15


@dataclass(frozen=True)
class Case:
    """One row: a layer, an input, and what is asked of it."""

    layer: str
    arguments: tuple[int, ...]
    shape: tuple[int, ...]
    last: bool = False  # channels last
    dtype: str = "float32"
    goal: float | None = None


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
    """One training step of each: forward, then backward."""
    import torch

    import evenbatch.torch as ours

    kind = torch.channels_last if case.last else torch.contiguous_format
    dtype = getattr(torch, case.dtype)
    torch.manual_seed(0)
    x = torch.randn(case.shape).to(dtype).to(memory_format=kind)
    dy = torch.randn(case.shape).to(dtype).to(memory_format=kind)

    def step(norm: Any, call: Callable[[Any], Any]) -> Callable[[], None]:
        leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()

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
        both = torch.compile(torch.nn.Sequential(other, torch.nn.ReLU()))
        found["compiled"] = step(both, both)
    return found


def measure(case: Case, rounds: int, compiled: bool) -> dict[str, Any]:
    """One row of the table."""
    taken = race(contestants(case, compiled), rounds)
    row = {
        "layer": case.layer, "shape": list(case.shape), "dtype": case.dtype, "last": case.last,
        "goal": case.goal, **{f"{name}_ms": ms for name, ms in taken.items()},
        "over_eager": taken["eager"] / taken["ours"],
    }  # fmt: skip
    if compiled:
        row["over_compiled"] = taken["compiled"] / taken["ours"]
    return row


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    shape = "x".join(map(str, row["shape"])) + (" last" if row["last"] else "")
    goal = "" if row["goal"] is None else f"  goal {row['goal']}x"
    compiled = ""
    if "compiled_ms" in row:
        compiled = f"{row['compiled_ms']:8.2f} ({row['over_compiled']:4.1f}x)"
    return (
        f"{row['layer']:15}{shape:22}{row['dtype']:9}{row['ours_ms']:8.2f}"
        f"{row['eager_ms']:8.2f} ({row['over_eager']:4.1f}x){compiled}{goal}"
    )


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
    """A training step of the residual network, as it is and with our layers."""
    import torch

    from evenbatch.torch import accelerate

    kind = torch.channels_last if last else torch.contiguous_format
    found = {}
    for name in ("ours", "eager"):
        torch.manual_seed(0)
        x = torch.randn(batch, 3, size, size).to(memory_format=kind)
        goals = torch.randint(1000, (batch,))
        model = residual_network().to(memory_format=kind)
        if name == "ours":
            accelerate(model, x)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

        def run(model: Any = model, x: Any = x, goals: Any = goals, o: Any = optimizer) -> None:
            o.zero_grad()
            torch.nn.functional.cross_entropy(model(x), goals).backward()
            o.step()

        found[name] = run
    return found


def measure_network(last: bool, rounds: int, batch: int = 16, size: int = 224) -> dict[str, Any]:
    """The network's row of the table."""
    taken = race(network_step(last, batch, size), rounds)
    return {
        "layer": "ResNet-18 step", "shape": [batch, 3, size, size], "dtype": "float32",
        "last": last, "goal": None, **{f"{name}_ms": ms for name, ms in taken.items()},
        "over_eager": taken["eager"] / taken["ours"],
    }  # fmt: skip


def main(json_path: str | None = None, rounds: int = ROUNDS, compiled: bool = True) -> None:
    """Measure every case, print the table, write JSON where asked."""
    import torch

    threads = available_cores()
    torch.set_num_threads(threads)
    print(f"norm + relu, forward + backward, ms, {threads} threads, torch {torch.__version__}")
    rows = []
    for case in CASES:
        rows.append(measure(case, rounds, compiled))
        print(line(rows[-1]), flush=True)
    for last in (False, True):
        rows.append(measure_network(last, min(rounds, 5)))
        print(line(rows[-1]), flush=True)
    if json_path is not None:
        about = {**machine(), "commit": commit(), "threads": threads, "torch": torch.__version__}
        Path(json_path).write_text(json.dumps({**about, "rows": rows}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.torch_layers", description=__doc__)
    parser.add_argument("json", nargs="?", help="file for the result")
    parser.add_argument("--quick", action="store_true", help="few rounds, no torch.compile")
    options = parser.parse_args()
    main(options.json, 3 if options.quick else ROUNDS, not options.quick)
