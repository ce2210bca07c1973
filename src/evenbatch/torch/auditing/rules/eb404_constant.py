"""A group, layer, instance or RMS norm over one value: its output does not depend on its input.

## What it does
Counts the values behind each mean and variance: on the given batch, and for layer and RMS norm
from the layer's shape alone.

## Why is this bad?
One value minus its mean is zero, so the output is beta (for RMS norm gamma times the sign),
whatever comes in: everything the layers before it learned is lost. It is what replacing batch
norm by ``GroupNorm(C, C)`` does to a layer whose input is (N, C). PyTorch refuses for instance
norm, and for group norm on one example; it says nothing for the others.

## Example
```python
nn.Sequential(nn.Linear(64, 32), nn.GroupNorm(32, 32))
```

## Use instead
```python
nn.Sequential(nn.Linear(64, 32), nn.GroupNorm(4, 32))
```

## Source
[opacus#567](https://github.com/pytorch/opacus/issues/567),
[opacus#390](https://github.com/pytorch/opacus/issues/390),
[pytorch#45687](https://github.com/pytorch/pytorch/issues/45687),
[CycleGAN#395](https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix/issues/395)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm

ENOUGH = 8  # values in a group; of two, one becomes 1 and the other -1, whatever they are


@rule("EB404", Severity.ERROR, "tree + batch")
def constant_output(subject: Subject) -> Iterator[Found]:
    """Layers with one value behind each mean and variance."""
    for norm in subject.norms:
        if norm.kind in ("batch", "frozen batch"):
            continue
        shape = _shape_with_one_value(subject, norm)
        if shape is None:
            continue
        seen = f"its input {shape} leaves" if shape else "its shape leaves"
        yield Found(
            (norm.path,),
            f"{seen} one value behind each mean and variance: the output is the same for every "
            "input.",
            _fix(norm, shape),
            {"values": 1},
        )


def _shape_with_one_value(subject: Subject, norm: Norm) -> tuple[int, ...] | None:
    for call in subject.calls(norm):
        if call.values == 1:
            return call.shape
    normalized = getattr(norm.module, "normalized_shape", None)
    if isinstance(normalized, (tuple, list)) and math.prod(normalized) == 1:
        return ()
    return None


def _fix(norm: Norm, shape: tuple[int, ...]) -> str:
    if hasattr(norm.module, "num_groups") and len(shape) > 1:
        channels = int(getattr(norm.module, "num_channels", shape[1]))
        space = math.prod(shape[2:])
        fits = [
            groups for groups in range(1, channels + 1)
            if channels % groups == 0 and channels // groups * space >= ENOUGH
        ]  # fmt: skip
        groups = max(fits, default=1)
        values = channels // groups * space
        if values == 1:
            return "no norm in this place."
        return f"num_groups={groups}, which leaves {values} values to each, or no norm here."
    return "no norm in this place, or one over more values (nn.LayerNorm over the channels)."
