"""Batch normalization over planes: x is (N, C, S), one channel is N runs of S neighbouring numbers.

The float64 reference comes first and never calls a kernel. Below it, two kernels that Python calls:

* `batch_forward`: statistics (two passes) and the activated gamma·xhat + beta, channel by
  channel, so that one of ordinary size stays in the core's cache from the first pass to the last;
* `batch_backward`: the two sums of the gradient, then dx. xhat is computed again from x rather than
  stored: reading it back would cost more than the multiplication.

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
    split_mean,
    unit_statistics,
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


@kernel(entry=True, reorder=True)
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
    floor = floor_of(x, slope)
    kind = x.dtype.type
    for c in range(first, last):
        if own:
            mean[c], var[c] = unit_statistics(x, valid, 0, x.shape[0], c, c + 1, count, True)
        near, rstd, rest = split_mean(x, mean[c], var[c], eps)
        shift = kind(beta[c] - rest * gamma[c])
        for n in range(x.shape[0]):
            plane_apply(x, valid, n, c, near, rstd, gamma[c], shift, floor, y)


@kernel(entry=True, reorder=True)
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
    floor = floor_of(x, slope)
    kind = x.dtype.type
    for c in range(first, last):
        near, rstd, rest = split_mean(x, mean[c], var[c], eps)
        shift = kind(beta[c] - rest * gamma[c])
        total = 0.0
        moment = 0.0
        for n in range(x.shape[0]):
            a, b = plane_moments(x, dy, valid, n, c, near, rstd, gamma[c], shift, floor)
            total += a
            moment += b
        moment -= rest * total
        dgamma[c] = moment
        dbeta[c] = total
        tilt = 0.0
        level = 0.0
        if own:
            tilt = -gamma[c] * moment / count
            level = -gamma[c] * total / count - tilt * rest
        for n in range(x.shape[0]):
            plane_gradient(
                x, dy, valid, n, c, near, rstd, gamma[c], shift, floor, kind(tilt), kind(level), dx
            )
