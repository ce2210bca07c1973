"""Synchronized batch norm waits for other devices while evaluating.

## What it does
If several devices are declared or seen: looks for SyncBatchNorm that uses the batch's statistics in
evaluation too, as it keeps none, or, in a watched run, was evaluated in training mode.

## Why is this bad?
It then exchanges statistics in every forward pass of the evaluation. Validation data seldom divide
evenly: a device that has one batch more waits for the others forever.

## Example
```python
nn.SyncBatchNorm(64, track_running_stats=False)
```

## Use instead
Running statistics and ``model.eval()``, with which nothing is exchanged; or validation batches that
are equal in number on all devices (``DistributedSampler(..., drop_last=True)``).

## Source
[pytorch#48988](https://github.com/pytorch/pytorch/issues/48988),
[pytorch#44957](https://github.com/pytorch/pytorch/issues/44957)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB706", Severity.WARNING, "tree + context + run")
def waits_while_evaluating(subject: Subject) -> Iterator[Found]:
    """Synchronized layers that need the other devices in evaluation."""
    run = subject.run
    found = [
        norm.path for norm in subject.norms
        if norm.synced
        and (norm.does.mixes or (run is not None and run.of(norm).moves_without_grad > 0))
    ]  # fmt: skip
    if found and subject.context.world_size > 1:
        yield Found(
            tuple(found),
            f"{counted(len(found), 'SyncBatchNorm layer')} exchange statistics in evaluation too: "
            f"with {subject.context.world_size} devices and batches that are not equal in number "
            "one waits for the others forever.",
            "running statistics and model.eval(); or as many validation batches on each device.",
            {"layers": len(found), "world_size": subject.context.world_size},
        )
