"""Weight decay on the gamma and beta of norm layers.

## What it does
Looks for parameters of norm layers in optimizer groups with weight decay.

## Why is this bad?
Decay pulls gamma towards 0, where the layer lets nothing through, rather than towards 1; it does
not regularize the function, since the weights before a norm can grow to make up for it. The
effect is small; common recipes leave these parameters out. If another group has no decay, leaving
them out was meant and the filter missed them: filters by class miss norm layers of one's own,
filters by name those that are called something else.

## Example
```python
torch.optim.AdamW(model.parameters(), weight_decay=0.1)
```

## Use instead
```python
decay = [p for p in model.parameters() if p.ndim > 1]
rest = [p for p in model.parameters() if p.ndim <= 1]
torch.optim.AdamW([{"params": decay}, {"params": rest, "weight_decay": 0.0}], weight_decay=0.1)
```
The automatic fix moves the parameters into a group of their own without decay; their optimizer
state stays.

## Source
[transformers#42754](https://github.com/huggingface/transformers/issues/42754),
[transformers#35927](https://github.com/huggingface/transformers/issues/35927),
[DeepSpeedExamples#755](https://github.com/deepspeedai/DeepSpeedExamples/issues/755)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import brief, counted


@rule("EB301", Severity.INFO, "optimizer")
def weight_decay_on_norms(subject: Subject) -> Iterator[Found]:
    """Parameters of norm layers in groups that decay."""
    if subject.optimizer is None:
        return
    owners = {id(p): norm.path for norm in subject.norms for p in norm.parameters.values()}
    groups = subject.optimizer.param_groups
    decayed = [
        (group, p)
        for group in groups
        if group.get("weight_decay", 0)
        for p in group["params"]
        if id(p) in owners and p.requires_grad
    ]
    if not decayed:
        return
    paths = tuple(dict.fromkeys(owners[id(p)] for _, p in decayed))
    strengths = sorted({float(group["weight_decay"]) for group, _ in decayed})
    size = sum(p.numel() for _, p in decayed)
    missed = any(not group.get("weight_decay", 0) and group["params"] for group in groups)
    says = (
        f"weight decay {', '.join(map(brief, strengths))} pulls {size} parameters of "
        f"{counted(len(paths), 'norm layer')} towards 0."
    )
    less_one = [n for n in subject.norms if n.path in paths and n.does.offset == 1]
    if less_one:
        which = "It multiplies" if len(paths) == 1 else f"{len(less_one)} of them multiply"
        says += f" {which} by 1 + gamma: there the gain is pulled towards 1, where it began."
    if missed:
        says += " Another group has no decay: the filter that made it missed these."
    yield Found(
        paths,
        says,
        "put them into a parameter group with weight_decay=0.",
        {"layers": len(paths), "parameters": size, "weight_decay": max(strengths)},
        partial(_move, subject.optimizer, {id(p) for _, p in decayed}),
        severity=Severity.WARNING if missed else None,
    )


def _move(optimizer: Any, moved: set[int]) -> str:
    count = 0
    for group in list(optimizer.param_groups):
        taken = [p for p in group["params"] if id(p) in moved]
        if taken and group.get("weight_decay", 0):
            settings = {k: v for k, v in group.items() if k not in ("params", "param_names")}
            group["params"] = [p for p in group["params"] if id(p) not in moved]
            if "param_names" in group:
                del group["param_names"]
            optimizer.add_param_group({**settings, "params": taken, "weight_decay": 0.0})
            count += len(taken)
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
    return f"{counted(count, 'parameter tensor')} moved to a group without weight decay"
