"""The three pairs of operators: statistics over the batch, over groups of channels, over rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evenbatch.kernels.norms.channels_last import last_backward, last_forward, wide_rows
from evenbatch.kernels.parallel import split
from evenbatch.norms import _over_batch, _over_rows
from evenbatch.torch.layers._arrays import (
    NUMPY,
    Array,
    channels_last,
    dense,
    narrow,
    parameter,
    planes,
    result,
    slope,
    view,
)
from evenbatch.torch.layers._formula import batch_formula, group_formula, row_formula
from evenbatch.torch.layers._register import register
from evenbatch.torch.layers._threads import pytorchs_threads

Three = tuple[Tensor, Tensor, Tensor]


def _affine(
    weight: Tensor | None, bias: Tensor | None, size: int, dtype: Any
) -> tuple[Array, Array]:
    return parameter(weight, size, 1.0, dtype), parameter(bias, size, 0.0, dtype)


def _copied(statistics: Tensor) -> Array:
    return view(statistics.to(torch.float64, copy=True))


def _gradients(dx: Tensor, x: Tensor, pairs: list[tuple[Array, Tensor | None]]) -> Three:
    """dx in x's dtype, and each parameter's gradient in its own shape and dtype."""
    found = [x.new_empty(0) if p is None else _gradient(g, p) for g, p in pairs]
    return narrow(dx, x), found[0], found[1]


def _gradient(g: Array, p: Tensor) -> Tensor:
    if p.dtype in NUMPY:
        g = g.astype(NUMPY[p.dtype], copy=False)
    return narrow(torch.from_numpy(g.reshape(p.shape)), p)


def _flags(mask: Tensor | None, layout: torch.memory_format | None, batch: int) -> Array | None:
    """The mask (N, *spatial) as the kernels take it, None where it leaves nothing out."""
    if mask is None or bool(mask.all()):
        return None
    flags = mask.contiguous().numpy()
    return flags.reshape(batch, -1) if layout is None else flags.reshape(-1, 1)


# ---- over the batch ------------------------------------------------------------------------------


def _batch_forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    fixed_mean: Tensor | None,
    fixed_var: Tensor | None,
    mask: Tensor | None,
    eps: float,
    relu: bool,
) -> Three:
    layout = channels_last(x)
    y, out = result(x, layout)
    array = planes(dense(x, layout), layout)
    flags = _flags(mask, layout, len(x))
    if array.size == 0 or (flags is not None and not flags.any()):
        y.zero_()
        nothing, one = (torch.full((x.shape[1],), v, dtype=torch.float64) for v in (0.0, 1.0))
        return narrow(y, x), nothing, one
    fixed = None
    if fixed_mean is not None and fixed_var is not None:
        fixed = _copied(fixed_mean), _copied(fixed_var)
    with pytorchs_threads():
        used = _over_batch.forward(
            array, flags, *_affine(weight, bias, x.shape[1], array.dtype), eps,
            slope(relu), fixed, out.reshape(array.shape),
        )  # fmt: skip
    return narrow(y, x), torch.from_numpy(used[0]), torch.from_numpy(used[1])


def _batch_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    fixed_mean: Tensor | None,
    fixed_var: Tensor | None,
    mask: Tensor | None,
    eps: float,
    relu: bool,
) -> Three:
    layout = channels_last(x)
    dx, out = result(x, layout)
    array, slopes = (planes(dense(t, layout), layout) for t in (x, dy))
    flags = _flags(mask, layout, len(x))
    if array.size == 0 or (flags is not None and not flags.any()):
        nothing = np.zeros((2, x.shape[1]))
        return _gradients(dx.zero_(), x, [(nothing[0], weight), (nothing[1], bias)])
    with pytorchs_threads():
        dweight, dbias = _over_batch.backward(
            array, slopes, flags, *_affine(weight, bias, x.shape[1], array.dtype), eps,
            slope(relu), view(mean), view(var), fixed_mean is None,
            out.reshape(array.shape),
        )  # fmt: skip
    return _gradients(dx, x, [(dweight, weight), (dbias, bias)])


batch_norm = register(
    "batch_norm",
    "Tensor? fixed_mean, Tensor? fixed_var, Tensor? mask, float eps, bool relu",
    _batch_forward,
    _batch_backward,
    batch_formula,
    lambda x, *_: (x.shape[1],),
    channels_last,
)
"""y, mean and biased variance of ``(x, weight, bias, fixed_mean, fixed_var, mask, eps, relu)``.

