"""Dropout before a batch norm: the variance it learns is not the one it meets in evaluation.

## What it does
Looks for a batch norm that dropout's output reaches with at most linear layers and activations
between them. With a batch of real data it measures what that dropout does to the variance.

## Why is this bad?
Dropout raises the variance of what passes through it while training, and does nothing in
evaluation. The batch norm's running variance is that of training, so in evaluation its output has
too small a spread: with p = 0.5 after a ReLU, a variance of about 0.4 instead of 1.

## Example
```python
nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(64))
```

## Use instead
```python
nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5))
```
with no batch norm after the dropout, or estimate the running statistics again with dropout off.

## Source
Li, Chen, Hu, Yang 2018, "Understanding the disharmony between dropout and batch normalization",
[arXiv:1801.05134](https://arxiv.org/abs/1801.05134)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import nn

from evenbatch.torch.auditing.findings import Found, Severity, brief
from evenbatch.torch.auditing.graph import Op
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.running import left_as_it_was
from evenbatch.torch.auditing.sample import norms_train, run
from evenbatch.torch.auditing.subject import Subject

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "hardswish", "elu", "relu6", "hardtanh")
BETWEEN = ("linear", "conv", "conv_transpose", "flatten", "view", "reshape", *ACTIVATIONS)


@rule("EB102", Severity.WARNING, "graph")
def dropout_before_batch_norm(subject: Subject) -> Iterator[Found]:
    """Batch norms that dropout reaches."""
    if subject.graph is None:
        return
    found = []
    for op in subject.graph.of_kind("batch_norm"):
        dropout = _dropout_before(op)
        if dropout is not None:
            found.append((op, dropout))
    if found:
        rates = sorted({dropout.rate for _, dropout in found})
        shown = ", ".join(brief(rate) for rate in rates)
        evidence: dict[str, float | int | str | bool] = {"layers": len(found), "p": max(rates)}
        path = found[0][0].owner
        measured = "in evaluation the output's spread is off."
        ratio = _variance_ratio(subject, path, found[0][1].path)
        if ratio is not None:
            evidence["variance_ratio"] = ratio
            measured = (
                f"on this batch it is {brief(ratio)} times as large with it in {path!r}, so in "
                f"evaluation the output's spread is {brief(1 / math.sqrt(ratio))} instead of 1."
            )
        yield Found(
            tuple(op.owner for op, _ in found),
            f"fed by dropout {found[0][1].path!r} (p = {shown}): the running variance is taken"
            f" with dropout on and used with it off; {measured}",
            "put dropout after the last batch norm, or set its p to 0.",
            evidence,
        )


def _variance_ratio(subject: Subject, norm: str, dropout: str) -> float | None:
    """The median over channels of the variance with dropout on, in parts of that with it off."""
    sample = subject.sample
    modules = dict(subject.model.named_modules(remove_duplicate=False))
    if sample is None or sample.inputs.synthetic or not isinstance(modules.get(dropout), nn.Module):
        return None
    with left_as_it_was(subject.model):
        norms_train(subject.model, subject.norms)
        modules[dropout].training = True
        dropped = run(subject.model, subject.norms, sample.inputs)
    calls = [calls.get(norm, []) for calls in (dropped.calls, sample.training.calls)]
    variances = [call[0].var if call else None for call in calls]
    if variances[0] is None or variances[1] is None or dropped.error or dropout == "":
        return None
    there = (variances[0] > 0) & (variances[1] > 0)
    return float((variances[0] / variances[1])[there].median()) if bool(there.any()) else None


def _dropout_before(op: Op) -> Op | None:
    at = op.source
    while at is not None and at.kind in BETWEEN:
        at = at.source
    return at if at is not None and at.kind == "dropout" and at.rate > 0 else None
