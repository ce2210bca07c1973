"""torch.nn's own norm layers, described from their settings: what measuring them would give.

A test measures every one of them and compares.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, instancenorm

from evenbatch.torch.measuring.behaviour import GROUPS, OWN, SHARED, Behaviour, Kept, Shape

KINDS = (
    (batchnorm._BatchNorm, "batch"),
    (instancenorm._InstanceNorm, "instance"),
    (nn.GroupNorm, "group"),
    (nn.LayerNorm, "layer"),
    (nn.RMSNorm, "rms"),
)
"""torch.nn's norm layers, and in a word what they are."""


OWN_CODE = ("torch.nn.modules", "evenbatch.torch.layers")


def kind_of(module: nn.Module) -> str | None:
    """The kind of one of torch.nn's norm layers, or of a class made from it; None for others.

    >>> kind_of(nn.BatchNorm2d(3)), kind_of(nn.Linear(2, 2))
    ('batch', None)
    """
    return next((kind for cls, kind in KINDS if isinstance(module, cls)), None)


def own_code(module: nn.Module) -> bool:
    """Whether it is one of torch.nn's norm layers and runs torch.nn's code, or this package's."""
    return kind_of(module) is not None and type(module).forward.__module__.startswith(OWN_CODE)


def from_settings(module: Any, shape: Shape, dtype: torch.dtype = torch.float32) -> Behaviour:
    """What one of torch.nn's norm layers does with inputs of this shape."""
    kind, n = kind_of(module), len(shape)
    groups = 1
    words: tuple[str, ...]
    channels: tuple[int, ...] = (1,)
    kept: tuple[Kept, ...] = ()
    moves: tuple[str, ...] = ()
    if kind == "batch":
        words = (SHARED, OWN, *[SHARED] * (n - 2))
    elif kind == "instance":
        at = 1 if n > module._get_no_batch_dim() else 0
        words, channels = (*[OWN] * (at + 1), *[SHARED] * (n - at - 1)), (at,)
    elif kind == "group":
        along = {1: SHARED, module.num_channels: OWN}.get(module.num_groups, GROUPS)
        words = (OWN, along, *[SHARED] * (n - 2))
        groups = module.num_groups if along == GROUPS else 1
    else:
        over = len(module.normalized_shape)
        words, channels = (*[OWN] * (n - over), *[SHARED] * over), tuple(range(n - over, n))
    if getattr(module, "running_mean", None) is not None:
        names = {"running_mean": "mean", "running_var": "variance"}
        weight = None if module.momentum is None else float(module.momentum)
        if kind == "instance" and weight is None:
            weight = 0.0  # no average of all batches: it never moves
        moving = tuple(names) if weight != 0 else ()
        kept = tuple(
            Kept(name, role, weight, False if moving and role == "variance" else None)
            for name, role in names.items()
        )
        moves = (*moving, "num_batches_tracked") if kind == "batch" else moving
    gamma, beta = (getattr(module, name, None) is not None for name in ("weight", "bias"))
    eps = module.eps if module.eps is not None else _machine_epsilon(dtype)
    return Behaviour(
        shape, words, groups, channels if gamma or beta or kept else (), kind != "rms",
        affine=getattr(module, "activation", None) is None,
        gamma="weight" if gamma else "", beta="bias" if beta else "", eps=eps or None, kept=kept,
        moves=moves, uses_kept=bool(kept), mixes=not kept, one_value=_one_value(kind, words, gamma),
    )  # fmt: skip


def _one_value(kind: str | None, words: tuple[str, ...], affine: bool) -> str:
    if kind in ("batch", "instance"):
        return "raises"
    alone = kind == "group" and GROUPS not in words and not (affine and words[1] == SHARED)
    return "constant" if alone else ""


def made_up(module: Any) -> Shape:
    """A shape that one of torch.nn's norm layers takes."""
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return (6, 5, *module.normalized_shape)
    channels = getattr(module, "num_features", 0) or getattr(module, "num_channels", 0) or 4
    name = next(c.__name__ for c in type(module).__mro__ if c.__module__.startswith("torch.nn"))
    space = {"1d": 1, "2d": 2, "3d": 3}.get(name[-2:], 1)
    return (6, channels, *[5] * (space - (name == "BatchNorm1d")))


def _machine_epsilon(dtype: torch.dtype) -> float:
    """RMS norm's eps where none is given: that of the type it is computed in."""
    return torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
