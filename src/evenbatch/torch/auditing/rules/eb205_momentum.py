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
    alike: dict[tuple[float, str], list[Norm]] = {}
    for norm in subject.of_kind("batch"):
        value = norm.momentum
        if value is None or not norm.tracks or 0 < value < HIGH:
            continue
        if value == 0 and (norm.frozen or not subject.trains):
            continue  # frozen on purpose
        means = _means(norm, value)
        if value == 1 and not means:
            continue  # it keeps the last batch's, as a layer does that is given all data at once
        alike.setdefault((value, means), []).append(norm)
    for (value, means), norms in alike.items():
        good = _meant(value)
        yield Found(
            tuple(norm.path for norm in norms),
            _says(value, means),
            _fix(value, means, good),
            {"layers": len(norms), "momentum": value},
            partial(_set, [norm.module for norm in norms], good)
            if all(getattr(norm.module, "momentum", None) == value for norm in norms)
            else None,
            severity=None if 0 <= value <= 1 else Severity.ERROR,
        )


def _means(norm: Norm, value: float) -> str:
    """What the layer's own `momentum` is the weight of: "new", "old", or "" if it has none."""
    own = getattr(norm.module, "momentum", None)
    if norm.is_torch or own == value:
        return "new"
    return "old" if isinstance(own, float | int) and abs(own - (1 - value)) < 1e-3 else ""


def _says(value: float, means: str) -> str:
    if value == 0:
        return (
            "momentum = 0: the running statistics never move, so evaluation does not use what "
            "training saw."
        )
    if not 0 < value <= 1:
        return f"momentum = {brief(value)} is no weight of an average; it lies between 0 and 1."
    past = f"{brief(100 * (1 - value) ** 2)} % remains in the running statistics."
    what = f"momentum = {value:g}: in PyTorch this is the weight of the newest batch"
    if means != "new":
        own = f"momentum = {brief(1 - value)}: " if means else ""
        what = f"{own}the newest batch has the weight {value:g} here"
    return f"{what}; of everything before the last two batches {past}"


def _fix(value: float, means: str, good: float) -> str:
    if means == "old":
        return f"momentum={1 - good:g}, as this class weighs what it keeps with it."
    if not means:
        return f"a weight of {good:g} for the newest batch, in the code of this class."
    why = ", if the number came from Keras, TensorFlow or JAX." if value >= HIGH else "."
    return f"momentum={good:g}{why}"


def _meant(value: float) -> float:
    return round(1 - value, 10) if HIGH <= value < 1 else 0.1


def _set(norms: list[Any], momentum: float) -> str:
    for norm in norms:
        norm.momentum = momentum
    return f"momentum = {momentum:g} in {counted(len(norms), 'batch norm')}"
