"""SyncBatchNorm in a model that runs on one process or is to be exported.

## What it does
Looks for SyncBatchNorm in a model that is about to be deployed, or lies on the CPU and is not
declared to train on several devices.

## Why is this bad?
SyncBatchNorm is for training on accelerators with a process group. On the CPU training on several
processes fails ("expected input tensor to be on GPU"), TorchScript cannot compile it, converters
may not know it, and it takes input of any number of dimensions. PyTorch converts batch norm to it
and has no way back.

## Example
```python
model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
torch.onnx.export(model, x)
```

## Use instead
```python
from evenbatch.torch import unsync

unsync(model, batch=x)
```
or export a model built with ``nn.BatchNorm2d`` and load the weights: their names are the same.
The automatic fix does the former; it needs a batch to know the dimension.

## Source
[pytorch#41081](https://github.com/pytorch/pytorch/issues/41081),
[pytorch#48075](https://github.com/pytorch/pytorch/issues/48075),
[mmocr#398](https://github.com/open-mmlab/mmocr/issues/398),
[yolov5#1018](https://github.com/ultralytics/yolov5/issues/1018)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


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
    runs = subject.sample is not None and not subject.sample.evaluating.error
    yield Found(
        tuple(norm.path for norm in synced),
        f"{counted(len(synced), 'SyncBatchNorm layer')}, and {why}.",
        "the plain BatchNorm1d, 2d or 3d in these places (evenbatch.torch.unsync); the weights' "
        "names are the same.",
        {"layers": len(synced)},
        partial(_replace, subject) if runs and synced[0].path else None,
    )


def _replace(subject: Subject) -> str:
    from evenbatch.torch.rewrite import unsync

    assert subject.sample is not None
    done = unsync(subject.model, batch=subject.sample.inputs)
    if done.refused:
        done.undo()
        raise ValueError(f"{done.refused[0]}")
    return f"{counted(len(done), 'SyncBatchNorm layer')} replaced by plain batch norms"
