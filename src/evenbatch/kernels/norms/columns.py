"""Batch normalization over columns: x is (N, K), one feature is a column.

A column's neighbours in memory belong to other features, so loops run along rows and keep one sum
per column. Rows are taken in fixed chunks: each chunk gives its own count, mean and spread (two
passes while the chunk is in cache), and the chunks are joined by the parallel form of the variance,
``spread = sum(spread_k + n_k (mean_k - mean)^2)`` (Chan, Golub, LeVeque 1983, eq. 2.1). The chunks
depend on the shape only, so the number of threads cannot change a result.

Walking down a block of columns instead would read x once, but rows a power of two apart fall into
the same few cache sets, and such shapes are the usual ones.

The same kernels serve (N, C, S) with short S: K = C*S columns, joined per channel by the caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.norms.planes import floor_of

CHUNK = 131_072  # elements of x per chunk: 512 KB of float32, a share of the second cache
FEWEST_ROWS = 16  # keeps the chunks' sums small beside x when rows are long


def chunk_rows(columns: int) -> int:
    """Rows per chunk for an x with this many columns."""
    return max(FEWEST_ROWS, CHUNK // max(columns, 1))


def reference_column_statistics(x: Any, rows: int) -> tuple[Any, Any]:
    """Each chunk's column means and summed squared deviations, in float64: two (chunks, K)."""
    chunks = [np.asarray(x[k : k + rows], np.float64) for k in range(0, len(x), rows)]
    means = np.stack([chunk.mean(0) for chunk in chunks])
    spreads = np.stack([((chunk - chunk.mean(0)) ** 2).sum(0) for chunk in chunks])
    return means, spreads


def reference_join_columns(batch: int, rows: int, means: Any, spreads: Any) -> tuple[Any, Any]:
    """Column means and summed squared deviations of the whole batch, from those of its chunks."""
    counts = np.array([[min(rows, batch - k)] for k in range(0, batch, rows)], np.float64)
    mean = (counts * means).sum(0) / batch
    return mean, (spreads + counts * (means - mean) ** 2).sum(0)


def reference_column_apply(
    x: Any, near: Any, rstd: Any, gamma: Any, shift: Any, slope: float
) -> Any:
    """The activated ``(x - near) * rstd * gamma + shift`` per column, in float64, NaN kept."""
    z = (np.asarray(x, np.float64) - near) * rstd * gamma + shift
    return np.where(z > 0, z, slope * z)


def reference_column_gradient_sums(
    x: Any, dy: Any, near: Any, rstd: Any, gamma: Any, shift: Any, slope: float, rows: int
) -> tuple[Any, Any]:
    """Each chunk's column sums of g and g * xhat, g being dy where the activation let it by."""
    xhat = (np.asarray(x, np.float64) - near) * rstd
    g = np.where(xhat * gamma + shift <= 0, slope, 1.0) * np.asarray(dy, np.float64)
    starts = range(0, len(xhat), rows)
    totals = np.stack([g[k : k + rows].sum(0) for k in starts])
    moments = np.stack([(g * xhat)[k : k + rows].sum(0) for k in starts])
    return totals, moments


def reference_column_gradient(
    x: Any,
    dy: Any,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    slope: float,
    tilt: Any,
    level: Any,
) -> Any:
    """``(g * gamma + xhat * tilt + level) * rstd`` per column, in float64."""
    xhat = (np.asarray(x, np.float64) - near) * rstd
    g = np.where(xhat * gamma + shift <= 0, slope, 1.0) * np.asarray(dy, np.float64)
    return (g * gamma + xhat * tilt + level) * rstd


@kernel(inline=True, reorder=True)
def add_rows(x: Any, start: int, stop: int, total: Any) -> None:
    """Column sums of rows ``start <= r < stop`` into `total`."""
    total[:] = 0.0
    four = start + (stop - start) // 4 * 4
    for r in range(start, four, 4):
        for j in range(x.shape[1]):
            total[j] += (np.float64(x[r, j]) + np.float64(x[r + 1, j])) + (
                np.float64(x[r + 2, j]) + np.float64(x[r + 3, j])
            )
    for r in range(four, stop):
        for j in range(x.shape[1]):
            total[j] += np.float64(x[r, j])


@kernel(inline=True, reorder=True)
def add_spreads(x: Any, start: int, stop: int, mean: Any, total: Any) -> None:
    """Column sums of squared deviations from `mean` of rows ``start <= r < stop`` into `total`."""
    total[:] = 0.0
    two = start + (stop - start) // 2 * 2
    for r in range(start, two, 2):
        for j in range(x.shape[1]):
            a = np.float64(x[r, j]) - mean[j]
            b = np.float64(x[r + 1, j]) - mean[j]
            total[j] += a * a + b * b
    for r in range(two, stop):
        for j in range(x.shape[1]):
            a = np.float64(x[r, j]) - mean[j]
            total[j] += a * a


@kernel(entry=True, reorder=True)
def column_statistics(first: int, last: int, x: Any, rows: int, means: Any, spreads: Any) -> None:
    """Column means and summed squared deviations of chunks ``first <= k < last``.

    Args:
        x: (N, K), C-contiguous.
        rows: rows per chunk, from `chunk_rows`.
        means, spreads: (chunks, K) float64, written.
    """
    for k in range(first, last):
        start = k * rows
        stop = min(start + rows, x.shape[0])
        add_rows(x, start, stop, means[k])
        for j in range(x.shape[1]):
            means[k, j] /= stop - start
        add_spreads(x, start, stop, means[k], spreads[k])


