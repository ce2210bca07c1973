"""Dropout is on while a model adapts to its test data.

## What it does
Looks for a model of which only the norm layers train, on statistics that are the batch's in
evaluation too, while dropout layers are in training mode.

## Why is this bad?
Test-time adaptation sets the whole model to training mode, so that batch norm uses the batch's
statistics, and takes its predictions from there. Dropout is then on as well: each prediction
leaves out features at random, and the entropy that is minimized is that of a random subnetwork.

## Example
```python
model.train()
model.requires_grad_(False)
for m in model.modules():
    if isinstance(m, nn.BatchNorm2d):
        m.requires_grad_(True)
        m.track_running_stats, m.running_mean, m.running_var = False, None, None
```

## Use instead
```python
model.eval()  # without running statistics batch norm uses the batch's in this mode too
```
The automatic fix sets the dropout layers to evaluation mode.

## Source
[tent#17](https://github.com/DequanWang/tent/issues/17)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB104", Severity.WARNING, "state")
def dropout_while_adapting(subject: Subject) -> Iterator[Found]:
    """Dropout layers in training mode in a model whose norm layers alone train."""
    adapting = [norm for norm in subject.of_kind("batch") if norm.does.mixes and not norm.does.kept]
    theirs = {id(p) for norm in adapting for p in norm.parameters.values()}
    trained = {id(p) for p in subject.model.parameters() if p.requires_grad}
    if not trained or not trained <= theirs:
        return
    found = {
        path: module
        for path, module in subject.model.named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.training and module.p > 0
    }
    if found:
        rates = ", ".join(brief(p) for p in sorted({module.p for module in found.values()}))
        yield Found(
            tuple(found),
            f"only {counted(len(adapting), 'batch norm')} without running statistics train, and "
            f"{counted(len(found), 'dropout layer')} (p = {rates}) "
            f"{'is' if len(found) == 1 else 'are'} in training mode too: every prediction leaves "
            "out features at random.",
            "dropout in evaluation mode: model.eval(), which these batch norms do not need to be "
            "out of.",
            {"layers": len(adapting), "dropouts": len(found)},
            partial(_eval, list(found.values())),
        )


def _eval(dropouts: list[Any]) -> str:
    for dropout in dropouts:
        dropout.eval()
    return f"{counted(len(dropouts), 'dropout layer')} set to evaluation mode"
