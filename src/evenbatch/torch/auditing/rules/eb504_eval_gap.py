"""Evaluation data that the running statistics do not describe.

## What it does
Gathers, in a watched run, the mean and variance of each batch norm's input over all passes in
evaluation mode, and compares them with its running statistics of that moment.

## Why is this bad?
As EB204, on all evaluation data instead of one batch. The loss in evaluation mode is then far
above that in training mode, and not because of overfitting.

## Example
```python
train_transform = Compose([ToTensor(), Normalize(mean, std)])
test_transform = Compose([ToTensor()])
```

## Use instead
The same preparation of both. If the data are right, estimate the statistics again:
```python
from evenbatch.torch import refresh

refresh(model, loader)
```

## Source
[pytorch#4741](https://github.com/pytorch/pytorch/issues/4741),
[pytorch#19916](https://github.com/pytorch/pytorch/issues/19916),
[ultralytics#5891](https://github.com/ultralytics/ultralytics/issues/5891)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import (
    CAUSES,
    EXAMPLES,
    judged,
    unlike_each_other,
    young,
)
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted

SORTED = "The training batches were each of one sort, which does this (EB508)."


@rule("EB504", Severity.WARNING, "run")
def evaluation_unlike_training(subject: Subject) -> Iterator[Found]:
    """Batch norms whose input in evaluation is not what training told them to expect."""
    if subject.run is None:
        return
    found, norms = {}, {}
    for norm in subject.of_kind("batch"):
        seen = subject.run.of(norm)
        if seen.evaluated is None or seen.examples < EXAMPLES or norm.fresh:
            continue
        gap = judged(*seen.evaluated, seen.examples)
        if gap is not None:
            found[norm.path], norms[norm.path] = gap, norm
    if not found:
        return
    first, (shift, ratio) = next(iter(found.items()))
    examples = subject.run.seen[first].examples
    expect = "expects" if len(found) == 1 else "expect"
    yield Found(
        tuple(found),
        f"{counted(len(found), 'batch norm')} {expect} other data than the {examples} examples "
        f"evaluated. In the first, {first!r}, the mean is off by {brief(shift)} running standard "
        f"deviations and the variance is {brief(ratio)} times the running one."
        f"{young(norms[first])} {SORTED if unlike_each_other(subject.run) else CAUSES}",
        "compare how both are prepared and shuffled; then evenbatch.torch.refresh.",
        {"layers": len(found), "shift": shift, "variance_ratio": ratio, "examples": examples},
    )
