"""Batch norm in training mode in a model about to be deployed.

## What it does
For a model about to be deployed: looks for norm layers with running statistics in training mode.

## Why is this bad?
Exporters write the mode into the file. What was exported in training mode uses the statistics of
the batch it is given, changes its answers with their company, and cannot be switched back.

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
    if found:
        yield Found(
            tuple(found),
            f"{counted(len(found), 'norm layer')} with running statistics "
            f"{'is' if len(found) == 1 else 'are'} in training mode; exported like this, the "
            "batch's own statistics are used for good.",
            "model.eval() before exporting.",
            {"layers": len(found)},
            partial(_eval, subject.model),
        )


def _eval(model: Any) -> str:
    model.eval()
    return "the model set to evaluation mode"
