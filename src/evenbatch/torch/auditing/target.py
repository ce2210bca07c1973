"""``pkg.module:factory`` or ``file.py:factory``: getting at the model a command line names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.findings import AuditError
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.named import TargetError, called, named

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
    try:
        thing = named(name)
        made = thing if isinstance(thing, nn.Module) else called(thing, name)
    except TargetError as error:
        raise AuditError(str(error)) from None
    return _read(made, name, _source(thing))


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
