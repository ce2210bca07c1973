"""Group and instance normalization: x is (N, C, S), one unit is C / G neighbouring planes.

Each unit (n, g) has its own statistics; each channel has one gamma and one beta. The float64
reference comes first and never calls a kernel. `slope`, `valid` and what is done for accuracy: see
``planes.py``. Planes shorter than some tens of numbers are better off in ``rows.py``, with gamma
and beta spelled out for each element.

Gradients of gamma and beta are sums over n of one number per plane; the kernel leaves those numbers
to the caller, which adds them in order.
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


def reference_group_forward(
    x: Any,
    valid: Any,
    groups: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `group_forward` computes, in plain NumPy: ``(y, mean, var)``.

    Args:
        x: (N, C, S).
        valid: None or (N, S) flags.
        groups: G, which divides C.
        gamma, beta: (C,).
        eps: added to the variance.
        slope: of the fused activation left of zero, 0 for relu, 1 for none.
        dtype: float64, or float32 for the error a naive float32 version makes.
    """
    xhat, kept, mean, var, _ = _standardize(x, valid, groups, eps, dtype)
    gamma, beta = (np.asarray(a, dtype).reshape(groups, -1, 1) for a in (gamma, beta))
    y = gamma * xhat + beta
    return np.where(kept, np.where(y > 0, y, dtype(slope) * y), 0).reshape(x.shape), mean, var


def reference_group_backward(
    x: Any,
    dy: Any,
    valid: Any,
    groups: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `group_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``, summed over n."""
    xhat, kept, _, var, count = _standardize(x, valid, groups, eps, dtype)
    gamma, beta = (np.asarray(a, dtype).reshape(groups, -1, 1) for a in (gamma, beta))
    dy = np.asarray(dy, dtype).reshape(xhat.shape)
    g = np.where(kept, np.where(gamma * xhat + beta <= 0, dtype(slope) * dy, dy), 0)
    h = g * gamma
    mean_h = h.sum((2, 3), keepdims=True) / count
    mean_hx = (h * xhat).sum((2, 3), keepdims=True) / count
    rstd = dtype(1) / np.sqrt(var + dtype(eps))[:, :, None, None]
    dx = np.where(kept, rstd * (h - mean_h - xhat * mean_hx), 0)
    return dx.reshape(x.shape), (g * xhat).sum((0, 3)).ravel(), g.sum((0, 3)).ravel()


def _standardize(x: Any, valid: Any, groups: int, eps: float, dtype: Any) -> tuple[Any, ...]:
    split = (x.shape[0], groups, x.shape[1] // groups, x.shape[2])
    x = np.asarray(x, dtype).reshape(split)
    kept = np.ones(split, bool)
    if valid is not None:
        kept = np.broadcast_to(valid[:, None, None, :], split)
    count = np.maximum(kept.sum((2, 3), keepdims=True), 1).astype(dtype)
    mean = np.where(kept, x, 0).sum((2, 3), keepdims=True) / count
    centred = np.where(kept, x - mean, 0)
    var = (centred * centred).sum((2, 3), keepdims=True) / count
    return centred / np.sqrt(var + dtype(eps)), kept, mean[:, :, 0, 0], var[:, :, 0, 0], count


@kernel(reorder=True)
def _valid_count(valid: Any, n: int, length: int) -> int:
    if valid is None:
        return length
    count = 0
    for s in range(length):
        if valid[n, s]:
            count += 1
    return count


@kernel(entry=True, reorder=True)
def group_forward(
    first: int,
    last: int,
    x: Any,
    valid: Any,
    groups: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    mean: Any,
    var: Any,
    y: Any,
) -> None:
    """Normalize units ``first <= n * G + g < last`` of x into y.

    Args:
        first, last: the units to do.
        x: (N, C, S), C-contiguous.
        valid: None or (N, S) flags.
        groups: G, which divides C.
        gamma, beta: (C,), of x's dtype.
        eps: added to the variance.
        slope: of the fused activation left of zero: 0 for relu or 1 for none, no other.
        mean, var: (N, G) float64, written.
        y: (N, C, S), written.
    """
    floor = floor_of(x, slope)
    kind = x.dtype.type
    planes = x.shape[1] // groups
    for unit in range(first, last):
        n = unit // groups
        g = unit % groups
        channels = range(g * planes, g * planes + planes)
        count = max(_valid_count(valid, n, x.shape[2]) * planes, 1)
        mean[n, g], var[n, g] = unit_statistics(
            x, valid, n, n + 1, g * planes, g * planes + planes, count, True
        )
        near, rstd, rest = split_mean(x, mean[n, g], var[n, g], eps)
        for c in channels:
            shift = kind(beta[c] - rest * gamma[c])
            plane_apply(x, valid, n, c, near, rstd, gamma[c], shift, floor, y)


@kernel(entry=True, reorder=True)
def group_backward(
    first: int,
    last: int,
    x: Any,
    dy: Any,
    valid: Any,
    groups: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    mean: Any,
    var: Any,
    dx: Any,
    dgammas: Any,
    dbetas: Any,
) -> None:
    """Gradients of units ``first <= n * G + g < last``; arguments as in `group_forward`.

    Args:
        dy, dx: (N, C, S), read and written.
        dgammas, dbetas: (N, C) float64, written; their sum over n is the gradient.
    """
    floor = floor_of(x, slope)
    kind = x.dtype.type
    planes = x.shape[1] // groups
    for unit in range(first, last):
        n = unit // groups
        g = unit % groups
        channels = range(g * planes, g * planes + planes)
        count = max(_valid_count(valid, n, x.shape[2]) * planes, 1)
        near, rstd, rest = split_mean(x, mean[n, g], var[n, g], eps)
        whole = 0.0
        moments = 0.0
        for c in channels:
            shift = kind(beta[c] - rest * gamma[c])
            total, moment = plane_moments(x, dy, valid, n, c, near, rstd, gamma[c], shift, floor)
            moment -= rest * total
            dgammas[n, c] = moment
            dbetas[n, c] = total
            whole += gamma[c] * total
            moments += gamma[c] * moment
        if count == 1:  # one value minus its own mean is 0 whatever it is: so is its gradient
            rstd = kind(0)
        tilt = -moments / count
        level = -whole / count - tilt * rest
        for c in channels:
            shift = kind(beta[c] - rest * gamma[c])
            plane_gradient(
                x, dy, valid, n, c, near, rstd, gamma[c], shift, floor, kind(tilt), kind(level), dx
            )
