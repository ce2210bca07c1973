"""Norm layers in a plain list or dictionary.

## What it does
Looks for norm layers that a module holds in a plain list, tuple or dictionary.

## Why is this bad?
PyTorch knows of a layer only if it is an attribute, or lies in a ``ModuleList`` or ``ModuleDict``.
Of others, ``model.parameters()`` holds no gamma and no beta, so that they are never trained;
``model.to()`` leaves them on their device, ``state_dict()`` saves none of their statistics, and
``model.eval()`` leaves them in training mode.

## Example
```python
self.norms = [nn.BatchNorm1d(8) for _ in range(3)]
```

## Use instead
```python
self.norms = nn.ModuleList(nn.BatchNorm1d(8) for _ in range(3))
```

## Source
[PyTorch's documentation of ModuleList](https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.words import counted


@rule("EB219", Severity.ERROR, "tree")
def unregistered_norms(subject: Subject) -> Iterator[Found]:
    """Norm layers that PyTorch does not know to be the model's."""
    known = set(subject.model.modules())
    for path, module in subject.model.named_modules():
        for name, value in vars(module).items():
            norms = [m for m in _modules(value) if m not in known and kind_of(m) is not None]
            if norms and not name.startswith("_"):
                kind, better = type(value).__name__, "ModuleList"
                if isinstance(value, Mapping):
                    better = "ModuleDict"
                sort = type(norms[0]).__name__
                yield Found(
                    (path,),
                    f"{name!r} is a plain {kind} that holds {counted(len(norms), 'norm layer')} "
                    f"({sort}). They are no part of the model: parameters(), eval(), to() and "
                    "state_dict() pass them by, so they are not trained, not saved, and stay in "
                    "training mode.",
                    f"nn.{better} around it, and around each list or dictionary in it.",
                    {"layers": len(norms)},
                )


def _modules(value: Any) -> Iterator[nn.Module]:
    """The modules in a plain container, and in those within."""
    parts = value.values() if isinstance(value, Mapping) else value
    for part in parts if isinstance(value, (Mapping, list, tuple)) else ():
        if isinstance(part, nn.Module):
            yield from part.modules()
        else:
            yield from _modules(part)


def holds_unregistered(module: nn.Module) -> bool:
    """Whether a module has norm layers in a plain container."""
    known = set(module.modules())
    values = (value for name, value in vars(module).items() if not name.startswith("_"))
    return any(m not in known and kind_of(m) for value in values for m in _modules(value))
