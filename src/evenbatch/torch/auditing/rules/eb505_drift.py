"""A frozen batch norm whose running mean moved while it was watched.

## What it does
Compares, for batch norms with frozen gamma and beta, the running mean at the start and at the end
of a watched run. Layers whose gamma and beta changed all the same, as those of a momentum encoder
do, are left out.

## Why is this bad?
As EB201, with the distance measured: the frozen part of the model is no longer what it was, and a
head trained on it, or on its features computed earlier, does not fit.

## Example
```python
for p in model.backbone.parameters():
    p.requires_grad = False
model.train()
```

## Use instead
```python
from evenbatch.torch import freeze

freeze(model.backbone)
```

## Source
[pytorch#86590](https://github.com/pytorch/pytorch/issues/86590),
[pytorch#66073](https://github.com/pytorch/pytorch/issues/66073)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB505", Severity.ERROR, "run")
def frozen_drifted(subject: Subject) -> Iterator[Found]:
    """Frozen layers whose statistics moved, if anything else trains."""
    if subject.run is None or not subject.trains:
        return
    drift = {path: seen.drift for path, seen in subject.run.seen.items() if seen.drift > 0}
    if drift:
        worst = max(drift, key=lambda path: drift[path])
        yield Found(
            tuple(drift),
            f"the running mean of {counted(len(drift), 'frozen batch norm')} moved, in {worst!r} "
            f"by {brief(drift[worst])} of its standard deviation.",
            "keep them in evaluation mode (evenbatch.torch.freeze), and start from the original "
            "statistics again.",
            {"layers": len(drift), "drift": drift[worst]},
        )
