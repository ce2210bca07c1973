"""All that can be reached from a model, as comparable values: what an audit must leave."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
import torch

ATOMS = (str, bytes, bool, int, float, complex, type, type(None), Enum, torch.dtype, torch.device,
         types.BuiltinFunctionType, types.ModuleType)  # fmt: skip


def everything(root: Any) -> dict[str, Any]:
    """By the way it is reached: numbers of tensors and gradients, contents of containers, and
    attributes of objects, with who is who."""
    return dict(_walk(root, "model", set()))


def _walk(thing: Any, way: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, ATOMS):
        yield way, thing if isinstance(thing, (str, bool, int, float)) else repr(thing)
        return
    yield f"{way} is", id(thing)
    if id(thing) in seen:
        return
    seen.add(id(thing))
    parts: dict[Any, Any] = {}
    if isinstance(thing, torch.Tensor):
        yield way, _numbers(thing)
        parts = {"grad": thing.grad} if thing.is_leaf else {}
    elif isinstance(thing, torch.Generator):
        yield way, thing.get_state().tolist()
    elif isinstance(thing, np.ndarray):
        yield way, thing.tolist()
    elif isinstance(thing, dict):
        parts = {str(key): value for key, value in thing.items()}
    elif isinstance(thing, (list, tuple, deque)):
        parts = dict(enumerate(thing))
    elif isinstance(thing, set):
        yield way, sorted(map(repr, thing))
    elif isinstance(thing, types.FunctionType):
        cells = thing.__closure__ or ()
        parts = {i: c.cell_contents for i, c in enumerate(cells) if c != types.CellType()}
    elif isinstance(thing, types.MethodType):
        parts = {"self": thing.__self__}
    elif hasattr(thing, "__dict__"):
        parts = dict(vars(thing))
    for name, part in parts.items():
        yield from _walk(part, f"{way}.{name}", seen)


def _numbers(tensor: torch.Tensor) -> Any:
    if tensor.device.type == "meta" or isinstance(
        tensor, torch.nn.parameter.UninitializedTensorMixin
    ):
        return "no numbers"
    dense = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    return repr(dense.tolist()), str(dense.dtype)
