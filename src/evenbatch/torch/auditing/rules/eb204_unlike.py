"""Running statistics that do not describe the data that come in.

## What it does
Compares, on a batch of at least 8 real examples, each batch norm's running mean and variance with
those of its input, and the model's output in evaluation mode with that under the batch's own
statistics (dropout off in both).

## Why is this bad?
Training uses the batch's statistics, evaluation the running ones. If the two differ, the model
that is evaluated is not the one that was trained: the loss in evaluation mode is far higher, on
the training data too. Causes: inputs scaled differently in evaluation; too few or too small
training batches; a momentum that is off; statistics of other weights; a layer shared by different
data; weights that moved after the last update.

## Example
```python
train(model, images / 255)
evaluate(model, images)
```

## Use instead
The same preprocessing in both; or, if the data are right, estimate the statistics again:
```python
from evenbatch.torch import refresh

refresh(model, loader)
```

## Source
[pytorch#4741](https://github.com/pytorch/pytorch/issues/4741),
[pytorch#5406](https://github.com/pytorch/pytorch/issues/5406),
[pytorch#19916](https://github.com/pytorch/pytorch/issues/19916),
[ultralytics#5891](https://github.com/ultralytics/ultralytics/issues/5891)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import (
    CAUSES,
    disagreement,
    enough,
    left_over,
    young,
)
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB204", Severity.WARNING, "batch")
def statistics_unlike_the_batch(subject: Subject) -> Iterator[Found]:
    """Trained batch norms whose input on this batch is not what they were told to expect."""
    if subject.sample is None or not enough(subject):
        return
    if subject.averaged is not None or subject.context.ema:
        return  # EB203 compares them
    found, norms = {}, {}
    for norm in subject.of_kind("batch"):
        gap = None if norm.fresh else disagreement(subject, norm)  # of a new model nothing is known
        if gap is not None and norm.does.uses_kept:
            found[norm.path], norms[norm.path] = gap, norm
    if not found:
        return
    first, (shift, ratio) = next(iter(found.items()))
    evidence: dict[str, float | int | str | bool] = {
        "layers": len(found), "shift": shift, "variance_ratio": ratio,
    }  # fmt: skip
    output, apart = subject.sample.gap, ""
    if output is not None and not any(norm.call for norm in norms.values()):
        evidence["output_gap"] = output
        apart = (
            " The outputs with running and with batch statistics differ by "
            f"{brief(100 * output)} % of the largest."
        )
    # What is left of the first values moves what all later layers are given: if the first of all
    # agrees but for that, so do the data.
    of_all = next(subject.of_kind("batch"))
    explained = left_over(subject, norms[first]) or young(norms[first])
    left = bool(explained and (of_all.path not in found or left_over(subject, of_all)))
    place = repr(first) if first else "in the model's own code"
    expect = "expects" if len(found) == 1 else "expect"
    yield Found(
        tuple(found),
        f"{counted(len(found), 'batch norm')} {expect} other data than this batch. In the first, "
        f"{place}, the mean is off by {brief(shift)} running standard deviations and the "
        f"variance is {brief(ratio)} times the running one."
        f"{explained}{apart}{'' if left else f' {CAUSES}'}",
        "train for longer, or estimate the statistics again (evenbatch.torch.refresh)."
        if left
        else "compare this batch with the training data first; then evenbatch.torch.refresh, or "
        "the same preparation for both.",
        evidence,
        severity=Severity.INFO if left else None,
    )
