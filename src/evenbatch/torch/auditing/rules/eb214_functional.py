"""A functional batch norm that uses the batch's statistics in evaluation mode too.

## What it does
Looks in the graph of the model in evaluation mode for batch norm operations that still run in
training mode, outside of norm layers.

## Why is this bad?
``F.batch_norm(..., training=True)`` does not know the model's mode, and neither does an exported
graph with the flag written into it: ``eval()`` changes nothing, predictions depend on their
company in the batch, and the running statistics move with every prediction. An exported
DenseNet-121 that was left in training mode had a top-1 accuracy of 1.7 % instead of 72.9 %.

## Example
```python
F.batch_norm(x, self.mean, self.var, training=True)
```

## Use instead
```python
F.batch_norm(x, self.mean, self.var, training=self.training)
```

## Source
[pytorch#115715](https://github.com/pytorch/pytorch/issues/115715),
[pytorch#75252](https://github.com/pytorch/pytorch/issues/75252)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import Op
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.rules.eb219_unregistered import held_beside
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB214", Severity.ERROR, "graph + batch")
def stuck_in_training(subject: Subject) -> Iterator[Found]:
    """Batch norm operations in training mode whose mode no module decides."""
    # A norm layer in a plain list looks like a function that its owner calls: EB219 names it.
    known = set(subject.model.modules())
    foreign = {path for path, m in subject.model.named_modules() if any(held_beside(m, known))}
    stuck = [
        n for n in subject.of_kind("batch")
        if n.does.mixes and (n.call or n.does.kept) and not (n.call and n.path in foreign)
    ]  # fmt: skip
    found = [norm.path for norm in stuck]
    if subject.graph is not None:
        layers = {path for norm in subject.norms for path in (norm.path, *norm.aliases)}
        found += [
            op.path for op in subject.graph.of_kind("batch_norm")
            if op.training is True and not {op.owner, op.path} & (layers | foreign)
            and not _by_example(subject, op)
        ]  # fmt: skip
    found = list(dict.fromkeys(found))
    if found:
        kept = [kept.name for norm in stuck for kept in norm.does.kept]
        unused = f" What is kept ({', '.join(dict.fromkeys(kept))}) is never used." if kept else ""
        yield Found(
            tuple(found),
            f"{counted(len(found), 'batch norm operation')} in the code of this module still "
            f"{'runs' if len(found) == 1 else 'run'} in training mode after eval().{unused}",
            "training=self.training; for an exported graph, export again in evaluation mode.",
            {"operations": len(found)},
        )


def _by_example(subject: Subject, op: Op) -> bool:
    """Whether the examples lie among the channels, (1, N·C, …): an instance norm written as a
    batch norm, in which no example sees another."""
    many = subject.sample is not None and subject.sample.examples > 1
    return many and op.shape is not None and op.shape[0] == 1
