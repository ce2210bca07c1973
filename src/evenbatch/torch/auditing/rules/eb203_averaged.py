"""Averaged weights with running statistics of other weights.

## What it does
Looks for batch norms in a model whose weights are averaged (``swa_utils.AveragedModel`` without
``use_buffers``, or ``ema`` in the context). With a batch it compares the running statistics with
the batch's, and is silent where they agree.

## Why is this bad?
An average over weights (SWA, EMA) is a model of its own: its activations have other means and
variances than those of any model it was averaged from. AveragedModel copies the buffers of the
live model by default, so the averaged weights run with statistics that belong to others; in one
report accuracy fell from 0.75 to almost 0.

## Example
```python
swa = torch.optim.swa_utils.AveragedModel(model)
...
evaluate(swa)
```

## Use instead
```python
torch.optim.swa_utils.update_bn(loader, swa)  # a pass over the training data
evaluate(swa)
```
or, for an exponential average, ``AveragedModel(model, use_buffers=True)``.

## Source
[Lightning#14866](https://github.com/Lightning-AI/pytorch-lightning/issues/14866),
[pytorch#84053](https://github.com/pytorch/pytorch/issues/84053),
[mean-teacher#9](https://github.com/CuriousAI/mean-teacher/issues/9)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import disagreement, enough
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB203", Severity.WARNING, "tree + batch + context")
def averaged_weights_stale_statistics(subject: Subject) -> Iterator[Found]:
    """Batch norms of averaged weights whose statistics are not known to be those weights' own."""
    if subject.averaged is None:
        if not subject.context.ema:
            return
        why = "the context says that the weights are averaged"
    elif subject.averaged.use_buffers:
        return
    else:
        count = int(subject.averaged.n_averaged)
        why = f"AveragedModel holds the mean of {count} models and the buffers of the last one"
    norms = [norm for norm in subject.of_kind("batch") if norm.statistics]
    if enough(subject):
        gaps = {norm.path: disagreement(subject, norm) for norm in norms}
        norms = [norm for norm in norms if gaps[norm.path] is not None]
        measured = " On this batch they disagree with what comes in." if norms else ""
    else:
        measured = " Whether they were estimated again cannot be seen without a batch of real data."
    if norms:
        yield Found(
            tuple(norm.path for norm in norms),
            f"{why}; {counted(len(norms), 'batch norm')} may run with statistics of other weights."
            f"{measured}",
            "torch.optim.swa_utils.update_bn(loader, model) after averaging and before evaluating.",
            {"layers": len(norms)},
        )
