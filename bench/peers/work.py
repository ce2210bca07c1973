"""What every peer trains: sizes, data, initial weights and minibatch order, all drawn by NumPy.

The shuffles are drawn ahead, outside the clock, so no peer pays for them; the gathering of rows by
index is part of the step. Trial ``i`` gets the same weights and order whichever process trains it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

EPS = 1e-5
MOMENTUM = 0.1  # weight of the new value in running statistics, as in PyTorch
SHUFFLES = 4  # epochs of order drawn ahead, then cycled


@dataclass(frozen=True)
class Workload:
    """Linear, batch norm, relu per hidden layer, then linear; softmax cross-entropy; SGD.

    Or, with `conv`, 3 × 3 convolutions instead of the hidden layers, padded by one, over a square
    of side² positions, and then the mean over what positions are left.
    """

    name: str
    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    batch: int
    trials: int = 64
    learning_rate: float = 0.05
    rows: int = 1500
    conv: tuple[tuple[int, int], ...] = ()  # channels and stride of each
    side: int = 0

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(fan in, fan out) of every linear layer, the last one included."""
        if self.conv:
            channels = [1, *(channels for channels, _ in self.conv)]
            found = [(9 * a, b) for a, b in itertools.pairwise(channels)]
            return [*found, (channels[-1], self.outputs)]
        sizes = (self.inputs, *self.hidden, self.outputs)
        return list(itertools.pairwise(sizes))

    @property
    def positions(self) -> list[int]:
        """Of what leaves each linear layer."""
        sides = [self.side]
        for _, stride in self.conv:
            sides.append((sides[-1] - 1) // stride + 1)
        return [side**2 for side in sides[1:]] + [1] * (len(self.layers) - len(self.conv))

    def products(self) -> list[tuple[str, int, int, int]]:
        """(kind, m, k, n) of every matrix product of one step."""
        found = []
        for layer, ((fan_in, fan_out), positions) in enumerate(
            zip(self.layers, self.positions, strict=True)
        ):
            rows = self.batch * positions
            found.append(("forward", rows, fan_in, fan_out))
            found.append(("weight gradient", fan_in, rows, fan_out))
            if layer > 0:  # nobody needs the gradient of the data
                found.append(("input gradient", rows, fan_out, fan_in))
        return found

    def flops(self) -> int:
        """Operations of one step's matrix products, a multiply-add counted as two."""
        return sum(2 * m * k * n for _, m, k, n in self.products())


SMALL = Workload("16-32-32-32-4, batch 32", 16, (32, 32, 32), 4, 32)
MEDIUM = Workload("40-100-100-100-10, batch 100", 40, (100, 100, 100), 10, 100)
DEEP = Workload("50 layers x 64, batch 100", 64, (64,) * 50, 10, 100, trials=16)
CONV = Workload(
    "8 x 8, convolutions 16, 16/2, 32/2, batch 32", 64, (), 10, 32, trials=32,
    conv=((16, 1), (16, 2), (32, 2)), side=8,
)  # fmt: skip
WIDE_CONV = Workload(
    "8 x 8, convolutions 16, 32/2, 32, batch 32", 64, (), 10, 32, trials=32,
    conv=((16, 1), (32, 2), (32, 1)), side=8,
)  # fmt: skip
WORKLOADS = {
    "small": SMALL, "medium": MEDIUM, "deep": DEEP, "conv": CONV, "wide-conv": WIDE_CONV,
}  # fmt: skip


class Runner(Protocol):
    """A prepared peer: call it with a number of steps to train on."""

    def __call__(self, steps: int) -> Floats:
        """Train `steps` more steps; each trial's training loss at the last of them."""

    def running(self) -> tuple[list[Floats], list[Floats]]:
        """Running means and variances, one (trials, width) array per hidden layer."""


Setup = Callable[..., Runner]


def dataset(work: Workload) -> tuple[Floats, NDArray[np.int64]]:
    """Rows and labels: noisy class centres, easy enough that the loss falls within 20 steps."""
    rng = np.random.default_rng(20150211)
    labels = rng.integers(work.outputs, size=work.rows)
    centres = rng.normal(size=(work.outputs, work.inputs))
    rows = centres[labels] + 1.5 * rng.normal(size=(work.rows, work.inputs))
    return rows.astype(np.float32), labels


def initial(work: Workload, trials: range, seed: int) -> list[dict[str, Floats]]:
    """One dict per linear layer; arrays are stacked over trials: weight (trials, in, out)."""
    layers: list[dict[str, Any]] = [{"weight": [], "bias": []} for _ in work.layers]
    for trial in trials:
        rng = np.random.default_rng([seed, trial])
        for layer, (fan_in, fan_out) in zip(layers, work.layers, strict=True):
            bound = 1 / np.sqrt(fan_in)
            layer["weight"].append(rng.uniform(-bound, bound, (fan_in, fan_out)))
            layer["bias"].append(rng.uniform(-bound, bound, fan_out))
    stacked = [{k: np.stack(v).astype(np.float32) for k, v in layer.items()} for layer in layers]
    for layer in stacked[:-1]:
        bias = layer.pop("bias")  # a bias before a norm has no effect
        layer["gamma"] = np.ones_like(bias)
        layer["beta"] = np.zeros_like(bias)
    return stacked


def orders(work: Workload, trials: range, seed: int) -> NDArray[np.int64]:
    """Row numbers of every minibatch: (trials, minibatches, batch); a short last one is dropped."""
    kept = work.rows // work.batch
    drawn = np.empty((len(trials), SHUFFLES, kept, work.batch), np.int64)
    for place, trial in enumerate(trials):
        rng = np.random.default_rng([seed, trial, 1])
        for epoch in range(SHUFFLES):
            order = rng.permutation(work.rows)[: kept * work.batch]
            drawn[place, epoch] = order.reshape(kept, work.batch)
    return drawn.reshape(len(trials), SHUFFLES * kept, work.batch)
