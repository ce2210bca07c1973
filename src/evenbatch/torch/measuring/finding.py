"""The norm layers of a model: every module, and every function called between them, by what it
does with the batch given, or with numbers made up where it has seen none."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from evenbatch.torch.measuring import hazards, known
from evenbatch.torch.measuring.behaviour import Behaviour, Shape
from evenbatch.torch.measuring.listening import Listening
from evenbatch.torch.measuring.measure import measure
from evenbatch.torch.measuring.norms import Norm, class_name, is_lazy
from evenbatch.torch.measuring.probing import Probe, Unfit, numeric
from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import mapped, tensors_in
from evenbatch.torch.models.keeping import undisturbed
from evenbatch.torch.models.words import short

_BUILTIN = {
    "batch_norm": "input weight bias running_mean running_var training momentum eps",
    "instance_norm": "input weight bias running_mean running_var use_input_stats momentum eps",
    "group_norm": "input num_groups weight bias eps",
    "layer_norm": "input normalized_shape weight bias eps",
    "rms_norm": "input normalized_shape weight eps",
}
"""Arguments of the functions in `torch`, in their order; those in `torch.nn.functional` say it."""

Template = tuple[Any, Any]

_MATRICES = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention, nn.Embedding)


@dataclass
class Recorded:
    """What the modules and functions were called with in one forward pass, numbers left out."""

    calls: dict[str, Template] = field(default_factory=dict)
    functions: dict[str, tuple[Any, Any, Any]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)  # numbers into a layer with a matrix
    own: set[int] = field(default_factory=set)  # where the model's parameters lie
    of_weights: set[str] = field(default_factory=set)  # modules that are given these, not data
    seen: set[str] = field(default_factory=set)  # modules that were given numbers

    def listening(self, model: nn.Module) -> Listening:
        """Put it around the pass that is to be recorded."""
        self.own = {_storage(p) for p in model.parameters()}
        return Listening(model, leave=self._leave, called=self._called)

    def _leave(self, path: str, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        given = [t for t in tensors_in((args, kwargs)) if numeric(t)]
        if not given:
            return
        self.seen.add(path)
        if _storage(given[0]) in self.own:
            self.of_weights.add(path)
        if any(p.dim() > 1 for p in module.parameters(recurse=False)):
            self.weights[path] = max(self.weights.get(path, 0), given[0].numel())
        same = any(numeric(t) and t.shape == given[0].shape for t in tensors_in(output))
        if same and path not in self.calls and not _not_a_norm(module):
            self.calls[path] = _template(args, kwargs)

    def _called(self, key: str, function: Any, args: Any, kwargs: Any, output: Any) -> None:
        x = next(iter((*args, *kwargs.values())), None)
        # Weights are standardized in this way too; they are no data.
        if isinstance(x, torch.Tensor) and _storage(x) not in self.own:
            self.functions[key] = (function, args, kwargs)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else id(tensor)


def _template(args: Any, kwargs: Any) -> Template:
    """Arguments with the main input's numbers left out: its shape and type remain."""
    main = next(t for t in tensors_in((args, kwargs)) if numeric(t))
    blank = torch.zeros((), dtype=main.dtype, device=main.device).expand(main.shape)
    change = {id(main): blank}
    return mapped((args, kwargs), lambda t: change.get(id(t), t.detach()))


def _not_a_norm(module: nn.Module) -> bool:
    """torch.nn's other layers, which need not be measured, and what is made of those with a
    matrix; and what has no forward."""
    if known.kind_of(module) is not None:
        return False
    theirs = type(module).__module__.startswith(("torch.nn.modules", "torch.fx"))
    return theirs or isinstance(module, _MATRICES) or "forward" not in _attributes(module)


def _attributes(module: nn.Module) -> set[str]:
    """Names that its classes below `torch.nn.Module` define, and its own."""
    classes = type(module).__mro__[: -len(nn.Module.__mro__)]
    return {name for cls in classes for name in vars(cls)} | set(vars(module))


