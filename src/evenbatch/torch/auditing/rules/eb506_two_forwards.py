"""Several forward passes before a backward pass under DistributedDataParallel.

## What it does
If several devices are declared or seen, with ``broadcast_buffers`` on: looks for batch norms in a
model that runs more than once before each backward pass, as declared (``forwards_per_backward``)
or counted in a watched run. It is silent where the installed PyTorch protects the buffers, as
2.13 does.

## Why is this bad?
DistributedDataParallel copies the first device's buffers into all others before each forward
pass, in place. In versions of PyTorch before the fix of pytorch#175851 the first pass's graph
notices: backward fails with "modified by an inplace operation", in training mode as in evaluation
mode.

## Example
```python
loss = criterion(model(real)) + criterion(model(fake))
loss.backward()
```

## Use instead
```python
model = DistributedDataParallel(model, broadcast_buffers=False)
```
with SyncBatchNorm, so that the devices' statistics agree anyway; or one pass over both,
concatenated.

## Source
[pytorch#22095](https://github.com/pytorch/pytorch/issues/22095),
[pytorch#110363](https://github.com/pytorch/pytorch/issues/110363),
[pytorch#175024](https://github.com/pytorch/pytorch/issues/175024),
[pytorch#175851](https://github.com/pytorch/pytorch/pull/175851)
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB506", Severity.ERROR, "run + context")
def two_forwards_before_backward(subject: Subject) -> Iterator[Found]:
    """Batch norms whose buffers would be overwritten before backward has read them."""
    if buffers_protected():
        return
    passes = subject.context.forwards_per_backward
    if subject.run is not None:
        passes = max(passes, subject.run.most_forwards)
    if subject.context.world_size < 2 or not subject.context.broadcast_buffers or passes < 2:
        return
    found = [norm.path for norm in subject.of_kind("batch") if norm.statistics]
    if found and subject.trains:
        yield Found(
            tuple(found),
            f"{passes} forward passes before a backward pass on {subject.context.world_size} "
            f"devices: the buffers of {counted(len(found), 'batch norm')} are overwritten between "
            "them, and backward fails.",
            "DistributedDataParallel(model, broadcast_buffers=False) with SyncBatchNorm, or one "
            "forward pass over all examples.",
            {"layers": len(found), "passes": passes},
        )


def buffers_protected() -> bool:
    """Whether DistributedDataParallel hides its copying from autograd: tried with two processes,
    two forward passes before a backward pass go through with 2.13, in either mode."""
    copying = nn.parallel.DistributedDataParallel._sync_buffers
    return "_unsafe_preserve_version_counter" in copying.__code__.co_names
