"""Training batches that differ from each other far more than shuffled ones would.

## What it does
Gathers, in a watched run, the mean and variance of each feature of the model's input, batch by
batch, and compares how far the batches' means lie apart with what their examples' spread allows.

## Why is this bad?
As EB409, seen in the run: each batch is of one sort (a class, a source, a time), is normalized by
its own statistics in training, and by the average over all in evaluation.

## Example
```python
for x, y in zip(*batches_by_class):
    model(x)
```

## Use instead
Batches that are drawn from all of the data; or a norm that never looks at other examples
(``nn.GroupNorm``).

## Source
[openpifpaf#308](https://github.com/openpifpaf/openpifpaf/pull/308),
[pytorch#4741](https://github.com/pytorch/pytorch/issues/4741)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import unlike_each_other
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB508", Severity.WARNING, "run")
def batches_unlike_each_other(subject: Subject) -> Iterator[Found]:
    """Batch norms in a model whose training batches are not samples of one thing."""
    norms = [norm.path for norm in subject.of_kind("batch") if not norm.frozen]
    if subject.run is None or not norms:
        return
    if unlike_each_other(subject.run):
        batches, times = subject.run.batches_apart
        yield Found(
            tuple(norms),
            f"the means of {counted(batches, 'training batch', 'training batches')} lie so far "
            f"apart that their variance is {brief(times)} times what shuffled batches would have: "
            "each batch is normalized by statistics of its own sort, and evaluation by the average "
            "of all.",
            "shuffle the data (shuffle=True), or mix the sorts in each batch.",
            {"layers": len(norms), "batches": batches, "times": times},
        )
