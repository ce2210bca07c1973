"""Padding counts in the statistics.

## What it does
If the batch carries a mask (``attention_mask``, ``mask``, ``key_padding_mask``), compares the
mean and variance of each batch, instance and group norm's input with and without the padded
positions.

## Why is this bad?
These layers average over positions. Padding is not data: the more of it a batch holds, the
smaller the variance and the nearer to the padding's value the mean. The output for the same
sequence then depends on how long the longest one in its batch is, and evaluation with other
lengths shifts.

## Example
```python
y = self.bn(self.conv(x))  # x is padded with zeros
```

## Use instead
Batches of similar lengths; layer norm, which looks at one position at a time; or masked
statistics:
```python
from evenbatch.torch import BatchNorm1d

y = self.bn(self.conv(x), mask=mask)
```

## Source
[pytorch#70529](https://github.com/pytorch/pytorch/issues/70529),
[pytorch#81985](https://github.com/pytorch/pytorch/issues/81985),
[Multilingual_Text_to_Speech#81](https://github.com/Tomiinek/Multilingual_Text_to_Speech/issues/81)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from evenbatch.torch.auditing.findings import Found, Severity, brief
from evenbatch.torch.auditing.layers import Norm
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.sample import Call
from evenbatch.torch.auditing.subject import Subject

SHIFT, RATIO = 0.05, 1.1
CHANCE = 2  # times what leaving out as many positions of the same kind would do


@rule("EB406", Severity.WARNING, "batch")
def padding_in_statistics(subject: Subject) -> Iterator[Found]:
    """Layers whose statistics change when padded positions are left out."""
    if subject.sample is None or subject.sample.inputs.mask is None:
        return
    mask = subject.sample.inputs.mask.cpu()
    padded = 1 - float(mask.double().mean())
    found = {}
    for norm in subject.of_kind("batch", "instance", "group"):
        for call in subject.sample.evaluating.calls.get(norm.path, []):
            effect = _effect(norm, call, mask)
            if effect is not None:
                found[norm.path] = effect
                break
    if padded and found:
        path, (shift, ratio) = max(found.items(), key=lambda item: item[1][0])
        yield Found(
            tuple(found),
            f"{brief(100 * padded)} % of the positions are padding. With it the mean in {path!r} "
            f"is off by {brief(shift)} standard deviations and the variance "
            f"is {brief(ratio)} times that of the data.",
            "batches of similar lengths, layer norm, or a layer that takes the mask "
            "(evenbatch.torch.BatchNorm1d).",
            {"padded": padded, "shift": shift, "variance_ratio": ratio},
        )


def _effect(norm: Norm, call: Call, mask: torch.Tensor) -> tuple[float, float] | None:
    """Root mean square shift of the means and median ratio of the variances, if beyond chance."""
    x = call.seen
    if x is None or call.masked or x.dim() != 3 or (x.shape[0], x.shape[2]) != tuple(mask.shape):
        return None  # not (N, C, T) with the mask's N and T
    real = mask[:, None, :].expand_as(x).double()
    if norm.kind == "batch":
        x, real = x.transpose(0, 1), real.transpose(0, 1)
    groups = int(getattr(norm.module, "num_groups", x.shape[1])) if norm.kind == "group" else 0
    kept = 1 if norm.kind == "batch" else 2  # axes with statistics of their own
    rows = (x.shape[0], groups, -1) if groups else (*x.shape[:kept], -1)
    x, real = x.reshape(rows), real.reshape(rows)
    every, inside = x.shape[-1], real.sum(-1)
    mean = (x * real).sum(-1) / inside.clamp(min=1)
    var = ((x - mean[..., None]).square() * real).sum(-1) / inside.clamp(min=1)
    usable = (inside > 1) & (inside < every) & (var > 0)
    if not bool(usable.any()):
        return None
    shifts = ((x.mean(-1) - mean) / var.sqrt())[usable]
    ratio = float((x.var(-1, correction=0) / var)[usable].median())
    chance = float((1 / inside - 1 / every)[usable].mean().sqrt())
    shift = float(shifts.square().mean().sqrt())
    off = shift > max(SHIFT, CHANCE * chance)
    spread = ratio > 0 and abs(math.log(ratio)) > max(
        math.log(RATIO), CHANCE * math.sqrt(2) * chance
    )
    return (shift, ratio) if off or spread else None
