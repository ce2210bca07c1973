"""Running statistics that never saw a batch, beside parameters or layers that did.

## What it does
Looks for norm layers whose running statistics are as they were made, mean 0 and one variance for
all channels, while their own beta is trained, or, in evaluation mode, other layers' statistics are.

## Why is this bad?
In evaluation such a layer does not normalize: it lets its input through, times gamma, plus beta.
It comes from copying or averaging parameters without buffers (target networks, averages written by
hand), from loading a checkpoint whose names match in part (``strict=False``), and from a branch or
domain that no batch took.

## Example
```python
for a, b in zip(target.parameters(), model.parameters()):  # buffers are no parameters
    a.data.mul_(0.99).add_(b.data, alpha=0.01)
```

## Use instead
```python
for a, b in zip(target.buffers(), model.buffers()):
    a.copy_(b)
```
or statistics of the weights' own:
```python
from evenbatch.torch import refresh

refresh(target, loader)
```

## Source
[stable-baselines3#996](https://github.com/DLR-RM/stable-baselines3/issues/996),
[mmsegmentation#2076](https://github.com/open-mmlab/mmsegmentation/issues/2076),
[pytorch_ema#13](https://github.com/fadel/pytorch_ema/issues/13)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief, counted


@rule("EB215", Severity.WARNING, "state")
def fresh_statistics(subject: Subject) -> Iterator[Found]:
    """Layers with statistics of no data, of which or beside which something is trained."""
    norms = [norm for norm in subject.norms if norm.tracks and norm.does.uses_kept]
    fresh = [norm for norm in norms if norm.fresh and norm.kind != "frozen batch"]
    copied = [norm for norm in fresh if _beta_trained(norm)]
    others = [norm for norm in norms if norm not in fresh]
    beside = [n for n in fresh if n not in copied and others and not n.module.training]
    if copied:
        yield Found(
            tuple(norm.path for norm in copied),
            f"beta is trained in {counted(len(copied), 'norm layer')}, and the running statistics "
            f"are those of no data ({_state(copied[0])}). So it is where parameters are copied or "
            "averaged without the buffers.",
            "copy the buffers too, or estimate them (evenbatch.torch.refresh).",
            {"layers": len(copied), "trained": len(others)},
        )
    if beside:
        seen = others[0].updates
        count = f" ({counted(seen, 'batch', 'batches')} in {others[0].path!r})" if seen else ""
        yield Found(
            tuple(norm.path for norm in beside),
            f"the running statistics of {counted(len(beside), 'norm layer')} are those of no data "
            f"({_state(beside[0])}), those of {len(others)} others are trained{count}. Either they "
            "were not in the checkpoint that was loaded (what did load_state_dict call missing?), "
            "or they belong to a branch or domain that has seen no batch.",
            "load them under the names here, or estimate them (evenbatch.torch.refresh).",
            {"layers": len(beside), "trained": len(others)},
        )


def _beta_trained(norm: Norm) -> bool:
    """Whether beta differs from channel to channel, as no usual start does."""
    beta = norm.parameters.get(norm.does.beta)
    return beta is not None and beta.numel() > 1 and len(beta.detach().unique()) > 1


def _state(norm: Norm) -> str:
    values = [f"{role} {brief(float(s.flatten()[0]))}" for role, s in norm.statistics.items()]
    counts = [] if norm.updates is None else [f"{norm.updates} batches tracked"]
    return ", ".join([*values, *counts])
