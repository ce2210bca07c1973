"""A batch norm momentum that keeps almost nothing of the past, or takes in nothing.

## What it does
Looks at the momentum of batch norms with running statistics: 0.5 and more, zero, or outside 0 to
1.

## Why is this bad?
PyTorch's momentum is the weight of the *new* batch: 0.1 by default. Keras, TensorFlow, Paddle and
JAX libraries give the weight of the *old* value: 0.99 there is 0.01 here, Paddle's 0.9 is 0.1.
Copied as it is, 0.99 makes the running statistics those of the last batch, and evaluation as
noisy as that; 0 never moves them from 0 and 1.

## Example
```python
nn.BatchNorm2d(64, momentum=0.99)
```

## Use instead
```python
nn.BatchNorm2d(64, momentum=0.01)
```

## Source
[vision#8250](https://github.com/pytorch/vision/issues/8250) (0.99),
[pretrained-models.pytorch#5](https://github.com/Cadene/pretrained-models.pytorch/issues/5) (0),
[transformers#19454](https://github.com/huggingface/transformers/issues/19454)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.words import brief, counted

HIGH = 0.5  # above it the running statistics are those of the last few batches


@rule("EB205", Severity.WARNING, "tree")
def momentum_out_of_range(subject: Subject) -> Iterator[Found]:
    """Batch norms by their unusual momentum."""
    by_value: dict[float, list[Norm]] = {}
    for norm in subject.of_kind("batch"):
        value = norm.momentum
        if value is None or not norm.tracks or 0 < value < HIGH:
            continue
        if value == 0 and (norm.frozen or not subject.trains):
            continue  # frozen on purpose
        by_value.setdefault(value, []).append(norm)
    for value, norms in by_value.items():
        good = _meant(value)
        yield Found(
            tuple(norm.path for norm in norms),
            _says(value),
            f"momentum={good:g}"
            + (", if the number came from Keras, TensorFlow or JAX." if value >= HIGH else "."),
            {"layers": len(norms), "momentum": value},
            partial(_set, [norm.module for norm in norms], good)
            if all(getattr(norm.module, "momentum", None) == value for norm in norms)
            else None,
            severity=None if 0 <= value <= 1 else Severity.ERROR,
        )


def _says(value: float) -> str:
    if value == 0:
        return (
            "momentum = 0: the running statistics never move, so evaluation does not use what "
            "training saw."
        )
    if not 0 < value <= 1:
        return f"momentum = {brief(value)} is no weight of an average; it lies between 0 and 1."
    past = f"{brief(100 * (1 - value) ** 2)} %"
    return (
        f"momentum = {value:g}: in PyTorch this is the weight of the newest batch; of "
        f"everything before the last two batches {past} remains in the running statistics."
    )


def _meant(value: float) -> float:
    return round(1 - value, 10) if HIGH <= value < 1 else 0.1


def _set(norms: list[Any], momentum: float) -> str:
    for norm in norms:
        norm.momentum = momentum
    return f"momentum = {momentum:g} in {counted(len(norms), 'batch norm')}"
