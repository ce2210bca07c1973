"""A last batch of one example.

## What it does
Divides the loader's number of examples by its batch size, if the model has batch norm and the
loader keeps the last, smaller batch.

## Why is this bad?
One example over gives a batch of one at the end of every epoch. Where batch norm gets one value
per channel, training stops there with "Expected more than 1 value per channel when training",
after a whole epoch. Where it gets a map, the batch's statistics are those of a single example and
move the running ones with the same weight as a full batch.

## Example
```python
DataLoader(data, batch_size=32)  # len(data) == 1601
```

## Use instead
```python
DataLoader(data, batch_size=32, drop_last=True)
```

## Source
[mmsegmentation#272](https://github.com/open-mmlab/mmsegmentation/issues/272),
[RFBNet#64](https://github.com/GOATmessi8/RFBNet/issues/64)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm


@rule("EB403", Severity.WARNING, "loader + batch")
def last_batch_of_one(subject: Subject) -> Iterator[Found]:
    """Batch norms that a batch of one reaches at the end of an epoch."""
    counts = _counts(subject)
    if counts is None or not subject.trains:
        return
    examples, size = counts
    if size < 2 or examples % size != 1:
        return
    norms = [norm for norm in subject.of_kind("batch") if not norm.frozen and not norm.synced
             and norm.does.one_value != "works"]  # fmt: skip
    fatal = [norm.path for norm in norms if _one_value(subject, norm)]
    if norms:
        says = f"{examples} examples in batches of {size} leave a last batch of 1"
        says += (
            ", and here that is one value per channel: training fails at the end of the epoch."
            if fatal
            else ": its statistics are those of one example."
        )
        yield Found(
            tuple(fatal or [norm.path for norm in norms]),
            says,
            "drop_last=True in the loader, or another batch size.",
            {"examples": examples, "batch_size": size, "fails": bool(fatal)},
            severity=Severity.ERROR if fatal else None,
        )


def _counts(subject: Subject) -> tuple[int, int] | None:
    """Examples in the loader's data, and its batch size; None if the last batch is dropped."""
    loader = subject.loader
    size = getattr(loader, "batch_size", None)
    if getattr(loader, "drop_last", False) or not isinstance(size, int):
        return None
    try:
        return len(loader.sampler), size
    except (TypeError, AttributeError):
        return None


def _one_value(subject: Subject, norm: Norm) -> bool:
    sample = subject.sample
    examples = sample.examples if sample is not None else 0
    return any(call.values == examples for call in subject.calls(norm))
