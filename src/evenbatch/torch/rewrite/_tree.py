"""Finding, judging and replacing modules in a model's tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from evenbatch.torch.rewrite._result import RewriteError

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def check_model(model: Any, what: str) -> nn.Module:
    """The model, if it is one whose modules can be changed.

    Raises:
        RewriteError: it is not.
    """
    if not isinstance(model, nn.Module):
        raise RewriteError(f"{what}: needs a torch.nn.Module, got {_instead(model)}")
    for path, module in model.named_modules():
        where = path or "the model"
        if isinstance(module, torch.jit.ScriptModule):
            raise RewriteError(
                f"{what}: {where} is a scripted module, whose code cannot be changed; rewrite the "
                "model it was made from"
            )
        if hasattr(module, "_orig_mod"):
            raise RewriteError(
                f"{what}: {where} is compiled (torch.compile); rewrite the model first and compile "
                "it afterwards"
            )
        if _is_exported(module):
            raise RewriteError(
                f"{what}: {where} is an exported graph, which holds operators and no layers; "
                "rewrite the model it was made from"
            )
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
                raise RewriteError(
                    f"{what}: {where}.{name} is lazy, its shape is not known yet; run the model "
                    "once first"
                )
    return model


def _instead(model: Any) -> str:
    """What was given instead of a module, and what to do about it."""
    if isinstance(model, type):
        return f"the class {model.__name__}; call it, and give what it returns"
    name = type(model).__name__
    said = f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    if isinstance(model, torch.export.ExportedProgram):
        return f"{said}; rewrite the model it was made from"
    if isinstance(model, Mapping):
        return f"{said}; if it is a state_dict, load it into a model first"
    return f"{said}; call it, if it makes the model" if callable(model) else said


def _is_exported(module: nn.Module) -> bool:
    """Whether the module is a graph of PyTorch's operators, as `torch.export` makes them."""
    graph = getattr(module, "graph", None)
    return isinstance(graph, fx.Graph) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in graph.nodes
    )


def paths_of(model: nn.Module, module: nn.Module) -> list[str]:
    """Every name under which the module stands in the model."""
    named = model.named_modules(remove_duplicate=False)
    return [path for path, other in named if other is module]


def replace(model: nn.Module, old: nn.Module, new: nn.Module) -> Callable[[], None]:
    """Put `new` in every place where `old` stands; returns the way back.

    The model itself cannot be replaced here: a caller whose `old` is the model takes `new` for it.
    """
    places = []
    for path in paths_of(model, old):
        if path:
            parent_path, _, name = path.rpartition(".")
            parent = model.get_submodule(parent_path)
            if parent._modules.get(name) is old:
                parent._modules[name] = new
                places.append((parent, name))

    def back() -> None:
        for parent, name in places:
            if parent._modules.get(name) is new:
                parent._modules[name] = old

    return back


def hooked(module: nn.Module) -> str | None:
    """Why the module must stay as it is because of what hangs on it, or None."""
    if any(getattr(module, name, None) for name in _HOOKS):
        return "hooks are registered on it, which would see something else; remove them first"
    if torch.nn.utils.parametrize.is_parametrized(module):
        return (
            "its parameters are computed (parametrized); make them plain first, with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    return None


def kept_aside(model: nn.Module, module: nn.Module) -> str | None:
    """Why the module cannot be replaced: it is also held outside the tree of modules; or None.

    A list or dictionary that is no `torch.nn.ModuleList` or `ModuleDict` is not part of the tree,
    so a forward that goes through it would go on calling the module that stood there.
    """
    for path, holder in model.named_modules():
        for name, value in vars(holder).items():
            if name in ("_modules", "_parameters", "_buffers"):
                continue
            items = value.values() if isinstance(value, dict) else value
            if not isinstance(items, (list, tuple, type({}.values()))):
                items = [items]
            if any(item is module for item in items):
                where = f"{path}.{name}".lstrip(".")
                return f"{where} ({type(value).__name__}) holds it too, and would still call it"
    return None


def tied(model: nn.Module, module: nn.Module) -> str | None:
    """Why the module's parameters are not its own alone, or None."""
    own = {id(p): name for name, p in module.named_parameters(recurse=False)}
    for path, other in model.named_modules():
        if other is module:
            continue
        for name, p in other.named_parameters(recurse=False):
            if id(p) in own:
                return f"its {own[id(p)]} is also {f'{path}.{name}'.lstrip('.')} (shared)"
    return None


def plain(module: Any, *classes: Any) -> bool:
    """Whether the module runs the code of one of these classes, not that of a subclass."""
    return any(isinstance(module, c) and type(module).forward is c.forward for c in classes)


def like(module: nn.Module) -> dict[str, Any]:
    """device and dtype for a module to stand beside this one."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return {"device": tensor.device, "dtype": tensor.dtype}
    return {}
