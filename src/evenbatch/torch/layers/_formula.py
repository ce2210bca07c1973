"""The normalizers in plain PyTorch operations, which PyTorch can differentiate any number of times.

They serve three ends: a mask where the kernels do not reach (another device or dtype), the second
derivative, and the fakes' shapes. They are slow, and nothing of the kernels is in them, so the
tests also compare with them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def evened(
    x: Tensor,
    dims: tuple[int, ...],
    mask: Tensor | None,
    eps: float,
    centered: bool = True,
    fixed: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """``(x - mean) / sqrt(var + eps)`` over `dims`, with mean and biased variance (dims kept).

    Args:
        mask: None, or flags that broadcast to x; what it leaves out is 0 in the result.
        centered: False leaves the mean out.
        fixed: a mean and a variance that broadcast to x, to use instead of x's own.
    """
    zero = x.new_zeros(())
    if fixed is not None:
        mean, var = fixed
        centred = x - mean
    else:
        kept = None if mask is None else mask.expand_as(x)
        inside = x if kept is None else torch.where(kept, x, zero)
        count = None if kept is None else kept.sum(dims, keepdim=True).clamp(min=1)

        def average(t: Tensor) -> Tensor:
            return (
                t.mean(dims, keepdim=True) if count is None else t.sum(dims, keepdim=True) / count
            )

        mean = average(inside) if centered else torch.zeros_like(average(inside.detach()))
        centred = inside - mean if kept is None else torch.where(kept, inside - mean, zero)
        var = average(centred * centred)
    xhat = centred * torch.rsqrt(var + eps)
    return (xhat if mask is None else torch.where(mask, xhat, zero)), mean, var


def finished(
    xhat: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, relu: bool
) -> Tensor:
    """``weight * xhat + bias``, relu and mask applied; everything broadcasts to xhat."""
    y = xhat if weight is None else xhat * weight
    y = y if bias is None else y + bias
    y = torch.relu(y) if relu else y
    return y if mask is None else torch.where(mask, y, y.new_zeros(()))


def _wide(x: Tensor) -> Tensor:
    """Half types are computed in float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _per_channel(t: Tensor | None, x: Tensor) -> Tensor | None:
    return None if t is None else t.to(x.dtype).view(-1, *(1,) * (x.dim() - 2))


def batch_formula(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    mask: Tensor | None,
    eps: float,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization of x (N, C, *spatial): y, mean and biased variance (C,).

    Args:
        weight, bias: (C,) or None.
        mean, var: (C,), to use instead of the batch's own, or None.
        mask: (N, *spatial) flags or None.
    """
    wide = _wide(x)
    dims = (0, *range(2, x.dim()))
    flags = None if mask is None else mask.unsqueeze(1)
    fixed = None
    if mean is not None and var is not None:
        shape = (1, -1, *(1,) * (x.dim() - 2))
        fixed = (mean.to(wide.dtype).view(shape), var.to(wide.dtype).view(shape))
    xhat, mean, var = evened(wide, dims, flags, eps, fixed=fixed)
    y = finished(xhat, _per_channel(weight, wide), _per_channel(bias, wide), flags, relu)
    return y.to(x.dtype), mean.flatten(), var.flatten()


def group_formula(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    groups: int,
    eps: float,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Group normalization of x (N, C, *spatial): y, mean and biased variance (N, groups)."""
    wide = _wide(x)
    parts = wide.reshape(x.shape[0], groups, -1, *x.shape[2:])
    dims = tuple(range(2, parts.dim()))
    flags = None if mask is None else mask.unsqueeze(1)
    xhat, mean, var = evened(parts, dims, None if flags is None else flags.unsqueeze(1), eps)
    y = finished(
        xhat.reshape(x.shape), _per_channel(weight, wide), _per_channel(bias, wide), flags, relu
    )
    shape = (x.shape[0], groups)
    return y.to(x.dtype), mean.reshape(shape), var.reshape(shape)


def row_formula(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    dims: int,
    centered: bool,
    eps: float,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Layer (or, not centred, RMS) normalization of x over its last `dims` axes.

    Args:
        weight, bias: x.shape[-dims:] or None.
        mask: flags whose shape is the beginning of x's, or None.

    Returns: y, mean and biased variance, one number a row.
    """
    wide = _wide(x)
    over = tuple(range(x.dim() - dims, x.dim()))
    flags = None if mask is None else mask.view(*mask.shape, *(1,) * (x.dim() - mask.dim()))
    xhat, mean, var = evened(wide, over, flags, eps, centered)
    gamma, beta = (None if t is None else t.to(wide.dtype) for t in (weight, bias))
    return finished(xhat, gamma, beta, flags, relu).to(x.dtype), mean.flatten(), var.flatten()
