"""A norm layer whose parameters and running statistics have different types.

## What it does
Compares the types of gamma, beta, running mean and running variance.

## Why is this bad?
Batch norm takes half-precision input with everything else in float32, or everything in one type.
Other mixtures fail in the forward pass with "expected scalar type Half but found Float" or "mixed
dtype". They come from casting parameters without buffers, as sharding and mixed-precision
wrappers do.

## Example
```python
for p in model.parameters():
    p.data = p.data.half()
```

## Use instead
```python
with torch.autocast("cuda", torch.float16):
    ...
```
or ``module.float()`` on the norm layers, which is what the automatic fix does.

## Source
[pytorch#75478](https://github.com/pytorch/pytorch/issues/75478),
[torchtitan#674](https://github.com/pytorch/torchtitan/issues/674)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.known import own_code
from evenbatch.torch.models.words import counted


@rule("EB213", Severity.ERROR, "state")
def mixed_types(subject: Subject) -> Iterator[Found]:
    """Layers whose own tensors differ in type."""
    found = []
    for norm in subject.norms:
        tensors = {**norm.parameters, **_named(norm)}
        if own_code(norm.module) and len({tensor.dtype for tensor in tensors.values()}) > 1:
            found.append((norm, tensors))
    if found:
        shown = ", ".join(
            f"{name} {str(tensor.dtype).removeprefix('torch.')}"
            for name, tensor in found[0][1].items()
        )
        yield Found(
            tuple(norm.path for norm, _ in found),
            f"{counted(len(found), 'layer')} mix types ({shown}); the forward pass fails for every "
            "type of input.",
            "one type for all four, float32 if in doubt.",
            {"layers": len(found)},
            partial(_widen, [norm.module for norm, _ in found]),
            moves=True,
        )


def _named(norm: Norm) -> dict[str, torch.Tensor]:
    """What it keeps, by name."""
    named = {kept.role: kept.name for kept in norm.does.kept}
    return {named[role]: values for role, values in norm.statistics.items()}


def _widen(norms: list[Any]) -> str:
    for norm in norms:
        norm.float()
    return f"{counted(len(norms), 'layer')} cast to float32"
