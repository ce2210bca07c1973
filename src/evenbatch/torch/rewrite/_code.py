"""What the code around a module does with it that one forward pass need not show."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from torch import nn

from evenbatch.torch.rewrite._flow import Flow, within
from evenbatch.torch.rewrite._tree import paths_of

# Methods that are not run with a model: they make it, set it back or describe it.
_ASIDE = ("__init__", "__repr__", "extra_repr", "init", "_init", "reset", "load", "_load", "freeze")

_CALLED = {"forward", "train", "eval", "requires_grad_", "register_forward_hook", "to"}

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def read_by_code(model: nn.Module, module: nn.Module) -> str | None:
    """Why the module must stay what it is: code of a module around it reads more of it than its
    output, in whatever branch; or None."""
    for path in paths_of(model, module):
        parts = path.split(".") if path else []
        for cut in range(len(parts)):
            owner = model.get_submodule(".".join(parts[:cut]))
            attribute = _read(type(owner), tuple(parts[cut:]))
            if attribute is not None:
                around = type(owner).__name__
                return f"the code of {around} reads its {attribute}, which would not be there"
    return None


def _read(cls: Any, parts: tuple[str, ...]) -> str | None:
    name = "self" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)
    return _reads(cls).get(name)


@cache
def _reads(cls: Any) -> dict[str, str]:
    """What the methods of a class read of its modules: "self.norm" -> "weight"."""
    found: dict[str, str] = {}
    for base in cls.__mro__:
        if base is nn.Module or base.__module__.startswith(("torch.nn.", "builtins")):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError, IndentationError):
            continue
        for method in ast.walk(tree):
            if isinstance(method, ast.FunctionDef) and not method.name.startswith(_ASIDE):
                for node in ast.walk(method):
                    if isinstance(node, ast.Attribute) and node.attr not in _CALLED:
                        found.setdefault(ast.unparse(node.value), node.attr)
    return found


def other_branch(model: nn.Module, flow: Flow, *paths: str) -> str | None:
    """Why it cannot be known who else reads what goes between these modules: the code that calls
    them has layers that this batch did not reach; or None."""
    parts = [path.split(".")[:-1] for path in paths]
    common: list[str] = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    while common and _bare(model.get_submodule(".".join(common)), flow, ".".join(common)):
        common.pop()
    around = ".".join(common)
    owner = model.get_submodule(around)
    for name, module in owner.named_modules():
        path = f"{around}.{name}".lstrip(".")
        if not name or flow.of(path) or _inside_called(flow, path, around):
            continue
        if any(True for _ in module.parameters(recurse=False)) or any(
            True for _ in module.buffers(recurse=False)
        ):
            return f"{path} was not reached on this batch, and may read the same in another branch"
    return None


def _bare(module: nn.Module, flow: Flow, path: str) -> bool:
    """Whether the module is a container whose parts are called by code outside of it."""
    if not isinstance(module, _CONTAINERS):
        return False
    if isinstance(module, nn.Sequential):  # torch.fx does not list its call
        return not flow.of(path) and not all(
            any(within(p, f"{path}.{name}") for p in flow.calls) for name, _ in
            module.named_children()
        )  # fmt: skip
    return True


def _inside_called(flow: Flow, path: str, around: str) -> bool:
    """Whether it lies in another module that was called, whose code alone calls it."""
    names = path.split(".")
    above = (".".join(names[:i]) for i in range(len(names) - 1, 0, -1))
    return any(flow.of(a) for a in above if len(a) > len(around))
