"""Batch norm in federated training.

## What it does
If the context declares ``method="federated"``: looks for batch norms with running statistics, and
for ``num_batches_tracked`` among the buffers that averaging would touch.

## Why is this bad?
Clients have different data, so their running statistics differ, and their average describes
nobody's. Averaging a whole ``state_dict`` also averages the counters, which are integers, and
weighs variances without the spread between the means. Leaving buffers out silently keeps every
client's own.

## Example
```python
state = {key: torch.stack([c[key].float() for c in clients]).mean(0) for key in clients[0]}
```

## Use instead
Group or layer norm; or keep batch norm's parameters and statistics local to each client (FedBN),
and decide so on purpose.

## Source
[NVFlare#1718](https://github.com/NVIDIA/NVFlare/issues/1718),
[PFLlib#260](https://github.com/TsingZ0/PFLlib/issues/260); Li et al. 2021, "FedBN",
[arXiv:2102.07623](https://arxiv.org/abs/2102.07623)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB705", Severity.WARNING, "context + state")
def federated_statistics(subject: Subject) -> Iterator[Found]:
    """Batch norms whose buffers clients would average."""
    found = [norm for norm in subject.of_kind("batch") if norm.moves_when_training]
    if subject.context.method == "federated" and found:
        buffers = sum(1 for norm in found for _ in norm.module.buffers(recurse=False))
        yield Found(
            tuple(norm.path for norm in found),
            f"{counted(len(found), 'batch norm')} with {buffers} buffers, which an average over "
            "clients mixes or leaves out.",
            "group norm (evenbatch.torch.swap), or keep these layers local to each client.",
            {"layers": len(found), "buffers": buffers},
        )
