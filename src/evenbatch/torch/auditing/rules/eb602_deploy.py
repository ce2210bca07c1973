"""Batch norm in training mode in a model about to be deployed.

## What it does
For a model about to be deployed: looks for norm layers with running statistics in training mode.

## Why is this bad?
``torch.export``, traces, Core ML, LiteRT and TVM write the mode into the file: it uses the
statistics of the batch it is given, changes its answers with their company, and cannot be
switched back. ``torch.onnx.export``, pnnx and OpenVINO from a module write batch norm with its
running statistics all the same, but leave dropout and instance norms with running statistics in
training. ExecuTorch refuses.

## Example
```python
torch.export.export(model, (x,))  # model.eval() was forgotten
```

## Use instead
```python
torch.export.export(model.eval(), (x,))
```
The automatic fix sets the whole model to evaluation mode.

## Source
[pytorch#115715](https://github.com/pytorch/pytorch/issues/115715),
[ao#4758](https://github.com/pytorch/ao/issues/4758)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn

from evenbatch.torch.auditing.context import ONNX
from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB602", Severity.ERROR, "state + context")
def deployed_in_training_mode(subject: Subject) -> Iterator[Found]:
    """Norm layers that would be exported in training mode."""
    if not subject.context.deploy:
        return
    found = [norm.path for norm in subject.norms if norm.statistics and norm.module.training]
    if not found:
        return
    tool = subject.context.deploy
    severity, becomes = None, "some tools use the batch's own statistics for good"
    if tool in (*ONNX, "openvino", "ncnn"):
        becomes = "dropout and instance norms with running statistics stay in training"
        if not _live(subject) or (subject.deployed is not None and subject.deployed.equal):
            severity = Severity.INFO
            becomes = "the file has the running statistics all the same, by this tool's doing"
    elif isinstance(tool, str):
        becomes = "the batch's own statistics are used for good"
    yield Found(
        tuple(found),
        f"{counted(len(found), 'norm layer')} with running statistics "
        f"{'is' if len(found) == 1 else 'are'} in training mode; exported like this, {becomes}.",
        "model.eval() before exporting.",
        {"layers": len(found)},
        partial(_eval, subject.model),
        severity,
    )


def _live(subject: Subject) -> bool:
    """Whether there is something that a file written by these tools has in training mode."""
    dropouts = any(
        isinstance(module, nn.modules.dropout._DropoutNd) and module.training and module.p > 0
        for module in subject.model.modules()
    )
    return dropouts or any(norm.tracks for norm in subject.of_kind("instance"))


def _eval(model: Any) -> str:
    model.eval()
    return "the model set to evaluation mode"
