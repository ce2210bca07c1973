"""A batch norm after a linear layer that tools fold onto the wrong axis.

## What it does
For a model about to be deployed: looks for a linear layer whose output has three and more axes
and goes to a batch norm.

## Why is this bad?
A linear layer's features are on the last axis, the batch norm's channels on axis 1. Tools that
fold the one into the other compare two numbers, and where these are equal they scale the wrong
axis in silence, 1 to 4 off: ``torch.jit.freeze``, the XNNPACK partitioner of ExecuTorch,
``fuse_linear_bn_eval``, brevitas (three axes), pnnx for ncnn, OpenVINO from a module without
shapes (four axes and more). Where they are not equal, XNNPACK and OpenVINO refuse to compile, and
pnnx folds all the same.
ONNX Runtime, Inductor and OpenVINO with the shape given are right.

## Example
```python
nn.Sequential(nn.Linear(16, 4), nn.BatchNorm2d(4))  # on (N, 4, 5, 16)
```

## Use instead
Layer norm over the features, or ``transpose(1, -1)`` between the two, if features were meant.

## Source
[ao#4116](https://github.com/pytorch/ao/issues/4116),
[pytorch#118990](https://github.com/pytorch/pytorch/issues/118990); measured, see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject

FOLDS = ("torchscript", "executorch", "openvino", "ncnn", "brevitas")
REFUSES = ("executorch", "openvino")
UNASKED = ("ncnn",)
"""Folds them though the numbers differ."""


@rule("EB605", Severity.ERROR, "graph + context")
def folded_onto_the_wrong_axis(subject: Subject) -> Iterator[Found]:
    """Batch norms whose channels are not the features of the linear layer before them."""
    if subject.graph is None or not subject.context.goes_to(*FOLDS):
        return
    for op in subject.graph.of_kind("batch_norm"):
        source, shape = op.source, op.shape
        if source is None or source.kind != "linear" or shape is None or len(shape) < 3:
            continue
        tool = subject.context.deploy
        if (tool == "openvino" and len(shape) == 3) or (tool == "brevitas" and len(shape) > 3):
            continue  # right there
        one = isinstance(tool, str)
        who = tool if one else "torch.jit.freeze, XNNPACK and others"
        does = f"fold{'s' * one} one into the other, onto the wrong axis."
        equal = shape[1] == shape[-1]
        if subject.deployed and subject.deployed.agrees(op.owner):
            continue
        folds = equal or tool in UNASKED
        if not folds and not subject.context.goes_to(*REFUSES):
            continue
        yield Found(
            (source.owner, op.owner),
            f"the linear layer has its {shape[-1]} features on the last axis of {shape}, the batch "
            f"norm its channels on axis 1: {who} "
            + (does if folds else f"fail{'s' * one} on the pair."),
            "layer norm, or transpose(1, -1) between the two, if features were meant.",
            {"features": shape[-1], "channels": shape[1], "axes": len(shape)},
            severity=None if folds else Severity.WARNING,
        )
