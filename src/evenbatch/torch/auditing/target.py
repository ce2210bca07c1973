"""``pkg.module:factory`` or ``file.py:factory``: getting at the model a command line names."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.findings import AuditError
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.words import line_of, short

PARTS = ("model", "batch", "optimizer", "loader", "context")


@dataclass(frozen=True)
class Target:
    """What a factory gave: the arguments of `audit`, and the file and line it stands at."""

    model: nn.Module
    batch: Any = None
    optimizer: Any = None
    loader: Any = None
    context: Context = field(default_factory=Context)
    source: tuple[Path, int] | None = None


def load(name: str) -> Target:
    """The model (and what comes with it) behind ``pkg.module:factory``.

    The factory is called without arguments. It gives a module; or (module, batch); or a mapping
    with "model" and any of "batch", "optimizer", "loader" and "context". The name may also be that
    of a module that exists already.

    Raises:
        AuditError: a name that leads nowhere, a factory that needs arguments or fails, and a result
            that is none of these.
    """
    place, colon, attribute = name.rpartition(":")
    if not colon or not place or not attribute:
        raise AuditError(
            f"{name!r} names no factory; write package.module:factory or path/to/file.py:factory"
        )
    thing = _found(_imported(place), attribute, place)
    source = _source(thing)
    if isinstance(thing, nn.Module):
        return Target(thing, source=source)
    return _read(_called(thing, name), name, source)


def _imported(place: str) -> Any:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if place.endswith(".py"):
        return _from_file(Path(place))
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if place == missing or place.startswith(f"{missing}."):
            raise AuditError(
                f"there is no module {missing!r} here; run the command from the folder that holds "
                "it, install it, or give the file: path/to/file.py:factory"
            ) from None
        raise AuditError(f"{place} could not be imported: it needs {missing!r}") from None
    except (Exception, SystemExit) as error:
        raise AuditError(f"{place} could not be imported: {_where(error)}") from None


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise AuditError(f"there is no file {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        hint = ""
        if "relative import" in str(error):
            hint = "; as part of a package it is named package.module:factory"
        raise AuditError(f"{path} could not be imported: {_where(error)}{hint}") from None
    return module


def _found(module: Any, attribute: str, place: str) -> Any:
    thing = module
    for part in attribute.split("."):
        if not hasattr(thing, part):
            close = difflib.get_close_matches(part, [n for n in dir(thing) if n[:1] != "_"], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AuditError(f"there is no {attribute!r} in {place}.{hint}")
        thing = getattr(thing, part)
    return thing


def _called(thing: Any, name: str) -> Any:
    if not callable(thing):
        raise AuditError(f"{name} is neither a function nor a module but {type(thing).__name__}")
    needed = _needed(thing)
    if needed:
        raise AuditError(
            f"{name} needs arguments ({', '.join(needed)}); write a function without any that "
            "calls it, and name that"
        )
    try:
        return thing()
    except (Exception, SystemExit) as error:
        raise AuditError(f"{name} failed: {_where(error)}") from None


def _needed(factory: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip


def _read(made: Any, name: str, source: tuple[Path, int] | None) -> Target:
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module):
        made = {"model": made[0], "batch": made[1]}
    if isinstance(made, Mapping) and not isinstance(made, nn.Module):
        unknown = [str(key) for key in made if key not in PARTS]
        if unknown or "model" not in made:
            wrong = f"has {', '.join(map(repr, unknown))}" if unknown else "lacks 'model'"
            raise AuditError(f"the mapping from {name} {wrong}; its keys are {', '.join(PARTS)}")
        parts = {key: value for key, value in made.items() if value is not None}
    else:
        parts = {"model": made}
    if not isinstance(parts["model"], nn.Module):
        raise AuditError(
            f"{name} gave {type(parts['model']).__name__} where a torch.nn.Module is wanted; it "
            f"may give a module, (module, batch), or a mapping of {', '.join(PARTS)}"
        )
    if not isinstance(parts.get("context", Context()), Context):
        raise AuditError(f"the context from {name} is no evenbatch.torch.Context")
    return Target(**parts, source=source)


def random_batch(shape: str) -> Inputs:
    """A batch of normal random numbers from its shape in words.

    >>> random_batch("2,3,8,8").described()
    '(2, 3, 8, 8) float32'
    """
    try:
        sizes = [int(word) for word in shape.replace("x", ",").split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise AuditError(f"--shape {shape!r} is no shape; write it like --shape 8,3,32,32")
    numbers = torch.randn(sizes, generator=torch.Generator().manual_seed(0))
    return Inputs((numbers,), synthetic=True)


def _source(thing: Any) -> tuple[Path, int] | None:
    thing = type(thing) if isinstance(thing, nn.Module) else thing
    try:
        file = inspect.getsourcefile(thing)
        return (Path(file), inspect.getsourcelines(thing)[1]) if file else None
    except (TypeError, OSError):
        return None


def _where(error: BaseException) -> str:
    """The error and the last line of the user's code it came through."""
    if isinstance(error, SystemExit):
        said = f", saying {error.code!r}" if isinstance(error.code, str) else ""
        return (
            f"it ends the program{said}{line_of(error)}; what is meant for a script belongs under "
            'if __name__ == "__main__":'
        )
    return short(error) + line_of(error)
