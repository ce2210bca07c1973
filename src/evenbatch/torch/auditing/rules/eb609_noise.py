"""Constant inputs to a norm, whose output is rounding that differs from runtime to runtime.

## What it does
For a model about to be deployed: on the batch, looks at layer, group and instance norms for
values that are all the same and not 0, such as a dead channel behind a large bias, or rows of
padding.

## Why is this bad?
It is no fault of the model: the true output is beta. But what is left after the mean is taken off
is rounding, and dividing by √(variance + eps) makes it visible. A constant 10000.3 gives 0.08 in
PyTorch, -0.25 in ONNX Runtime, 1.0 for the same file in a browser, 0.5 in LiteRT. A test that
compares the deployed model with PyTorch fails there, and says nothing about the rest.

## Example
```python
nn.GroupNorm(4, 4)(torch.full((1, 4, 16, 16), 10000.3))
```

## Use instead
Leave such values out of the comparison, or take the constant off before.

## Source
[onnxruntime#21935](https://github.com/microsoft/onnxruntime/issues/21935); measured,
see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB609", Severity.INFO, "batch + context")
def rounding_noise(subject: Subject) -> Iterator[Found]:
    """Norms with sets of equal values, which are not 0."""
    if not subject.context.deploy or (subject.sample and subject.sample.inputs.synthetic):
        return
    for norm in subject.norms:
        constant = max((call.constant for call in subject.calls(norm)), default=0)
        if constant and norm.does.mixes:
            yield Found(
                (norm.path,),
                f"{counted(constant, 'set')} of values on this batch are constant and not 0: what "
                "comes out is rounding, and differs between runtimes.",
                "leave these out when comparing, or take the constant off before.",
                {"constant": constant},
            )
