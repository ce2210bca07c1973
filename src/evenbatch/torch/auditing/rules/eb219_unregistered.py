"""Norm layers in a plain list or dictionary.

## What it does
Looks for norm layers that a module holds in a plain list, tuple, set or dictionary.

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

from collections.abc import Iterator, Mapping, Set
from typing import Any

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.words import counted

_CONTAINERS = (Mapping, list, tuple, set)


@rule("EB219", Severity.ERROR, "tree")
def unregistered_norms(subject: Subject) -> Iterator[Found]:
    """Norm layers that PyTorch does not know to be the model's."""
    known = set(subject.model.modules())
    for path, module in subject.model.named_modules():
        for name, norms in held_beside(module, known):
            value = vars(module)[name]
            better = "ModuleDict" if isinstance(value, Mapping) else "ModuleList"
            yield Found(
                (path,),
                f"{name!r} is a plain {type(value).__name__} that holds "
                f"{counted(len(norms), 'norm layer')} ({type(norms[0]).__name__}). They are no "
                "part of the model: parameters(), eval(), to() and state_dict() pass them by, so "
                "they are not trained, not saved, and stay in training mode.",
                f"nn.{better} around it, and around each list or dictionary in it.",
                {"layers": len(norms)},
            )


def held_beside(module: nn.Module, known: Set[nn.Module]) -> Iterator[tuple[str, list[nn.Module]]]:
    """The norm layers that a module has in plain containers, by the name of its attribute."""
    for name, value in vars(module).items():
        if not name.startswith("_"):
            norms = [m for m in _modules(value) if m not in known and kind_of(m) is not None]
            if norms:
                yield name, norms


def _modules(value: Any) -> Iterator[nn.Module]:
    """The modules in a plain container, and in those within."""
    waiting, seen = [value], set[int]()  # a container may hold itself
    while waiting:
        each = waiting.pop()
        if not isinstance(each, _CONTAINERS) or id(each) in seen:
            continue
        seen.add(id(each))
        for part in each.values() if isinstance(each, Mapping) else each:
            if isinstance(part, nn.Module):
                yield from part.modules()
            elif isinstance(part, _CONTAINERS):
                waiting.append(part)
