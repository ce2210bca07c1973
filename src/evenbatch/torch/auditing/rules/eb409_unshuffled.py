"""A loader that goes through sorted data in order.

## What it does
If the loader does not shuffle: takes one more batch of examples from all over the data, runs both
through the model, and compares what the first batch norm is given.

## Why is this bad?
Batch norm takes each batch for a sample of the data. Of data sorted by class, by source or by time
each batch is of one sort: it is normalized by its own statistics in training, which take the
difference between the sorts away, and by the average over all in evaluation, where nothing fits.
Training goes well and evaluation is at chance.

## Example
```python
DataLoader(data, batch_size=32)  # data[0], data[1], … are of one class
```

## Use instead
```python
DataLoader(data, batch_size=32, shuffle=True)
```

## Source
[openpifpaf#308](https://github.com/openpifpaf/openpifpaf/pull/308),
[pytorch#4741](https://github.com/pytorch/pytorch/issues/4741)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, SequentialSampler

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import judged
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.sample import run
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.keeping import undisturbed
from evenbatch.torch.models.running import set_mode
from evenbatch.torch.models.words import brief

LEAST = 8  # examples in a batch, and batches in the data


@rule("EB409", Severity.WARNING, "loader + batch")
def sorted_batches(subject: Subject) -> Iterator[Found]:
    """Batch norms whose batches are each of one sort."""
    norms = [norm for norm in subject.of_kind("batch") if not norm.frozen]
    if subject.sample is None or not norms or not subject.trains:
        return
    parts = _batches(subject.loader)
    if parts is None:
        return
    found = []
    for part in parts:
        with undisturbed(subject.model), subject.lender.lend() as model:
            set_mode(model, False)
            found.append(run(model, tuple(norms), Inputs.of(part, subject.model)))
    for norm in norms:
        calls = [done.calls.get(norm.key) for done in found]
        if not calls[0] or not calls[1]:
            continue
        first, mixed = calls[0][0], calls[1][0]
        if first.mean is None or first.var is None or mixed.mean is None or mixed.var is None:
            return
        eps = norm.eps or 0.0
        var, ratio = mixed.var + eps, (first.var + eps) / (mixed.var + eps)
        gap = judged((first.mean - mixed.mean) / var.sqrt(), ratio, found[0].examples / 2)
        if gap is not None:
            yield Found(
                (norm.path,),
                "the loader does not shuffle, and its first batch is not like the data: in "
                f"{norm.path!r} its mean is {brief(gap[0])} standard deviations off that of "
                f"examples from all over, its variance {brief(gap[1])} times theirs.",
                "shuffle=True in the loader that trains.",
                {"shift": gap[0], "variance_ratio": gap[1]},
            )
        return


def _batches(loader: Any) -> list[Any] | None:
    """The first batch of a loader that goes through its data in order, and one from all over."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None:
        return None
    if not isinstance(loader.sampler, SequentialSampler):
        return None
    size, total = loader.batch_size, len(loader.sampler)
    if size < LEAST or total < LEAST * size:
        return None
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:size].tolist()
    return [loader.collate_fn([loader.dataset[i] for i in part]) for part in (range(size), drawn)]
