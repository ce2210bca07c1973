"""Gradient accumulation does not enlarge batch norm's batch.

## What it does
Looks for batch norms in a model whose context declares accumulation.

## Why is this bad?
Accumulating gradients over k small batches gives the gradient of a large one, except for batch
norm: its statistics are those of each small batch. And the running ones move k times for every
step, which is a larger momentum: with 0.1 and 8 passes, 0.57 for each step.

## Example
```python
for i, (x, y) in enumerate(loader):  # 4 examples
    loss(model(x), y).backward()
    if i % 8 == 7:
        optimizer.step()
```

## Use instead
Group norm, or SyncBatchNorm over more devices. For the running statistics alone, ``momentum = 1 -
(1 - 0.1) ** (1 / 8)``.

## Source
[pytorch#46516](https://github.com/pytorch/pytorch/issues/46516),
[Lightning#17446](https://github.com/Lightning-AI/pytorch-lightning/issues/17446),
[yolov5#1630](https://github.com/ultralytics/yolov5/issues/1630)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted

ENOUGH = 32  # a batch that needs no enlarging


@rule("EB407", Severity.WARNING, "context")
def accumulation(subject: Subject) -> Iterator[Found]:
    """Batch norms that train on the small batches of an accumulated one."""
    passes = subject.context.accumulation
    norms = [norm for norm in subject.of_kind("batch") if norm.moves_when_training]
    norms = [norm for norm in norms if not norm.frozen]
    if passes < 2 or not norms or not subject.trains:
        return
    size = subject.batch_size
    seen = (
        f"statistics of {counted(size, 'example')} each, not {size * passes}"
        if size is not None
        else "the statistics of one pass each"
    )
    says = f"{passes} passes for each step: {counted(len(norms), 'batch norm')} with {seen}"
    evidence: dict[str, float | int | str | bool] = {"layers": len(norms), "passes": passes}
    momentum = norms[0].momentum
    if momentum is not None:
        evidence["momentum_per_step"] = 1 - (1 - momentum) ** passes
        says += (
            f"; momentum {brief(momentum)} becomes {brief(1 - (1 - momentum) ** passes)} for each "
            "step"
        )
    yield Found(
        tuple(norm.path for norm in norms),
        says + ".",
        "group norm (evenbatch.torch.swap), SyncBatchNorm, or larger batches; a smaller momentum "
        "for the running statistics.",
        evidence,
        severity=Severity.INFO if size is not None and size >= ENOUGH else None,
    )
