"""Calling a layer, or a function, on made-up numbers, each time as if for the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import mapped, tensors_in
from evenbatch.torch.models.running import set_mode

Edit = Callable[[Any], Any]


class Unfit(Exception):
    """A layer that cannot be called as wanted, or does not give what was put in."""


class Probe:
    """A layer with the arguments of one of its calls, of which the first tensor is varied.

    Every call is made on a new copy, so that none sees what another left behind, with random
    numbers in the same state.
    """

    def __init__(self, layer: nn.Module, args: Any = (), kwargs: Any = None) -> None:
        self.layer: nn.Module = copied(layer)
        self.args, self.kwargs = args, kwargs or {}
        given = [t for t in tensors_in((self.args, self.kwargs)) if numeric(t)]
        if not given:
            raise Unfit("it is called without numbers")
        self.main = given[0]
        self.shape = tuple(self.main.shape)
        self.dtype, self.device = self.main.dtype, self.main.device
        with torch.no_grad():  # what is infinite or NaN would hide what the layer does
            for tensor in (*self.layer.parameters(), *self.layer.buffers()):
                if numeric(tensor):
                    tensor.data = tensor.data.nan_to_num(1.0, 1.0, 1.0)

    def wide(self) -> Probe:
        """The same in float64, or in float32, or as it is: whichever the layer takes."""
        for dtype in (torch.float64, torch.float32):
            made = self.cast(dtype)
            try:
                made(made.random())
            except Unfit:
                continue
            return made
        return self

    def cast(self, dtype: torch.dtype) -> Probe:
        """The same with floating numbers of another type; complex ones in kind."""
        made: Probe = object.__new__(Probe)
        vars(made).update(vars(self))
        made.layer = copied(self.layer).to(dtype)
        made.dtype = dtype.to_complex() if self.dtype.is_complex else dtype

        def change(t: torch.Tensor) -> torch.Tensor:
            if t is self.main or not numeric(t):
                return t
            return t.to(dtype.to_complex() if t.is_complex() else dtype)

        made.args, made.kwargs = mapped((self.args, self.kwargs), change)
        return made

    def changed(self) -> Probe:
        """The same with a bit added to every parameter."""
        made: Probe = object.__new__(Probe)
        vars(made).update(vars(self))
        made.layer = copied(self.layer)
        with torch.no_grad():
            for parameter in made.layer.parameters():
                parameter.add_(0.75)
        return made

    def random(self, seed: int = 0) -> torch.Tensor:
        """Normal random numbers of the input's shape."""
        wide = torch.complex128 if self.dtype.is_complex else torch.float64
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(seed), dtype=wide)

    def __call__(
        self, x: torch.Tensor, training: bool = True, edit: Edit | None = None
    ) -> torch.Tensor:
        """The output for one input, in double precision; `edit` changes the layer before it."""
        return self.calls([x], training, edit)[0][0]

    def calls(
        self, xs: Sequence[torch.Tensor], training: bool = True, edit: Edit | None = None
    ) -> tuple[list[torch.Tensor], Any]:
        """The outputs of several calls of one copy, one after the other, and that copy.

        Raises:
            Unfit: it fails, or no output has the shape of the input.
        """
        layer = copied(self.layer)
        set_mode(layer, training)
        torch.default_generator.set_state(_STATE)
        try:
            with torch.no_grad():
                if edit is not None:
                    edit(layer)
                return [self._one(layer, x) for x in xs], layer
        except Unfit:
            raise
        except Exception as error:
            raise Unfit(f"{type(error).__name__}: {error}") from error

    def _one(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        given = x.to(dtype=self.dtype, device=self.device, copy=True)
        rows = {self.shape[0]: x.shape[0]} if self.shape and self.shape[0] != x.shape[0] else {}

        def change(t: torch.Tensor) -> torch.Tensor:
            if t is self.main:
                return given
            # What belongs to the rows goes with them.
            return t[: rows[t.shape[0]]].clone() if t.dim() and t.shape[0] in rows else t.clone()

        args, kwargs = mapped((self.args, self.kwargs), change)
        for y in tensors_in(layer(*args, **kwargs)):
            if y.shape == x.shape and numeric(y):
                wide = torch.complex128 if y.is_complex() else torch.float64
                return y.detach().to("cpu", wide, copy=True)
        raise Unfit("no output has the shape of the input")


_STATE = torch.Generator().manual_seed(0).get_state()


def numeric(tensor: torch.Tensor) -> bool:
    """Whether it holds numbers that can be varied."""
    return tensor.is_floating_point() or tensor.is_complex()


def size(y: torch.Tensor) -> float:
    """Root mean square."""
    return float(y.abs().square().mean().sqrt())


def apart(y: torch.Tensor, z: torch.Tensor) -> float:
    """Root mean square of the difference, in parts of the size; infinite if not finite."""
    gap = size(y - z) / max(size(y), 1e-30)
    return gap if gap == gap else float("inf")
