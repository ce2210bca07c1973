"""Group and instance normalization with channels last: x is (N, S, C), neighbours are channels.

One sample is normalized at a time. It is a matrix of S rows whose columns are channels, so the
loops are those of ``columns.py``, with the statistics of a group's columns joined: the mean of a
group is the mean of its columns' sums, its variance the mean of their squared deviations from that
mean. A sample of ordinary size stays in the second cache from the first pass to the last.

With few channels the loop over a row is over before it is under way. So several positions are taken
as one row: x is (N, S / R, R * C), which is the same memory, and column j is channel ``j % C``.

The float64 reference comes first and never calls a kernel. `slope` is the fused activation and what
is done for accuracy: see ``planes.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.norms.columns import add_gradients, add_rows, add_spreads
from evenbatch.kernels.norms.groups import reference_group_backward, reference_group_forward
from evenbatch.kernels.norms.planes import floor_of, split_mean


def reference_last_forward(
    x: Any, groups: int, gamma: Any, beta: Any, eps: float, slope: float, dtype: Any = np.float64
) -> tuple[Any, Any, Any]:
    """What `last_forward` computes, in plain NumPy: ``(y, mean, var)``."""
    y, mean, var = reference_group_forward(
        np.swapaxes(x, 1, 2), None, groups, gamma, beta, eps, slope, dtype
    )
    return np.swapaxes(y, 1, 2), mean, var


def reference_last_backward(
    x: Any,
    dy: Any,
    groups: int,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    dtype: Any = np.float64,
) -> tuple[Any, Any, Any]:
    """What `last_backward` computes, in plain NumPy: ``(dx, dgamma, dbeta)``, samples joined."""
    dx, dgamma, dbeta = reference_group_backward(
        np.swapaxes(x, 1, 2), np.swapaxes(dy, 1, 2), None, groups, gamma, beta, eps, slope, dtype
    )
    return np.swapaxes(dx, 1, 2), dgamma, dbeta


WIDE = 512  # columns (measured at 64 channels: 10 % faster; at 256 no faster)


def wide_rows(positions: int, channels: int) -> int:
    """How many positions to take as one row: a divisor of their number."""
    best = 1
    for together in range(2, max(1, WIDE // channels) + 1):
        if positions % together == 0:
            best = together
    return best


@kernel(reorder=True)
def _joined(columns: Any, channels: int, count: int, result: Any) -> None:
    """``result[g]``: sum over a group's columns, divided by `count`."""
    width = channels // result.shape[0]
    result[:] = 0.0
    for start in range(0, columns.shape[0], channels):
        for g in range(result.shape[0]):
            total = 0.0
            for j in range(start + g * width, start + g * width + width):
                total += columns[j]
            result[g] += total
    for g in range(result.shape[0]):
        result[g] /= count


@kernel(reorder=True)
def _spelled(values: Any, columns: Any) -> None:
    """One value per channel, repeated over the columns."""
    for start in range(0, columns.shape[0], values.shape[0]):
        for c in range(values.shape[0]):
            columns[start + c] = values[c]


@kernel(reorder=True)
def _terms(
    x: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: float,
    near: Any, rstd: Any, shift: Any, rests: Any,
) -> None:  # fmt: skip
    """near, rstd and shift of each column and rest of each group, from mean and variance."""
    kind = x.dtype.type
    width = gamma.shape[0] // mean.shape[0]
    for g in range(mean.shape[0]):
        middle, scale, rest = split_mean(x, mean[g], var[g], eps)
        rests[g] = rest
        for start in range(0, near.shape[0], gamma.shape[0]):
            for c in range(g * width, g * width + width):
                near[start + c] = middle
                rstd[start + c] = scale
                shift[start + c] = kind(beta[c] - rest * gamma[c])


@kernel(inline=True, reorder=True)
def _apply(
    x: Any, r: int, near: Any, rstd: Any, gamma: Any, shift: Any, floor: Any, y: Any
) -> None:
    for j in range(x.shape[1]):
        z = (x[r, j] - near[j]) * rstd[j] * gamma[j] + shift[j]
        y[r, j] = floor if z < floor else z


@kernel(inline=True, reorder=True)
def _gradient(
    x: Any, dy: Any, r: int, near: Any, rstd: Any, gamma: Any, shift: Any, floor: Any,
    tilts: Any, levels: Any, dx: Any,
) -> None:  # fmt: skip
    zero = x.dtype.type(0)
    for j in range(x.shape[1]):
        xhat = (x[r, j] - near[j]) * rstd[j]
        g = dy[r, j]  # loaded first, see ``planes.py``
        g = zero if xhat * gamma[j] + shift[j] <= floor else g
        dx[r, j] = (g * gamma[j] + (xhat * tilts[j] + levels[j])) * rstd[j]


@kernel(entry=True, allocates=True, reorder=True)
def last_forward(
    first: int,
    last: int,
    x: Any,
    gamma: Any,
    beta: Any,
    eps: float,
    slope: float,
    mean: Any,
    var: Any,
    y: Any,
) -> None:
    """Normalize samples ``first <= n < last`` of x into y.

    Args:
        first, last: the samples to do.
        x: (N, S / R, R * C), C-contiguous; R from `wide_rows`.
        gamma, beta: (C,), of x's dtype.
        eps: added to the variance.
        slope: of the fused activation left of zero: 0 for relu or 1 for none, no other.
        mean, var: (N, G) float64, written; G divides C.
        y: as x, written.
    """
    floor = floor_of(x, slope)
    columns = x.shape[2]
    groups = mean.shape[1]
    sums = np.empty(columns)
    middles = np.empty(columns)
    rests = np.empty(groups)
    near = np.empty(columns, x.dtype)
    rstd = np.empty(columns, x.dtype)
    shift = np.empty(columns, x.dtype)
    scale = np.empty(columns, x.dtype)
    _samples(
        first, last, x, gamma, beta, eps, floor, mean, var, y,
        sums, middles, rests, near, rstd, shift, scale,
    )  # fmt: skip


