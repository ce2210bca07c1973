"""Running statistics that are infinite or not a number.

## What it does
Reads every running mean and variance; a negative variance counts too.

## Why is this bad?
One batch with an infinity in it makes the running mean infinite, and an average with infinity
stays infinite: training goes on as if nothing had happened, because it uses the batch's own
statistics, and every prediction in evaluation mode is NaN. Mixed precision's loss scaler skips
the optimizer's step for such a batch; it cannot skip the buffers.

## Example
```python
with torch.autocast("cuda", torch.float16):
    loss = model(x)  # overflows once, in the first steps
```

## Use instead
Load the last checkpoint whose statistics are finite, or estimate them again:
```python
from evenbatch.torch import refresh

refresh(model, loader)
```
and keep the layer that overflows out of float16.

## Source
[pytorch#88474](https://github.com/pytorch/pytorch/issues/88474),
[pytorch#115500](https://github.com/pytorch/pytorch/issues/115500),
[pytorch#90342](https://github.com/pytorch/pytorch/issues/90342)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import wrong_channels
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB202", Severity.ERROR, "state")
def non_finite_statistics(subject: Subject) -> Iterator[Found]:
    """Layers with statistics that cannot be."""
    bad = {norm.path: wrong_channels(norm) for norm in subject.norms}
    bad = {path: count for path, count in bad.items() if count}
    if bad:
        worst = max(bad, key=lambda path: bad[path])
        total = sum(bad.values())
        yield Found(
            tuple(bad),
            f"{counted(total, 'channel')} in {counted(len(bad), 'layer')} have a running mean or "
            f"variance that is infinite, NaN or negative (most in {worst!r}: {bad[worst]}); "
            "evaluation gives NaN there.",
            "load a checkpoint from before, or estimate the statistics again (evenbatch.torch."
            "refresh, or reset_running_stats() and a pass over the data in training mode).",
            {"layers": len(bad), "channels": total},
        )
