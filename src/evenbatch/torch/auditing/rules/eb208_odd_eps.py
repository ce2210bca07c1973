"""Layers whose eps differs from that of most others of their class.

## What it does
Counts the eps of the norm layers of each class, and names those that differ from most.

## Why is this bad?
A checkpoint was trained with one eps. A layer that was rebuilt, swapped or ported with the
library's default (1e-5 in PyTorch, 1e-3 in Keras, 1e-6 for Flax's layer norm, 1e-6 or 1e-12 in
many transformers) gives slightly other numbers, and in low precision very different ones. No
weight file shows it: eps is not part of the state.

## Example
```python
nn.BatchNorm2d(64, eps=1e-3)  # every layer but this one
nn.BatchNorm2d(64)
```

## Use instead
```python
nn.BatchNorm2d(64, eps=1e-3)
```
If the difference is meant, ``--ignore EB208``.

## Source
[vision#2599](https://github.com/pytorch/vision/issues/2599),
[Megatron-Bridge#5712](https://github.com/NVIDIA-NeMo/Megatron-Bridge/issues/5712)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.words import brief


@rule("EB208", Severity.INFO, "tree")
def eps_inconsistent(subject: Subject) -> Iterator[Found]:
    """Those that differ from most, by class."""
    by_class: dict[str, list[Norm]] = {}
    for norm in subject.norms:
        if norm.eps is not None:
            by_class.setdefault(norm.class_name, []).append(norm)
    for name, norms in by_class.items():
        [(usual, count), *others] = Counter(norm.eps for norm in norms).most_common()
        odd = [norm for norm in norms if norm.eps != usual]
        if others and usual is not None:
            values = ", ".join(brief(eps) for eps in sorted({norm.eps or 0.0 for norm in odd}))
            yield Found(
                tuple(norm.path for norm in odd),
                f"eps = {values}, where {count} other {name} layers have {brief(usual)}.",
                f"eps={brief(usual)}, unless the difference is meant.",
                {"layers": len(odd), "others": count, "usual_eps": usual},
            )
