"""``package.module:name`` or ``file.py:name``: getting at what a command line names."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evenbatch.torch.models.words import line_of, short


class TargetError(ValueError):
    """A name on a command line leads nowhere, or what it names fails."""


def named(name: str) -> Any:
    """The object behind ``package.module:name`` or ``path/to/file.py:name``.

    Raises:
        TargetError: it leads nowhere, or its module cannot be imported.

    >>> named("torch.nn:Linear")
    <class 'torch.nn.modules.linear.Linear'>
    """
    place, colon, attribute = name.rpartition(":")
    if not colon or not place or not attribute:
        raise TargetError(
            f"{name!r} names no factory; write package.module:factory or path/to/file.py:factory"
        )
    return _found(_imported(place), attribute, place)


def called(thing: Any, name: str, *given: Any) -> Any:
    """What a factory makes of the arguments given.

    Raises:
        TargetError: it cannot be called with them, or fails.
    """
    if not callable(thing):
        raise TargetError(f"{name} is neither a function nor a module but {type(thing).__name__}")
    missing = needed(thing)[len(given) :]
    if missing:
        raise TargetError(
            f"{name} needs arguments ({', '.join(missing)}); write a function without any that "
            "calls it, and name that"
        )
    try:
        return thing(*given)
    except (Exception, SystemExit) as error:
        raise TargetError(f"{name} failed: {_where(error)}") from None


def needed(factory: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a function cannot do without."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]  # fmt: skip


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
            raise TargetError(
                f"there is no module {missing!r} here; run the command from the folder that holds "
                "it, install it, or give the file: path/to/file.py:factory"
            ) from None
        raise TargetError(f"{place} could not be imported: it needs {missing!r}") from None
    except (Exception, SystemExit) as error:
        raise TargetError(f"{place} could not be imported: {_where(error)}") from None


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise TargetError(f"there is no file {path}")
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
        raise TargetError(f"{path} could not be imported: {_where(error)}{hint}") from None
    return module


def _found(module: Any, attribute: str, place: str) -> Any:
    thing = module
    for part in attribute.split("."):
        if not hasattr(thing, part):
            close = difflib.get_close_matches(part, [n for n in dir(thing) if n[:1] != "_"], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise TargetError(f"there is no {attribute!r} in {place}.{hint}")
        thing = getattr(thing, part)
    return thing


def _where(error: BaseException) -> str:
    """The error and the last line of the user's code it came through."""
    if isinstance(error, SystemExit):
        said = f", saying {error.code!r}" if isinstance(error.code, str) else ""
        return (
            f"it ends the program{said}{line_of(error)}; what is meant for a script belongs under "
            'if __name__ == "__main__":'
        )
    return short(error) + line_of(error)
