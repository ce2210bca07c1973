"""Norm layers of any class that do, in evaluation, what batch norm does there: each channel times a
number plus a number, then perhaps the activation that the layer holds. Taken from what comes out,
not from names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from evenbatch.torch.measuring import Norm, Probe, Unfit
from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.running import difference, set_mode

EXACT = 1e-9  # in float64, of the largest output


@dataclass(frozen=True)
class Affine:
    """``norm(z) = rest(scale z + shift)``, float64, by channel on axis 1."""

    scale: torch.Tensor
    shift: torch.Tensor
    rest: nn.Module

    def of(self, z: torch.Tensor) -> torch.Tensor:
        """``scale z + shift``."""
        shape = (1, -1, *(1,) * (z.dim() - 2))
        return self.scale.view(shape) * z + self.shift.view(shape)


SIZES = ((1, 1.0), (2, 50.0), (3, 1e5))
"""Seeds and sizes of the inputs tried: a layer that cuts off what is large is no such map."""


def affine(norm: Norm) -> Affine | str:
    """What the layer does in evaluation, or why it is no such map."""
    if norm.does.channel != 1 or norm.template is None:
        return f"{norm.class_name} has its channels elsewhere than on axis 1"
    parts = [child for child in norm.module.children() if not isinstance(child, nn.Identity)]
    rest = nn.Identity() if not parts else parts[0] if len(parts) == 1 else nn.Sequential(*parts)
    try:
        probe = Probe(norm.module, *norm.template).cast(torch.float64)
        zero = probe.random() * 0
        shift = _by_channel(probe(zero, False, _without_parts))
        scale = _by_channel(probe(zero + 1, False, _without_parts)) - shift
        found = Affine(scale, shift, rest)
        gap = max(_off(probe, found, size * probe.random(seed)) for seed, size in SIZES)
    except Unfit as error:
        return f"{norm.class_name} could not be called by itself in float64: {error}"
    if not gap <= EXACT:
        return (
            f"{norm.class_name} is not each channel times a number plus a number in evaluation: "
            f"{gap:.1e} of its largest output off"
        )
    return replace(found, scale=scale.to(probe.device), shift=shift.to(probe.device))


def by_settings(norm: Any) -> Affine:
    """What one of torch.nn's does with its running statistics."""
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    relu = getattr(norm, "activation", None) == "relu"
    return Affine(scale, shift, nn.ReLU() if relu else nn.Identity())


def _by_channel(y: torch.Tensor) -> torch.Tensor:
    return y.transpose(0, 1).flatten(1)[:, 0]


def _without_parts(layer: nn.Module) -> None:
    for name, _ in list(layer.named_children()):
        setattr(layer, name, nn.Identity())


def _off(probe: Probe, found: Affine, x: torch.Tensor) -> float:
    rest: Any = copied(found.rest).to(torch.float64)
    set_mode(rest, False)
    with torch.no_grad():
        right = rest(found.of(x))
    return difference([probe(x, False)], [right])
