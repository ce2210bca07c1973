"""Dropout before a batch norm: the variance it learns is not the one it meets in evaluation.

## What it does
Looks for a batch norm that dropout's output reaches with at most linear layers and activations
between them.

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

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity, brief
from evenbatch.torch.auditing.graph import Op
from evenbatch.torch.auditing.rules._rule import rule
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
        yield Found(
            tuple(op.owner for op, _ in found),
            f"fed by dropout {found[0][1].path!r} (p = {shown}): the running variance is taken"
            " with dropout on and used with it off, so in evaluation the output's spread is off.",
            "put dropout after the last batch norm, or set its p to 0.",
            {"layers": len(found), "p": max(rates)},
        )


def _dropout_before(op: Op) -> Op | None:
    at = op.source
    while at is not None and at.kind in BETWEEN:
        at = at.source
    return at if at is not None and at.kind == "dropout" and at.rate > 0 else None
