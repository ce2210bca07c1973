"""SyncBatchNorm in a model that runs on one process or is to be exported.

## What it does
Looks for SyncBatchNorm in a model that is about to be deployed, or lies on the CPU and is not
declared to train on several devices.

## Why is this bad?
SyncBatchNorm is for training with a process group. On the CPU its training across processes is
not supported, exporters and quantizers do not know it, and it does not check the number of
dimensions. PyTorch converts batch norm to it and has no way back.

## Example
```python
model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
torch.onnx.export(model, x)
```

## Use instead
Export a model built with ``nn.BatchNorm2d``, and load the weights: their names are the same. The
automatic fix puts the plain layer of the right dimension in place; it needs a batch to know it.

## Source
[pytorch#41081](https://github.com/pytorch/pytorch/issues/41081),
[pytorch#48075](https://github.com/pytorch/pytorch/issues/48075),
[mmocr#398](https://github.com/open-mmlab/mmocr/issues/398),
[yolov5#1018](https://github.com/ultralytics/yolov5/issues/1018)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity, counted
from evenbatch.torch.auditing.layers import Norm, put
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject

PLAIN = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@rule("EB603", Severity.WARNING, "tree + context")
def sync_batch_norm_alone(subject: Subject) -> Iterator[Found]:
    """SyncBatchNorm layers where nothing is there to be in sync with."""
    synced = [norm for norm in subject.of_kind("batch") if norm.synced]
    on_cpu = all(p.device.type == "cpu" for p in subject.model.parameters())
    alone = subject.context.world_size == 1 and on_cpu
    if not synced or not (alone or subject.context.deploy):
        return
    why = (
        "the model is about to be deployed"
        if subject.context.deploy
        else ("the model is on the CPU, and one device is declared")
    )
    dims = {norm.path: _dims(subject, norm) for norm in synced}
    known = all(dim in PLAIN and path for path, dim in dims.items())
    yield Found(
        tuple(dims),
        f"{counted(len(synced), 'SyncBatchNorm layer')}, and {why}.",
        "the plain BatchNorm1d, 2d or 3d in these places; the weights' names are the same.",
        {"layers": len(synced)},
        partial(_replace, subject.model, synced, dims) if known else None,
    )


def _dims(subject: Subject, norm: Norm) -> int:
    calls = subject.sample.evaluating.calls.get(norm.path, []) if subject.sample else []
    return len(calls[0].shape) if calls else 0


def _replace(model: nn.Module, synced: list[Norm], dims: dict[str, int]) -> str:
    for norm in synced:
        old = norm.module
        new = PLAIN[dims[norm.path]](
            old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats
        )
        for name, parameter in old._parameters.items():
            new._parameters[name] = parameter
        for name, buffer in old._buffers.items():
            new._buffers[name] = buffer
        new.train(old.training)
        for path in (norm.path, *norm.aliases):
            put(model, path, new)
    return f"{counted(len(synced), 'SyncBatchNorm layer')} replaced by plain batch norms"
