"""An eps as large as the variance it is added to: the layer hardly normalizes.

## What it does
Compares, on the given batch, the variances behind each layer's statistics with its eps, and
reports layers whose eps is more than ten times the median of those that are not zero.

## Why is this bad?
The layer divides by √(variance + eps). Where eps is the larger part, the output's spread is not 1
but depends on the input's scale, which is what the layer was there to prevent. It happens with
inputs in small units (1e-3 and below), very small initial weights, and an eps copied from
elsewhere.

## Example
```python
nn.Sequential(nn.BatchNorm1d(4), ...)  # features of size 1e-4
```

## Use instead
Inputs in units of about 1, or a smaller eps:
```python
nn.BatchNorm1d(4, eps=1e-12)
```

## Source
[vision#2599](https://github.com/pytorch/vision/issues/2599),
[wenet#907](https://github.com/wenet-e2e/wenet/issues/907)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief

SMALLER = 10  # eps at ten times the variance: a spread of 0.3
NOTHING = 1e4  # at so many times it the input is as good as 0, and what made it so is the cause


@rule("EB207", Severity.WARNING, "batch")
def eps_dominates(subject: Subject) -> Iterator[Found]:
    """Layers whose eps is ten times the median of their variances that are not zero."""
    if subject.sample is None or subject.sample.inputs.synthetic:
        return
    found = {}
    for norm in subject.norms:
        middle = _median_variance(subject, norm)
        if norm.eps is None or middle is None or not norm.does.affine:
            continue
        eps = norm.eps if norm.does.eps_place == "variance" else norm.eps**2
        if middle * SMALLER < eps < middle * NOTHING:
            found[norm.path] = (norm.eps, middle, math.sqrt(middle / (middle + eps)))
    if found:
        worst = min(found, key=lambda path: found[path][2])
        eps, middle, spread = found[worst]
        yield Found(
            tuple(found),
            f"in {worst!r} eps is {brief(eps)}, and the median variance on this batch "
            f"{brief(middle)}: the output's spread is {brief(spread)} instead of 1.",
            f"inputs (or weights) of a larger scale, or an eps well below {brief(middle)}.",
            {"layers": len(found), "eps": eps, "median_variance": middle, "spread": spread},
        )


def _median_variance(subject: Subject, norm: Norm) -> float | None:
    """Over the calls of the pass with batch statistics; None if all are zero or unknown."""
    assert subject.sample is not None
    calls = [call for call in subject.sample.training.calls.get(norm.key, []) if call.values > 1]
    if not calls:
        return None
    variances = torch.cat([call.variances for call in calls])
    variances = variances[variances > 0]
    return float(variances.median()) if variances.numel() else None
