"""A norm layer of a model: where it is, what it does, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from evenbatch.torch.measuring.behaviour import Behaviour
from evenbatch.torch.measuring.kept import state
from evenbatch.torch.measuring.known import own_code


@dataclass(frozen=True)
class Norm:
    """A norm layer, or a call of one of torch's functions that normalize.

    Args:
        path: of the module; for a function of the one that calls it.
        module: that module, the caller's own: to be read, not run.
        does: what was measured.
        aliases: further paths of the same module.
        call: for a function, the name of the call (see `Listening`); else "".
        given: for a function, those of its tensors that are the model's, by role (weight, bias,
            running_mean, running_var).
        template: arguments that the module was called with, numbers left out.
    """

    path: str
    module: Any
    does: Behaviour
    aliases: tuple[str, ...] = ()
    call: str = ""
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)
    template: Any = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> str:
        """What its calls are listed under."""
        return self.call or self.path

    @property
    def kind(self) -> str:
        """What it behaves as."""
        return self.does.kind

    @property
    def class_name(self) -> str:
        """A label: the class, also of a scripted module; or the function."""
        return f"F.{self.call.split(':')[1]}" if self.call else class_name(self.module)

    @property
    def is_torch(self) -> bool:
        """Whether torch.nn's own code runs."""
        return bool(self.call) or own_code(self.module)

    @property
    def synced(self) -> bool:
        """Whether its statistics are those of all devices."""
        return "SyncBatchNorm" in self.class_name

    @property
    def eps(self) -> float | None:
        """As used."""
        return self.does.eps

    @property
    def momentum(self) -> float | None:
        """The weight of the newest batch in what it keeps."""
        return next((kept.weight for kept in self.does.kept if kept.weight is not None), None)

    @property
    def statistics(self) -> dict[str, torch.Tensor]:
        """What it keeps, by the role that evaluation gives it ("mean", "variance", "spread", …),
        where there are numbers in it; of several the first."""
        values = self.given if self.call else state(self.module)
        found: dict[str, torch.Tensor] = {}
        for kept in self.does.kept:
            value = values.get(kept.name)
            if kept.role != "other" and isinstance(value, torch.Tensor) and has_numbers(value):
                found.setdefault(kept.role, value.detach())
        return found

    @property
    def tracks(self) -> bool:
        """Whether it keeps statistics, be there numbers in them yet or not."""
        return any(kept.role != "other" for kept in self.does.kept)

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Its own gamma and beta, and what else it trains."""
        own = self.given if self.call else dict(self.module.named_parameters(recurse=False))
        return {
            name: p for name, p in own.items()
            if isinstance(p, nn.Parameter) and name not in {kept.name for kept in self.does.kept}
        }  # fmt: skip

    @property
    def frozen(self) -> bool:
        """Whether it has parameters and none of them is to be trained."""
        own = self.parameters.values()
        return bool(own) and not any(p.requires_grad for p in own)

    @property
    def updates(self) -> int | None:
        """How many batches its statistics have seen, if it counts them."""
        value = getattr(self.module, "num_batches_tracked", None)
        if isinstance(value, torch.Tensor) and has_numbers(value):
            return int(value)
        return None

    @property
    def fresh(self) -> bool:
        """Whether its statistics are as they were made: a mean of 0, and one variance for all."""
        found = self.statistics
        mean, spread = found.get("mean"), found.get("variance", found.get("spread"))
        if mean is None and spread is None:
            return False
        untouched = mean is None or not bool(mean.any())
        return untouched and (spread is None or bool(((spread == 0) | (spread == 1)).all()))

    @property
    def moves_when_training(self) -> bool:
        """Whether a forward pass in training mode changes its statistics."""
        return any(kept.name in self.does.moves for kept in self.does.kept)


def class_name(module: Any) -> str:
    """The class; of a scripted module the one it was made from."""
    return str(getattr(module, "original_name", None) or type(module).__name__)


def has_numbers(tensor: torch.Tensor) -> bool:
    """Whether there are values to read: not lazy, not on the meta device."""
    return not is_lazy(tensor) and tensor.device.type != "meta"


def is_lazy(tensor: torch.Tensor) -> bool:
    """Whether its shape is not known yet."""
    return isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin)


def running_statistics(norm: Norm) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Mean, and variance with eps, in float64, one number each to a channel; None if there are no
    usable ones. Of a layer that keeps no mean it is 0."""
    found = norm.statistics
    if "variance" not in found:
        return None
    var = found["variance"].double().cpu().flatten() + (norm.eps or 0.0)
    mean = found["mean"].double().cpu().flatten() if "mean" in found else torch.zeros_like(var)
    usable = bool(torch.isfinite(mean).all() and torch.isfinite(var).all() and (var > 0).all())
    return (mean, var) if usable and mean.shape == var.shape else None
