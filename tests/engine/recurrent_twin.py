"""The PyTorch twin of a recurrent network, in plain operations with masks.

It computes every time step for every example and blends with a mask what has ended, where the
engine orders examples by length and leaves out what has ended.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch_twin import ACTIVATIONS, Twin, make_norm

from evenbatch.engine import Network, Weights


class StepBatchNorm(nn.Module):
    """Batch norm with statistics of each time step, over the examples that still go on."""

    def __init__(self, width: int, steps: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(steps, width))
        self.register_buffer("running_var", torch.ones(steps, width))
        # Examples of the last batch at each step.
        self.count = torch.full((steps, 1), 1e300, dtype=torch.float64)
        self.eps, self.momentum, self.seen = eps, momentum, 0

    def forward(self, z: torch.Tensor, going: torch.Tensor, t: int) -> torch.Tensor:
        n = int(going.sum())
        if self.training and n > 1:
            weight = going.to(z.dtype)[:, None]
            mean = (z * weight).sum(dim=0) / n
            var = ((z - mean) ** 2 * weight).sum(dim=0) / n
            with torch.no_grad():
                new = self.momentum
                self.running_mean[t] = (1 - new) * self.running_mean[t] + new * mean
                self.running_var[t] = (1 - new) * self.running_var[t] + new * var * n / (n - 1)
                self.count[t], self.seen = n, max(self.seen, t + 1)
        else:
            known = t if self.seen == 0 else min(t, self.seen - 1)
            mean, var = self.running_mean[known].clone(), self.running_var[known].clone()
        return (z - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


class RecurrentTwin(Twin):
    """Elman layer, then fully connected ones; the last column of the input is the length."""

    def __init__(self, network: Network, weights: Weights, seed: int, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        self.network, self.seed = network, seed
        self.linears = nn.ModuleList(
            nn.Linear(w.weight.shape[1], w.weight.shape[0], bias=w.bias is not None)
            for w in weights.linears
        )
        norms = [make_norm(network, width) for width in network.normalized_widths]
        if network.norm == "batch":
            width = network.hidden[0]
            norms[0] = StepBatchNorm(width, network.time_steps, network.eps, network.momentum)
        self.norms = nn.ModuleList(norms)
        for norm in self.norms:
            norm.weight.requires_grad_(network.affine in ("both", "gamma"))
            norm.bias.requires_grad_(network.affine in ("both", "beta"))
        self.to(dtype)
        self.set_weights(weights)

    def set_weights(self, weights: Weights) -> None:
        super().set_weights(weights)
        if self.network.norm == "batch":
            norm: Any = self.norms[0]
            moved = ((norm.running_mean != 0) | (norm.running_var != 1)).any(dim=1).nonzero()
            norm.seen = int(moved[-1]) + 1 if len(moved) else 0

    def normalized(self, layer: int, z: torch.Tensor, *when: Any) -> torch.Tensor:
        norm = self.norms[layer]
        return norm(z, *when) if isinstance(norm, StepBatchNorm) else norm(z)

    def forward(self, x: torch.Tensor, step: int = 0) -> torch.Tensor:
        net, activation = self.network, ACTIVATIONS[self.network.activation]
        lengths = x[:, -1]
        by_time = x[:, :-1].reshape(len(x), net.time_steps, net.inputs)
        h = torch.zeros(len(x), net.hidden[0], dtype=x.dtype)
        # Of each layer at each time step: what went in, or came out, and who still went on.
        self.received: list[Any] = [[], []]
        self.preactivations: list[Any] = [[], []]
        for t in range(net.time_steps):
            going = lengths > t
            if not going.any():
                break
            z = self.linears[0](by_time[:, t]) + self.linears[1](h)
            if net.norm != "none" and net.placement == "before":
                z = self.normalized(0, z, going, t)
            new = activation(z)
            self.received[0].append((by_time[:, t], going))
            self.preactivations[0].append((z, going))
            if t > 0:  # before the first step there is no state
                self.received[1].append((h, going))
                self.preactivations[1].append((z, going))
            if net.norm != "none" and net.placement == "after":
                new = self.normalized(0, new, going, t)
            h = torch.where(going[:, None], new, h)
        return self.after(h, step)

    def after(self, x: torch.Tensor, step: int) -> torch.Tensor:
        """The fully connected layers, from the last states on."""
        net, activation = self.network, ACTIVATIONS[self.network.activation]
        skips = net.skips()
        x = self.dropout(x, 0, step)
        outputs = [x]
        for layer in range(1, net.depth):
            self.received.append([(x, torch.ones(len(x), dtype=torch.bool))])
            z = self.linears[layer + 1](x)
            if net.norm != "none" and net.placement == "before":
                z = self.norms[layer](z)
            x = activation(z)
            self.preactivations.append([(z, torch.ones(len(x), dtype=torch.bool))])
            if net.norm != "none" and net.placement == "after":
                x = self.norms[layer](x)
            x = self.dropout(x, layer, step)
            if layer in skips:
                x = x + outputs[skips[layer]]
            outputs.append(x)
        self.received.append([(x, torch.ones(len(x), dtype=torch.bool))])
        return self.linears[-1](x)
