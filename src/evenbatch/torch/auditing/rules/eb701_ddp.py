"""Several devices, and each batch norm sees only its own share of the batch.

## What it does
If the context declares a ``world_size`` above 1, or the model is wrapped in
DistributedDataParallel: looks for batch norms that are not synchronized.

## Why is this bad?
DistributedDataParallel averages gradients, not statistics. Each device normalizes by its own
share, so 32 examples over 8 devices train like batches of 4. Of the running statistics only those
of the first device are kept: it sends its buffers to all others before each forward pass.

## Example
```python
model = DistributedDataParallel(model)
```

## Use instead
```python
model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
model = DistributedDataParallel(model)
```
Synchronizing costs time in every layer; with 32 examples and more on each device it is seldom
needed.

## Source
[timm#110](https://github.com/huggingface/pytorch-image-models/issues/110),
[moco#41](https://github.com/facebookresearch/moco/issues/41)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted

ENOUGH = 32


@rule("EB701", Severity.WARNING, "tree + context")
def not_synchronized(subject: Subject) -> Iterator[Found]:
    """Trained batch norms on several devices, each for itself."""
    world = subject.context.world_size
    found = [
        norm.path
        for norm in subject.of_kind("batch")
        if norm.moves_when_training and not norm.synced and not norm.frozen
    ]
    if world < 2 or not found or not subject.trains:
        return
    size = subject.batch_size
    share = f"{counted(size, 'example')} of {size * world}" if size else "its own share"
    yield Found(
        tuple(found),
        f"{world} devices: {counted(len(found), 'batch norm')} on each take statistics from "
        f"{share}, and only the first device's running statistics are kept.",
        "nn.SyncBatchNorm.convert_sync_batchnorm(model) (or evenbatch.torch.sync) before wrapping.",
        {"layers": len(found), "world_size": world, **({"examples": size} if size else {})},
        severity=Severity.INFO if size is not None and size >= ENOUGH else None,
    )