@kernel(entry=True, reorder=True)
def join_columns(batch: int, rows: int, means: Any, spreads: Any, mean: Any, spread: Any) -> None:
    """Join what `column_statistics` found in chunks of `rows` out of `batch` rows.

    Args:
        means, spreads: (chunks, K) float64.
        mean, spread: (K,) float64, written: means and summed squared deviations.
    """
    mean[:] = 0.0
    for k in range(means.shape[0]):
        share = min(rows, batch - k * rows) / batch
        for j in range(means.shape[1]):
            mean[j] += share * means[k, j]
    spread[:] = 0.0
    for k in range(means.shape[0]):
        count = min(rows, batch - k * rows)
        for j in range(means.shape[1]):
            apart = means[k, j] - mean[j]
            spread[j] += spreads[k, j] + count * apart * apart


@kernel(entry=True, reorder=True)
def column_apply(
    first: int,
    last: int,
    x: Any,
    rows: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    slope: float,
    y: Any,
) -> None:
    """y, the activated ``(x - near) * rstd * gamma + shift``, for chunks ``first <= k < last``.

    Args:
        x, y: (N, K), read and written.
        rows: rows per chunk.
        near, rstd, gamma, shift: (K,) of x's dtype.
        slope: of the fused activation left of zero: 0 for relu or 1 for none, no other.
    """
    floor = floor_of(x, slope)
    for r in range(first * rows, min(last * rows, x.shape[0])):
        for j in range(x.shape[1]):
            z = (x[r, j] - near[j]) * rstd[j] * gamma[j] + shift[j]
            y[r, j] = floor if z < floor else z


@kernel(inline=True, reorder=True)
def add_gradients(
    x: Any,
    dy: Any,
    r: int,
    q: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    floor: Any,
    floor2: Any,
    total: Any,
    moment: Any,
) -> None:
    """Add rows r and q at once: the running sums are loaded and stored half as often."""
    zero = x.dtype.type(0)
    for j in range(x.shape[1]):
        xhat = (x[r, j] - near[j]) * rstd[j]
        g = dy[r, j]  # loaded first, see ``planes.py``
        g = zero if xhat * gamma[j] + shift[j] <= floor else g
        xhat2 = (x[q, j] - near[j]) * rstd[j]
        g2 = dy[q, j]
        g2 = zero if xhat2 * gamma[j] + shift[j] <= floor2 else g2
        total[j] += g + g2
        moment[j] += g * xhat + g2 * xhat2


@kernel(entry=True, allocates=True, reorder=True)
def column_gradient_sums(
    first: int,
    last: int,
    x: Any,
    dy: Any,
    rows: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    slope: float,
    totals: Any,
    moments: Any,
) -> None:
    """Column sums of g and of g * xhat, for chunks ``first <= k < last``.

    Args:
        totals, moments: (chunks, K) float64, written. Within a chunk rows are added in x's dtype,
            32 at a time.
    """
    floor = floor_of(x, slope)
    total = np.empty(x.shape[1], x.dtype)
    moment = np.empty(x.shape[1], x.dtype)
    _chunk_sums(
        first, last, x, dy, rows, near, rstd, gamma, shift, floor, totals, moments, total, moment
    )


@kernel(reorder=True)
def _chunk_sums(
    first: int, last: int, x: Any, dy: Any, rows: int, near: Any, rstd: Any, gamma: Any,
    shift: Any, floor: Any, totals: Any, moments: Any, total: Any, moment: Any,
) -> None:  # fmt: skip
    """What `column_gradient_sums` does, with two scratch arrays (K,) of x's dtype."""
    for k in range(first, last):
        totals[k] = 0.0
        moments[k] = 0.0
        stop = min(k * rows + rows, x.shape[0])
        for start in range(k * rows, stop, 32):
            total[:] = 0
            moment[:] = 0
            end = min(start + 32, stop)
            for r in range(start, end, 2):
                # A last odd row is paired with itself, behind a floor that lets no gradient by.
                q = min(r + 1, end - 1)
                floor2 = x.dtype.type(np.inf) if q == r else floor
                add_gradients(x, dy, r, q, near, rstd, gamma, shift, floor, floor2, total, moment)
            for j in range(x.shape[1]):
                totals[k, j] += np.float64(total[j])
                moments[k, j] += np.float64(moment[j])


@kernel(entry=True, reorder=True)
def column_gradient(
    first: int,
    last: int,
    x: Any,
    dy: Any,
    rows: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    slope: float,
    tilt: Any,
    level: Any,
    dx: Any,
) -> None:
    """``dx = (g * gamma + xhat * tilt + level) * rstd`` for chunks ``first <= k < last``."""
    floor = floor_of(x, slope)
    zero = x.dtype.type(0)
    for r in range(first * rows, min(last * rows, x.shape[0])):
        for j in range(x.shape[1]):
            xhat = (x[r, j] - near[j]) * rstd[j]
            g = dy[r, j]
            g = zero if xhat * gamma[j] + shift[j] <= floor else g
            dx[r, j] = (g * gamma[j] + (xhat * tilt[j] + level[j])) * rstd[j]