class _Measured:
    """Measures layers, each sort once: two of one class with the same settings and shapes do the
    same, whatever the numbers in them."""

    def __init__(self) -> None:
        self.seen: dict[Any, Behaviour | str | None] = {}

    def of(self, module: nn.Module, template: Template) -> Behaviour | str | None:
        """What the module does with such arguments."""
        main = next(t for t in tensors_in(template) if numeric(t))
        shapes = [tuple(t.shape) for t in tensors_in(template)]
        key = (_settings(module), main.dtype, *shapes)
        if key not in self.seen:
            self.seen[key] = _measured(module, template, tuple(main.shape), main.dtype)
        return self.seen[key]

    def without(self, module: nn.Module) -> tuple[Behaviour | str | None, Template | None]:
        """What it does with made-up input, of the first shape that it takes; and that input."""
        for shape in _made_up(module):
            blank = torch.zeros(()).expand(shape)
            dtype = next((t.dtype for t in module.parameters() if numeric(t)), None)
            template: Template = ((blank.to(dtype),), {})
            does = self.of(module, template)
            if does is not None:
                return does, template
        return None, None


def _measured(
    module: Any, template: Template, shape: Shape, dtype: torch.dtype
) -> Behaviour | str | None:
    own = known.own_code(module)
    does = known.from_settings(module, shape, dtype) if own else None
    tensors = [*module.parameters(), *module.buffers()]
    if any(is_lazy(t) for t in tensors):
        return does
    if any(t.device.type == "meta" for t in tensors):
        module = copied(module).to_empty(device="cpu")
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data.fill_(1)
    try:
        probe = Probe(module, *template)
        return measure(probe) if does is None else replace(does, zeros=hazards.zeros(probe))
    except Unfit:
        return does
    except Exception as error:  # one strange layer is no reason to look at no other
        return f"it could not be measured, {short(error, 160)}"


def _settings(module: nn.Module) -> Any:
    """What tells a layer from others of its class: numbers and words in it, shapes, flags."""
    found: list[Any] = []
    for path, part in module.named_modules():
        found += [path, type(part)]
        for name, value in vars(part).items():
            if isinstance(value, (int, float, str, tuple)) and name != "training":
                found += [name, repr(value)]
        for name, tensor in (*part._parameters.items(), *part._buffers.items()):
            if tensor is not None and not is_lazy(tensor):
                flag = tensor.numel() == 1 and not numeric(tensor) and tensor.device.type != "meta"
                found += [name, tuple(tensor.shape), tensor.dtype, flag and tensor.item()]
    return tuple(found)


def _made_up(module: nn.Module) -> list[Shape]:
    """Shapes that a layer which was never called may take, from those of what it holds."""
    if known.own_code(module):
        return [known.made_up(module)]
    parts = list(module.modules())
    tensors = [
        t for t in (*module.parameters(), *module.buffers()) if not is_lazy(t) and t.numel() > 1
    ]
    flat = [t for t in tensors if max(t.shape) == t.numel()]
    if len(parts) > 6 or any(isinstance(part, _MATRICES) for part in parts):
        return []
    if tensors and not flat:
        return [(6, *tensors[0].shape)] if all(t.shape == tensors[0].shape for t in tensors) else []
    c = flat[0].numel() if flat else 8
    return [(6, c), (6, c, 5), (6, c, 5, 5), (6, c, 4, 4, 4), (6, 5, c)]


@dataclass(frozen=True)
class Norms:
    """The norms of a model, in its order, and what is like one and cannot be placed: its class,
    and what was seen of it, by path."""

    norms: tuple[Norm, ...]
    unplaced: Mapping[str, tuple[str, str]]


def find(model: nn.Module, recorded: Recorded | None = None, run: nn.Module | None = None) -> Norms:
    """Every norm layer once, with all its paths, and every functional one.

    Args:
        model: the caller's own; it is read and copied, never run.
        recorded: what was called with what, where a pass was recorded.
        run: the copy of the model in which that was.
    """
    with undisturbed(model):
        return _found(model, recorded or Recorded(), run, _Measured())


