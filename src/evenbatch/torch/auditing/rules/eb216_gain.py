"""A channel that evaluation multiplies by hundreds, or by nothing.

## What it does
Calculates what evaluation multiplies each channel by, gamma / √(running variance + eps). Looks for
channels whose running variance is next to nothing and whose factor is a hundred times that of the
others, and for gammas of 0 in trained layers.

## Why is this bad?
A feature that was constant while training has a running variance of 0, and its factor is
1 / √eps, 316. The first other value in production comes out hundreds of standard deviations off,
and so does everything behind it. A channel with a gamma of 0 passes nothing on.

## Example
```python
x[:, 3] = 0  # in all of the training data
```

## Use instead
Leave out features that are constant in training, or give them a floor:
```python
norm.running_var.clamp_(min=1e-2)
```
or a larger eps.

## Source
[pytorch#5410](https://github.com/pytorch/pytorch/issues/5410),
[equinox#955](https://github.com/patrick-kidger/equinox/issues/955)
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import LITTLE
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.norms import running_statistics
from evenbatch.torch.models.words import brief, counted

TIMES = 100  # the median factor of the layer


@rule("EB216", Severity.WARNING, "state")
def gain_out_of_range(subject: Subject) -> Iterator[Found]:
    """Channels with a factor far from the others'."""
    for norm in subject.norms:
        factors = None if norm.fresh else _factors(norm)
        if factors is None:
            continue
        var, factor = factors
        usual = float(factor.median())
        large = (factor > TIMES * max(usual, 1e-3)) & (var < LITTLE * var.median())
        nothing = factor < 1e-6 * usual
        if bool(large.any()):
            at = int(factor.argmax())
            smallest = float(var[at]) - (norm.eps or 0.0)
            yield Found(
                (norm.path,),
                f"{counted(int(large.sum()), 'channel')} of {len(var)} had no spread in training: "
                f"the running variance of channel {at} is {brief(max(smallest, 0.0))}, and a value "
                f"1 off the mean comes out as {brief(float(factor[at]))}, in the others as "
                f"{brief(usual)}.",
                "leave constant features out; or a floor for the running variance; or eps.",
                {"channels": int(large.sum()), "factor": float(factor[at]), "usual": usual},
            )
        if bool(nothing.any()):
            yield Found(
                (norm.path,),
                f"gamma is 0 in {counted(int(nothing.sum()), 'channel')} of {len(var)}: in these "
                "evaluation and training alike give beta, whatever comes in.",
                "prune them, if that is meant; else look for what drew gamma to 0 (weight decay).",
                {"channels": int(nothing.sum())},
                severity=Severity.INFO,
            )


def _factors(norm: Norm) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Variance with eps, and what evaluation multiplies by, for each channel of a layer that
    counts on both."""
    running = running_statistics(norm)
    if running is None or not norm.does.uses_kept or len(running[1]) < 2:
        return None
    gamma, var = norm.parameters.get(norm.does.gamma), running[1]
    gain = torch.ones_like(var) if gamma is None else gamma.detach().double().cpu().flatten()
    if gain.shape != var.shape or not bool(torch.isfinite(gain).all()):
        return None
    factor = (gain + norm.does.offset).abs() if gamma is not None else gain
    return (var, factor / var.sqrt()) if bool(factor.any()) else None
