"""A PyTorch network and training loop that mean the same as a `Trial`, written independently.

Layers are PyTorch's own modules, gradients its autograd, steps its optimizers. Taken from the
engine are only inputs of a training: the description (`Network`, `Trial`), initial weights,
minibatches and, where there is dropout, the masks.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from compiled import cached
from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    LayerWeights,
    Network,
    NormWeights,
    Trial,
    Weights,
    minibatches,
    passes,
)
from evenbatch.engine.curve import PROBE_FIELDS, Probes
from evenbatch.engine.operations import DRIFT_KEYS
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import dense
from evenbatch.kernels.engine.drift import reference_noise

torch.set_num_threads(1)

ACTIVATIONS = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "identity": lambda x: x,
}


def derivative(activation: str, z: torch.Tensor) -> torch.Tensor:
    """Of an activation, at z."""
    z = z.detach().requires_grad_()
    [found] = torch.autograd.grad(ACTIVATIONS[activation](z).sum(), z)
    return found


def steepest(activation: str) -> float:
    """The largest derivative it has."""
    return float(derivative(activation, torch.linspace(-5, 5, 100_001, dtype=torch.float64)).max())


class RMSNormWithBias(nn.Module):
    """PyTorch's RMSNorm has no beta; the engine's has."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, x.shape[1:], self.weight, self.eps) + self.bias


def make_norm(network: Network, width: int) -> nn.Module:
    if network.norm == "batch":
        return nn.BatchNorm1d(width, eps=network.eps, momentum=network.momentum)
    if network.norm == "layer":
        return nn.LayerNorm(width, eps=network.eps)
    if network.norm == "rms":
        return RMSNormWithBias(width, network.eps)
    return nn.GroupNorm(network.groups, width, eps=network.eps)


