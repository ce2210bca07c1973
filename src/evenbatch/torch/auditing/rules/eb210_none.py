"""A batch norm without running statistics: predictions depend on the company in the batch.

## What it does
Looks for batch norms that keep no running statistics, and measures how much half a batch's
predictions change when the other half is taken away.

## Why is this bad?
Without running statistics evaluation uses those of the batch it gets. The prediction for one
example then changes with the examples beside it, and a batch of one fails or gives beta.
``track_running_stats=False`` does this, and so does
``torch.func.replace_all_batch_norm_modules_``.

## Example
```python
nn.BatchNorm2d(64, track_running_stats=False)
```

## Use instead
```python
nn.BatchNorm2d(64)
```
or a norm that never looks at other examples (``nn.GroupNorm``).

## Source
[functorch#384](https://github.com/pytorch/functorch/issues/384),
[functorch#867](https://github.com/pytorch/functorch/issues/867)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.sample import coupling
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB210", Severity.WARNING, "tree + batch")
def no_running_statistics(subject: Subject) -> Iterator[Found]:
    """Batch norms that use the batch's statistics in evaluation too."""
    if subject.context.vmap:
        return  # there it is what makes vmap work
    found = [
        norm
        for norm in subject.of_kind("batch")
        if norm.does.mixes and not norm.does.kept and not norm.call
    ]
    if not found:
        return
    evidence: dict[str, float | int | str | bool] = {"layers": len(found)}
    measured = ""
    if subject.sample is not None:
        moved = coupling(subject.lender, subject.norms, subject.sample.inputs, training=False)
        if moved is not None:
            evidence["coupling"] = moved
            measured = (
                f" On this batch, taking half of the examples away changes the others' outputs by "
                f"{brief(100 * moved)} % of the largest."
            )
    own = any(norm.is_torch for norm in found)
    yield Found(
        tuple(norm.path for norm in found),
        f"{counted(len(found), 'batch norm')} without running statistics: in evaluation too each "
        f"{'example' if own else 'row'} is normalized by its company in the batch."
        f"{measured}{'' if own else ' That is meant if the rows are parts of one example.'}",
        "track_running_stats=True and a pass over the data, or group norm (evenbatch.torch.swap).",
        evidence,
        severity=None if own else Severity.INFO,
    )
