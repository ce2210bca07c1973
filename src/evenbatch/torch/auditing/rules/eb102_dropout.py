"""Dropout before a batch norm: the variance it learns is not the one it meets in evaluation.

## What it does
Looks for a batch norm that dropout's output reaches with at most linear layers and activations
between them, and whose running variance evaluation uses. With a batch of real data it measures what
that dropout does to the variance; where something else is added to dropout's output, or put beside
it, only what is measured counts.

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

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import PASS_ON, Op
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.sample import norms_train, run
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief

BETWEEN = (
    "linear",
    "conv",
    "conv_transpose",
    "flatten",
    "view",
    "reshape",
    "transpose",
    "permute",
    "relu",
    "leaky_relu",
    "gelu",
    "silu",
    "hardswish",
    "elu",
    "relu6",
    "hardtanh",
    *PASS_ON,
)
JOINS = ("add", "sub", "cat", "concat", "mul", "stack", "max_pool", "avg_pool", "adaptive_avg_pool")
LEAST = 1.1  # through additions, which thin dropout out: times the variance without it


@rule("EB102", Severity.WARNING, "graph + batch")
def dropout_before_batch_norm(subject: Subject) -> Iterator[Found]:
    """Batch norms that dropout reaches, and whose running variance evaluation uses."""
    if subject.graph is None:
        return
    norms = {path: norm for norm in subject.norms for path in (norm.path, *norm.aliases)}
    found: list[tuple[Op, Op, float | None]] = []
    for op in subject.graph.of_kind("batch_norm"):
        dropout, joined = _dropout_before(op)
        norm = norms.get(op.owner)
        keeps = norm.tracks and norm.does.uses_kept if norm else "running_var" in op.names
        if dropout is None or not keeps:
            continue
        ratio = _variance_ratio(subject, norm, dropout.path)
        if not joined or (ratio is not None and not 1 / LEAST < ratio < LEAST):
            found.append((op, dropout, ratio))
    if found:
        rates = sorted({dropout.rate for _, dropout, _ in found})
        shown = ", ".join(brief(rate) for rate in rates)
        evidence: dict[str, float | int | str | bool] = {"layers": len(found), "p": max(rates)}
        op, dropout, ratio = found[0]
        measured = "in evaluation the output's spread is off."
        if ratio is not None:
            evidence["variance_ratio"] = ratio
            measured = (
                f"on this batch it is {brief(ratio)} times as large with it in {op.owner!r}, so in "
                f"evaluation the output's spread is {brief(1 / math.sqrt(ratio))} instead of 1."
            )
        yield Found(
            tuple(op.owner for op, _, _ in found),
            f"fed by dropout {dropout.path!r} (p = {shown}): the running variance is taken"
            f" with dropout on and used with it off; {measured}",
            "put dropout after the last batch norm, or set its p to 0.",
            evidence,
        )


def _variance_ratio(subject: Subject, norm: Norm | None, dropout: str) -> float | None:
    """The median over channels of the variance with dropout on, in parts of that with it off."""
    sample = subject.sample
    if sample is None or sample.inputs.synthetic or norm is None or not dropout:
        return None
    with subject.lender.lend() as model:
        norms_train(model, subject.norms)
        model.get_submodule(dropout).train()
        dropped = run(model, subject.norms, sample.inputs)
    calls = [calls.get(norm.key, []) for calls in (dropped.calls, sample.training.calls)]
    variances = [call[0].var if call else None for call in calls]
    if variances[0] is None or variances[1] is None or dropped.error:
        return None
    there = (variances[0] > 0) & (variances[1] > 0)
    return float((variances[0] / variances[1])[there].median()) if bool(there.any()) else None


def _dropout_before(op: Op) -> tuple[Op | None, bool]:
    """The dropout whose output reaches the norm through layers and activations alone, and whether
    something else was added to it on the way."""
    waiting, seen = [(source, False) for source in op.inputs[:1]], set()
    while waiting:
        at, joined = waiting.pop(0)
        if id(at) in seen:
            continue
        seen.add(id(at))
        if at.kind == "dropout" and at.rate > 0:
            return at, joined
        joins = at.kind.startswith(JOINS)
        if at.kind in BETWEEN or joins or at.kind == "dropout":
            inputs = [source for source in at.inputs if source.of_data]
            waiting += [(source, joined or len(inputs) > 1) for source in inputs]
    return None, False
