"""BatchNorm1d on input whose channels come last.

## What it does
Looks at three-dimensional input of BatchNorm1d: (N, L, C) where (N, C, L) is meant. If L differs
from C, the forward pass fails; if they are equal, the graph tells whether a linear or layer norm
layer, which put channels last, feeds it.

## Why is this bad?
BatchNorm1d takes dimension 1 for the channels. Linear layers, attention and layer norm have them
last. With L = C nothing fails: positions are normalized instead of channels, and the running
statistics mean something else.

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
[rcg#9](https://github.com/LTH14/rcg/issues/9)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import Graph, Op
from evenbatch.torch.auditing.layers import Norm
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject

CHANNELS_LAST = ("linear", "layer_norm", "rms_norm", "embedding", "scaled_dot_product_attention")
KEEPS_AXES = ("relu", "gelu", "silu", "tanh", "sigmoid", "dropout", "leaky_relu", "elu")


@rule("EB405", Severity.ERROR, "batch + graph")
def channels_last(subject: Subject) -> Iterator[Found]:
    """BatchNorm1d layers given (N, L, C)."""
    if subject.sample is None:
        return
    for norm in subject.of_kind("batch"):
        channels = getattr(norm.module, "num_features", None)
        calls = subject.sample.evaluating.calls.get(norm.path, [])
        shape = next((call.shape for call in calls if len(call.shape) == 3), None)
        if shape is None or channels is None or shape[2] != channels:
            continue
        if shape[1] != channels:
            says = f"its input {shape} has {shape[1]} channels where {channels} are expected; the"
            says += f" last dimension has {channels}."
        elif subject.graph is not None and _fed_channels_last(subject.graph, norm):
            says = f"its input {shape} comes from a layer that puts channels last, and fits only "
            says += f"because length and channels are both {channels}: positions are normalized."
        else:
            continue
        yield Found(
            (norm.path,),
            says,
            "transpose(1, 2) before the layer and after it, or layer norm.",
            {"length": shape[1], "channels": channels},
        )


def _fed_channels_last(graph: Graph, norm: Norm) -> bool:
    for op in graph.of_kind("batch_norm"):
        if op.owner in (norm.path, *norm.aliases):
            source: Op | None = op.source
            while source is not None and source.kind in KEEPS_AXES:
                source = source.source
            return source is not None and source.kind in CHANNELS_LAST
    return False
