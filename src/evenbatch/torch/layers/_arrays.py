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
    array: Array = (x if x.dtype is WIDE[x.dtype] else x.to(WIDE[x.dtype])).numpy()
    return array


def planes(x: Tensor, layout: torch.memory_format | None) -> Array:
    """x (N, C, *spatial) as (N, C, S); channels-last ones as the (N * S, C, 1) that they are."""
    if layout is None:
        return view(x).reshape(x.shape[0], x.shape[1], -1)
    return view(x.movedim(1, -1)).reshape(-1, x.shape[1], 1)


def result(x: Tensor, layout: torch.memory_format | None) -> Tensor:
    """A tensor like x, of the dtype that is computed in, for a kernel to fill.

    On memory used before, in large pages, where PyTorch's allocator gives a large tensor fresh ones
    again and again: of normalizing 16 MB, forward and backward, two thirds of the time were page
    faults.
    """
    dtype = NUMPY[WIDE[x.dtype]]
    if layout is None:
        return torch.from_numpy(empty(tuple(x.shape), dtype))
    shape = tuple(x.movedim(1, -1).shape)
    return torch.from_numpy(empty(shape, dtype)).movedim(-1, 1)


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
    return np.ascontiguousarray(view(value).reshape(-1), dtype)


def slope(relu: bool) -> float:
    """The fused activation's slope left of zero, as the kernels take it."""
    return 0.0 if relu else 1.0
