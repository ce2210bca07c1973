"""Tensors seen as NumPy arrays, sharing their memory, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evenbatch.norms._buffers import empty

Array = npt.NDArray[Any]

WIDE = {torch.float32: torch.float32, torch.float64: torch.float64, torch.bfloat16: torch.float32}
"""The dtypes the kernels take, and what each is computed in."""

NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def channels_last(x: Tensor) -> torch.memory_format | None:
    """The channels-last format x is in, or None; a tensor in both orders counts as contiguous."""
    if x.dim() in (4, 5) and not x.is_contiguous():
        kind = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        if x.is_contiguous(memory_format=kind):
            return kind
    return None


def dense(x: Tensor, layout: torch.memory_format | None) -> Tensor:
    """x in this layout; x itself where it lies so already."""
    return x.contiguous(memory_format=layout or torch.contiguous_format)


def view(x: Tensor) -> Array:
    """x's numbers where they lie, x being contiguous; bfloat16, which NumPy lacks, is widened."""
    x = x.detach()
    array: Array = (x.float() if x.dtype is torch.bfloat16 else x).numpy()
    return array


def planes(x: Tensor, layout: torch.memory_format | None) -> Array:
    """x (N, C, *spatial) as (N, C, S); channels-last ones as the (N * S, C, 1) that they are."""
    array = view(x)
    if layout is None:
        return array.reshape(x.shape[0], x.shape[1], -1)
    return array.transpose(0, *range(2, x.dim()), 1).reshape(-1, x.shape[1], 1)


def result(x: Tensor, layout: torch.memory_format | None) -> tuple[Tensor, Array]:
    """A tensor like x, of the dtype that is computed in, and its memory for a kernel to fill.

    On memory used before, in large pages, where PyTorch's allocator gives a large tensor fresh ones
    again and again: of normalizing 16 MB, forward and backward, two thirds of the time were page
    faults.
    """
    dtype = NUMPY[WIDE[x.dtype]]
    if layout is None:
        array = empty(tuple(x.shape), dtype)
        return torch.from_numpy(array), array
    array = empty((x.shape[0], *x.shape[2:], x.shape[1]), dtype)
    return torch.from_numpy(array).movedim(-1, 1), array


def narrow(y: Tensor, x: Tensor) -> Tensor:
    """y in x's dtype (`to` takes a microsecond to find that there is nothing to do)."""
    return y if y.dtype is x.dtype else y.to(x.dtype)


def like(x: Tensor, layout: torch.memory_format | None) -> Tensor:
    """What a result becomes in the end, without its memory: for tracing."""
    return torch.empty_like(x, memory_format=layout or torch.contiguous_format)


def parameter(value: Tensor | None, size: int, neutral: float, dtype: Any) -> Array:
    """A parameter as a flat array of the kernels' dtype; `neutral` everywhere where it is None.

    Raises:
        ValueError: it does not have `size` elements (the kernels check no bounds).
    """
    if value is None:
        return np.full(size, neutral, dtype)
    if value.numel() != size:
        raise ValueError(
            f"weight, bias and statistics must have {size} elements for this input, got one of "
            f"shape {tuple(value.shape)}"
        )
    array = view(value)
    if array.ndim == 1 and array.dtype == dtype and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array.reshape(-1), dtype)


def slope(relu: bool) -> float:
    """The fused activation's slope left of zero, as the kernels take it."""
    return 0.0 if relu else 1.0
