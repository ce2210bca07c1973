"""Batch statistics from very few examples.

## What it does
Compares the examples in one forward pass on one device with 4, in a model with batch norm that
trains. The number is the declared ``batch_size``, else the loader's, else that of the given
batch; SyncBatchNorm counts all devices.

## Why is this bad?
The statistics are those of a handful of examples, so each example is normalized by its chance
companions, and evaluation, with running statistics, sees something else. With ResNet-50 on
ImageNet top-1 accuracy fell from 76.4 % at 32 per device to 75.2 % at 8, 72.7 % at 4 and 65.3 %
at 2, where group norm stayed at 75.8 to 76.0 %.

## Example
```python
DataLoader(data, batch_size=2)
```

## Use instead
More examples per device; ``SyncBatchNorm`` over devices; ``nn.GroupNorm``; or, when fine-tuning,
frozen batch norms.

## Source
[yolov5#401](https://github.com/ultralytics/yolov5/issues/401),
[fvcore#7](https://github.com/facebookresearch/fvcore/issues/7); Wu, He 2018, "Group
normalization", [arXiv:1803.08494](https://arxiv.org/abs/1803.08494)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import counted

FEW = 4


@rule("EB402", Severity.WARNING, "batch + loader + context")
def small_batch(subject: Subject) -> Iterator[Found]:
    """Batch norms that would see 4 examples or fewer."""
    known, found = subject.declared_size, {}
    if not subject.trains:
        return
    for norm in subject.of_kind("batch"):
        size = known or _examples(subject, norm)
        examples = size * (subject.context.world_size if norm.synced else 1)
        if 0 < examples <= FEW and not norm.frozen and norm.does.one_value != "works":
            found[norm.path] = size
    if found:
        yield Found(
            tuple(found),
            f"{counted(len(found), 'batch norm')} would take statistics from "
            f"{counted(min(found.values()), 'example')} on each device.",
            "more examples per device, SyncBatchNorm over devices, group norm "
            "(evenbatch.torch.swap), or frozen batch norms when fine-tuning.",
            {"layers": len(found), "examples": min(found.values())},
        )


def _examples(subject: Subject, norm: Norm) -> int:
    """Those of the batch, over all axes before the channels: time steps and examples."""
    calls = subject.calls(norm)
    if not calls:
        return subject.sample.examples if subject.sample is not None else 0
    return math.prod(calls[0].shape[: max(1, norm.does.channel or 1)])
