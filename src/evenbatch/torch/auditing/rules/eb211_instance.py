"""An instance norm with running statistics: it normalizes in training only.

## What it does
Looks for instance norms with ``track_running_stats=True``.

## Why is this bad?
Instance norm is meant to normalize every example by itself, in training and in evaluation. With
running statistics it does so in training; in evaluation it applies one average over all examples
instead, so that contrast and style, which it removed in training, come through. Networks trained
one way and evaluated the other give washed-out or noisy images.

## Example
```python
nn.InstanceNorm2d(64, track_running_stats=True)
```

## Use instead
```python
nn.InstanceNorm2d(64)
```

## Source
[CycleGAN#395](https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix/issues/395),
[pytorch#19250](https://github.com/pytorch/pytorch/issues/19250),
[pytorch#58843](https://github.com/pytorch/pytorch/issues/58843)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB211", Severity.WARNING, "tree + batch")
def instance_norm_tracks(subject: Subject) -> Iterator[Found]:
    """Instance norms with running statistics."""
    tracking = [norm for norm in subject.of_kind("instance") if norm.does.uses_kept]
    found = [norm.path for norm in tracking if norm.statistics]
    if not found:
        return
    evidence: dict[str, float | int | str | bool] = {"layers": len(found)}
    gap = subject.sample.gap if subject.sample is not None else None
    measured = ""
    if gap is not None:
        evidence["output_gap"] = gap
        measured = (
            f" On this batch the outputs of the two modes differ by {brief(100 * gap)} % of the "
            "largest."
        )
    yield Found(
        tuple(found),
        f"{counted(len(found), 'instance norm')} with running statistics: each example's own in "
        f"training, an average over all examples in evaluation.{measured}",
        "track_running_stats=False, its default.",
        evidence,
    )
