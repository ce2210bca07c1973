"""Normalization in your own PyTorch model::

    evenbatch.torch.auditing  audit(model), watch(model), deployed(model): what is wrong with its
                              normalization, while it trains and where it runs
    evenbatch.torch.rewrite   place, swap, fold, freeze, refresh, sync, accelerate: changing it,
                              with evidence
    evenbatch.torch.comparing compare(make_model, data, arms): which normalization pays, measured
    evenbatch.torch.layers    torch.nn's normalization layers, faster on the CPU

The names below are imported when first used.

>>> import torch
>>> from evenbatch.torch import audit
>>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8, momentum=0.99))
>>> [finding.code for finding in audit(model)]
['EB205', 'EB101']
>>> from evenbatch.torch import BatchNorm2d
>>> BatchNorm2d(8, activation="relu")(torch.randn(4, 8, 5, 5)).min()
tensor(0., grad_fn=<MinBackward1>)
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "BatchNorm1d": "layers",
    "BatchNorm2d": "layers",
    "BatchNorm3d": "layers",
    "CompareError": "comparing",
    "Comparison": "comparing",
    "Context": "auditing",
    "Finding": "auditing",
    "GroupNorm": "layers",
    "InstanceNorm1d": "layers",
    "InstanceNorm2d": "layers",
    "InstanceNorm3d": "layers",
    "LayerNorm": "layers",
    "RMSNorm": "layers",
    "Report": "auditing",
    "Rewrite": "rewrite",
    "RewriteError": "rewrite",
    "Severity": "auditing",
    "accelerate": "rewrite",
    "audit": "auditing",
    "compare": "comparing",
    "deployed": "auditing",
    "fold": "rewrite",
    "freeze": "rewrite",
    "place": "rewrite",
    "refresh": "rewrite",
    "swap": "rewrite",
    "sync": "rewrite",
    "unsync": "rewrite",
    "watch": "auditing",
}
"""Every public name and the part of this package that holds it."""

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'evenbatch.torch' has no attribute {name!r}")
    return getattr(import_module(f"evenbatch.torch.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
