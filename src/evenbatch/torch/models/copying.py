"""A deep copy of a model, also of one that `copy.deepcopy` refuses.

A model holds more than parameters: locks, file handles, tensors with a history, functions that
close over its modules. A copy is of use only if nothing that runs in it reaches the original.
"""

from __future__ import annotations

import copy
import functools
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from typing import Any

import torch
from torch import nn

# Values that may be held in common: nothing can change in them, or they are the machine's.
COMMON = (str, bytes, int, float, complex, bool, type(None), type, torch.device, torch.dtype,
          torch.Size, types.BuiltinFunctionType, types.ModuleType)  # fmt: skip

CLOSED_OVER = (nn.Module, torch.Tensor, torch.Generator, dict, list, set, tuple, deque,
               types.FunctionType, types.MethodType, functools.partial)  # fmt: skip
"""What is copied of a function's closure; other objects in it are the caller's program."""


def copied(value: Any, shared: list[str] | None = None) -> Any:
    """A deep copy of a module, or of anything else.

    Args:
        shared: is given a word for each thing that cannot be copied and is therefore held in
            common, such as a lock.

    >>> import threading
    >>> model = nn.Linear(2, 2)
    >>> model.lock, shared = threading.Lock(), []
    >>> copied(model, shared).lock is model.lock, shared
    (True, ['lock'])
    """
    return _Copier([] if shared is None else shared).of(value, "")


class _Copier:
    def __init__(self, shared: list[str]) -> None:
        self.shared = shared
        self.memo: dict[int, Any] = {}
        self.kept: list[Any] = []  # what was copied stays alive, so that no id is used twice

    def of(self, value: Any, name: str) -> Any:
        if isinstance(value, COMMON):
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        made = self._made(value, name)
        self.memo[id(value)] = made
        self.kept.append(value)
        return made

    def _made(self, value: Any, name: str) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, nn.Module):
            return self._module(value, name)
        kind = type(value)
        if kind in (dict, OrderedDict, defaultdict):
            made: Any = kind(value.default_factory) if kind is defaultdict else kind()
            self.memo[id(value)] = made
            for key, item in value.items():
                made[key] = self.of(item, f"{name}.{key}")
            return made
        if kind is list:
            made = self.memo[id(value)] = []
            made += [self.of(item, f"{name}.{i}") for i, item in enumerate(value)]
            return made
        if kind in (tuple, set, frozenset):
            return kind(self.of(item, f"{name}.{i}") for i, item in enumerate(value))
        return self._object(value, name)

    def _tensor(self, value: torch.Tensor) -> torch.Tensor:
        try:
            made = copy.deepcopy(value, self.memo)
        except RuntimeError:  # it has a history, or was made in inference mode
            made = value.detach().clone()
        return made

    def _module(self, module: nn.Module, name: str) -> nn.Module:
        if hasattr(type(module), "__deepcopy__") or isinstance(module, torch.jit.ScriptModule):
            return copy.deepcopy(module, self.memo)
        shell = self.memo[id(module)] = object.__new__(type(module))
        state = module.__getstate__()
        # Entries one by one: a lock among them is then no obstacle for the others.
        shell.__setstate__({key: self.of(item, f"{name}.{key}") for key, item in state.items()})
        return shell

    def _object(self, value: Any, name: str) -> Any:
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self.of(value.__self__, name))
        if isinstance(value, functools.partial):
            function = self.of(value.func, name)
            arguments = [self.of(item, name) for item in value.args]
            return functools.partial(
                function, *arguments, **{k: self.of(v, name) for k, v in value.keywords.items()}
            )
        if isinstance(value, torch.Generator):
            return value.clone_state()
        if isinstance(value, weakref.ref):
            return weakref.ref(self.of(value(), name)) if value() is not None else value
        if isinstance(value, types.FunctionType):
            return self._function(value, name)
        try:
            return copy.deepcopy(value, self.memo)
        except Exception:
            self.shared.append(name.replace("._modules.", ".").lstrip("."))
            return value

    def _function(self, function: types.FunctionType, name: str) -> types.FunctionType:
        """The function over copies of the modules, tensors and containers that it closes over: a
        hook that counts does so in a copy."""
        if not function.__closure__:
            return function
        cells = [
            types.CellType(self.of(cell.cell_contents, name))
            if cell != types.CellType() and isinstance(cell.cell_contents, CLOSED_OVER)
            else cell
            for cell in function.__closure__
        ]
        made = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__,
            tuple(cells),
        )  # fmt: skip
        made.__kwdefaults__ = function.__kwdefaults__
        made.__dict__.update(function.__dict__)
        return made
