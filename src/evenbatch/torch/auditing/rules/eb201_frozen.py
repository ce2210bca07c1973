"""A frozen batch norm whose running statistics still move.

## What it does
Looks for batch norms whose gamma and beta are frozen (``requires_grad = False``) in a model that
still trains, and that are in training mode, or would be after ``model.train()``.

## Why is this bad?
``requires_grad`` is about gradients; running statistics move in every forward pass in training
mode, also under ``no_grad``. A frozen backbone then drifts away from what it was trained to be.
Calling ``eval()`` once is undone by the next ``model.train()``.

## Example
```python
for p in model.backbone.parameters():
    p.requires_grad = False
model.train()
```

## Use instead
```python
from evenbatch.torch import freeze

freeze(model.backbone)
```
or put ``self.backbone.eval()`` into the model's own ``train`` method. The automatic fix freezes
these layers, once their statistics have been updated at all. A momentum encoder, whose weights
follow another network's, is not frozen in this sense: leave it as it is (``watch`` sees that its
weights move, and is silent).

## Source
[pytorch#86590](https://github.com/pytorch/pytorch/issues/86590),
[pytorch#66073](https://github.com/pytorch/pytorch/issues/66073),
[chemprop#952](https://github.com/chemprop/chemprop/issues/952)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import wrong_channels
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.words import counted


@rule("EB201", Severity.WARNING, "state")
def frozen_but_moving(subject: Subject) -> Iterator[Found]:
    """Frozen batch norms that `model.train()` sets to training mode."""
    if not subject.trains:
        return
    frozen = [norm for norm in subject.of_kind("batch") if norm.moves_when_training and norm.frozen]
    if subject.run is not None:
        frozen = [norm for norm in frozen if not subject.run.overwritten(norm)]
    else:
        frozen = [norm for norm in frozen if not _average_of_a_part(subject.model, norm.path)]
    if not frozen:
        return
    moving = _trained_by(subject.lender, frozen)
    found = [norm for norm, moves in zip(frozen, moving, strict=True) if moves]
    if not found:
        return
    now = sum(norm.module.training for norm in found)
    if now:
        state = f"{now} of them {'is' if now == 1 else 'are'} in training mode now"
    else:
        state = "they are in evaluation mode, which the next model.train() undoes"
    yield Found(
        tuple(norm.path for norm in found),
        f"gamma and beta are frozen in {counted(len(found), 'batch norm')}, the running statistics "
        f"are not: every forward pass in training mode moves them; {state}.",
        "keep these layers in evaluation mode whatever model.train() says.",
        {"layers": len(found), "in_training_mode": now},
        partial(_freeze, [norm.module for norm in found])
        if all(norm.updates and not wrong_channels(norm) for norm in found)
        else None,
    )


def _average_of_a_part(model: nn.Module, path: str) -> bool:
    """Whether the layer lies in a frozen copy of a part that is trained, as in BYOL and MoCo: a
    moving average of its weights, whose statistics are its own."""
    names = path.split(".")
    for i, name in enumerate(names):
        around = model.get_submodule(".".join(names[:i]))
        own = dict(around.get_submodule(name).named_parameters())
        if any(p.requires_grad for p in own.values()):
            continue
        others = (dict(m.named_parameters()) for n, m in around.named_children() if n != name)
        if any(_alike(own, other) for other in others):
            return True
    return False


def _alike(own: dict[str, nn.Parameter], other: dict[str, nn.Parameter]) -> bool:
    """Whether another part is trained, has the same parameters, and matrices that are close."""
    shapes = [{name: p.shape for name, p in part.items()} for part in (own, other)]
    matrices = [name for name, p in own.items() if p.dim() > 1]
    if shapes[0] != shapes[1] or not matrices or not any(p.requires_grad for p in other.values()):
        return False
    a, b = (
        torch.cat([part[n].detach().double().flatten() for n in matrices]) for part in (own, other)
    )
    return float(torch.dot(a, b)) > 0.5 * float(a.norm() * b.norm())


def _trained_by(lender: Lender, norms: list[Norm]) -> list[bool]:
    """Which of the layers are in training mode after ``model.train()``. A model that refuses to be
    switched, as an exported one does, stays as it is."""
    with lender.lend() as model:
        with suppress(Exception):
            model.train()
        return [bool(model.get_submodule(norm.path).training) for norm in norms]


def _freeze(norms: list[Any]) -> str:
    from evenbatch.torch.rewrite import freeze

    for norm in norms:
        done = freeze(norm)
        if done.refused or not done.changes:
            reason = done.refused[0].reason if done.refused else "freeze does not know it"
            raise ValueError(f"{type(norm).__name__}: {reason}")
    return f"{counted(len(norms), 'batch norm')} frozen on the running statistics"
