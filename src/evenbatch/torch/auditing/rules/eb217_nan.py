"""NaN in parameters, or in the output for a batch that has none.

## What it does
Reads every parameter. Runs the batch in evaluation and in training mode, and names the first
module whose output is not a number while its input is.

## Why is this bad?
NaN spreads to everything that it is added to or multiplied with: one channel makes the whole
output NaN, one step of the optimizer every weight.

## Example
```python
var = x.pow(2).mean(-1) - x.mean(-1).pow(2)  # below 0 by rounding
y = (x - mean) / (var + 1e-8).sqrt()
```

## Use instead
```python
var = (x - mean).pow(2).mean(-1)
```
or a checkpoint from before the parameters broke, and a smaller learning rate from there.

## Source
[pytorch#51102](https://github.com/pytorch/pytorch/issues/51102),
[pytorch#40302](https://github.com/pytorch/pytorch/issues/40302),
[pytorch#88474](https://github.com/pytorch/pytorch/issues/88474)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import wrong_channels
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.sample import norms_train
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.listening import Listening
from evenbatch.torch.measuring.norms import has_numbers
from evenbatch.torch.models.inputs import tensors_in
from evenbatch.torch.models.running import forward, set_mode
from evenbatch.torch.models.words import brief, counted, places


@rule("EB217", Severity.ERROR, "state + batch")
def not_a_number(subject: Subject) -> Iterator[Found]:
    """Parameters that are infinite or NaN; else the first module that makes NaN."""
    named = [
        name for name, p in subject.model.named_parameters()
        if has_numbers(p) and not bool(torch.isfinite(p).all())
    ]  # fmt: skip
    if named:
        yield Found(
            tuple(dict.fromkeys(name.rpartition(".")[0] for name in named)),
            f"infinity or NaN in {counted(len(named), 'parameter')}: {places(tuple(named))}.",
            "load a checkpoint from before, and look for the step at which it happened.",
            {"parameters": len(named)},
        )
    sample = subject.sample
    if named or sample is None or any(wrong_channels(norm) for norm in subject.norms):
        return  # the cause is known
    if any(_share(t) for t in sample.inputs.tensors()):
        return
    for training, done in ((False, sample.evaluating), (True, sample.training)):
        share = max((_share(t) for t in done.output), default=0.0)
        if share:
            first = _first(subject, training)
            mode = "training" if training else "evaluation"
            yield Found(
                (first,),
                f"{brief(100 * share)} % of the output on this batch is NaN in {mode} mode; the "
                f"first to make any is {first or 'the model itself'!r}, of finite input.",
                "look at what this module divides by, and takes roots and logarithms of.",
                {"share": share},
            )
            return


def _share(tensor: torch.Tensor) -> float:
    return float(tensor.isnan().double().mean()) if tensor.numel() else 0.0


def _first(subject: Subject, training: bool) -> str:
    """The innermost module that was the first to give NaN for what has none."""
    found: list[str] = []

    def leave(path: str, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        given, gives = (any(map(_share, tensors_in(x))) for x in ((args, kwargs), output))
        if gives and not given and not found:
            found.append(path)

    assert subject.sample is not None
    with subject.lender.lend() as model, suppress(Exception):
        if training:
            norms_train(model, subject.norms)
        else:
            set_mode(model, False)
        with Listening(model, leave=leave):
            forward(model, subject.sample.inputs)
    return found[0] if found else ""
