"""Checkpointing moves the running statistics twice for each step.

## What it does
Looks for batch norms that ran again during the backward pass in a watched run, or for any that
would, if the context declares ``checkpointing``.

## Why is this bad?
Activation checkpointing runs the forward pass a second time, to have the activations again. Batch
norm does not know that it is a repetition: the same batch enters the running statistics twice, as
if momentum were 1 − (1 − m)². Both of PyTorch's modes do it.

## Example
```python
checkpoint(self.block, x, use_reentrant=False)  # the block has BatchNorm2d
```

## Use instead
```python
nn.BatchNorm2d(64, momentum=1 - (1 - 0.1) ** 0.5)  # 0.0513, twice
```
or leave blocks with batch norm out of the checkpointing. The automatic fix sets that momentum.

## Source
[pytorch#96136](https://github.com/pytorch/pytorch/issues/96136),
[pytorch#62471](https://github.com/pytorch/pytorch/issues/62471),
[fairscale#1035](https://github.com/facebookresearch/fairscale/issues/1035)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.words import brief, counted

SINCE = "_evenbatch_recomputed"  # marks a layer whose momentum allows for recomputation


@rule("EB502", Severity.WARNING, "run + context")
def recomputed_statistics(subject: Subject) -> Iterator[Found]:
    """Batch norms whose statistics the backward pass moves again."""
    moving = [
        norm for norm in subject.norms
        if norm.moves_when_training and norm.momentum is not None
        and not norm.frozen and getattr(norm.module, SINCE, None) != norm.momentum
    ]  # fmt: skip
    times = 0
    if subject.run is not None:
        again = {norm.path: subject.run.of(norm).moves_in_backward for norm in moving}
        moving = [norm for norm in moving if again[norm.path]]
        times = max(again.values(), default=0)
    elif not subject.context.checkpointing:
        return
    if not moving:
        return
    momentum = moving[0].momentum or 0.0
    seen = f"moved again in {times} backward passes" if times else "checkpointing is declared"
    yield Found(
        tuple(norm.path for norm in moving),
        f"{counted(len(moving), 'norm layer')}: {seen}, so each batch enters the running "
        f"statistics twice; momentum {brief(momentum)} acts as {brief(1 - (1 - momentum) ** 2)}.",
        f"momentum={brief(1 - (1 - momentum) ** 0.5)} in checkpointed batch norms, or no "
        "checkpointing there.",
        {"layers": len(moving), "times": times, "momentum": momentum},
        partial(_halve, moving),
    )


def _halve(norms: list[Norm]) -> str:
    for norm in norms:
        module: Any = norm.module
        module.momentum = 1 - (1 - (norm.momentum or 0.0)) ** 0.5
        setattr(module, SINCE, module.momentum)
    return f"momentum = {brief(norms[0].momentum or 0.0)} in {counted(len(norms), 'norm layer')}"
