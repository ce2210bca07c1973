"""Which modules of a model are norm layers, and what each one keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, instancenorm

TORCH_KINDS = (
    (batchnorm._BatchNorm, "batch"),
    (instancenorm._InstanceNorm, "instance"),
    (nn.GroupNorm, "group"),
    (nn.LayerNorm, "layer"),
    (getattr(nn, "RMSNorm", nn.LayerNorm), "rms"),
)
# Class names of norm layers that are not torch.nn's, most telling first.
NAMED_KINDS = (
    (re.compile(r"frozen_?batch_?norm", re.I), "frozen batch"),
    (re.compile(r"batch_?norm|^bn\d?d?$", re.I), "batch"),
    (re.compile(r"instance_?norm", re.I), "instance"),
    (re.compile(r"group_?norm", re.I), "group"),
    (re.compile(r"rms_?norm|t5_?layer_?norm", re.I), "rms"),
    (re.compile(r"layer_?norm|^ln$", re.I), "layer"),
    (re.compile(r"(?<!weight)(?<!spectral)_?norm(\dd)?$", re.I), "other"),
)


@dataclass(frozen=True)
class Norm:
    """A norm layer of the model: where it is and what it holds."""

    path: str
    module: Any
    kind: str  # batch, instance, group, layer, rms, frozen batch, other
    aliases: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        """Also of a scripted module, whose own class says nothing."""
        return class_name(self.module)

    @property
    def is_torch(self) -> bool:
        """Whether it behaves as torch.nn's layer of that kind does."""
        return any(isinstance(self.module, cls) for cls, _ in TORCH_KINDS)

    @property
    def synced(self) -> bool:
        return "SyncBatchNorm" in self.class_name

    @property
    def eps(self) -> float | None:
        for name in ("eps", "epsilon", "variance_epsilon"):
            value = getattr(self.module, name, None)
            if isinstance(value, (int, float)):
                return float(value)
        return None

    @property
    def momentum(self) -> float | None:
        value = getattr(self.module, "momentum", None)
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def statistics(self) -> dict[str, torch.Tensor]:
        """Running mean and variance, if it keeps them and they hold numbers."""
        found = {}
        for name in ("running_mean", "running_var"):
            value = getattr(self.module, name, None)
            if isinstance(value, torch.Tensor) and has_numbers(value):
                found[name] = value
        return found

    @property
    def tracks(self) -> bool:
        """Whether it keeps running statistics, be there numbers in them yet or not."""
        return isinstance(getattr(self.module, "running_mean", None), torch.Tensor)

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Its own gamma and beta."""
        own = self.module.named_parameters(recurse=False)
        return {name: p for name, p in own if p is not None}

    @property
    def frozen(self) -> bool:
        """Whether it has parameters and none of them is to be trained."""
        own = self.parameters.values()
        return bool(own) and not any(p.requires_grad for p in own)

    @property
    def updates(self) -> int | None:
        """How many batches its running statistics have seen."""
        value = getattr(self.module, "num_batches_tracked", None)
        if isinstance(value, torch.Tensor) and has_numbers(value):
            return int(value)
        return None

    @property
    def moves_when_training(self) -> bool:
        """Whether a forward pass in training mode changes its running statistics."""
        return (
            self.kind in ("batch", "instance")
            and self.tracks
            and bool(getattr(self.module, "track_running_stats", True))
            and self.momentum != 0.0
        )


def class_name(module: Any) -> str:
    """The class; of a scripted module the one it was made from."""
    return str(getattr(module, "original_name", None) or type(module).__name__)


def has_numbers(tensor: torch.Tensor) -> bool:
    """Whether there are values to read: not lazy, not on the meta device."""
    return not is_lazy(tensor) and tensor.device.type != "meta"


def running_statistics(norm: Norm) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Running mean, and running variance with eps, in float64; None if there are no usable ones."""
    found = norm.statistics
    if len(found) < 2:
        return None
    mean = found["running_mean"].detach().double().cpu()
    var = found["running_var"].detach().double().cpu() + (norm.eps or 0.0)
    usable = bool(torch.isfinite(mean).all() and torch.isfinite(var).all() and (var > 0).all())
    return (mean, var) if usable else None


def put(model: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module in the place of another."""
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def is_lazy(tensor: torch.Tensor) -> bool:
    """Whether its shape is not known yet."""
    return isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin)


def kind_of(module: nn.Module) -> str | None:
    """What kind of norm layer the module is, or None.

    >>> kind_of(nn.BatchNorm2d(3)), kind_of(nn.Linear(2, 2))
    ('batch', None)
    """
    for cls, kind in TORCH_KINDS:
        if isinstance(module, cls):
            return kind
    if any(True for _ in module.children()) or isinstance(module, nn.LocalResponseNorm):
        return None
    name = class_name(module)
    for pattern, kind in NAMED_KINDS:
        if pattern.search(name):
            return kind
    return None


def find_norms(model: nn.Module) -> tuple[Norm, ...]:
    """Every norm layer once, in the model's order, with all its paths."""
    paths: dict[int, list[str]] = {}
    found: dict[int, tuple[nn.Module, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        kind = kind_of(module)
        if kind is not None:
            paths.setdefault(id(module), []).append(path)
            found.setdefault(id(module), (module, kind))
    return tuple(
        Norm(paths[key][0], module, kind, tuple(paths[key][1:]))
        for key, (module, kind) in found.items()
    )
