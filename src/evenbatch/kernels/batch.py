"""Batch normalization over planes: x is (N, C, S), one channel is N runs of S neighbouring numbers.

The float64 reference comes first and never calls a kernel. Below it, two kernels that Python calls:

* `batch_forward`: statistics (two passes) and ``max(gamma * xhat + beta, floor)``, channel by channel,
  so that a channel of ordinary size stays in the core's cache from the first pass to the last;
* `batch_backward`: the two sums of the gradient, then dx. xhat is computed again from x rather than
  stored: reading it back would cost more than the multiplication.

`floor` is the fused activation: 0 for relu, -inf for none. Written as ``floor if z < floor else z``
it lets NaN through, where ``max`` would hide it. `valid` is None or a (N, S) array of flags; numba
drops the dead branch when it is None.

Accuracy. Means and variances are summed in float64, and the mean is used as a float32 number plus a
remainder folded into the shift, so an offset of a million costs nothing. The gradient's sums run over
centred values and need less: blocks of `BLOCK` in the input's own precision, blocks added in float64
(measured 4 times faster than converting each element).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel

BLOCK = np.uint64(4096)


def reference_batch_forward(
    x: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: float,
    fixed: tuple[Any, Any] | None = None,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `batch_forward` computes, in plain NumPy: ``(y, mean, var)``.

    Args:
        x: (N, C, S).
        valid: None or (N, S) flags.
        gamma, beta: (C,).
        eps: added to the variance.
        floor: 0 for relu, -inf for none.
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
    return np.where(kept, np.where(y < floor, dtype(floor), y), 0), mean, var


def reference_batch_backward(
    x: Any,
    dy: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: float,
    fixed: tuple[Any, Any] | None = None,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `batch_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``."""
    _, mean, var = reference_batch_forward(x, valid, gamma, beta, eps, floor, fixed, dtype)
    x, dy, gamma, beta = (np.asarray(a, dtype) for a in (x, dy, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    rstd = (dtype(1) / np.sqrt(var + dtype(eps)))[:, None]
    xhat = np.where(kept, (x - mean[:, None]) * rstd, 0)
    z = gamma[:, None] * xhat + beta[:, None]
    g = np.where(kept & ~(z <= floor), dy, 0)
    dgamma, dbeta = (g * xhat).sum((0, 2)), g.sum((0, 2))
    dx = gamma[:, None] * rstd * g
    if fixed is None:
        count = dtype(max(kept[:, 0].sum(), 1))
        dx = gamma[:, None] * rstd * (g - (xhat * dgamma[:, None] + dbeta[:, None]) / count)
    return np.where(kept, dx, 0), dgamma, dbeta


@kernel
def _total(x: Any, valid: Any, n: int, c: int) -> float:
    total = 0.0
    for s in range(x.shape[2]):
        if valid is None or valid[n, s]:
            total += np.float64(x[n, c, s])
    return total


@kernel
def _spread(x: Any, valid: Any, n: int, c: int, mean: float) -> float:
    total = 0.0
    for s in range(x.shape[2]):
        if valid is None or valid[n, s]:
            d = np.float64(x[n, c, s]) - mean
            total += d * d
    return total


@kernel
def _apply(
    x: Any, valid: Any, n: int, c: int, mean: Any, scale: Any, shift: Any, floor: Any, y: Any
) -> None:
    for s in range(x.shape[2]):
        z = (x[n, c, s] - mean) * scale + shift
        z = floor if z < floor else z
        if valid is None or valid[n, s]:
            y[n, c, s] = z
        else:
            y[n, c, s] = 0


@kernel
def _gradient_sums(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    c: int,
    start: Any,
    stop: Any,
    mean: Any,
    scale: Any,
    shift: Any,
    floor: Any,
) -> tuple[float, float]:
    zero = x.dtype.type(0)
    total = zero
    moment = zero
    for s in range(start, stop):
        d = x[n, c, s] - mean
        g = zero if d * scale + shift <= floor else dy[n, c, s]
        if valid is None or valid[n, s]:
            total += g
            moment += g * d
    return np.float64(total), np.float64(moment)


@kernel
def _gradient(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    c: int,
    mean: Any,
    scale: Any,
    shift: Any,
    floor: Any,
    slope: Any,
    level: Any,
    dx: Any,
) -> None:
    zero = x.dtype.type(0)
    for s in range(x.shape[2]):
        d = x[n, c, s] - mean
        g = zero if d * scale + shift <= floor else dy[n, c, s]
        if valid is None or valid[n, s]:
            dx[n, c, s] = g * scale + (d * slope + level)
        else:
            dx[n, c, s] = zero


@kernel
def _rstd(var: float, eps: float) -> float:
    # Division by zero is an error in compiled code; here it must give inf, as in PyTorch.
    spread = var + eps
    return np.inf if spread == 0.0 else 1.0 / np.sqrt(spread)


@kernel(entry=True)
def batch_forward(
    first: int,
    last: int,
    x: Any,
    valid: Any,
    count: int,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: Any,
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
        floor: 0 for relu, -inf for none, of x's dtype.
        own: compute the statistics into `mean` and `var`, else use what is there.
        mean, var: (C,) float64; var is the biased one.
        y: (N, C, S), written.
    """
    kind = x.dtype.type
    for c in range(first, last):
        if own:
            total = 0.0
            for n in range(x.shape[0]):
                total += _total(x, valid, n, c)
            mean[c] = total / count
            total = 0.0
            for n in range(x.shape[0]):
                total += _spread(x, valid, n, c, mean[c])
            var[c] = total / count
        near = kind(mean[c])
        scale = gamma[c] * _rstd(var[c], eps)
        shift = beta[c] - (mean[c] - np.float64(near)) * scale
        for n in range(x.shape[0]):
            _apply(x, valid, n, c, near, kind(scale), kind(shift), floor, y)


@kernel(entry=True)
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
    floor: Any,
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
    kind = x.dtype.type
    length = np.uint64(x.shape[2])
    for c in range(first, last):
        rstd = _rstd(var[c], eps)
        near = kind(mean[c])
        rest = mean[c] - np.float64(near)
        scale = gamma[c] * rstd
        shift = kind(beta[c] - rest * scale)
        total = 0.0
        moment = 0.0
        for n in range(x.shape[0]):
            start = np.uint64(0)
            while start < length:
                stop = min(start + BLOCK, length)
                a, b = _gradient_sums(
                    x, dy, valid, n, c, start, stop, near, kind(scale), shift, floor
                )
                total += a
                moment += b
                start = stop
        moment -= rest * total
        dgamma[c] = moment * rstd
        dbeta[c] = total
        slope = 0.0
        level = 0.0
        if own:
            slope = -scale * rstd * rstd * moment / count
            level = -scale * total / count - slope * rest
        for n in range(x.shape[0]):
            _gradient(
                x, dy, valid, n, c, near, kind(scale), shift, floor, kind(slope), kind(level), dx
            )
