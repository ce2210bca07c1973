"""Batch norm under differential privacy.

## What it does
If the context declares ``method="dp-sgd"``, or the optimizer is Opacus's: looks for batch norms
and for instance norms with running statistics.

## Why is this bad?
DP-SGD clips and noises the gradient of each single example. With batch norm an example's gradient
depends on all others in the batch, so the clipping bounds nothing, and the running statistics are
published without any noise. Opacus refuses such models.

## Example
```python
# the model has BatchNorm2d
PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader)
```

## Use instead
Group norm, with at least two values per group:
```python
from evenbatch.torch import swap

swap(model, "batch", "group", batch=x)
```

## Source
[opacus#319](https://github.com/pytorch/opacus/issues/319),
[opacus#567](https://github.com/pytorch/opacus/issues/567)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import company, coupled
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB704", Severity.ERROR, "context + optimizer + batch")
def not_private(subject: Subject) -> Iterator[Found]:
    """Layers that mix examples, or publish statistics, under DP-SGD."""
    private = "DPOptimizer" in type(subject.optimizer).__name__
    if not private and subject.context.method != "dp-sgd":
        return
    mixing = coupled(subject)
    found = mixing + [norm for norm in subject.of_kind("instance") if norm.moves_when_training]
    if found:
        seen, evidence = company(subject, mixing) if mixing else ("", {"layers": len(found)})
        yield Found(
            tuple(norm.path for norm in found),
            f"{seen} Clipping each example's gradient then bounds nothing, and running statistics "
            "are published without noise.".strip(),
            "group norm with at least two values per group (evenbatch.torch.swap).",
            evidence,
        )
