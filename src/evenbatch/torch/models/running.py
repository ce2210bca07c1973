"""Running a model: its mode, its outputs, and how far two outputs are apart."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import nn

from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import Inputs, tensors_in


def set_mode(model: nn.Module, training: bool) -> None:
    """The mode of a model that is the caller's own to change: by its own `train`, which may do
    more than set a flag, and by the flags where that refuses."""
    with suppress(Exception):
        model.train(training)
        return
    for module in model.modules():
        module.training = training


def forward(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    """The floating tensors of the model's output, in float64; complex ones as two numbers. The
    batch stays as it is, whatever the model does in place."""
    args, kwargs = copied((inputs.args, dict(inputs.kwargs)))
    with gradients(model, inputs.grad):
        output = model(*args, **kwargs)
    found = [t.detach() for t in tensors_in(output)]
    found = [t if t.layout is torch.strided else t.to_dense() for t in found]
    found = [torch.view_as_real(t) if t.is_complex() else t for t in found]
    return [t.double() for t in found if t.is_floating_point()]


def gradients(model: nn.Module, wanted: bool = False) -> Any:
    """None are made, unless the forward needs them."""
    if wanted:
        return torch.enable_grad()
    made = any(t.is_inference() for t in (*model.parameters(), *model.buffers()))
    return torch.inference_mode() if made else torch.no_grad()


def difference(before: list[torch.Tensor], after: list[torch.Tensor]) -> float:
    """Largest absolute difference, in parts of the largest absolute finite value of `before`.

    >>> difference([torch.tensor([1.0, -4.0])], [torch.tensor([1.0, -3.0])])
    0.25
    """
    if [t.shape for t in before] != [t.shape for t in after]:
        return float("inf")
    gap = size = 0.0
    for old, new in zip(before, after, strict=True):
        same = (old == new) | (old.isnan() & new.isnan())
        apart = torch.where(same, 0.0, (old - new).abs()).nan_to_num(nan=torch.inf)
        gap = max(gap, float(apart.max()) if apart.numel() else 0.0)
        finite = old[old.isfinite()]
        size = max(size, float(finite.abs().max()) if finite.numel() else 0.0)
    return gap / size if size > 0 else gap
