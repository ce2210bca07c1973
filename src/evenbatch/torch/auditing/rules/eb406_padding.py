"""Padding counts in the statistics.

## What it does
If the batch carries a mask (``attention_mask``, ``mask``, ``key_padding_mask``), compares the
mean and variance of each batch, instance and group norm's input with and without the padded
positions.

## Why is this bad?
These layers average over positions. Padding is not data: the more of it a batch holds, the
smaller the variance and the nearer to the padding's value the mean. The output for the same
sequence then depends on how long the longest one in its batch is, and evaluation with other
lengths shifts.

## Example
```python
y = self.bn(self.conv(x))  # x is padded with zeros
```

## Use instead
Batches of similar lengths; layer norm, which looks at one position at a time; or masked
statistics:
```python
from evenbatch.torch import BatchNorm1d

y = self.bn(self.conv(x), mask=mask)
```

## Source
[pytorch#70529](https://github.com/pytorch/pytorch/issues/70529),
[pytorch#81985](https://github.com/pytorch/pytorch/issues/81985),
[Multilingual_Text_to_Speech#81](https://github.com/Tomiinek/Multilingual_Text_to_Speech/issues/81)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.padding import padded_at, padding
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm, Unfit
from evenbatch.torch.measuring.behaviour import OWN, PART, PAST, blocks
from evenbatch.torch.measuring.listening import Listening
from evenbatch.torch.measuring.probing import Probe, size
from evenbatch.torch.models.inputs import Inputs, tensors_in
from evenbatch.torch.models.running import forward, set_mode
from evenbatch.torch.models.words import brief

SHIFT, RATIO = 0.05, 1.1
CHANCE = 2  # times what leaving out as many positions of the same kind would do

Effect = tuple[float, float, float]


@rule("EB406", Severity.WARNING, "batch")
def padding_in_statistics(subject: Subject) -> Iterator[Found]:
    """Layers whose statistics change when padded positions are left out."""
    sample = subject.sample
    marked = None if sample is None else padding(sample.inputs)
    if sample is None or marked is None or sample.evaluating.error:
        return
    norms = {norm.key: norm for norm in subject.norms if set(norm.does.axes) != {OWN}}
    before, after = (_given(subject, norms, inputs) for inputs in (sample.inputs, marked.altered))
    found: dict[str, Effect] = {}
    for key, (x, args, kwargs) in before.items():
        if key in after and after[key][0].shape == x.shape:
            norm = norms[key]
            padded = padded_at(marked.real, x, after[key][0], norm.does.channel)
            if padded is None or _masked(norm, x, padded, args, kwargs):
                continue
            effect = _effect(norm, x, padded)
            if effect is not None:
                found[norm.path] = effect
    if found:
        path, (padded_share, shift, ratio) = max(found.items(), key=lambda item: item[1][1])
        yield Found(
            tuple(found),
            f"{brief(100 * padded_share)} % of the positions are padding. With it the mean in "
            f"{path!r} is off by {brief(shift)} standard deviations and the variance "
            f"is {brief(ratio)} times that of the data.",
            "batches of similar lengths, layer norm, or a layer that takes the mask "
            "(evenbatch.torch.BatchNorm1d).",
            {"padded": padded_share, "shift": shift, "variance_ratio": ratio},
        )


def _given(subject: Subject, norms: Mapping[str, Norm], inputs: Inputs) -> dict[str, Any]:
    """What each norm is first given in evaluation mode: the input and all arguments."""
    given: dict[str, Any] = {}

    def look(key: str, args: Any, kwargs: Any) -> None:
        x = next((t for t in tensors_in((args, kwargs)) if t.is_floating_point()), None)
        if key in norms and key not in given and x is not None and x.dim() > 1:
            given[key] = x.detach().cpu().double(), args, kwargs

    with subject.lender.lend() as model, suppress(Exception):
        set_mode(model, False)
        with Listening(
            model,
            enter=lambda path, module, args, kwargs: look(path, args, kwargs),
            called=lambda key, function, args, kwargs, output: look(key, args, kwargs),
        ):
            forward(model, inputs)
    return given


def _masked(norm: Norm, x: torch.Tensor, padded: torch.Tensor, args: Any, kwargs: Any) -> bool:
    """Whether the layer itself leaves the padding out: other values there change nothing where
    there are data."""
    if norm.is_torch:
        return False
    try:
        probe = Probe(norm.module, args, kwargs)
        one, two = probe(x), probe(torch.where(padded, 3 * x + 5, x))
    except Unfit:
        return False
    return float((one - two)[~padded].abs().max()) < 1e-4 * max(size(one), 1e-12)


def _effect(norm: Norm, x: torch.Tensor, padded: torch.Tensor) -> Effect | None:
    """The share of padding, the root mean square shift of the means and the median ratio of the
    variances, if beyond chance."""
    real, words = (~padded).double(), norm.does.axes_for(tuple(x.shape))
    if words is None or {PAST, PART} & set(words):
        return None

    def taken(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return blocks(words, norm.does.groups, values)

    (mean, var), inside = taken(x), taken(real)[0]
    data, squares = (taken(v * real)[0] / inside.clamp(min=1e-12) for v in (x, x.square()))
    spread, every = squares - data.square(), norm.does.values(tuple(x.shape))
    usable = (inside * every > 1.5) & (inside < 1) & (spread > 1e-9 * squares)
    if not bool(usable.any()):
        return None
    shift = float(((mean - data)[usable] / spread[usable].sqrt()).square().mean().sqrt())
    ratio = float((var[usable] / spread[usable]).median())
    chance = float((1 / (inside * every)[usable] - 1 / every).mean().sqrt())
    off = shift > max(SHIFT, CHANCE * chance)
    wide = ratio > 0 and abs(math.log(ratio)) > max(math.log(RATIO), CHANCE * 2**0.5 * chance)
    return (1 - float(real.mean()), shift, ratio) if off or wide else None