class Twin(nn.Module):
    """The network; `activations` and `preactivations` keep what the last forward pass computed."""

    def __init__(self, network: Network, weights: Weights, seed: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.seed = network, seed
        sizes = (network.inputs, *network.hidden, network.outputs)
        self.linears = nn.ModuleList(
            nn.Linear(a, b, bias=layer.bias is not None)
            for a, b, layer in zip(sizes[:-1], sizes[1:], weights.linears, strict=True)
        )
        self.norms = nn.ModuleList(make_norm(network, w) for w in network.normalized_widths)
        for norm in self.norms:
            norm.weight.requires_grad_(network.affine in ("both", "gamma"))
            norm.bias.requires_grad_(network.affine in ("both", "beta"))
        self.to(dtype)
        self.set_weights(weights)
        self.received: list[torch.Tensor] = []
        self.preactivations: list[torch.Tensor] = []
        self.activations: list[torch.Tensor] = []

    @torch.no_grad()
    def set_weights(self, weights: Weights) -> None:
        for linear, layer in zip(self.linears, weights.linears, strict=True):
            linear.weight.copy_(torch.as_tensor(layer.weight))
            if layer.bias is not None:
                linear.bias.copy_(torch.as_tensor(layer.bias))
        for norm, values in zip(self.norms, weights.norms, strict=True):
            norm.weight.copy_(torch.as_tensor(values.gamma))
            norm.bias.copy_(torch.as_tensor(values.beta))
            if self.network.norm == "batch":
                norm.running_mean.copy_(torch.as_tensor(values.running_mean))
                norm.running_var.copy_(torch.as_tensor(values.running_var))

    def get_weights(self) -> Weights:
        def array(tensor: torch.Tensor) -> Any:
            return tensor.detach().numpy().copy()

        linears = tuple(
            LayerWeights(array(n.weight), None if n.bias is None else array(n.bias))
            for n in self.linears
        )
        norms = []
        for norm in self.norms:
            running = ()
            if self.network.norm == "batch":
                running = (array(norm.running_mean), array(norm.running_var))
            norms.append(NormWeights(array(norm.weight), array(norm.bias), *running))
        return Weights(linears, tuple(norms))

    def dropout(self, x: torch.Tensor, layer: int, step: int) -> torch.Tensor:
        if self.network.dropout == 0 or not self.training:
            return x
        return x * torch.as_tensor(
            dropout_mask(
                self.seed, step, layer, x.shape, self.network.dropout, x.numpy(force=True).dtype
            )
        )

    def drift(self, x: torch.Tensor, layer: int, step: int) -> torch.Tensor:
        if self.network.drift == 0 or not self.training:
            return x
        key = noise_key(self.seed, step, DRIFT_KEYS + layer)
        scale, shift = reference_noise(key, *x.shape, self.network.drift)
        return x * torch.as_tensor(scale).to(x.dtype) + torch.as_tensor(shift).to(x.dtype)

    def forward(self, x: torch.Tensor, step: int = 0) -> torch.Tensor:
        net, activation = self.network, ACTIVATIONS[self.network.activation]
        self.received, self.preactivations, self.activations = [], [], []
        normalized = net.norm != "none"
        skips = net.skips()
        outputs = []
        if normalized and net.placement == "input":
            x = self.norms[0](x)
        for layer in range(net.depth):
            self.received.append(x)
            z = self.linears[layer](x)
            if normalized and net.placement == "before":
                z = self.norms[layer](z)
            if not normalized or net.placement != "after":
                z = self.drift(z, layer, step)
            x = activation(z)
            self.preactivations.append(z)
            self.activations.append(x)
            if normalized and net.placement == "after":
                x = self.drift(self.norms[layer](x), layer, step)
            x = self.dropout(x, layer, step)
            if layer in skips:
                x = x + outputs[skips[layer]]
            outputs.append(x)
        self.received.append(x)
        return self.linears[-1](x)


def noise_key(seed: int, step: int, layer: int) -> int:
    with np.errstate(over="ignore"):
        return int(cached(passes.noise_key)(seed & 0xFFFFFFFF, seed >> 32, step, layer))


def dropout_mask(seed: int, step: int, layer: int, shape: Any, share: float, dtype: Any) -> Any:
    """The engine's mask of one layer and step (rows, columns)."""
    rows, columns = shape
    flat = np.empty(rows * padded(columns), dtype)
    key = noise_key(seed, step, layer)
    with np.errstate(over="ignore"):
        cached(dense.dropout_mask)(flat, 0, flat.size, np.int64(key), share)
    return flat.reshape(rows, -1)[:, :columns].copy()


@dataclass
class Run:
    """What a training of the twin gave."""

    losses: list[float] = field(default_factory=list)  # of each minibatch
    evaluated: dict[int, tuple[float, float]] = field(default_factory=dict)  # step: (loss, metric)
    diverged_at: int | None = None
    weights: Weights | None = None


def inputs_of(data: Dataset, part: str, dtype: torch.dtype) -> torch.Tensor:
    """All rows; a sequence has its length in one more column behind it."""
    x = torch.tensor(getattr(data, f"x_{part}"), dtype=dtype)
    if not data.time_steps:
        return x
    lengths = torch.tensor(getattr(data, f"lengths_{part}"), dtype=dtype)
    return torch.cat([x, lengths[:, None]], dim=1)


def make_optimizer(trial: Trial, model: Twin) -> torch.optim.Optimizer:
    weights = [linear.weight for linear in model.linears]
    ids = {id(p) for p in weights}
    rest = [p for p in model.parameters() if id(p) not in ids]
    groups = [
        {"params": weights, "weight_decay": trial.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    if trial.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=trial.learning_rate)
    if trial.optimizer == "momentum":
        return torch.optim.SGD(groups, lr=trial.learning_rate, momentum=trial.momentum)
    kind = torch.optim.Adam if trial.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=trial.learning_rate)


def rate(trial: Trial, step: int) -> float:
    """Learning rate of a step: a linear rise to the peak, then constant or half a cosine to 0."""
    if step < trial.warmup:
        return trial.learning_rate * (step + 1) / trial.warmup
    if trial.schedule == "constant":
        return trial.learning_rate
    share = (step - trial.warmup) / (trial.steps - trial.warmup)
    return trial.learning_rate * (1 + math.cos(math.pi * share)) / 2


def loss_of(output: torch.Tensor, target: torch.Tensor, task: str) -> torch.Tensor:
    return (
        F.cross_entropy(output, target) if task == "classification" else F.mse_loss(output, target)
    )


def dtype_of(model: Twin) -> torch.dtype:
    return model.linears[0].weight.dtype


def copy_of(model: Twin) -> Twin:
    kind = type(model)
    return kind(model.network, model.get_weights(), model.seed, dtype_of(model)).eval()


@torch.no_grad()
def with_population_statistics(model: Twin, x: torch.Tensor) -> Twin:
    """A copy whose batch normalizers hold exact (biased) statistics of the whole training set."""
    model = copy_of(model)
    for norm in model.norms:
        norm.train()
        norm.momentum = 1.0
    model(x)
    for norm in model.norms:
        # Of sequences each time step has its own number of examples.
        n = norm.count if hasattr(norm, "count") else torch.tensor(len(x), dtype=torch.float64)
        norm.running_var *= ((n - 1) / n).to(norm.running_var)
    return model


@torch.no_grad()
def by_own_statistics(model: Twin, x: torch.Tensor, at_once: int) -> torch.Tensor:
    """Output for each batch of at most `at_once` rows, normalized by that batch's statistics.

    PyTorch refuses a batch of one; the same row twice has the same mean and a variance of 0 too.
    """
    model = copy_of(model)
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    plain = [norm for norm in model.norms if isinstance(norm, kinds)]
    for norm in model.norms:
        if norm in plain:
            norm.running_mean = norm.running_var = None
        else:  # over time: keeps what it has for steps that one example alone reaches
            norm.train()
            norm.momentum = 0.0
    return torch.cat(
        [model(part.repeat(2, 1))[: len(part)] if len(part) == 1 and plain else model(part)
         for part in x.split(at_once)]
    )  # fmt: skip


@torch.no_grad()
def evaluate(model: Twin, trial: Trial, data: Dataset, part: str = "test") -> tuple[float, float]:
    """(loss, accuracy or R²) in evaluation mode; the prediction is the first largest logit."""
    dtype = dtype_of(model)
    x, y = inputs_of(data, part, dtype), getattr(data, f"y_{part}")
    used = model
    if trial.statistics == "population" and trial.network.norm == "batch":
        used = with_population_statistics(model, inputs_of(data, "train", dtype))
    used.eval()
    if trial.statistics == "batch" and trial.network.norm == "batch":
        at_once = trial.evaluation_batch or trial.batch_size
        output = by_own_statistics(model, x, at_once)
    else:
        output = used(x)
    model.train()
    if data.task == "classification":
        target = torch.tensor(y)
        right = output.numpy().argmax(axis=1) == y
        return float(loss_of(output, target, data.task)), float(right.mean())
    target = torch.tensor(y, dtype=dtype)
    error = ((output - target) ** 2).sum()
    spread = ((target - target.mean(dim=0)) ** 2).sum()
    return float(loss_of(output, target, data.task)), float(1 - error / spread)


def train_twin(
    trial: Trial,
    data: Dataset,
    weights: Weights,
    batches: Any,
    dtype: torch.dtype,
    evaluate_at: Container[int] = (),
    kind: type[Twin] = Twin,
) -> Run:
    """Train the twin of a trial on the given minibatches, from the given weights."""
    model = kind(trial.network, weights, trial.seed, dtype)
    optimizer = make_optimizer(trial, model)
    x = inputs_of(data, "train", dtype)
    y = torch.tensor(data.y_train)
    if data.task == "regression":
        y = y.to(dtype)
    run = Run()
    for step in range(trial.steps):
        if step in evaluate_at:
            run.evaluated[step] = evaluate(model, trial, data)
        rows = torch.tensor(batches[step])
        loss = loss_of(model(x[rows], step), y[rows], data.task)
        if not torch.isfinite(loss):
            run.diverged_at = step
            break
        run.losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate(trial, step)
        optimizer.step()
    if trial.steps in evaluate_at:
        run.evaluated[trial.steps] = evaluate(model, trial, data)
    run.weights = model.get_weights()
    return run


def probe_twin(twin: Twin, activation: str) -> dict[str, list[float]]:
    """The values of each linear layer, from what the twin's last forward and backward left."""
    found: dict[str, list[float]] = {name: [] for name in PROBE_FIELDS}
    for layer, linear in enumerate(twin.linears):
        received = twin.received[layer].detach().numpy()
        found["input_mean"].append(received.mean())
        found["input_std"].append(received.std())
        if layer < twin.network.depth:
            slope = derivative(activation, twin.preactivations[layer]).abs().numpy()
            flat = slope <= 0.05 * steepest(activation)
        else:
            flat = np.zeros((len(received), linear.out_features), bool)  # the output is linear
        found["saturated"].append(flat.mean())
        found["dead"].append(flat.all(axis=(0, *range(2, flat.ndim))).mean())
        found["gradient_norm"].append(float(linear.weight.grad.norm()))
        gamma = beta = np.array(np.nan)
        if layer < len(twin.norms):  # the one on the input is the first layer's
            gamma, beta = (p.detach().numpy() for p in twin.norms[layer].parameters())
        found["gamma_shift"].append(np.sqrt(((gamma - 1) ** 2).mean()))
        found["beta_shift"].append(np.sqrt((beta**2).mean()))
        found["gamma_mean"].append(gamma.mean())
    return found


def compare_probes(trial: Trial, data: Dataset, probes: Probes | None, twin: Twin) -> None:
    """What was probed, in float64 every 4 steps of 9, is what the twin sees as it trains along."""
    assert probes is not None
    assert list(probes.step) == [0, 4, 8]
    optimizer = make_optimizer(trial, twin)
    rows = minibatches(data.n_train, trial.batch_size, trial.steps, trial.seed)
    for step in range(trial.steps):
        x = torch.tensor(data.x_train[rows[step]], dtype=torch.float64)
        optimizer.zero_grad()
        loss_of(twin(x, step), torch.tensor(data.y_train[rows[step]]), data.task).backward()
        if step % 4 == 0:
            for name, wanted in probe_twin(twin, trial.network.activation).items():
                found = getattr(probes, name)
                assert found.shape == (3, len(twin.linears))
                np.testing.assert_allclose(
                    found[step // 4], wanted, rtol=3e-6, atol=1e-7, err_msg=f"{name}, step {step}"
                )
        optimizer.step()
