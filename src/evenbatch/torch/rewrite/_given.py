"""The batch that a rewrite is given."""

from __future__ import annotations

from typing import Any

from torch import nn

from evenbatch.torch.models.inputs import BatchError, Inputs
from evenbatch.torch.rewrite._result import RewriteError


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
