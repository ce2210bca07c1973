"""Running a model on a batch and leaving everything as it was: modes, buffers, random numbers."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.findings import AuditError
from evenbatch.torch.auditing.layers import has_numbers

LIBRARIES = {"site-packages", "dist-packages", "importlib"}  # folders of code that is no user's
STANDARD = sysconfig.get_path("stdlib")


@dataclass(frozen=True)
class Inputs:
    """A batch as the arguments of the model's forward.

    A tensor is its one argument, a tuple or list its positional arguments, a mapping its keywords.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False  # random numbers: their shapes say something, their values nothing
    grad: bool = False  # the forward differentiates within itself, as force fields do

    @classmethod
    def of(cls, batch: Any, model: nn.Module) -> Inputs:
        """From what was given as a batch; a target too many at the end of a tuple is left out."""
        if isinstance(batch, Inputs):
            return batch
        if isinstance(batch, torch.Tensor):
            return cls((batch,))
        if isinstance(batch, Mapping):
            return cls._of_mapping(batch, model)
        if not isinstance(batch, (tuple, list)):
            raise AuditError(
                f"the batch is of type {type(batch).__name__}; give a tensor, a tuple of the "
                "forward's arguments, or a mapping of its keywords"
            )
        args = tuple(batch)
        while len(args) > 1 and not _accepts(model, args):
            args = args[:-1]
        if len(args) == 1 and isinstance(args[0], Mapping):
            return cls._of_mapping(args[0], model)
        if len(args) == 1 and isinstance(args[0], (tuple, list)) and _needs(model) > 1:
            return cls.of(args[0], model)
        return cls(args)

    @classmethod
    def _of_mapping(cls, batch: Mapping[str, Any], model: nn.Module) -> Inputs:
        """As keywords, without those the forward does not know; or, if it takes none of them, as
        the one argument of a forward that takes the whole batch."""
        if _accepts(model, (), batch):
            return cls((), dict(batch))
        known = {name: value for name, value in batch.items() if name in _parameters(model)}
        if known and _accepts(model, (), known):
            return cls((), known)
        return cls((batch,)) if _accepts(model, (batch,)) and not known else cls((), dict(batch))

    def tensors(self) -> list[torch.Tensor]:
        """Every tensor in it, in order."""
        return tensors_in((self.args, self.kwargs))

    @property
    def examples(self) -> int:
        """The first dimension of the first tensor that has one; of a list of tensors its length,
        as where images of several sizes are given."""
        first = next(iter((*self.args, *self.kwargs.values())), None)
        if isinstance(first, list) and first and all(isinstance(t, torch.Tensor) for t in first):
            return len(first)
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
            if isinstance(value, list) and len(value) == total:
                return value[:count]
            if isinstance(value, (tuple, list)):
                items = [cut(item) for item in value]
                return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
            return value

        return replace(self, args=cut(self.args), kwargs=cut(dict(self.kwargs)))

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
        text = ", ".join(shown) or "without tensors"
        whole = self.args[0] if len(self.args) == 1 and not self.kwargs else None
        if isinstance(whole, Mapping) and whole:
            return f"given whole, as the forward has no argument {next(iter(whole))!r}: {text}"
        return text


def _accepts(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None
) -> bool:
    try:
        inspect.signature(model.forward).bind(*args, **(kwargs or {}))
    except TypeError:
        return False
    except ValueError:  # a forward without a signature: let it say itself
        return True
    return True


def _parameters(model: nn.Module) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(model.forward).parameters
    except (TypeError, ValueError):
        return {}


def _needs(model: nn.Module) -> int:
    """How many arguments the forward cannot do without."""
    return sum(
        p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        for p in _parameters(model).values()
    )


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
                # One value that stands for many (`expand`) cannot be written to, by no one.
                with _writing(buffer), suppress(RuntimeError):
                    buffer.copy_(values)
                module._buffers[name] = buffer


def _writing(tensor: torch.Tensor) -> Any:
    """Where values of the tensor may be changed: one made in inference mode only there."""
    return torch.inference_mode() if tensor.is_inference() else torch.no_grad()


def _uncompiled() -> Any:
    """Modules compiled by `torch.compile` run as they are written: nothing is compiled here."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None else nullcontext()


def set_mode(model: nn.Module, training: bool) -> None:
    """Every module's mode by its flag; a model's own `train` may refuse."""
    for module in model.modules():
        module.training = training


def forward(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    """The floating tensors of the model's output, in float64."""
    with _gradients(model, inputs):
        output = model(*inputs.args, **inputs.kwargs)
    return [t.detach().double() for t in tensors_in(output) if t.is_floating_point()]


def _gradients(model: nn.Module, inputs: Inputs) -> Any:
    """None are made, unless the forward needs them."""
    if inputs.grad:
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


def line_of(error: BaseException) -> str:
    """ " (file, line)" of the innermost line outside of libraries that it came through, or ""."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parent)
    own = [
        f for f in frames
        if not f.filename.startswith((here, STANDARD, "<"))
        and not LIBRARIES & set(Path(f.filename).parts)
    ]  # fmt: skip
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def short(error: BaseException, limit: int = 300) -> str:
    """An exception in one line; of one that carries a worker's traceback the last of it."""
    whole = str(error).strip()
    if "Traceback (most recent call last)" in whole:
        return whole.splitlines()[-1][:limit]
    text = " ".join(whole.split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
