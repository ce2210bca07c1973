"""A layer norm over positions where the layer before it has its features elsewhere.

## What it does
Measures over which axes a layer or RMS norm takes its statistics, and follows in the graph on
which axis the features lie of the layer that feeds it.

## Why is this bad?
``nn.LayerNorm(C)`` normalizes the last axis. A convolution puts its channels on axis 1, and where
the width happens to be C nothing fails: each row of a picture is normalized over its width, the
channels are not compared, and gamma and beta belong to columns of the picture. Another size of
picture fails, or is another function.

## Example
```python
y = self.norm(self.conv(x))  # (N, C, H, C), self.norm is nn.LayerNorm(C)
```

## Use instead
```python
y = self.norm(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
```
or ``nn.GroupNorm(1, C)``, which takes its statistics over channels and positions.

## Source
[ConvNeXt#112](https://github.com/facebookresearch/ConvNeXt/issues/112),
[ConvNeXt#136](https://github.com/facebookresearch/ConvNeXt/issues/136),
[pytorch#71465](https://github.com/pytorch/pytorch/issues/71465)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import features
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.behaviour import OWN


@rule("EB408", Severity.WARNING, "batch + graph")
def normalized_over_positions(subject: Subject) -> Iterator[Found]:
    """Layer and RMS norms whose statistics leave out the axis of the features."""
    if subject.graph is None:
        return
    for norm in subject.of_kind("layer", "rms"):
        axis = features(subject.graph.into(norm.path))
        call = next(iter(subject.calls(norm)), None)
        words = None if call is None else norm.does.axes_for(call.shape)
        if norm.call or call is None or axis is None or words is None or words[axis] != OWN:
            continue
        if norm.does.channel == axis:
            continue  # gamma and beta belong to the features: instance norm
        over = [i for i, word in enumerate(words) if word != OWN]
        yield Found(
            (norm.path,),
            f"its input {call.shape} comes from a layer that has its features on axis {axis}; "
            f"the statistics are taken over {'axis' if len(over) == 1 else 'axes'} "
            f"{', '.join(map(str, over))}: positions are normalized, not features.",
            "move the features to the last axis before it (permute) and back after it, or "
            "nn.GroupNorm(1, C).",
            {"features": axis, "normalized": over[0]},
        )
