"""Running statistics that moved during evaluation.

## What it does
Counts, in a watched run, forward passes of norm layers in training mode while the model was
called without gradients (``no_grad``, ``inference_mode``). Passes made to estimate statistics, as
``update_bn`` does, are left out. Single passes between training passes are a warning only: a
generator that makes examples for its discriminator may be meant to run so. In a GAN
(``method="gan"``) it is worth knowing.

## Why is this bad?
``model.eval()`` was forgotten. Predictions depend on their company in the batch, and validation
or test data enter the running statistics: the model has seen them. ``no_grad`` and
``inference_mode`` are about gradients and stop neither.

## Example
```python
with torch.no_grad():
    for x, y in validation:
        model(x)
```

## Use instead
```python
model.eval()
with torch.no_grad():
    for x, y in validation:
        model(x)
model.train()
```

## Source
[robustdg#30](https://github.com/microsoft/robustdg/issues/30),
[pytorch_stacked_hourglass#44](https://github.com/princeton-vl/pytorch_stacked_hourglass/issues/44)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB501", Severity.ERROR, "run")
def moved_while_evaluating(subject: Subject) -> Iterator[Found]:
    """Layers whose statistics moved in passes without gradients."""
    if subject.run is None:
        return
    moved = {p: s for p, s in subject.run.seen.items() if s.moves_without_grad}
    if moved:
        times = max(seen.moves_without_grad for seen in moved.values())
        alone = times > 1 and all(seen.most_in_a_row == 1 for seen in moved.values())
        how = "the model was evaluated in training mode"
        severity = None
        if alone:
            how, severity = "one at a time, between training passes", Severity.WARNING
        if subject.context.method == "gan":
            severity = Severity.INFO
        yield Found(
            tuple(moved),
            f"moved their running statistics in {counted(times, 'forward pass', 'forward passes')} "
            f"without gradients: {how}.",
            "model.eval() before evaluating, model.train() after it.",
            {"layers": len(moved), "times": times},
            severity=severity,
        )
