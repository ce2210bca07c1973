"""A batch norm that gets one value per channel while training.

## What it does
Counts the values behind each channel's statistics on the given batch.

## Why is this bad?
The variance of one value is zero. PyTorch refuses with "Expected more than 1 value per channel
when training"; where it does not, the output is beta, whatever the input. It happens to a batch
of one example, and to a 1×1 map, as after global pooling, on each device by itself.

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
    calls = subject.sample.evaluating.calls
    found = []
    for norm in subject.of_kind("batch"):
        first = next((call for call in calls.get(norm.path, ()) if call.values == 1), None)
        if first is not None and not norm.frozen:
            found.append((norm.path, first.shape))
    if found:
        shape = found[0][1]
        yield Found(
            tuple(path for path, _ in found),
            f"its input has shape {shape}: one value per channel, which has no variance. Training "
            "on this batch fails.",
            "more examples per device, or group norm or no norm in this place.",
            {"layers": len(found), "values_per_channel": 1},
        )
