"""A norm layer whose arithmetic fails on ordinary numbers.

## What it does
Runs each norm layer on inputs around 300 in float16, if it meets that type, and on inputs with a
mean of 1e4 and a spread of 1 in float32.

## Why is this bad?
Squares of more than 256 are infinite in float16, the mean of squares is infinite, and the output 0,
or NaN: activations of some hundreds are ordinary in deep networks. Under autocast it depends on the
device: on a GPU ``pow`` and ``rsqrt`` are calculated in float32, on a CPU they are not, and
``x * x`` nowhere. A variance as the mean square less the square of the mean cancels where the mean
is large: in float32 at 300 standard deviations little is left of it, beyond 3,000 nothing, or
less.

## Example
```python
x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)  # x is float16
```

## Use instead
```python
wide = x.float()
(wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)
```
and two passes for the variance: ``(x - x.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True)``.

## Source
[pytorch#133085](https://github.com/pytorch/pytorch/pull/133085),
[tiny-llm#18](https://github.com/skyzh/tiny-llm/pull/18),
[pytorch#51102](https://github.com/pytorch/pytorch/issues/51102)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import types_met
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief, counted

NEAR = 100  # rms of an input of which some values are above 256
FAR = 100  # standard deviations between 0 and a mean that is large


@rule("EB218", Severity.WARNING, "batch + context")
def arithmetic_fails(subject: Subject) -> Iterator[Found]:
    """Layers that lose inputs around 300 in float16, or the spread around a large mean."""
    lost = [n for n in subject.norms if set(n.does.lost) & set(types_met(subject, n))]
    if lost:
        largest = max((call.size for norm in lost for call in subject.calls(norm)), default=0.0)
        here = f" On this batch the largest are around {brief(largest)}." if largest else ""
        yield Found(
            tuple(norm.path for norm in lost),
            f"{counted(len(lost), 'layer')} given inputs around 300 in float16 lost them: squares "
            f"overflow, and the output is 0 or not finite.{here}",
            "calculate in float32 inside the layer, and cast its output.",
            {"layers": len(lost), "largest": largest},
            severity=Severity.ERROR if largest >= NEAR else None,
        )
    cancels = [n for n in subject.norms if abs(n.does.large_mean - 1) > 0.1 and n not in lost]
    if cancels:
        worst = max(cancels, key=lambda norm: _far(subject, norm))
        far = _far(subject, worst)
        here = f" On this batch it is up to {brief(far)} deviations." if far else ""
        yield Found(
            tuple(norm.path for norm in cancels),
            f"{counted(len(cancels), 'layer')} given a mean of 1e4 and a spread of 1 made a spread "
            f"of {brief(worst.does.large_mean)} of it ({worst.path!r}): the variance is lost where "
            f"the mean is many deviations from 0.{here}",
            "take the mean off before squaring.",
            {"layers": len(cancels), "spread": worst.does.large_mean, "deviations": far},
            severity=None if far >= FAR else Severity.INFO,
        )


def _far(subject: Subject, norm: Norm) -> float:
    return max((call.far for call in subject.calls(norm)), default=0.0)
