"""Leaving a model as it was, in place: everything reachable from it is put back.

For what has to run on the caller's own model: the rewrites, and an audit of a model that cannot be
copied.
"""

from __future__ import annotations

import random
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import opaque
from evenbatch.torch.models.words import short

FAR = 3


@contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Undo on leaving what forward passes change: modes, parameters, gradients, buffers, plain
    attributes, what lies in lists and dictionaries, hooks, the random numbers' state.

    >>> model = nn.BatchNorm1d(2)
    >>> with left_as_it_was(model):
    ...     _ = model(torch.randn(8, 2))
    >>> model.running_mean
    tensor([0., 0.])
    """
    with undisturbed(model):
        before = Snapshot(model)
        try:
            yield
        finally:
            before.put_back()


class Snapshot:
    """Everything that can be reached from something and can change, as it is now.

    >>> model = nn.Linear(2, 2)
    >>> before = Snapshot(model)
    >>> model.bias = None
    >>> before.put_back()
    >>> model.bias is None
    False
    """

    def __init__(self, root: Any) -> None:
        self.kept = [(thing, _remembered(thing)) for thing in list(reachable(root))]

    def put_back(self) -> None:
        """Make it that again."""
        for thing, old in self.kept:
            _put_back(thing, old)


class Lender:
    """Lends a model for running: each time a new deep copy; or, where there can be none, the model
    itself, of which everything is put back.

    Args:
        model: the caller's own.

    Attributes:
        shared: what the copies hold in common with the model, as it cannot be copied.
        refused: why there are no copies, or "".
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.shared: list[str] = []
        self.refused = ""

    @contextmanager
    def lend(self) -> Iterator[nn.Module]:
        """The model in the state that it is in, to be run in any way."""
        copy, shared = None, list[str]()
        if not self.refused:
            try:
                copy = copied(self.model, shared)
            except Exception as error:
                self.refused = short(error, 160)
        self.shared = shared
        with left_as_it_was(self.model) if copy is None else undisturbed(self.model):
            yield self.model if copy is None else copy


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """What runs inside draws from random numbers that are put back, warns nobody, and compiles
    nothing: modules compiled by `torch.compile` run as they are written."""
    devices = {t.device.index or 0 for t in model.buffers() if t.device.type == "cuda"}
    stance = getattr(torch.compiler, "set_stance", None)
    numbers, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    with (
        torch.random.fork_rng(devices=sorted(devices)),
        warnings.catch_warnings(),
        stance("force_eager") if stance is not None else nullcontext(),
    ):
        warnings.simplefilter("ignore")  # what the model warns of is not ours to repeat
        try:
            yield
        finally:
            random.setstate(numbers)
            np.random.set_state(arrays)  # noqa: NPY002


def reachable(root: Any) -> Iterator[Any]:
    """Everything that can change and be reached from a module, each thing once: tensors, arrays,
    generators of random numbers, containers and objects; of objects that are no modules only
    `FAR` levels, as one of them may know the whole program."""
    seen: set[int] = set()
    waiting = [(root, FAR)]
    while waiting:
        thing, far = waiting.pop()
        if id(thing) in seen or far < 0:
            continue
        seen.add(id(thing))
        inner: Any = ()
        if isinstance(thing, (torch.Tensor, np.ndarray, torch.Generator)):
            yield thing
        elif isinstance(thing, (dict, list, set, deque)):
            yield thing
            inner = thing.values() if isinstance(thing, dict) else thing
        elif isinstance(thing, tuple):
            inner = thing
        elif isinstance(thing, nn.Module) or not opaque(thing):
            yield thing
            inner, far = vars(thing).values(), FAR if isinstance(thing, nn.Module) else far - 1
        elif isinstance(thing, FunctionType):
            inner = [cell.cell_contents for cell in thing.__closure__ or () if cell != CellType()]
        elif isinstance(thing, MethodType):
            inner = [thing.__self__]
        waiting += [(item, far) for item in inner]


def _remembered(thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        there = thing.device.type != "meta" and not _lazy(thing)
        grad = thing.grad if thing.is_leaf else None
        kept = None if grad is None else grad.clone()  # gradients are added up in place
        return (thing.detach().clone() if there else None), grad, kept
    if isinstance(thing, torch.Generator):
        return thing.get_state()
    if isinstance(thing, (dict, list, set, deque, np.ndarray)):
        return thing.copy()
    return dict(vars(thing))


def _put_back(thing: Any, old: Any) -> None:
    if isinstance(thing, torch.Tensor):
        values, grad, kept = old
        if values is not None and not _same(thing, values):
            # One value that stands for many (`expand`) cannot be written to, by no one.
            with _writing(thing), suppress(RuntimeError):
                thing.copy_(values)
        if thing.is_leaf and (grad is not None or thing.grad is not None):
            thing.grad = grad if grad is None else grad.copy_(kept)
    elif isinstance(thing, torch.Generator):
        thing.set_state(old)
    elif isinstance(thing, np.ndarray):
        with suppress(ValueError):  # a read-only one has not changed
            thing[...] = old
    elif isinstance(thing, (dict, set)):
        if thing != old if isinstance(thing, set) else _differs(thing, old):
            thing.clear()
            thing.update(old)
    elif isinstance(thing, (list, deque)):
        if len(thing) != len(old) or any(a is not b for a, b in zip(thing, old, strict=True)):
            thing.clear()
            thing.extend(old)
    elif _differs(vars(thing), old):
        vars(thing).clear()
        vars(thing).update(old)


def _differs(new: dict[Any, Any], old: dict[Any, Any]) -> bool:
    return list(new) != list(old) or any(new[key] is not old[key] for key in old)


def _same(tensor: torch.Tensor, values: torch.Tensor) -> bool:
    if tensor.layout is not torch.strided:
        return False
    if tensor.shape != values.shape or tensor.dtype != values.dtype:
        with torch.no_grad():
            tensor.data = values.clone()
        return True
    return torch.equal(tensor.detach(), values)


def _lazy(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, nn.parameter.UninitializedTensorMixin)


def _writing(tensor: torch.Tensor) -> Any:
    """Where values of the tensor may be changed: one made in inference mode only there."""
    return torch.inference_mode() if tensor.is_inference() else torch.no_grad()
