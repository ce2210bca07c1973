"""Running statistics under vmap.

## What it does
If the context declares ``vmap``: looks for batch norms that keep running statistics.

## Why is this bad?
``torch.func.vmap``, ``jacrev``, ``hessian`` and per-example gradients run one example or
direction at a time side by side. Running statistics are changed in place, once for all of them,
and PyTorch refuses with "in-place operation ... on unbatched tensor". Per-example gradients of a
batch norm in training mode have no meaning anyway: each example's output depends on the others.

## Example
```python
vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)  # the model has BatchNorm2d
```

## Use instead
Group norm; or ``model.eval()``; or, if batch statistics are meant,
``torch.func.replace_all_batch_norm_modules_(model)``.

## Source
[functorch#384](https://github.com/pytorch/functorch/issues/384),
[functorch#867](https://github.com/pytorch/functorch/issues/867),
[pytorch#85533](https://github.com/pytorch/pytorch/issues/85533)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB604", Severity.ERROR, "state + context")
def running_statistics_under_vmap(subject: Subject) -> Iterator[Found]:
    """Batch norms in training mode that would change their statistics inside vmap."""
    if not subject.context.vmap:
        return
    moving = [norm for norm in subject.norms if norm.moves_when_training]
    found = [norm.path for norm in moving if norm.module.training]
    if found:
        yield Found(
            tuple(found),
            f"{counted(len(found), 'norm layer')} in training mode would change running statistics "
            "in place inside vmap, which PyTorch refuses.",
            "group norm (evenbatch.torch.swap), model.eval(), or "
            "torch.func.replace_all_batch_norm_modules_(model).",
            {"layers": len(found)},
        )
