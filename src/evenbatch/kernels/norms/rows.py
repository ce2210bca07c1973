"""Layer, RMS and (for short planes) group normalization: x is (N, G, K), one row is one unit.

Each row (n, g) has its own statistics; every element j of a row has its own gamma[g, j] and
beta[g, j], shared by all n. Layer and RMS normalization have G = 1.

The float64 reference comes first and never calls a kernel. `floor` is the fused activation and
`valid` the optional mask, as in ``planes.py``; here `valid` is (N, K). A row is read from memory
once and stays in the first cache for the passes after that.

Gradients of gamma and beta are sums over n. They are kept per fixed chunk of samples and joined by
the caller, so the number of threads cannot change them. The backward kernel takes two samples at a
time: the running sums are then loaded and stored half as often (measured: a quarter less time).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.norms.narrow import is_narrow, two_narrow_rows
from evenbatch.kernels.norms.planes import BLOCK, split_mean, unit_statistics

CHUNK = 65_536  # elements of x per chunk
FEWEST_SAMPLES = 8  # keeps the chunks' sums at half of x or less


def chunk_samples(sample: int) -> int:
    """Samples per chunk when one sample holds this many elements."""
    return max(FEWEST_SAMPLES, CHUNK // max(sample, 1))


def reference_row_forward(
    x: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: float,
    centered: bool,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `row_forward` computes, in plain NumPy: ``(y, mean, var)``.

    Args:
        x: (N, G, K).
        valid: None or (N, K) flags.
        gamma, beta: (G, K).
        eps: added to the variance.
        floor: 0 for relu, -inf for none.
        centered: subtract the mean (layer) or not (RMS; `mean` is then 0, `var` the mean square).
        dtype: float64, or float32 for the error a naive float32 version makes.
    """
    x, gamma, beta = (np.asarray(a, dtype) for a in (x, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    count = np.maximum(kept.sum(2), 1).astype(dtype)
    mean = np.where(kept, x, 0).sum(2) / count if centered else np.zeros(x.shape[:2], dtype)
    centred = np.where(kept, x - mean[:, :, None], 0)
    var = (centred * centred).sum(2) / count
    y = gamma * (centred / np.sqrt(var + dtype(eps))[:, :, None]) + beta
    return np.where(kept, np.where(y < floor, dtype(floor), y), 0), mean, var


def reference_row_backward(
    x: Any,
    dy: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: float,
    centered: bool,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `row_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``, chunks joined."""
    _, mean, var = reference_row_forward(x, valid, gamma, beta, eps, floor, centered, dtype)
    x, dy, gamma, beta = (np.asarray(a, dtype) for a in (x, dy, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    count = np.maximum(kept.sum(2), 1).astype(dtype)[:, :, None]
    rstd = (dtype(1) / np.sqrt(var + dtype(eps)))[:, :, None]
    xhat = np.where(kept, (x - mean[:, :, None]) * rstd, 0)
    g = np.where(kept & ~(gamma * xhat + beta <= floor), dy, 0)
    h = g * gamma
    dx = h - xhat * (h * xhat).sum(2, keepdims=True) / count
    if centered:
        dx = dx - h.sum(2, keepdims=True) / count
    return np.where(kept, rstd * dx, 0), (g * xhat).sum(0), g.sum(0)


@kernel
def _valid_count(valid: Any, n: int, length: int) -> int:
    count = length
    if valid is not None:
        count = 0
        for j in range(length):
            if valid[n, j]:
                count += 1
    return max(count, 1)


@kernel(inline=True)
def _apply(
    x: Any,
    valid: Any,
    n: int,
    g: int,
    near: Any,
    rstd: Any,
    rest: Any,
    gamma: Any,
    beta: Any,
    floor: Any,
    y: Any,
) -> None:
    for j in range(x.shape[2]):
        z = ((x[n, g, j] - near) * rstd + rest) * gamma[g, j] + beta[g, j]
        z = floor if z < floor else z
        if valid is None or valid[n, j]:
            y[n, g, j] = z
        else:
            y[n, g, j] = 0


@kernel(entry=True)
def row_forward(
    first: int,
    last: int,
    x: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: Any,
    centered: bool,
    mean: Any,
    var: Any,
    y: Any,
) -> None:
    """Normalize rows ``first <= n * G + g < last`` of x into y.

    Args:
        first, last: the rows to do.
        x: (N, G, K), C-contiguous.
        valid: None or (N, K) flags.
        gamma, beta: (G, K), of x's dtype.
        eps: added to the variance.
        floor: 0 for relu, -inf for none, of x's dtype.
        centered: False leaves the mean out (RMS).
        mean, var: (N, G) float64, written.
        y: (N, G, K), written.
    """
    groups = x.shape[1]
    for r in range(first, last):
        n = r // groups
        g = r % groups
        count = _valid_count(valid, n, x.shape[2])
        mean[n, g], var[n, g] = unit_statistics(x, valid, n, n + 1, g, g + 1, count, centered)
        near, rstd, rest = split_mean(x, mean[n, g], var[n, g], eps)
        _apply(x, valid, n, g, near, rstd, x.dtype.type(-rest), gamma, beta, floor, y)


@kernel(inline=True)
def _gradient_sums(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    m: int,
    g: int,
    start: Any,
    stop: Any,
    near: Any,
    rstd: Any,
    rest: Any,
    floor: Any,
    near2: Any,
    rstd2: Any,
    rest2: Any,
    floor2: Any,
    gamma: Any,
    beta: Any,
    dgamma: Any,
    dbeta: Any,
) -> tuple[float, float, float, float]:
    """Sums of h = d*gamma and of h*xhat for rows (n, g) and (m, g); adds to dgamma and dbeta."""
    zero = x.dtype.type(0)
    total = zero
    moment = zero
    total2 = zero
    moment2 = zero
    for j in range(start, stop):
        a = gamma[g, j]
        xhat = (x[n, g, j] - near) * rstd + rest
        xhat2 = (x[m, g, j] - near2) * rstd2 + rest2
        d = dy[n, g, j]  # loaded first, see ``planes.py``
        d2 = dy[m, g, j]
        d = zero if xhat * a + beta[g, j] <= floor else d
        d2 = zero if xhat2 * a + beta[g, j] <= floor2 else d2
        if valid is not None:
            d = d if valid[n, j] else zero
            d2 = d2 if valid[m, j] else zero
            xhat = xhat if valid[n, j] else zero
            xhat2 = xhat2 if valid[m, j] else zero
        dgamma[g, j] += d * xhat + d2 * xhat2
        dbeta[g, j] += d + d2
        total += d * a
        moment += d * a * xhat
        total2 += d2 * a
        moment2 += d2 * a * xhat2
    return np.float64(total), np.float64(moment), np.float64(total2), np.float64(moment2)


@kernel(inline=True)
def _gradient(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    g: int,
    near: Any,
    rstd: Any,
    rest: Any,
    floor: Any,
    gamma: Any,
    beta: Any,
    slope: Any,
    level: Any,
    factor: Any,
    dx: Any,
) -> None:
    """dx = (d * gamma + xhat * slope + level) * factor."""
    zero = x.dtype.type(0)
    for j in range(x.shape[2]):
        xhat = (x[n, g, j] - near) * rstd + rest
        d = dy[n, g, j]
        d = zero if xhat * gamma[g, j] + beta[g, j] <= floor else d
        if valid is None or valid[n, j]:
            dx[n, g, j] = (d * gamma[g, j] + (xhat * slope + level)) * factor
        else:
            dx[n, g, j] = zero


@kernel
def _two_rows(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    m: int,
    g: int,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: Any,
    centered: bool,
    mean: Any,
    var: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
) -> None:
    kind = x.dtype.type
    near, rstd, away = split_mean(x, mean[n, g], var[n, g], eps)
    near2, rstd2, away2 = split_mean(x, mean[m, g], var[m, g], eps)
    rest = kind(-away)
    rest2 = kind(-away2)
    # A last odd row is paired with itself, behind a floor that lets no gradient by.
    floor2 = kind(np.inf) if n == m else floor
    total = 0.0
    moment = 0.0
    total2 = 0.0
    moment2 = 0.0
    start = np.uint64(0)
    while start < np.uint64(x.shape[2]):
        stop = min(start + BLOCK, np.uint64(x.shape[2]))
        a, b, c, d = _gradient_sums(
            x, dy, valid, n, m, g, start, stop, near, rstd, rest, floor,
            near2, rstd2, rest2, floor2, gamma, beta, dgamma, dbeta,
        )  # fmt: skip
        total += a
        moment += b
        total2 += c
        moment2 += d
        start = stop
    if not centered:
        total = 0.0
        total2 = 0.0
    # One value minus its own mean is 0 whatever it is: its gradient is 0, without a rounding.
    count = _valid_count(valid, n, x.shape[2])
    factor = kind(0) if centered and count == 1 else rstd
    _gradient(
        x, dy, valid, n, g, near, rstd, rest, floor, gamma, beta,
        kind(-moment / count), kind(-total / count), factor, dx,
    )  # fmt: skip
    if m != n:
        count = _valid_count(valid, m, x.shape[2])
        factor = kind(0) if centered and count == 1 else rstd2
        _gradient(
            x, dy, valid, m, g, near2, rstd2, rest2, floor, gamma, beta,
            kind(-moment2 / count), kind(-total2 / count), factor, dx,
        )  # fmt: skip


@kernel(entry=True, allocates=True)
def row_backward(
    first: int,
    last: int,
    x: Any,
    dy: Any,
    valid: Any,
    samples: int,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: Any,
    centered: bool,
    mean: Any,
    var: Any,
    dx: Any,
    dgammas: Any,
    dbetas: Any,
) -> None:
    """Gradients of sample chunks ``first <= k < last``; arguments as in `row_forward`.

    Args:
        dy, dx: (N, G, K), read and written.
        samples: samples per chunk, from `chunk_samples`.
        dgammas, dbetas: (chunks, G, K) float64, written; their sum over chunks is the gradient.
    """
    dgamma = np.empty(gamma.shape, x.dtype)
    dbeta = np.empty(gamma.shape, x.dtype)
    _chunks(
        first, last, x, dy, valid, samples, gamma, beta, eps, floor, centered, mean, var, dx,
        dgammas, dbetas, dgamma, dbeta,
    )  # fmt: skip


@kernel
def _chunks(
    first: int, last: int, x: Any, dy: Any, valid: Any, samples: int, gamma: Any, beta: Any,
    eps: float, floor: Any, centered: bool, mean: Any, var: Any, dx: Any, dgammas: Any, dbetas: Any,
    dgamma: Any, dbeta: Any,
) -> None:  # fmt: skip
    """What `row_backward` does, with two scratch arrays (G, K) of x's dtype."""
    narrow = valid is None and x.shape[1] == 1 and is_narrow(x.shape[2])
    flat, flat_dy, flat_dx = x.reshape(x.size), dy.reshape(x.size), dx.reshape(x.size)
    for k in range(first, last):
        dgammas[k] = 0.0
        dbetas[k] = 0.0
        stop = min(k * samples + samples, x.shape[0])
        # Rows are added in x's own dtype, 32 at a time, and those sums in float64.
        for start in range(k * samples, stop, 32):
            dgamma[:] = 0
            dbeta[:] = 0
            end = min(start + 32, stop)
            for n in range(start, end, 2):
                if narrow:
                    two_narrow_rows(
                        flat, flat_dy, x.shape[2], n, min(n + 1, end - 1), gamma[0], beta[0], eps,
                        floor, centered, mean, var, flat_dx, dgamma[0], dbeta[0],
                    )  # fmt: skip
                    continue
                for g in range(x.shape[1]):
                    _two_rows(
                        x, dy, valid, n, min(n + 1, end - 1), g, gamma, beta, eps, floor,
                        centered, mean, var, dx, dgamma, dbeta,
                    )  # fmt: skip
            for g in range(x.shape[1]):
                for j in range(x.shape[2]):
                    dgammas[k, g, j] += np.float64(dgamma[g, j])
                    dbetas[k, g, j] += np.float64(dbeta[g, j])
