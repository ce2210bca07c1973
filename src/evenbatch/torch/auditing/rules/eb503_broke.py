"""The step at which running statistics became infinite or NaN.

## What it does
Asks after every call of a norm layer in a watched run whether its running statistics are still
finite, and whether its input was.

## Why is this bad?
As EB202: evaluation gives NaN from then on, whatever training does later. Knowing the step and
the first layer tells the cause: if the input was finite, the layer's own statistics overflowed;
if not, something before it did.

## Example
```python
with torch.autocast("cuda", torch.float16):
    loss = model(x)  # one activation reaches 65504
```

## Use instead
A smaller learning rate at the start, or bfloat16, or the overflowing layer in float32; and
statistics from before that step:
```python
from evenbatch.torch import refresh

refresh(model, loader)
```

## Source
[pytorch#88474](https://github.com/pytorch/pytorch/issues/88474),
[pytorch#90342](https://github.com/pytorch/pytorch/issues/90342)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB503", Severity.ERROR, "run")
def statistics_broke(subject: Subject) -> Iterator[Found]:
    """Layers whose statistics were finite before, the first to break first."""
    if subject.run is None:
        return
    broke = {p: s for p, s in subject.run.seen.items() if s.broke_at is not None}
    if not broke:
        return
    paths = sorted(broke, key=lambda path: broke[path].broke_at or 0)
    first = broke[paths[0]]
    cause = (
        "its input was finite: the statistics themselves overflowed"
        if first.broke_on_finite_input
        else "its input was not finite: look before it"
    )
    yield Found(
        tuple(paths),
        f"running statistics became infinite or NaN in training pass {first.broke_at}, first in "
        f"{paths[0]!r}; {cause}.",
        "statistics from before that step (a checkpoint, or evenbatch.torch.refresh), and the "
        "cause out of half precision.",
        {"layers": len(paths), "training_pass": first.broke_at or 0},
    )
