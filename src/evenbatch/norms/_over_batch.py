"""Statistics per channel over the batch: which kernel, and joining what its chunks give."""

from __future__ import annotations

import numpy as np

from evenbatch.kernels.norms.batch import batch_backward, batch_forward
from evenbatch.kernels.norms.columns import (
    chunk_rows,
    column_apply,
    column_gradient,
    column_gradient_sums,
    column_statistics,
    join_columns,
)
from evenbatch.kernels.parallel import split
from evenbatch.norms._base import Array
from evenbatch.norms._buffers import empty


def _quiet() -> np.errstate:
    """NaN and infinity pass through without a word here, as they do in the kernels."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


SHORT = 12
LONG = 64


def as_columns(batch: int, length: int) -> bool:
    """Whether planes of this length, one a sample, are faster as columns of the whole batch.

    Below `SHORT` always, from `LONG` on never. Between, the columns' own arrays, as long as a
    sample, cost more than they save until there are many samples: planes of 49 are 2 times faster
    as planes at batch 32, planes of 16 are 2.5 times faster as columns at batch 1024.
    """
    return length < min(LONG, max(SHORT, batch // 4))


Fixed = tuple[Array, Array] | None


def forward(
    x: Array,
    valid: Array | None,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    fixed: Fixed,
    y: Array,
) -> tuple[Array, Array]:
    """Normalize x (N, C, S) into y per channel; returns mean and biased variance, float64.

    `fixed` are a mean and a variance to use instead of the batch's own.
    """
    batch, channels, length = x.shape
    if as_columns(batch, length):
        if valid is None:
            return _columns_forward(x, gamma, beta, eps, slope, fixed, y)
        packed = _packed(x, valid)
        result = np.empty_like(packed)
        mean, var = _columns_forward(packed, gamma, beta, eps, slope, fixed, result)
        _unpack(result, valid, y)
        return mean, var
    mean, var = (np.empty(channels), np.empty(channels)) if fixed is None else fixed
    count = batch * length if valid is None else int(valid.sum())
    split(
        batch_forward, channels, x.size,
        x, valid, count, gamma, beta, eps, slope, fixed is None, mean, var, y,
    )  # fmt: skip
    return mean, var


def backward(
    x: Array,
    dy: Array,
    valid: Array | None,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    mean: Array,
    var: Array,
    own: bool,
    dx: Array,
) -> tuple[Array, Array]:
    """Write dx; returns the float64 gradients of gamma and beta.

    `own` says that mean and var came from this batch.
    """
    batch, channels, length = x.shape
    if as_columns(batch, length):
        if valid is None:
            return _columns_backward(x, dy, gamma, beta, eps, slope, mean, var, own, dx)
        packed, packed_dy = _packed(x, valid), _packed(dy, valid)
        result = np.empty_like(packed)
        sums = _columns_backward(packed, packed_dy, gamma, beta, eps, slope, mean, var, own, result)
        _unpack(result, valid, dx)
        return sums
    dgamma, dbeta = np.empty(channels), np.empty(channels)
    count = batch * length if valid is None else int(valid.sum())
    split(
        batch_backward, channels, x.size,
        x, dy, valid, count, gamma, beta, eps, slope, own, mean, var, dx, dgamma, dbeta,
    )  # fmt: skip
    return dgamma, dbeta


def _packed(x: Array, valid: Array) -> Array:
    """The valid positions of x (N, C, S) as a batch of their own, (V, C, 1)."""
    return x.transpose(0, 2, 1)[valid][:, :, None]


def _unpack(packed: Array, valid: Array, x: Array) -> None:
    """Put what `_packed` took back in its place, zeros elsewhere."""
    x[...] = 0
    x.transpose(0, 2, 1)[valid] = packed[:, :, 0]


def _columns_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    fixed: Fixed,
    y: Array,
) -> tuple[Array, Array]:
    flat = x.reshape(len(x), -1)
    rows = chunk_rows(flat.shape[1])
    chunks = -(-len(flat) // rows)
    mean, var = _column_statistics(x, rows, chunks) if fixed is None else fixed
    near, rstd, shift, _ = _terms(x, gamma, beta, eps, mean, var)
    spread = [np.repeat(a, x.shape[2]) for a in (near, rstd, gamma, shift)]
    split(column_apply, chunks, x.size, flat, rows, *spread, slope, y.reshape(flat.shape))
    return mean, var


def _column_statistics(x: Array, rows: int, chunks: int) -> tuple[Array, Array]:
    batch, channels, length = x.shape
    means = empty((chunks, channels * length), np.float64)
    spreads = empty(means.shape, np.float64)
    mean, spread = np.empty(channels * length), np.empty(channels * length)
    split(column_statistics, chunks, x.size, x.reshape(batch, -1), rows, means, spreads)
    join_columns(batch, rows, means, spreads, mean, spread)
    with _quiet():
        middle = mean.reshape(channels, length).mean(1)
        apart = mean - np.repeat(middle, length)
        spread += batch * apart * apart
        return middle, spread.reshape(channels, length).sum(1) / (batch * length)


def _per_channel(chunks: Array, channels: int) -> Array:
    """Sum of (chunks, C*S) over chunks, then over positions (both at once is far slower)."""
    total: Array = chunks.sum(0).reshape(channels, -1).sum(1)
    return total


def _terms(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, var: Array
) -> tuple[Array, Array, Array, Array]:
    """near, rstd, shift and rest per channel; see ``kernels/norms/planes.py``."""
    with _quiet():
        rstd = 1 / np.sqrt(var + eps)
        near = mean.astype(x.dtype)
        rest = (mean - near) * rstd
        shift = (beta - rest * gamma).astype(x.dtype)
        return near, rstd.astype(x.dtype), shift, rest


def _columns_backward(
    x: Array,
    dy: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    mean: Array,
    var: Array,
    own: bool,
    dx: Array,
) -> tuple[Array, Array]:
    batch, channels, length = x.shape
    flat, flat_dy = x.reshape(batch, -1), dy.reshape(batch, -1)
    rows = chunk_rows(flat.shape[1])
    chunks = -(-batch // rows)
    near, rstd, shift, rest = _terms(x, gamma, beta, eps, mean, var)
    terms = [np.repeat(a, length) for a in (near, rstd, gamma, shift)]
    totals = empty((chunks, channels * length), np.float64)
    moments = empty(totals.shape, np.float64)
    split(
        column_gradient_sums, chunks, x.size,
        flat, flat_dy, rows, *terms, slope, totals, moments,
    )  # fmt: skip
    with _quiet():
        dbeta = _per_channel(totals, channels)
        dgamma = _per_channel(moments, channels) - rest * dbeta
        tilt = -gamma * dgamma / (batch * length) if own else np.zeros(channels)
        level = -gamma * dbeta / (batch * length) - tilt * rest if own else np.zeros(channels)
        tilts, levels = (np.repeat(a.astype(x.dtype), length) for a in (tilt, level))
    split(
        column_gradient, chunks, x.size,
        flat, flat_dy, rows, *terms, slope, tilts, levels, dx.reshape(flat.shape),
    )  # fmt: skip
    return dgamma, dbeta
