"""A bias right before a batch norm does nothing.

## What it does
Looks for a linear or convolution layer with a bias whose output goes to a batch norm and nowhere
else.

## Why is this bad?
Batch norm subtracts each channel's mean, and a constant added to a channel is part of that mean.
The bias cancels: its gradient is zero but for rounding, and it costs memory, optimizer state and
a little time. The batch norm's own beta does its work.

## Example
```python
nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64))
```

## Use instead
```python
nn.Sequential(nn.Conv2d(3, 64, 3, bias=False), nn.BatchNorm2d(64))
```
The automatic fix removes the bias and takes it off the running mean too, so that the output in
evaluation mode stays as it is. Checkpoints lose the key.

## Source
[timm#357](https://github.com/huggingface/pytorch-image-models/issues/357),
[Pytorch-UNet#325](https://github.com/milesial/Pytorch-UNet/issues/325)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import Op
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.norms import is_lazy
from evenbatch.torch.models.words import counted


@rule("EB101", Severity.INFO, "graph")
def bias_before_batch_norm(subject: Subject) -> Iterator[Found]:
    """Such layers, each called once and read by its batch norm alone."""
    if subject.graph is None:
        return
    modules = dict(subject.model.named_modules(remove_duplicate=False))
    norms = {path: n for n in subject.norms for path in (n.path, *n.aliases) if not n.call}
    pairs: list[tuple[str, Any, Norm | None]] = []
    for op in subject.graph.of_kind("batch_norm"):
        source = op.source
        if source is None or not _same_channels(source, op):
            continue
        layer = modules.get(source.owner)
        if _only_each_other(subject, source, op) and _has_bias(layer):
            pairs.append((source.owner, layer, norms.get(op.owner)))
    if pairs:
        size = sum(layer.bias.numel() for _, layer, _ in pairs)
        feed, they = ("feeds", "it has") if len(pairs) == 1 else ("feed", "they have")
        yield Found(
            tuple(path for path, _, _ in pairs),
            f"{counted(len(pairs), 'layer')} with a bias {feed} a batch norm, which takes it "
            f"off again; {they} {counted(size, 'parameter')} that nothing depends on.",
            "bias=False in these layers; the batch norm's own beta does the work.",
            {"layers": len(pairs), "parameters": size},
            partial(_remove, [(layer, norm) for _, layer, norm in pairs])
            if not subject.branches and all(_removable(layer, norm) for _, layer, norm in pairs)
            else None,
        )


def _same_channels(source: Op, norm: Op) -> bool:
    """Whether the layer's features are the batch norm's channels: of a linear layer they are the
    last axis."""
    if source.kind in ("conv", "conv_transpose"):
        return True
    return source.kind == "linear" and (norm.shape is None or len(norm.shape) == 2)


def _only_each_other(subject: Subject, source: Op, norm: Op) -> bool:
    """Whether each is called once, and nothing else reads the layer's output."""
    assert subject.graph is not None
    calls = [op.owner for op in subject.graph.ops if op.names]
    return (
        subject.graph.real_users(source) == [norm]
        and calls.count(source.owner) == 1
        and calls.count(norm.owner) == 1
    )


def _has_bias(layer: Any) -> bool:
    bias = getattr(layer, "bias", None)
    return isinstance(bias, torch.nn.Parameter) and not is_lazy(bias)


def _removable(layer: Any, norm: Norm | None) -> bool:
    """Whether it is known what evaluation takes off in the bias's place, and can be changed."""
    if norm is None or norm.kind not in ("batch", "frozen batch"):
        return False
    mean = norm.statistics.get("mean")
    return not norm.does.uses_kept or (mean is not None and mean.shape == layer.bias.shape)


def _remove(pairs: list[tuple[Any, Norm | None]]) -> str:
    for layer, norm in pairs:
        mean = norm.statistics.get("mean") if norm is not None else None
        if mean is not None:
            with torch.no_grad():
                mean -= layer.bias.to(mean.dtype)
        layer.bias = None
    return f"removed {counted(len(pairs), 'bias', 'biases')}"
