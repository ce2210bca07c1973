"""Training goes on in evaluation mode.

## What it does
Counts, in a watched run, the backward passes whose forward pass ran with the whole model in
evaluation mode.

## Why is this bad?
``eval()`` for validation in the middle of an epoch, and ``train()`` at its beginning only: the rest
of the epoch trains on running statistics that do not move, without dropout. The statistics are
those of the first batches, or, if it never trained otherwise, 0 and 1. Frozen norm layers inside a
model in training mode are meant, and are left out.

## Example
```python
for step, (x, y) in enumerate(loader):
    loss(model(x), y).backward()
    if step % 100 == 0:
        validate(model)  # calls model.eval()
```

## Use instead
```python
    if step % 100 == 0:
        validate(model)
        model.train()
```

## Source
[vsepp#4](https://github.com/fartashf/vsepp/issues/4),
[joeynmt#184](https://github.com/joeynmt/joeynmt/issues/184)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB507", Severity.WARNING, "run")
def trained_in_evaluation_mode(subject: Subject) -> Iterator[Found]:
    """Norm layers whose statistics should have moved."""
    if subject.run is None or not subject.run.trained_in_evaluation:
        return
    found = [norm.path for norm in subject.norms if norm.moves_when_training and not norm.frozen]
    if found:
        count = subject.run.trained_in_evaluation
        yield Found(
            tuple(found),
            f"{counted(count, 'backward pass', 'backward passes')} with the model in evaluation "
            f"mode: the running statistics of {counted(len(found), 'layer')} did not move, and "
            "dropout was off.",
            "model.train() after every evaluation, not only at the beginning of an epoch; for "
            "frozen statistics evenbatch.torch.freeze and model.train().",
            {"layers": len(found), "backward_passes": count},
        )
