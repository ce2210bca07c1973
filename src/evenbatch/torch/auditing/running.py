"""Running a model on a batch and leaving everything as it was: modes, buffers, random numbers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.findings import AuditError
from evenbatch.torch.auditing.layers import has_numbers


@dataclass(frozen=True)
class Inputs:
    """A batch as the arguments of the model's forward.

    A tensor is its one argument, a tuple or list its positional arguments, a mapping its keywords.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False  # random numbers: their shapes say something, their values nothing

    @classmethod
    def of(cls, batch: Any, model: nn.Module) -> Inputs:
        """From what was given as a batch; a target too many at the end of a tuple is left out."""
        if isinstance(batch, Inputs):
            return batch
        if isinstance(batch, torch.Tensor):
            return cls((batch,))
        if isinstance(batch, Mapping):
            return cls((), dict(batch))
        if not isinstance(batch, (tuple, list)):
            raise AuditError(
                f"the batch is a {type(batch).__name__}; give a tensor, a tuple of the forward's "
                "arguments, or a mapping of its keywords"
            )
        args = tuple(batch)
        while len(args) > 1 and not _accepts(model, args):
            args = args[:-1]
        if len(args) == 1 and isinstance(args[0], (Mapping, tuple, list)):
            return cls.of(args[0], model)
        return cls(args)

    def tensors(self) -> list[torch.Tensor]:
        """Every tensor in it, in order."""
        return tensors_in((self.args, self.kwargs))

    @property
    def examples(self) -> int:
        """The first dimension of the first tensor that has one."""
        for tensor in self.tensors():
            if tensor.dim() > 0:
                return int(tensor.shape[0])
        return 0

    def first(self, count: int) -> Inputs:
        """The first examples only."""
        total = self.examples

        def cut(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value[:count] if value.dim() and value.shape[0] == total else value
            if isinstance(value, Mapping):
                return {key: cut(item) for key, item in value.items()}
            if isinstance(value, (tuple, list)):
                return type(value)([cut(item) for item in value])
            return value

        return Inputs(cut(self.args), cut(dict(self.kwargs)), self.synthetic)

    @property
    def mask(self) -> torch.Tensor | None:
        """(N, T), true where a position is real and not padding, if the batch carries one."""
        for name, value in self.kwargs.items():
            if isinstance(value, torch.Tensor) and value.dim() == 2:
                word = name.lower()
                if "padding_mask" in word and "key" in word:  # torch.nn's: true where padded
                    return ~value.bool()
                if word in ("attention_mask", "mask", "padding_mask", "input_mask"):
                    return value.bool()
        return None

    def described(self) -> str:
        """Shapes and types, for messages."""
        shown = [f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in self.tensors()]
        return ", ".join(shown) or "no tensors"


def _accepts(model: nn.Module, args: tuple[Any, ...]) -> bool:
    try:
        inspect.signature(model.forward).bind(*args)
    except TypeError:
        return False
    except ValueError:  # a forward without a signature: let it say itself
        return True
    return True


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Every tensor in a nest of tuples, lists, mappings and output objects, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [t for item in value.values() for t in tensors_in(item)]
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in tensors_in(item)]
    if hasattr(value, "__dataclass_fields__"):
        return [t for name in value.__dataclass_fields__ for t in tensors_in(getattr(value, name))]
    return []


@contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Undo on leaving what forward passes change: modes, buffers, the random numbers' state."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and has_numbers(buffer)
    ]
    devices = sorted({b.device.index or 0 for *_, b in buffers if b.device.type == "cuda"})
    with (
        torch.random.fork_rng(devices=devices),
        warnings.catch_warnings(),
        _uncompiled(),
    ):
        warnings.simplefilter("ignore")  # what the model warns of is not the audit's to repeat
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for module, name, buffer, values in buffers:
                with torch.no_grad():
                    buffer.copy_(values)
                module._buffers[name] = buffer


def _uncompiled() -> Any:
    """Modules compiled by `torch.compile` run as they are written: nothing is compiled here."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None else nullcontext()


def set_mode(model: nn.Module, training: bool) -> None:
    """Every module's mode by its flag; a model's own `train` may refuse."""
    for module in model.modules():
        module.training = training


def forward(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    """The floating tensors of the model's output, without gradients, in float64."""
    with torch.no_grad():
        output = model(*inputs.args, **inputs.kwargs)
    return [t.detach().double() for t in tensors_in(output) if t.is_floating_point()]


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


def short(error: BaseException, limit: int = 300) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
