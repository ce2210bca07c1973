"""Batch normalization over planes: x is (N, C, S), one channel is N runs of S neighbouring numbers.

The float64 reference comes first and never calls a kernel. Below it, two kernels that Python calls:

* `batch_forward`: statistics (two passes) and the activated gamma·xhat + beta;
* `batch_backward`: the two sums of the gradient, then dx. xhat is computed again from x rather than
  stored: reading it back would cost more than the multiplication.

Each does as many channels at a time as stay in the core's cache from the first pass to the last,
and walks them sample by sample, because their planes of one sample are neighbours in memory.
Channel by channel, short planes far apart took 1.7 times as long at 14 x 14 and 7 x 7, 1.2 times at
28 x 28: they are few lines each, and those a multiple of 4096 bytes apart take each other's place.

`slope`, `valid` and what is done for accuracy: see ``planes.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.norms.planes import (
    floor_of,
    plane_apply,
    plane_gradient,
    plane_moments,
    plane_spread,
    plane_total,
    split_mean,
)


def reference_batch_forward(
    x: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    fixed: tuple[Any, Any] | None = None,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `batch_forward` computes, in plain NumPy: ``(y, mean, var)``.

    Args:
        x: (N, C, S).
        valid: None or (N, S) flags.
        gamma, beta: (C,).
        eps: added to the variance.
        slope: of the fused activation left of zero, 0 for relu, 1 for none.
        fixed: (mean, var) to use instead of the batch's own.
        dtype: float64, or float32 for the error a naive float32 version makes.
    """
    x, gamma, beta = (np.asarray(a, dtype) for a in (x, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    if fixed is None:
        count = dtype(max(kept[:, 0].sum(), 1))
        mean = np.where(kept, x, 0).sum((0, 2)) / count
        centred = np.where(kept, x - mean[:, None], 0)
        var = (centred * centred).sum((0, 2)) / count
    else:
        mean, var = (np.asarray(a, dtype) for a in fixed)
    xhat = (x - mean[:, None]) / np.sqrt(var + dtype(eps))[:, None]
    y = gamma[:, None] * xhat + beta[:, None]
    return np.where(kept, np.where(y > 0, y, dtype(slope) * y), 0), mean, var


def reference_batch_backward(
    x: Any,
    dy: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    fixed: tuple[Any, Any] | None = None,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `batch_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``."""
    _, mean, var = reference_batch_forward(x, valid, gamma, beta, eps, slope, fixed, dtype)
    x, dy, gamma, beta = (np.asarray(a, dtype) for a in (x, dy, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    rstd = (dtype(1) / np.sqrt(var + dtype(eps)))[:, None]
    xhat = np.where(kept, (x - mean[:, None]) * rstd, 0)
    z = gamma[:, None] * xhat + beta[:, None]
    g = np.where(kept, np.where(z <= 0, dtype(slope) * dy, dy), 0)
    dgamma, dbeta = (g * xhat).sum((0, 2)), g.sum((0, 2))
    dx = gamma[:, None] * rstd * g
    if fixed is None:
        count = dtype(max(kept[:, 0].sum(), 1))
        dx = gamma[:, None] * rstd * (g - (xhat * dgamma[:, None] + dbeta[:, None]) / count)
    return np.where(kept, dx, 0), dgamma, dbeta


TOGETHER = 131_072  # elements of x; half of it and less was slower at 28 x 28


@kernel(reorder=True)
def _together(x: Any) -> int:
    """How many channels are done at a time."""
    count: int = max(1, TOGETHER // max(x.shape[0] * x.shape[2], 1))
    return count


@kernel(reorder=True)
def _add_moments(
    x: Any, valid: Any, first: int, last: int, count: int, mean: Any, var: Any
) -> None:
    """Mean and biased variance of the channels ``first <= c < last``, two passes."""
    for c in range(first, last):
        mean[c] = 0.0
        var[c] = 0.0
    for n in range(x.shape[0]):
        for c in range(first, last):
            mean[c] += plane_total(x, valid, n, c)
    for c in range(first, last):
        mean[c] /= count
    for n in range(x.shape[0]):
        for c in range(first, last):
            var[c] += plane_spread(x, valid, n, c, mean[c])
    for c in range(first, last):
        var[c] /= count


@kernel(reorder=True)
def _set_terms(
    x: Any, first: int, last: int, mean: Any, var: Any, eps: float, gamma: Any, beta: Any,
    terms: Any,
) -> None:  # fmt: skip
    """near, rstd, gamma and shift of each channel, see ``planes.py``."""
    for c in range(first, last):
        near, rstd, rest = split_mean(x, mean[c], var[c], eps)
        terms[0, c - first] = near
        terms[1, c - first] = rstd
        terms[2, c - first] = gamma[c]
        terms[3, c - first] = x.dtype.type(beta[c] - rest * gamma[c])


@kernel(inline=True, reorder=True)
def _terms_of(terms: Any, i: int) -> Any:
    """What `set_terms` found for a channel."""
    return terms[0, i], terms[1, i], terms[2, i], terms[3, i]


@kernel(entry=True, allocates=True, reorder=True)
def batch_forward(
    first: int,
    last: int,
    x: Any,
    valid: Any,
    count: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    own: bool,
    mean: Any,
    var: Any,
    y: Any,
) -> None:
    """Normalize channels ``first <= c < last`` of x into y.

    Args:
        first, last: the channels to do.
        x: (N, C, S), C-contiguous.
        valid: None or (N, S) flags.
        count: valid positions of a channel.
        gamma, beta: (C,), of x's dtype.
        eps: added to the variance.
        slope: of the fused activation left of zero: 0 for relu or 1 for none, no other.
        own: compute the statistics into `mean` and `var`, else use what is there.
        mean, var: (C,) float64; var is the biased one.
        y: (N, C, S), written.
    """
    terms = np.empty((4, last - first), x.dtype)
    width = _together(x)
    for c in range(first, last, width):
        _forward(
            c, min(c + width, last), x, valid, count, gamma, beta, eps, floor_of(x, slope), own,
            mean, var, terms[:, c - first :], y,
        )  # fmt: skip


@kernel(reorder=True)
def _forward(
    first: int, last: int, x: Any, valid: Any, count: int, gamma: Any, beta: Any, eps: float,
    floor: Any, own: bool, mean: Any, var: Any, terms: Any, y: Any,
) -> None:  # fmt: skip
    """What `batch_forward` does for channels that lie in the cache together."""
    if own:
        _add_moments(x, valid, first, last, count, mean, var)
    _set_terms(x, first, last, mean, var, eps, gamma, beta, terms)
    for n in range(x.shape[0]):
        for c in range(first, last):
            near, rstd, g, shift = _terms_of(terms, c - first)
            plane_apply(x, valid, n, c, near, rstd, g, shift, floor, y)


@kernel(entry=True, allocates=True, reorder=True)
def batch_backward(
    first: int,
    last: int,
    x: Any,
    dy: Any,
    valid: Any,
    count: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    own: bool,
    mean: Any,
    var: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
) -> None:
    """Gradients of channels ``first <= c < last``; arguments as in `batch_forward`.

    Args:
        dy, dx: (N, C, S), read and written.
        own: the statistics came from this batch, so they carry gradient too.
        dgamma, dbeta: (C,) float64, written.
    """
    terms = np.empty((6, last - first), x.dtype)
    width = _together(x)
    for c in range(first, last, width):
        _backward(
            c, min(c + width, last), x, dy, valid, count, gamma, beta, eps, floor_of(x, slope), own,
            mean, var, terms[:, c - first :], dx, dgamma, dbeta,
        )  # fmt: skip


@kernel(reorder=True)
def _backward(
    first: int, last: int, x: Any, dy: Any, valid: Any, count: int, gamma: Any, beta: Any,
    eps: float, floor: Any, own: bool, mean: Any, var: Any, terms: Any, dx: Any, dgamma: Any,
    dbeta: Any,
) -> None:  # fmt: skip
    """What `batch_backward` does for channels that lie in the cache together."""
    _set_terms(x, first, last, mean, var, eps, gamma, beta, terms)
    for c in range(first, last):
        dgamma[c] = 0.0
        dbeta[c] = 0.0
    for n in range(x.shape[0]):
        for c in range(first, last):
            near, rstd, g, shift = _terms_of(terms, c - first)
            total, moment = plane_moments(x, dy, valid, n, c, near, rstd, g, shift, floor)
            dbeta[c] += total
            dgamma[c] += moment
    kind = x.dtype.type
    for c in range(first, last):
        _near, _rstd, rest = split_mean(x, mean[c], var[c], eps)
        dgamma[c] -= rest * dbeta[c]
        tilt = -gamma[c] * dgamma[c] / count if own else 0.0
        terms[4, c - first] = kind(tilt)
        terms[5, c - first] = kind(-gamma[c] * dbeta[c] / count - tilt * rest if own else 0.0)
    for n in range(x.shape[0]):
        for c in range(first, last):
            near, rstd, g, shift = _terms_of(terms, c - first)
            plane_gradient(
                x, dy, valid, n, c, near, rstd, g, shift, floor, terms[4, c - first],
                terms[5, c - first], dx,
            )  # fmt: skip
