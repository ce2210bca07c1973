"""A batch norm in training mode inside a model in evaluation mode.

## What it does
Looks for norm layers with running statistics that are in training mode while the model is not.

## Why is this bad?
Predictions then use the batch's statistics, and every prediction moves the running ones;
``torch.no_grad`` and ``torch.inference_mode`` do not stop that. It comes from calling ``eval()``
on a part of the model, from modules kept in plain lists, and from ``train()`` methods of one's
own.

## Example
```python
model.eval()
model.backbone.train()
```

## Use instead
```python
model.eval()
```
The automatic fix sets these layers to evaluation mode.

## Source
[robustdg#30](https://github.com/microsoft/robustdg/issues/30),
[pytorch_stacked_hourglass#44](https://github.com/princeton-vl/pytorch_stacked_hourglass/issues/44)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB212", Severity.ERROR, "state")
def training_inside_eval(subject: Subject) -> Iterator[Found]:
    """Layers whose statistics move although the model is in evaluation mode."""
    if subject.model.training:
        return
    found = [norm for norm in subject.norms if norm.moves_when_training and norm.module.training]
    if found:
        yield Found(
            tuple(norm.path for norm in found),
            f"the model is in evaluation mode, {counted(len(found), 'norm layer')} in it "
            f"{'is' if len(found) == 1 else 'are'} in training mode: predictions depend on the "
            "batch, and move the running statistics.",
            "model.eval() on the whole model, after everything that calls train().",
            {"layers": len(found)},
            partial(_eval, [norm.module for norm in found]),
        )


def _eval(norms: list[Any]) -> str:
    for norm in norms:
        norm.eval()
    return f"{counted(len(norms), 'norm layer')} set to evaluation mode"
