"""The batch that a rewrite is given, and what the model's output on it proves."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from evenbatch.torch.models.inputs import BatchError, Inputs, tensors_in
from evenbatch.torch.models.keeping import left_as_it_was
from evenbatch.torch.models.running import difference, set_mode
from evenbatch.torch.models.words import short
from evenbatch.torch.rewrite._result import Rewrite, RewriteError


def inputs_of(batch: Any, model: nn.Module, what: str, some: bool = True) -> Inputs:
    """The batch as the arguments of the model's forward.

    Args:
        some: refuse a batch without an example.

    Raises:
        RewriteError: it is not of a kind that can be one, or holds no example.
    """
    try:
        inputs = Inputs.of(batch, model)
    except BatchError as error:
        raise RewriteError(f"{what}: {error}") from error
    tensors = inputs.tensors()
    if some and tensors and all(t.numel() == 0 for t in tensors):
        raise RewriteError(
            f"{what}: the batch ({inputs.described()}) holds no example, so it shows nothing; give "
            "one with at least one example"
        )
    return inputs


def mismatch(model: nn.Module, inputs: Inputs) -> str:
    """Where model and batch lie on several devices, or in several floating types: which, to be put
    after the message of a failed forward pass; else nothing.

    >>> mismatch(nn.Linear(2, 2).half(), Inputs((torch.zeros(3, 2),)))
    '; weight is float16, the batch float32'
    """
    own = [
        (name, t)
        for name, t in (*model.named_parameters(), *model.named_buffers())
        if not isinstance(t, nn.parameter.UninitializedTensorMixin)
    ]
    given = [("the batch", t) for t in inputs.tensors()]
    said = []
    devices = _first_of_each([(name, str(t.device)) for name, t in (*own, *given)])
    if len(devices) > 1:
        said.append(", ".join(f"{name} is on {device}" for device, name in devices.items()))
        if "meta" in devices:
            said.append("the meta device holds no numbers: use a real one for both")
    types = _first_of_each(
        [(name, str(t.dtype)) for name, t in (*own, *given) if t.is_floating_point()]
    )
    if len(types) > 1:
        words = [f"{name} is {dtype.removeprefix('torch.')}" for dtype, name in types.items()]
        words[1:] = [word.replace(" is ", " ", 1) for word in words[1:]]
        said.append(", ".join(words))
    return "".join(f"; {words}" for words in said)


def _first_of_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Each value with the name that has it first."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(value, name)
    return found


def outputs(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    """The floating tensors of the model's output in evaluation mode; the model stays as it was."""
    with left_as_it_was(model), torch.no_grad():
        set_mode(model, False)
        found = tensors_in(model(*inputs.args, **inputs.kwargs))
        dense = [t if t.layout is torch.strided else t.to_dense() for t in found]
        return [t.detach().double() for t in dense if t.is_floating_point()]


def proved(done: Rewrite, inputs: Inputs, before: list[torch.Tensor], allowed: float) -> Rewrite:
    """The same with the change of the model's output on the batch as evidence.

    Args:
        before: the output as it was, from `outputs`.
        allowed: by how much it may change, in parts of its largest value.

    Raises:
        RewriteError: it changed by more, or the model fails; everything was put back.
    """
    if not done.changes:
        return done
    try:
        after = outputs(done.model, inputs)
        numbers = [t for t in before if t.device.type != "meta" and bool(t.isfinite().any())]
        gap = difference(before, after) if numbers else 0.0
    except Exception as error:
        done.undo()
        raise RewriteError(
            f"{done.what}: the rewritten model fails on the batch, so nothing was changed: "
            f"{short(error)}{mismatch(done.model, inputs)}"
        ) from error
    if not gap <= allowed:
        done.undo()
        raise RewriteError(
            f"{done.what}: the model's output on the batch changed by {gap:.1e} of its largest "
            f"value, more than the {allowed:.0e} that rounding explains, so nothing was changed"
        )
    text = f"the model's output on the batch changed by {gap:.1e} of its largest value"
    if not numbers:
        text = "no finite number was found in the model's output on the batch: it was not compared"
    return Rewrite(done.what, done.model, done.changes, done.refused, text, done._back)
