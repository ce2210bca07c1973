"""A batch as the arguments of a model's forward, and the tensors in a nest of anything."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import torch
from torch import nn

DEEP = 6  # levels of objects within objects that are looked into


class BatchError(ValueError):
    """A batch that cannot be one; the message says what to give instead."""


@dataclass(frozen=True)
class Inputs:
    """A batch as the arguments of the model's forward.

    A tensor is its one argument, a tuple or list its positional arguments, a mapping its keywords;
    any other object that holds tensors (a graph, say) is its one argument.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False  # random numbers: their shapes say something, their values nothing
    grad: bool = False  # the forward differentiates within itself, as force fields do

    @classmethod
    def of(cls, batch: Any, model: nn.Module) -> Inputs:
        """From what was given as a batch; a target too many at the end of a tuple is left out.

        Raises:
            BatchError: there is no tensor in it.
        """
        if isinstance(batch, Inputs):
            return batch
        if isinstance(batch, Mapping):
            return cls._of_mapping(batch, model)
        if not isinstance(batch, (tuple, list)):
            if not tensors_in(batch):
                raise BatchError(
                    f"the batch is of type {type(batch).__name__}; give a tensor, a tuple of the "
                    "forward's arguments, a mapping of its keywords, or an object with tensors"
                )
            return cls._alone(batch, model)
        args = tuple(batch)
        while len(args) > 1 and not _accepts(model, args):
            args = args[:-1]
        if len(args) == 1 and isinstance(args[0], Mapping):
            return cls._of_mapping(args[0], model)
        if len(args) == 1 and isinstance(args[0], (tuple, list)) and len(_needed(model)) > 1:
            return cls.of(args[0], model)
        return cls._alone(args[0], model) if len(args) == 1 else cls(args)

    @classmethod
    def _alone(cls, value: Any, model: nn.Module) -> Inputs:
        """As the one argument, by its name where the forward takes it no other way."""
        if not _accepts(model, (value,)):
            for name in [*_needed(model), *_parameters(model)][:1]:
                if _accepts(model, (), {name: value}):
                    return cls((), {name: value})
        return cls((value,))

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

    def mapped(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
        """The same with every tensor changed."""
        args, kwargs = mapped((self.args, dict(self.kwargs)), change)
        return replace(self, args=args, kwargs=kwargs)

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


def _needed(model: nn.Module) -> list[str]:
    """The arguments the forward cannot do without."""
    return [
        name for name, p in _parameters(model).items()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip


# ---- nests ---------------------------------------------------------------------------------------


def opaque(value: Any) -> bool:
    """Whether there is nothing of the caller's to look for inside."""
    return (
        value is None
        or isinstance(value, (str, bytes, bool, int, float, complex, type, Enum, nn.Module))
        or callable(value)
        or not hasattr(value, "__dict__")
    )


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Every tensor in a nest of tuples, lists, mappings and objects, in order."""
    return list(_tensors(value, set(), DEEP))


def _tensors(value: Any, seen: set[int], depth: int) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
        return
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, (tuple, list)):
        items = value
    elif not opaque(value) and depth and id(value) not in seen:
        seen.add(id(value))
        items, depth = list(vars(value).values()), depth - 1
    for item in items:
        yield from _tensors(item, seen, depth)


def mapped(value: Any, change: Callable[[torch.Tensor], Any], depth: int = DEEP) -> Any:
    """The nest with every tensor changed; objects in it are copied, not touched."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (tuple, list)):
        items = [mapped(item, change, depth) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        made = copy.copy(value)
        for key, item in value.items():
            made[key] = mapped(item, change, depth)
        return made
    if not opaque(value) and depth and any(True for _ in _tensors(value, set(), depth)):
        with suppress(Exception):
            made = copy.copy(value)
            for name, item in vars(value).items():
                if any(True for _ in _tensors(item, set(), depth)):
                    made.__dict__[name] = mapped(item, change, depth - 1)
            return made
    return value
