"""Layer, RMS and (for short planes) group normalization: x is (N, G, K), one row is one unit.

Each row (n, g) has its own statistics; every element j of a row has its own gamma[g, j] and
beta[g, j], shared by all n. Layer and RMS normalization have G = 1.

The float64 reference comes first and never calls a kernel. `slope` is the fused activation and
`valid` the optional mask, as in ``planes.py``; here `valid` is (N, K). A row is read from memory
once and stays in the first cache for the passes after that.

Gradients of gamma and beta are sums over n. They are kept per fixed chunk of samples and joined by
the caller, so the number of threads cannot change them. The backward loops (``row_pairs.py``) take
rows where they lie; one that is masked or shorter than a lanes value is copied to a buffer first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import BYTES
from evenbatch.kernels.norms.planes import floor_of, split_mean, unit_statistics
from evenbatch.kernels.norms.row_pairs import row_terms, two_rows

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
    slope: float,
    centered: bool,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `row_forward` computes, in plain NumPy: ``(y, mean, var)``.

    Args:
        x: (N, G, K).
        valid: None or (N, K) flags.
        gamma, beta: (G, K).
        eps: added to the variance.
        slope: of the fused activation left of zero, 0 for relu, 1 for none.
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
    return np.where(kept, np.where(y > 0, y, dtype(slope) * y), 0), mean, var


def reference_row_backward(
    x: Any,
    dy: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    centered: bool,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `row_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``, chunks joined."""
    _, mean, var = reference_row_forward(x, valid, gamma, beta, eps, slope, centered, dtype)
    x, dy, gamma, beta = (np.asarray(a, dtype) for a in (x, dy, gamma, beta))
    kept = np.ones(x.shape, bool) if valid is None else np.broadcast_to(valid[:, None, :], x.shape)
    count = np.maximum(kept.sum(2), 1).astype(dtype)[:, :, None]
    rstd = (dtype(1) / np.sqrt(var + dtype(eps)))[:, :, None]
    xhat = np.where(kept, (x - mean[:, :, None]) * rstd, 0)
    g = np.where(kept, np.where(gamma * xhat + beta <= 0, dtype(slope) * dy, dy), 0)
    h = g * gamma
    dx = h - xhat * (h * xhat).sum(2, keepdims=True) / count
    if centered:
        dx = dx - h.sum(2, keepdims=True) / count
    return np.where(kept, rstd * dx, 0), (g * xhat).sum(0), g.sum(0)


@kernel(reorder=True)
def _valid_count(valid: Any, n: int, length: int) -> int:
    count = length
    if valid is not None:
        count = 0
        for j in range(length):
            if valid[n, j]:
                count += 1
    return max(count, 1)


@kernel(inline=True, reorder=True)
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


@kernel(entry=True, reorder=True)
def row_forward(
    first: int,
    last: int,
    x: Any,
    valid: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
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
        slope: of the fused activation left of zero: 0 for relu or 1 for none, no other.
        centered: False leaves the mean out (RMS).
        mean, var: (N, G) float64, written.
        y: (N, G, K), written.
    """
    floor = floor_of(x, slope)
    groups = x.shape[1]
    for r in range(first, last):
        n = r // groups
        g = r % groups
        count = _valid_count(valid, n, x.shape[2])
        mean[n, g], var[n, g] = unit_statistics(x, valid, n, n + 1, g, g + 1, count, centered)
        near, rstd, rest = split_mean(x, mean[n, g], var[n, g], eps)
        _apply(x, valid, n, g, near, rstd, x.dtype.type(-rest), gamma, beta, floor, y)


@kernel(reorder=True)
def _stage(x: Any, dy: Any, valid: Any, n: int, near: Any, xs: Any, dys: Any) -> None:
    """Copy a row, without gradient where it is masked or padded."""
    zero = x.dtype.type(0)
    for j in range(x.size):
        a, b = x[j], dy[j]  # loaded first, see ``planes.py``
        if valid is not None:
            a = a if valid[n, j] else near
            b = b if valid[n, j] else zero
        xs[j] = a
        dys[j] = b
    xs[x.size :] = near
    dys[x.size :] = zero


@kernel(reorder=True)
def _unstage(dxs: Any, valid: Any, n: int, dx: Any) -> None:
    """Copy a row's gradient back, 0 where it is masked."""
    for j in range(dx.size):
        value = dxs[j]
        if valid is not None:
            value = value if valid[n, j] else dx.dtype.type(0)
        dx[j] = value


@kernel(entry=True, allocates=True, reorder=True)
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
    slope: float,
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
    floor = floor_of(x, slope)
    width = BYTES // x.itemsize
    padded = max(x.shape[2], width)
    knobs = np.zeros((4, gamma.shape[0], padded), x.dtype)  # gamma, beta, sums of their gradients
    knobs[0, :, : x.shape[2]] = gamma
    knobs[1, :, : x.shape[2]] = beta
    staged = np.empty((3, 2 * padded), x.dtype)  # two rows of x, dy and dx
    live = np.zeros(2 * width, x.dtype)
    live[width:] = 1
    _chunks(
        first, last, x, dy, valid, samples, eps, floor, centered, mean, var, dx, dgammas, dbetas,
        knobs, staged, live,
    )  # fmt: skip


@kernel(reorder=True)
def _chunks(
    first: int, last: int, x: Any, dy: Any, valid: Any, samples: int, eps: float, floor: Any,
    centered: bool, mean: Any, var: Any, dx: Any, dgammas: Any, dbetas: Any, knobs: Any,
    staged: Any, live: Any,
) -> None:  # fmt: skip
    """What `row_backward` does, with scratch arrays."""
    groups, size, padded = x.shape[1], x.shape[2], knobs.shape[2]
    direct = valid is None and size == padded
    flat, flat_dy, flat_dx = x.reshape(x.size), dy.reshape(x.size), dx.reshape(x.size)
    gamma, beta = knobs[0].reshape(groups * padded), knobs[1].reshape(groups * padded)
    dgamma, dbeta = knobs[2].reshape(groups * padded), knobs[3].reshape(groups * padded)
    xs, dys, dxs = staged[0], staged[1], staged[2]
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
                m = min(n + 1, end - 1)
                count, count2 = _valid_count(valid, n, size), _valid_count(valid, m, size)
                for g in range(groups):
                    terms = row_terms(x, mean[n, g], var[n, g], eps, floor)
                    terms2 = row_terms(x, mean[m, g], var[m, g], eps, floor)
                    if direct:
                        two_rows(
                            flat, flat_dy, (n * groups + g) * size, (m * groups + g) * size, size,
                            count, count2, terms, terms2, gamma, beta, centered, flat_dx,
                            dgamma, dbeta, g * padded, live,
                        )  # fmt: skip
                        continue
                    to = padded if m > n else 0
                    _stage(x[n, g], dy[n, g], valid, n, terms[0], xs[:padded], dys[:padded])
                    if m > n:
                        _stage(x[m, g], dy[m, g], valid, m, terms2[0], xs[to:], dys[to:])
                    two_rows(
                        xs, dys, 0, to, padded, count, count2, terms, terms2, gamma, beta, centered,
                        dxs, dgamma, dbeta, g * padded, live,
                    )  # fmt: skip
                    _unstage(dxs, valid, n, dx[n, g])
                    if m > n:
                        _unstage(dxs[to:], valid, m, dx[m, g])
            for g in range(groups):
                for j in range(size):
                    dgammas[k, g, j] += np.float64(dgamma[g * padded + j])
                    dbetas[k, g, j] += np.float64(dbeta[g * padded + j])
