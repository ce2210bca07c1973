"""The PyTorch twin of a network with convolutions, in PyTorch's own layers and layout."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch_twin import ACTIVATIONS, Twin, dropout_mask, make_norm

from evenbatch.engine import Network, Weights


class RMSPlaneNorm(nn.Module):
    """RMS norm over channels and positions of an example, a gamma and a beta for each channel."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        even = F.rms_norm(x, x.shape[1:], None, self.eps)
        return even * self.weight.reshape(shape) + self.bias.reshape(shape)


def plane_norm(network: Network, width: int) -> nn.Module:
    flat = len(network.shape) == 2
    if network.norm == "batch":
        kind = nn.BatchNorm1d if flat else nn.BatchNorm2d
        return kind(width, eps=network.eps, momentum=network.momentum)
    if network.norm == "rms":
        return RMSPlaneNorm(width, network.eps)
    return nn.GroupNorm(1 if network.norm == "layer" else network.groups, width, eps=network.eps)


class ConvTwin(Twin):
    """Convolutions on (N, channels, positions…), then the mean or all of it, then linear layers."""

    def __init__(self, network: Network, weights: Weights, seed: int, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        self.network, self.seed = network, seed
        self.flat = len(network.shape) == 2
        kind = nn.Conv1d if self.flat else nn.Conv2d
        self.linears = nn.ModuleList()
        for i, given in enumerate(weights.linears):
            shape, bias = given.weight.shape, given.bias is not None
            if i < len(network.conv):
                conv = network.conv[i]
                assert conv.padding is not None
                made: nn.Module = kind(
                    shape[1] * conv.groups, conv.channels, conv.kernel, conv.stride,
                    conv.padding, groups=conv.groups, bias=bias,
                )  # fmt: skip
            else:
                made = nn.Linear(shape[1], shape[0], bias=bias)
            self.linears.append(made)
        norms = []
        for layer, width in enumerate(network.normalized_widths):
            make = plane_norm if layer < len(network.conv) else make_norm
            norms.append(make(network, width))
        self.norms = nn.ModuleList(norms)
        for norm in self.norms:
            norm.weight.requires_grad_(network.affine in ("both", "gamma"))
            norm.bias.requires_grad_(network.affine in ("both", "beta"))
        self.to(dtype)
        self.set_weights(weights)

    def normalized(self, layer: int, x: torch.Tensor) -> torch.Tensor:
        norm = self.norms[layer]
        norm.count = torch.tensor(x.numel() // x.shape[1], dtype=torch.float64)
        return norm(x)

    def dropped(self, x: torch.Tensor, layer: int, step: int) -> torch.Tensor:
        if self.network.dropout == 0 or not self.training:
            return x
        rows = x.movedim(1, -1)
        dtype = x.numpy(force=True).dtype
        shape = (rows.numel() // x.shape[1], x.shape[1])
        mask = dropout_mask(self.seed, step, layer, shape, self.network.dropout, dtype)
        return x * torch.as_tensor(mask).reshape(rows.shape).movedim(-1, 1)

    def forward(self, x: torch.Tensor, step: int = 0) -> torch.Tensor:
        net, activation = self.network, ACTIVATIONS[self.network.activation]
        x = x.reshape(len(x), *net.shape).movedim(-1, 1)
        pools = {
            "max": F.max_pool1d if self.flat else F.max_pool2d,
            "average": F.avg_pool1d if self.flat else F.avg_pool2d,
        }
        outputs: list[torch.Tensor] = []
        self.received, self.preactivations = [], []
        skips = net.skips()
        for layer in range(net.depth):
            if layer == len(net.conv):
                x = self.head(x)
            self.received.append(x)
            x = self.linears[layer](x)
            if net.norm != "none" and net.placement == "before":
                x = self.normalized(layer, x)
            self.preactivations.append(x)
            x = activation(x)
            if net.norm != "none" and net.placement == "after":
                x = self.normalized(layer, x)
            if layer < len(net.conv) and net.conv[layer].pool != "none":
                x = pools[net.conv[layer].pool](x, net.conv[layer].window)
            x = self.dropped(x, layer, step)
            if layer in skips:
                x = x + outputs[skips[layer]]
            outputs.append(x)
        self.received.append(self.head(x) if not net.hidden else x)
        return self.linears[-1](self.received[-1])

    def head(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) if self.network.flatten else x.flatten(2).mean(dim=2)