@kernel(reorder=True)
def _samples(
    first: int, last: int, x: Any, gamma: Any, beta: Any, eps: float, floor: Any, mean: Any,
    var: Any, y: Any, sums: Any, middles: Any, rests: Any, near: Any, rstd: Any, shift: Any,
    scale: Any,
) -> None:  # fmt: skip
    """What `last_forward` does, with scratch arrays."""
    rows, columns = x.shape[1], x.shape[2]
    channels, groups = gamma.shape[0], mean.shape[1]
    count = rows * columns // groups
    _spelled(gamma, scale)
    for n in range(first, last):
        add_rows(x[n], 0, rows, sums)
        _joined(sums, channels, count, mean[n])
        for j in range(columns):
            middles[j] = mean[n, j % channels // (channels // groups)]
        add_spreads(x[n], 0, rows, middles, sums)
        _joined(sums, channels, count, var[n])
        _terms(x, mean[n], var[n], gamma, beta, eps, near, rstd, shift, rests)
        for r in range(rows):
            _apply(x[n], r, near, rstd, scale, shift, floor, y[n])


@kernel(reorder=True)
def _column_moments(
    x: Any, dy: Any, near: Any, rstd: Any, gamma: Any, shift: Any, floor: Any,
    total: Any, moment: Any, totals: Any, moments: Any,
) -> None:  # fmt: skip
    """Sums of g and g * xhat of each channel: 32 rows at a time in x's dtype, then float64."""
    channels = totals.shape[0]
    totals[:] = 0.0
    moments[:] = 0.0
    rows = x.shape[0]
    for start in range(0, rows, 32):
        total[:] = 0
        moment[:] = 0
        end = min(start + 32, rows)
        for r in range(start, end, 2):
            # A last odd row is paired with itself, behind a floor that lets no gradient by.
            q = min(r + 1, end - 1)
            floor2 = x.dtype.type(np.inf) if q == r else floor
            add_gradients(x, dy, r, q, near, rstd, gamma, shift, floor, floor2, total, moment)
        for first in range(0, x.shape[1], channels):
            for c in range(channels):
                totals[c] += np.float64(total[first + c])
                moments[c] += np.float64(moment[first + c])


@kernel(reorder=True)
def _tilts(
    gamma: Any, dgamma: Any, dbeta: Any, rests: Any, count: int,
    tilts: Any, levels: Any, rstd: Any,
) -> None:  # fmt: skip
    """What dx needs of each column; turns `dgamma`, the moments about `near`, into the gradient."""
    kind = tilts.dtype.type
    channels, groups = gamma.shape[0], rests.shape[0]
    width = channels // groups
    for g in range(groups):
        whole = 0.0
        moments = 0.0
        for c in range(g * width, g * width + width):
            dgamma[c] -= rests[g] * dbeta[c]
            whole += gamma[c] * dbeta[c]
            moments += gamma[c] * dgamma[c]
        tilt = -moments / count
        level = -whole / count - tilt * rests[g]
        for start in range(0, tilts.shape[0], channels):
            for j in range(start + g * width, start + g * width + width):
                tilts[j] = kind(tilt)
                levels[j] = kind(level)
                if count == 1:  # one value minus its own mean is 0: so is its gradient
                    rstd[j] = kind(0)


@kernel(entry=True, allocates=True, reorder=True)
def last_backward(
    first: int,
    last: int,
    x: Any,
    dy: Any,
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
    """Gradients of samples ``first <= n < last``; arguments as in `last_forward`.

    Args:
        dy, dx: as x, read and written.
        dgammas, dbetas: (N, C) float64, written; their sum over n is the gradient.
    """
    floor = floor_of(x, slope)
    columns = x.shape[2]
    rests = np.empty(mean.shape[1])
    near = np.empty(columns, x.dtype)
    rstd = np.empty(columns, x.dtype)
    shift = np.empty(columns, x.dtype)
    scale = np.empty(columns, x.dtype)
    total = np.empty(columns, x.dtype)
    moment = np.empty(columns, x.dtype)
    tilts = np.empty(columns, x.dtype)
    levels = np.empty(columns, x.dtype)
    _sample_gradients(
        first, last, x, dy, gamma, beta, eps, floor, mean, var, dx, dgammas, dbetas,
        rests, near, rstd, shift, scale, total, moment, tilts, levels,
    )  # fmt: skip


@kernel(reorder=True)
def _sample_gradients(
    first: int, last: int, x: Any, dy: Any, gamma: Any, beta: Any, eps: float, floor: Any,
    mean: Any, var: Any, dx: Any, dgammas: Any, dbetas: Any, rests: Any, near: Any, rstd: Any,
    shift: Any, scale: Any, total: Any, moment: Any, tilts: Any, levels: Any,
) -> None:  # fmt: skip
    """What `last_backward` does, with scratch arrays."""
    rows = x.shape[1]
    count = rows * x.shape[2] // mean.shape[1]
    _spelled(gamma, scale)
    for n in range(first, last):
        _terms(x, mean[n], var[n], gamma, beta, eps, near, rstd, shift, rests)
        _column_moments(
            x[n], dy[n], near, rstd, scale, shift, floor, total, moment, dbetas[n], dgammas[n]
        )
        _tilts(gamma, dgammas[n], dbetas[n], rests, count, tilts, levels, rstd)
        for r in range(rows):
            _gradient(x[n], dy[n], r, near, rstd, scale, shift, floor, tilts, levels, dx[n])
