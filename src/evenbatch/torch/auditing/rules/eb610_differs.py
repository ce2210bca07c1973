"""A model whose numbers are others in the runtime it is deployed to.

## What it does
With ``evenbatch audit … --deployed onnx`` (``evenbatch.torch.deployed``): converts a copy of the
model, runs it on the batch, and compares its output and every norm's with PyTorch in evaluation
mode. Both are judged against float64: what is 10 times as far from it as PyTorch, and more than
1e-4 of the largest value, is no rounding. The first norm that differs is then run by itself on what
PyTorch gives it, and the rules EB601 to EB609 are asked for the reason.

## Why is this bad?
The file loads and runs, and its numbers are others. By itself equal and within the model
different means that the converter changed what stands before the norm, or merged the two.

## Example
```python
nn.Sequential(nn.Linear(16, 4), nn.BatchNorm2d(4))  # torch.jit.freeze: 1 to 4 off
```

## Use instead
What the reason says; or another runtime, or the norm folded before (``evenbatch.torch.fold``).

## Source
[onnxruntime#21935](https://github.com/microsoft/onnxruntime/issues/21935),
[ao#4116](https://github.com/pytorch/ao/issues/4116)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.rules.eb601_fold import unsafe_fold
from evenbatch.torch.auditing.rules.eb602_deploy import deployed_in_training_mode
from evenbatch.torch.auditing.rules.eb605_wrong_axis import folded_onto_the_wrong_axis
from evenbatch.torch.auditing.rules.eb606_large_mean import cancels_when_deployed
from evenbatch.torch.auditing.rules.eb607_below_half import below_half_precision
from evenbatch.torch.auditing.rules.eb608_converted import converted_otherwise
from evenbatch.torch.auditing.rules.eb609_noise import rounding_noise
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.deploying import Deployed
from evenbatch.torch.models.words import brief

REASONS = (
    folded_onto_the_wrong_axis,
    cancels_when_deployed,
    converted_otherwise,
    rounding_noise,
    below_half_precision,
    unsafe_fold,
    deployed_in_training_mode,
)
"""The rules that may say why, the most particular first."""


@rule("EB610", Severity.ERROR, "deployed")
def differs_when_deployed(subject: Subject) -> Iterator[Found]:
    """The first norm that differs in another runtime, or the output where no norm does."""
    result = subject.deployed
    if result is None or result.equal:
        return
    first, output = result.first, result.output
    code, found = _reason(subject)
    path = first.path if first is not None else found.paths[0] if found is not None else ""
    yield Found(
        (path,),
        f"carried out by {result.runtime}, the output is {brief(output.there)} of its largest "
        f"value from {result.reference}, in PyTorch {brief(output.here)}. {_first(result)}"
        + (f" {code} says why." if code else ""),
        "compare again with this layer replaced or folded, or with another runtime."
        if found is None
        else found.fix,
        {
            "output": output.there,
            "norm": 0.0 if first is None else first.there,
            "pytorch": output.here,
            "reason": code,
        },
    )


def _first(result: Deployed) -> str:
    first, alone = result.first, result.alone
    if result.problem:
        return f"Norms could not be compared: {result.problem}."
    if first is None:
        return "No norm was found in it." if not result.norms else "None of its norms differs."
    says = f"This norm is the first that differs, by {brief(first.there)}"
    if alone is None:
        return f"{says}."
    if alone.differs:
        return f"{says}; by itself, given the same, by {brief(alone.there)}."
    return f"{says}; by itself, given the same, it agrees: what stands before it is changed."


def _reason(subject: Subject) -> tuple[str, Found | None]:
    """The first rule that finds something at the norm that differs, its code and what it found; a
    layer left in training may stand before that, and where no norm differs it may be anywhere."""
    first = subject.deployed.first if subject.deployed is not None else None
    for rule_ in REASONS:
        for found in rule_.check(subject):
            error = (found.severity or rule_.severity) is Severity.ERROR
            anywhere = first is None or rule_ is deployed_in_training_mode
            if (first is not None and first.path in found.paths) or (anywhere and error):
                return rule_.code, found
    return "", None