Given a fixed mean and variance, these are used; else those of x (N, C, *spatial).
"""


# ---- over groups of channels ---------------------------------------------------------------------


def _group_forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    groups: int,
    eps: float,
    relu: bool,
) -> Three:
    layout = channels_last(x)
    flags = _flags(mask, None, len(x))
    y, out = result(x, layout if flags is None else None)
    mean, var = np.empty((len(x), groups)), np.empty((len(x), groups))
    with pytorchs_threads():
        if layout is not None and flags is None:
            array = _samples(x, layout)
            gamma, beta = _affine(weight, bias, x.shape[1], array.dtype)
            split(
                last_forward, len(x), array.size,
                array, gamma, beta, eps, slope(relu), mean, var, out.reshape(array.shape),
            )  # fmt: skip
        else:
            array = planes(dense(x, None), None)
            gamma, beta = _affine(weight, bias, x.shape[1], array.dtype)
            mean, var = _over_rows.forward_groups(
                array, flags, groups, gamma, beta, eps, slope(relu), out.reshape(array.shape)
            )
    return dense(narrow(y, x), layout), torch.from_numpy(mean), torch.from_numpy(var)


def _samples(x: Tensor, layout: torch.memory_format) -> Array:
    """A channels-last x as (N, rows, columns), several positions to a row."""
    positions = math.prod(x.shape[2:])
    together = wide_rows(positions, x.shape[1])
    return planes(dense(x, layout), layout).reshape(len(x), positions // together, -1)


def _group_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    groups: int,
    eps: float,
    relu: bool,
) -> Three:
    layout = channels_last(x)
    flags = _flags(mask, None, len(x))
    dx, out = result(x, layout if flags is None else None)
    statistics = view(mean), view(var)
    with pytorchs_threads():
        if layout is not None and flags is None:
            array, slopes = (_samples(t, layout) for t in (x, dy))
            gamma, beta = _affine(weight, bias, x.shape[1], array.dtype)
            dgammas, dbetas = (np.empty((len(x), x.shape[1])) for _ in range(2))
            split(
                last_backward, len(x), array.size,
                array, slopes, gamma, beta, eps, slope(relu), *statistics,
                out.reshape(array.shape), dgammas, dbetas,
            )  # fmt: skip
            dgamma, dbeta = dgammas.sum(0), dbetas.sum(0)
        else:
            array, slopes = (planes(dense(t, None), None) for t in (x, dy))
            gamma, beta = _affine(weight, bias, x.shape[1], array.dtype)
            dgamma, dbeta = _over_rows.backward_groups(
                array, slopes, flags, groups, gamma, beta, eps, slope(relu),
                *statistics, out.reshape(array.shape),
            )  # fmt: skip
    return _gradients(dense(dx, layout), x, [(dgamma, weight), (dbeta, bias)])


group_norm = register(
    "group_norm",
    "Tensor? mask, int groups, float eps, bool relu",
    _group_forward,
    _group_backward,
    group_formula,
    lambda x, _mask, groups, *_: (x.shape[0], groups),
    channels_last,
)
"""y, mean and biased variance of ``(x, weight, bias, mask, groups, eps, relu)``."""


# ---- over rows -----------------------------------------------------------------------------------


def _row_flags(mask: Tensor | None, x: Tensor, features: int) -> Array | None:
    if mask is None or bool(mask.all()):
        return None
    wide = mask.view(*mask.shape, *(1,) * (x.dim() - mask.dim())).expand_as(x)
    array: Array = wide.contiguous().numpy().reshape(-1, features)
    return array


def _row_forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    dims: int,
    centered: bool,
    eps: float,
    relu: bool,
) -> Three:
    features = math.prod(x.shape[-dims:])
    y, out = result(x, None)
    array = view(dense(x, None)).reshape(-1, 1, features)
    gamma, beta = _affine(weight, bias, features, array.dtype)
    with pytorchs_threads():
        mean, var = _over_rows.forward(
            array, _row_flags(mask, x, features), gamma[None], beta[None], eps,
            slope(relu), centered, out.reshape(array.shape),
        )  # fmt: skip
    return narrow(y, x), torch.from_numpy(mean[:, 0]), torch.from_numpy(var[:, 0])


def _row_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    dims: int,
    centered: bool,
    eps: float,
    relu: bool,
) -> Three:
    features = math.prod(x.shape[-dims:])
    dx, out = result(x, None)
    array, slopes = (view(dense(t, None)).reshape(-1, 1, features) for t in (x, dy))
    gamma, beta = _affine(weight, bias, features, array.dtype)
    with pytorchs_threads():
        dweight, dbias = _over_rows.backward(
            array, slopes, _row_flags(mask, x, features), gamma[None], beta[None], eps,
            slope(relu), centered, view(mean)[:, None], view(var)[:, None],
            out.reshape(array.shape),
        )  # fmt: skip
    return _gradients(dx, x, [(dweight, weight), (dbias, bias)])


row_norm = register(
    "row_norm",
    "Tensor? mask, int dims, bool centered, float eps, bool relu",
    _row_forward,
    _row_backward,
    row_formula,
    lambda x, _mask, dims, *_: (math.prod(x.shape[: x.dim() - dims]),),
)
"""y, mean and biased variance of ``(x, weight, bias, mask, dims, centered, eps, relu)``."""