def _found(model: nn.Module, recorded: Recorded, run: Any, measured: _Measured) -> Norms:
    paths: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)
    found: dict[str, Norm] = {}
    unplaced: dict[str, tuple[str, str]] = {}
    for path, module in reversed(list(model.named_modules())):  # parts before the whole
        if _not_a_norm(module) or path in recorded.of_weights or ".parametrizations." in f".{path}":
            continue
        within = f"{path}." if path else ""
        template = recorded.calls.get(path)
        if known.kind_of(module) is None and (
            (path in recorded.seen and template is None)  # its output has another shape
            or any(p.startswith(within) for p in (*found, *unplaced))
            or (template and _matrix_on_data(recorded, within, path, template))
        ):
            continue
        given: Template | None = template
        if template:
            does = measured.of(module, template)
        else:
            does, given = measured.without(module)
        if isinstance(does, Behaviour):
            does = _provided(model, recorded, path, does)
            found[path] = Norm(path, module, does, tuple(paths[id(module)][1:]), template=given)
        elif does and template:
            unplaced[path] = (class_name(module), does)
        elif path in recorded.seen and template is None:
            words = f"a {known.kind_of(module)} norm by class, no output has its input's shape"
            unplaced[path] = (class_name(module), words)
    norms = [found[path] for path, _ in model.named_modules() if path in found]
    norms += _functional(model, recorded, run, measured, set(found) | set(unplaced))
    return Norms(tuple(norms), unplaced)


def _provided(model: nn.Module, recorded: Recorded, path: str, does: Behaviour) -> Behaviour:
    """The same, where a module around a layer that refuses one value makes provision for it."""
    around = path.rpartition(".")[0]
    template = recorded.calls.get(around) if path else None
    if does.one_value != "raises" or template is None:
        return does
    parent = model.get_submodule(around)
    if len(list(parent.children())) != 1:
        return does
    with suppress(Unfit):
        probe = Probe(parent, *template)
        same = len(probe.shape) == len(does.axes)
        if same and hazards.one_value(probe.wide(), does.axes) == "works":
            return replace(does, one_value="works")
    return does


def _matrix_on_data(recorded: Recorded, within: str, path: str, template: Template) -> bool:
    """Whether a layer with a matrix, in the module or itself, works on what the module is given."""
    main = next(t for t in tensors_in(template) if numeric(t))
    return any(
        numbers >= main.numel() and other != path and other.startswith(within)
        for other, numbers in recorded.weights.items()
    )


# ---- functions -----------------------------------------------------------------------------------


class Called(nn.Module):
    """A call of one of torch's functions as a layer: the model's tensors in it are its own, and
    what was in evaluation mode follows the mode."""

    def __init__(self, function: Any, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.function, self.order = function, tuple(arguments)
        self.rest: dict[str, Any] = {}
        for name, value in list(arguments.items())[1:]:
            if isinstance(value, nn.Parameter):
                self.register_parameter(name, value)
            elif isinstance(value, torch.Tensor):
                self.register_buffer(name, value.detach())
            else:
                self.rest[name] = value

    def forward(self, x: Any) -> Any:
        """The function of the input and of all else."""
        given = [x]
        for name in self.order[1:]:
            value = self.rest[name] if name in self.rest else getattr(self, name)
            follows = name in ("training", "use_input_stats") and value is False
            given.append(self.training if follows else value)
        return self.function(*given)


def _functional(
    model: nn.Module, recorded: Recorded, run: Any, measured: _Measured, known_paths: set[str]
) -> Iterator[Norm]:
    """The calls of functions that no norm layer made."""
    names = {id(t): name for name, t in _tensors(run).items()} if run is not None else {}
    theirs = _tensors(model)
    for key, (function, args, kwargs) in recorded.functions.items():
        path = key.split(":")[0]
        inside = any(path == p or path.startswith(f"{p}.") for p in known_paths)
        module = model.get_submodule(path)
        if inside or known.kind_of(module) is not None:
            continue
        arguments = _bound(function, key.split(":")[1], args, kwargs)
        given = {
            name: theirs[names[id(value)]]
            for name, value in arguments.items() if id(value) in names
        }  # fmt: skip
        x = next(iter(arguments.values()))
        does = measured.of(Called(function, arguments), _template((x,), {}))
        if isinstance(does, Behaviour):
            yield Norm(path, module, does, (), key, given)


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _bound(function: Any, name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by name, in the function's order."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except ValueError:  # written in C
        order = _BUILTIN[name].split()
        return {**dict(zip(order, args, strict=False)), **kwargs}
    bound.apply_defaults()
    return dict(bound.arguments)
