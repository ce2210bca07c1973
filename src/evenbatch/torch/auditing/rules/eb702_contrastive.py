"""Batch norm lets a contrastive model cheat.

## What it does
If the context declares ``method="contrastive"``: looks for batch norms that train on each device
by itself, and measures how much half a batch's outputs change with the other half's company.

## Why is this bad?
The task is to tell which two views belong together. Batch statistics carry what is in the batch
into every output: the query and its key, computed beside each other, share them, and the model
learns to recognize the batch instead of the picture. The loss falls quickly and the
representation is poor.

## Example
```python
q, k = encoder(view1), key_encoder(view2)  # the same examples on the same device
```

## Use instead
Shuffle the keys over devices before the key encoder and back after it (MoCo), synchronize the
statistics over all devices (SimCLR; not enough with a queue of older keys), or use group or layer
norm.

## Source
[moco#137](https://github.com/facebookresearch/moco/issues/137),
[moco#46](https://github.com/facebookresearch/moco/issues/46); He et al. 2020, "Momentum contrast
for unsupervised visual representation learning",
[arXiv:1911.05722](https://arxiv.org/abs/1911.05722), section 3.3
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import company, coupled
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB702", Severity.WARNING, "context + batch")
def contrastive_leak(subject: Subject) -> Iterator[Found]:
    """Batch norms of a contrastive model that share statistics within a device."""
    found = [norm for norm in coupled(subject) if not norm.synced]
    if subject.context.method == "contrastive" and found:
        seen, evidence = company(subject, found)
        yield Found(
            tuple(norm.path for norm in found),
            f"{seen} Query and key of the same device can recognize each other by that.",
            "shuffle the keys over devices, SyncBatchNorm (not with a queue of older keys), or "
            "group norm (evenbatch.torch.swap).",
            evidence,
        )
