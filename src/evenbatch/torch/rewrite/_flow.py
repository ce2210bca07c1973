"""Who is called how often and who reads whose output, from one forward pass or from `torch.fx`.

With a batch, the model runs once and every operation it really performs is seen below Python
(`TorchDispatchMode`), so that nothing that reads a module's output escapes: functions, methods,
other modules, a fused operator. Tensors are told apart as objects; an operation that changes one in
place makes it another. What the pass cannot tell is what another batch would do in a model that
branches. Without a batch, `torch.fx` follows the code symbolically; it cannot follow every model,
and it sees no shapes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.inputs import Inputs, tensors_in
from evenbatch.torch.models.keeping import left_as_it_was
from evenbatch.torch.models.running import needs_gradients, set_mode
from evenbatch.torch.models.words import short
from evenbatch.torch.rewrite._given import inputs_of, mismatch
from evenbatch.torch.rewrite._result import RewriteError


@dataclass(frozen=True)
class Reader:
    """An operation that reads a value: its name, and the module in whose forward it ran."""

    operation: str
    module: str
    results: tuple[int, ...] = ()  # the values it gives

    def __str__(self) -> str:
        return f"{self.operation} in {self.module}" if self.module else self.operation


@dataclass(frozen=True)
class Call:
    """One call of a module: the values of its first input and of its output, and their shapes."""

    source: int
    shape: tuple[int, ...] | None
    result: int
    result_shape: tuple[int, ...] | None
    extra: int = 0  # further tensors among the arguments


@dataclass
class Flow:
    """The forward pass of a model: calls of its modules, and readers of every value; and the batch,
    if there was one, as the model takes it."""

    origin: str
    inputs: Inputs | None = None
    calls: dict[str, list[Call]] = field(default_factory=dict)
    readers: dict[int, list[Reader]] = field(default_factory=dict)
    makers: dict[int, str] = field(default_factory=dict)  # value -> innermost module that made it
    returned: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)  # still held by somebody after the pass
    used: dict[str, set[str]] = field(default_factory=dict)  # parameter -> modules that use it

    def of(self, path: str) -> list[Call]:
        """The calls of the module with this path."""
        return self.calls.get(path, [])

    def outside(self, value: int, path: str) -> list[Reader]:
        """Who reads the value outside the module `path` and its children."""
        inside = [r for r in self.readers.get(value, []) if within(r.module, path)]
        return [r for r in self.readers.get(value, []) if r not in inside]


def within(path: str, parent: str) -> bool:
    """Whether a module is another one or lies in it."""
    return path == parent or path.startswith(f"{parent}.") or parent == ""


def flow_of(model: nn.Module, batch: Any, what: str) -> Flow:
    """The model's flow for this batch, in evaluation mode; by `torch.fx` where batch is None.

    Raises:
        RewriteError: the model does not run on the batch, or cannot be followed without one.
    """
    if batch is not None:
        return recorded(model, batch, what)
    try:
        return symbolic(model)
    except Exception as error:
        raise RewriteError(
            f"{what}: torch.fx cannot follow the model ({short(error, 160)}); give a batch, and "
            "one forward pass is recorded instead"
        ) from error


# ---- one recorded forward pass -------------------------------------------------------------------


class _Recorder(TorchDispatchMode):
    def __init__(self, flow: Flow, parameters: Mapping[int, list[str]]) -> None:
        super().__init__()
        self.flow, self.parameters = flow, parameters
        self.stack: list[str] = []
        self.entered: list[tuple[int, tuple[int, ...] | None, int]] = []
        self.numbers: Any = WeakTensorKeyDictionary()
        self.last = 0

    def number(self, tensor: torch.Tensor) -> int:
        """The value's number; a new one for a tensor not seen before."""
        if tensor not in self.numbers:
            self.renew(tensor)
        return int(self.numbers[tensor])

    def renew(self, tensor: torch.Tensor) -> None:
        self.last += 1
        self.numbers[tensor] = self.last

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        here = self.stack[-1] if self.stack else ""
        sources = []
        for tensor in tensors_in((args, kwargs)):
            for name in self.parameters.get(id(tensor), ()):
                self.flow.used.setdefault(name, set()).add(here)
            sources.append(self.number(tensor))
        output = func(*args, **kwargs)
        changed = []
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                changed += tensors_in(value)
        fresh = [t for t in tensors_in(output) if t not in self.numbers]
        for tensor in (*changed, *fresh):
            self.renew(tensor)
            self.flow.makers[self.number(tensor)] = here
        results = tuple(self.number(t) for t in tensors_in(output))
        reader = Reader(func._schema.name.split("::")[-1].rstrip("_"), here, results)
        for source in sources:
            self.flow.readers.setdefault(source, []).append(reader)
        return output

    # -- modules, by their hooks

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Let each module say when it is entered and left."""
        hooks = []
        words: Any = {"with_kwargs": True}
        try:
            for path, module in model.named_modules():
                enter, leave = partial(self.enter, path), partial(self.leave, path)
                hooks.append(module.register_forward_pre_hook(enter, prepend=True, **words))
                hooks.append(module.register_forward_hook(leave, **words))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def enter(self, path: str, module: Any, args: Any, kwargs: Any) -> None:
        self.stack.append(path)
        found = tensors_in((args, kwargs))
        source = self.number(found[0]) if found else 0
        shape = tuple(found[0].shape) if found else None
        self.entered.append((source, shape, max(0, len(found) - 1)))

    def leave(self, path: str, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        self.stack.pop()
        source, shape, extra = self.entered.pop()
        found = tensors_in(output)
        one = found[0] if len(found) == 1 else None
        result = 0 if one is None else self.number(one)
        result_shape = None if one is None else tuple(one.shape)
        call = Call(source, shape, result, result_shape, extra)
        self.flow.calls.setdefault(path, []).append(call)


def recorded(model: nn.Module, batch: Any, what: str) -> Flow:
    """What one forward pass in evaluation mode does."""
    inputs = inputs_of(batch, model, what)
    flow = Flow("one forward pass", inputs)
    named: dict[int, list[str]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        named.setdefault(id(p), []).append(name)
    recorder = _Recorder(flow, named)
    try:
        grad = partial(torch.set_grad_enabled, inputs.grad)
        with left_as_it_was(model), grad(), recorder.watching(model), recorder, _new_garbage():
            set_mode(model, False)
            output = model(*inputs.args, **inputs.kwargs)
            found = tensors_in(output)
            flow.returned = {recorder.number(t) for t in found}
            del found
            gc.collect()  # what only a reference cycle holds is not held
            # While the output is there: it may be an object whose tensors were not found.
            flow.kept = {int(n) for n in recorder.numbers.values()}
    except Exception as error:
        if needs_gradients(error) and not inputs.grad:
            return recorded(model, replace(inputs, grad=True), what)
        where = recorder.stack[-1] if recorder.stack else ""
        raise RewriteError(
            f"{what}: the model failed{f' in {where}' if where else ''} on the batch "
            f"({inputs.described()}): {short(error)}{mismatch(model, inputs)}"
        ) from error
    del output
    return flow


@contextmanager
def _new_garbage() -> Iterator[None]:
    """A collection within looks at new objects alone: over all of a large process it takes a
    second. Where the caller has frozen some, it looks at all."""
    own = gc.get_freeze_count() == 0
    if own:
        gc.freeze()
    try:
        yield
    finally:
        if own:
            gc.unfreeze()


# ---- torch.fx ------------------------------------------------------------------------------------


class _Tracer(fx.Tracer):
    """Norm layers and the like that are not torch.nn's are looked at from outside, too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return kind_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def symbolic(model: nn.Module) -> Flow:
    """What the model's code says, followed by `torch.fx`."""
    if kind_of(model) is not None or not any(True for _ in model.children()):
        return Flow("torch.fx")
    flow = Flow("torch.fx")
    first_path = {id(m): path for path, m in model.named_modules()}
    modules = dict(model.named_modules(remove_duplicate=False))
    numbers = {}
    with left_as_it_was(model):
        set_mode(model, False)
        nodes = list(_Tracer().trace(model).nodes)
    for number, node in enumerate(nodes, start=1):
        numbers[node] = number
        here = ""
        name = node.target if isinstance(node.target, str) else node.target.__name__
        if node.op == "call_module":
            here = first_path[id(modules[node.target])]
            name = type(modules[node.target]).__name__
        sources = [numbers[n] for n in node.all_input_nodes]
        if node.op == "output":
            flow.returned |= set(sources)
            continue
        for source in sources:
            reader = Reader(str(name).rstrip("_"), here, (number,))
            flow.readers.setdefault(source, []).append(reader)
        if node.op == "get_attr":
            flow.used.setdefault(str(node.target), set()).add("")
        if node.op == "call_module":
            flow.makers[number] = here
            source = sources[0] if sources else 0
            call = Call(source, None, number, None, max(0, len(sources) - 1))
            flow.calls.setdefault(here, []).append(call)
    return flow
