"""Running statistics kept in half precision.

## What it does
Looks for running means and variances in float16 or bfloat16.

## Why is this bad?
``model.half()`` casts buffers too. A float16 variance below 3e-8 becomes 0, one above 65504
infinite. A running average adds a tenth of a difference: in bfloat16, which has 8 significant
bits, differences below about 4 % of the value are lost, and the average stops short of where it
should be.

## Example
```python
model.half()
```

## Use instead
```python
model.half()
for module in model.modules():
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        module.float()
```
Batch norm takes half-precision input with float32 parameters. Or train under ``torch.autocast``,
which leaves the model in float32. The automatic fix casts these layers to float32.

## Source
[pytorch#75478](https://github.com/pytorch/pytorch/issues/75478),
[torchtitan#674](https://github.com/pytorch/torchtitan/issues/674),
[Lightning#18802](https://github.com/Lightning-AI/pytorch-lightning/issues/18802)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.words import counted

HALF = (torch.float16, torch.bfloat16)


@rule("EB209", Severity.WARNING, "state")
def half_precision_statistics(subject: Subject) -> Iterator[Found]:
    """Layers with statistics in half precision throughout."""
    found = [norm for norm in subject.norms if _halved(norm)]
    if not found:
        return
    spreads = [s for norm in found for role, s in norm.statistics.items() if role != "mean"]
    zeros = sum(int((spread == 0).sum()) for spread in spreads)
    word = str(next(iter(found[0].statistics.values())).dtype).removeprefix("torch.")
    gone = f" {counted(zeros, 'variance')} became 0." if zeros else ""
    yield Found(
        tuple(norm.path for norm in found),
        f"the running statistics of {counted(len(found), 'layer')} are {word}.{gone}",
        "cast the batch norms back to float32; they take half-precision input all the same.",
        {"layers": len(found), "dtype": word, "zero_variances": zeros},
        partial(_widen, [norm.module for norm in found]),
        moves=True,
    )


def _halved(norm: Norm) -> bool:
    tensors = (*norm.statistics.values(), *norm.parameters.values())
    return bool(norm.statistics) and all(tensor.dtype in HALF for tensor in tensors)


def _widen(norms: list[Any]) -> str:
    for norm in norms:
        norm.float()
    return f"{counted(len(norms), 'layer')} cast to float32"
