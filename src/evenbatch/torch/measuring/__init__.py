"""Norm layers by what they do: measured, not known by name.

>>> import torch
>>> from torch import nn
>>> class Scaled(nn.Module):
...     def forward(self, x):
...         return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
>>> does = measured(Scaled(), torch.zeros(4, 8))
>>> does.kind, does.centred, does.eps, does.lost
('rms', False, 1e-06, (torch.float16,))
"""

from typing import Any

from torch import nn

from evenbatch.torch.measuring.behaviour import Behaviour, Kept
from evenbatch.torch.measuring.finding import Norms, Recorded, find
from evenbatch.torch.measuring.measure import measure
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.measuring.passing import find_on
from evenbatch.torch.measuring.probing import Probe, Unfit

__all__ = [
    "Behaviour",
    "Kept",
    "Norm",
    "Norms",
    "Probe",
    "Recorded",
    "Unfit",
    "find",
    "find_on",
    "measured",
]  # fmt: skip


def measured(layer: nn.Module, *args: Any, **kwargs: Any) -> Behaviour | None:
    """What a layer does, measured on copies of it with random numbers in place of the first
    tensor among the arguments, whose shape and type count; None if it is no norm layer.

    Raises:
        Unfit: it cannot be called so, or what it does is like a norm and cannot be placed.
    """
    found = measure(Probe(layer, args, kwargs))
    if isinstance(found, str):
        raise Unfit(found)
    return found
