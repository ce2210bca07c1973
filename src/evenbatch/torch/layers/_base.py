"""What the layers share: when the kernels run, when PyTorch's own layer does, and the activation.

Every layer is a subclass of PyTorch's: same constructor, parameters, buffers, hooks and errors, and
``isinstance(layer, torch.nn.BatchNorm2d)`` holds. Its `forward` asks `reached`; where the answer is
no, PyTorch's own code runs, so an input that is wrong is refused in PyTorch's words.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd import forward_ad

from evenbatch.torch.layers._arrays import WIDE

FEWEST = {
    "batch": 1 << 18,
    "columns": 1 << 20,  # batch norm of two axes, or channels last
    "instance": 1 << 18,
    "group": 1 << 19,
    "layer": 1 << 19,
    "rms": 1 << 17,
}
"""Elements from which the kernels are used: below, calling them costs more than they save. Where
the two met when measured, rounded up."""

MASKED = 1 << 17
"""With a mask: what they are compared with then, `_formula`, takes many passes."""

ACTIVATIONS = (None, "relu")

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def reached(
    x: Tensor, kind: str, half: bool, shape: tuple[int, ...], *parameters: Tensor | None
) -> bool:
    """Whether the kernels can take x, and are worth calling.

    Args:
        x: the input.
        kind: of `FEWEST`.
        half: whether they are for bfloat16, which they widen and narrow again.
        shape: that the parameters must have.
        parameters: weight, bias, statistics.
    """
    if type(x) not in _PLAIN or x.device.type != "cpu" or x.dtype not in WIDE:
        return False
    if x.layout is not torch.strided or x.numel() < min(FEWEST[kind], MASKED):
        return False
    if x.dtype is torch.bfloat16 and not half:
        return False
    if torch.compiler.is_exporting() or torch.jit.is_tracing():  # which would keep our numbers
        return False
    for p in parameters:
        if p is None:
            continue
        if p.shape != shape or p.device.type != "cpu" or p.dtype not in (x.dtype, WIDE[x.dtype]):
            return False
    if torch.compiler.is_compiling():
        return True
    return forward_ad._current_level < 0 and not torch._C._are_functorch_transforms_active()


def _traced() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


class Activated:
    """The two things these layers add to PyTorch's: `activation`, and a mask when called."""

    activation: str | None = None

    def _set_activation(self, activation: str | None) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"{type(self).__name__}: activation must be None or 'relu', got {activation!r}"
            )
        self.activation = activation

    @property
    def _relu(self) -> bool:
        return self.activation == "relu"

    def _no_tensor(self, input: Any, mask: Any) -> Any:
        """Forward of something else: one node where `torch.fx` follows the model, as PyTorch's own
        layers are; anything else is for PyTorch's layer to refuse."""
        if isinstance(input, fx.Proxy) and input.tracer.root is not self:
            path = input.tracer.path_of_module(self)
            given = (input,) if mask is None else (input, mask)
            return input.tracer.create_proxy("call_module", path, given, {})
        return super().forward(input)  # type: ignore[misc]

    def __prepare_scriptable__(self) -> Any:
        raise RuntimeError(
            f"{type(self).__name__}: torch.jit.script cannot compile this package's layers; make "
            "them PyTorch's first, with accelerate(model, undo=True), or use torch.export"
        )

    @staticmethod
    def _small(input: Any, mask: Any, kind: str) -> bool:
        """Whether PyTorch's own layer is faster: asked before anything that takes time."""
        return mask is None and type(input) is Tensor and input.numel() < FEWEST[kind]

    def _activate(self, y: Tensor) -> Tensor:
        """The activation of what PyTorch's own layer gave, in its memory: no norm keeps its output
        for the backward pass."""
        if self.activation is None:
            return y
        if _traced() or type(y) is not Tensor or y._is_view():  # no tracer knows the last
            return torch.relu(y)
        return torch.relu_(y)

    def _mentioned(self, text: str) -> str:
        return text if self.activation is None else f"{text}, activation={self.activation!r}"


def check_mask(name: str, mask: Tensor, x: Tensor, expected: tuple[int, ...], words: str) -> None:
    """Raise unless the mask fits the input x: boolean, of this shape, on its device.

    Raises:
        ValueError: it does not.
    """
    if mask.dtype != torch.bool:
        raise ValueError(
            f"{name}: mask is {mask.dtype}, must be bool (True = valid); compare, for example "
            "mask > 0"
        )
    if tuple(mask.shape) != expected:
        raise ValueError(f"{name}: mask has shape {tuple(mask.shape)}, must be {expected}: {words}")
    if mask.device != x.device:
        raise ValueError(
            f"{name}: mask is on {mask.device}, input on {x.device}; use mask.to(input.device)"
        )


def check_masked(name: str, x: Tensor, mask: Tensor) -> None:
    """Raise unless both are tensors of which one can be a mask, and the other masked.

    Raises:
        TypeError: they are not.
    """
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name}: mask is a {type(mask).__name__}, must be a torch.Tensor of bool")
    if not x.is_floating_point():
        raise TypeError(f"{name}: with a mask, input must be floating, got {x.dtype}")
