"""A batch norm that gets one value per channel while training.

## What it does
Counts the values behind each channel's statistics on the given batch.

## Why is this bad?
The variance of one value is zero. PyTorch refuses with "Expected more than 1 value per channel
when training"; where a layer does not, the output is beta, whatever the input (in Keras and Flax
too; Paddle gives back the input). It happens to a batch of one example, and to a 1×1 map, as
after global pooling, on each device by itself.

## Example
```python
nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64))  # batch size 1
```

## Use instead
A larger batch on each device; ``drop_last=True`` in the loader; no norm, or ``nn.GroupNorm``, on
the pooled branch.

## Source
[mmsegmentation#272](https://github.com/open-mmlab/mmsegmentation/issues/272),
[RFBNet#64](https://github.com/GOATmessi8/RFBNet/issues/64)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB401", Severity.ERROR, "batch")
def one_value_per_channel(subject: Subject) -> Iterator[Found]:
    """Batch norms whose input on this batch holds one value per channel."""
    if subject.sample is None or not subject.trains:
        return
    found = []
    for norm in subject.of_kind("batch"):
        first = next((call for call in subject.calls(norm) if call.values == 1), None)
        if first is not None and not norm.frozen and norm.does.one_value != "works":
            found.append((norm, first.shape))
    if found:
        fails = found[0][0].does.one_value != "constant"
        then = (
            "Training on this batch fails." if fails else "The output is beta, whatever comes in."
        )
        yield Found(
            tuple(norm.path for norm, _ in found),
            f"its input has shape {found[0][1]}: one value per channel, which has no variance. "
            + then,
            "more examples per device, or group norm or no norm in this place.",
            {"layers": len(found), "values_per_channel": 1},
        )
