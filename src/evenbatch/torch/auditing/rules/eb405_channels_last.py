"""A batch norm on input whose channels come last.

## What it does
Measures which axis a batch norm takes for the channels, and follows in the graph on which axis the
features lie of the layer that feeds it: (N, L, C) where (N, C, L) is meant. If L differs from the
number of channels, the forward pass fails, which is seen as well.

## Why is this bad?
BatchNorm1d takes dimension 1 for the channels. Linear layers, attention and layer norm have them
last. With L = C nothing fails: positions are normalized instead of channels, and the running
statistics mean something else. So does a BatchNorm1d made for as many channels as there are nodes
or positions, unless that is meant: it works for one number of nodes only, and the layer before it
keeps its bias.

## Example
```python
y = self.linear(x)  # (N, L, C)
y = self.bn(y)
```

## Use instead
```python
y = self.bn(y.transpose(1, 2)).transpose(1, 2)
```

## Source
[pytorch#76613](https://github.com/pytorch/pytorch/issues/76613),
[rcg#9](https://github.com/LTH14/rcg/issues/9),
[pytorch_geometric#1066](https://github.com/pyg-team/pytorch_geometric/issues/1066)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import features
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB405", Severity.ERROR, "batch + graph")
def channels_last(subject: Subject) -> Iterator[Found]:
    """Batch norms that take another axis for the channels than the layer before them."""
    for norm in subject.of_kind("batch"):
        axis = norm.does.channel
        call = next((c for c in subject.calls(norm) if len(c.shape) > 2), None)
        if call is None or axis is None or norm.call:
            continue
        shape, last = call.shape, len(call.shape) - 1
        expected = getattr(norm.module, "num_features", shape[axis])
        fed = features(subject.graph.into(norm.path)) if subject.graph is not None else None
        severity = None
        if shape[axis] != expected and shape[last] == expected:
            says = f"its input {shape} has {shape[axis]} channels where {expected} are expected; "
            says += f"the last dimension has {expected}."
        elif fed == last != axis and shape[last] == shape[axis]:
            says = f"its input {shape} comes from a layer that puts channels last, and fits only "
            says += f"because length and channels are both {expected}: positions are normalized."
        elif fed == last != axis:
            severity = Severity.WARNING
            says = (
                f"its input {shape} comes from a layer that puts its {shape[last]} features last, "
            )
            says += f"and normalizes axis {axis}: each of its {expected} positions (or nodes) has "
            says += "statistics of its own, over all features. Right only if that layer works "
            says += "along positions, as one over time steps does."
        else:
            continue
        yield Found(
            (norm.path,),
            says,
            "transpose(1, 2) before the layer and after it, or layer norm.",
            {"length": shape[axis], "channels": expected},
            severity=severity,
        )
