"""An eps that vanishes: a constant input gives NaN or infinity.

## What it does
Gives each norm layer an input of zeros, in the type of its parameters and, if mixed precision is
declared, in that type, and looks for NaN and infinity.

## Why is this bad?
eps keeps the division finite where the variance is zero: dead channels, padding, the first steps.
1e-8 is fine in float32 and zero in float16, whose smallest number is 6e-8. PyTorch's own layers
calculate in float32 inside and stand it; layers written by hand often do not.

## Example
```python
x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-8)  # x is float16
```

## Use instead
```python
y = x.float()
(y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)
```
or ``nn.RMSNorm``. The automatic fix sets the layer's eps to 1e-5.

## Source
[wenet#907](https://github.com/wenet-e2e/wenet/issues/907),
[pytorch#41527](https://github.com/pytorch/pytorch/issues/41527)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import types_met, wrong_channels
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief, counted

SAFE = 1e-5


@rule("EB206", Severity.ERROR, "state + batch + context")
def eps_vanishes(subject: Subject) -> Iterator[Found]:
    """Layers that turn zeros into NaN or infinity, by the type they do it in."""
    by_type: dict[torch.dtype, list[Norm]] = {}
    for norm in subject.norms:
        for dtype in types_met(subject, norm):
            if dtype in norm.does.zeros and not wrong_channels(norm):
                by_type.setdefault(dtype, []).append(norm)
                break
    for dtype, norms in by_type.items():
        eps = norms[0].eps
        word = str(dtype).removeprefix("torch.")
        known = "" if eps is None else f" eps = {brief(eps)}"
        if eps is not None:
            as_stored = float(torch.tensor(eps, dtype=dtype))
            known += f", which is {brief(as_stored)} in {word}." if as_stored != eps else "."
        own = [getattr(norm.module, _eps_name(norm.module), None) for norm in norms]
        settable = all(
            e is not None and e < SAFE and not n.call for e, n in zip(own, norms, strict=True)
        )
        enough = all(e is not None and e >= SAFE for e in own)  # so it is not what is missing
        cause = "keep what else it divides by away from zero" if enough else f"eps={brief(SAFE)}"
        yield Found(
            tuple(norm.path for norm in norms),
            f"{counted(len(norms), 'layer')} given zeros in {word} gave NaN or infinity.{known}",
            f"{cause}, or calculate in float32 inside the layer.",
            {"layers": len(norms), "dtype": word, **({} if eps is None else {"eps": eps})},
            partial(_raise_eps, [norm.module for norm in norms]) if settable else None,
            moves=True,
        )


def _eps_name(module: Any) -> str:
    names = ("eps", "epsilon", "variance_epsilon")
    return next((n for n in names if isinstance(getattr(module, n, None), float)), "")


def _raise_eps(norms: list[Any]) -> str:
    for norm in norms:
        setattr(norm, _eps_name(norm), SAFE)
    return f"eps = {brief(SAFE)} in {counted(len(norms), 'layer')}"
