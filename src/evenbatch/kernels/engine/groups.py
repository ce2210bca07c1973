"""Layer, RMS and group normalization of a small network's layer: statistics along each row.

    layer   x̂ = (z − mean(z)) / sqrt(var(z) + eps) over the row    Ba, Kiros & Hinton 2016, eq. 4
    rms     x̂ = z / sqrt(mean(z²) + eps) over the row              Zhang & Sennrich 2019, eq. 4
    group   as layer, over each of G equal runs of the row         Wu & He 2018, eq. 7

followed by gamma, beta and a piecewise linear activation, as in ``columns.py``; here too only z is
kept for the way back. `live` is a row of ones over a layer's columns and zeros over its padding:
padding must not enter a spread.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import lanes, load, positive, splat, store, total


def reference_forward(
    z: Any, gamma: Any, beta: Any, groups: int, center: bool, eps: float, slope: float
) -> tuple[Any, Any, Any]:
    """float64: (y, x̂, 1/spread) of z (N, C); spread has shape (N, groups)."""
    z = np.asarray(z, np.float64)
    parts = z.reshape(len(z), groups, -1)
    if center:
        parts = parts - parts.mean(axis=2, keepdims=True)
    rstd = 1 / np.sqrt((parts**2).mean(axis=2) + eps)
    xhat = (parts * rstd[..., None]).reshape(z.shape)
    y = gamma * xhat + beta
    return np.where(y > 0, y, slope * y), xhat, rstd


def reference_backward(
    dy: Any, z: Any, gamma: Any, beta: Any, groups: int, center: bool, eps: float, slope: float
) -> tuple[Any, Any, Any]:
    """float64: (dz, dgamma, dbeta)."""
    y, xhat, rstd = reference_forward(z, gamma, beta, groups, center, eps, slope)
    d = np.where(y > 0, dy, slope * np.asarray(dy, np.float64))
    shape = (len(d), groups, -1)
    e, x = (d * gamma).reshape(shape), xhat.reshape(shape)
    dz = e - x * (e * x).mean(axis=2, keepdims=True)
    if center:
        dz = dz - e.mean(axis=2, keepdims=True)
    return (dz * rstd[..., None]).reshape(d.shape), (d * xhat).sum(axis=0), d.sum(axis=0)


@kernel
def row_normalize(
    ws, z, y, rows, stride, columns, stats, live, theta, gamma_at, beta_at, center, eps, slope
):
    """One group a row: the activated gamma·x̂ + beta at y; (mean, 1/spread) of each row at
    `stats`."""
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    share = ws.dtype.type(1) / ws.dtype.type(columns)
    one = ws.dtype.type(1)
    small = ws.dtype.type(eps)
    wide_slope = splat(ws.dtype.type(slope))
    for r in range(rows):
        row = r * stride
        mean = ws.dtype.type(0)
        if center:
            partial = zero
            for c in range(0, stride, width):
                partial = partial + load(ws, z + row + c) * load(ws, live + c)
            mean = total(partial) * share
        wide_mean = splat(mean)
        partial = zero
        for c in range(0, stride, width):
            deviation = (load(ws, z + row + c) - wide_mean) * load(ws, live + c)
            partial = partial + deviation * deviation
        rstd = one / ws.dtype.type(math.sqrt(total(partial) * share + small))
        ws[stats + 2 * r] = mean
        ws[stats + 2 * r + 1] = rstd
        wide = splat(rstd)
        for c in range(0, stride, width):
            xhat = (load(ws, z + row + c) - wide_mean) * wide
            value = xhat * load(theta, gamma_at + c) + load(theta, beta_at + c)
            store(ws, y + row + c, positive(value, value, value * wide_slope))


@kernel
def row_backward(
    ws, d, z, rows, stride, columns, stats, live, theta, gamma_at, beta_at, grad, center, slope
):
    """Gradient by z in place of d, and those by gamma and beta into `grad` at their own offsets.

        d ← activation'(y) · d,   e = gamma · d
        dz = 1/spread · (e − mean(e) − x̂ · mean(e x̂)), without mean(e) where rows are not centred

    Centring moves a row's padding too; `live` sets it back to zero.
    """
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    share = ws.dtype.type(1) / ws.dtype.type(columns)
    wide_slope = splat(ws.dtype.type(slope))
    for c in range(0, stride, width):
        store(grad, gamma_at + c, zero)
        store(grad, beta_at + c, zero)
    for r in range(rows):
        row = r * stride
        mean, rstd = splat(ws[stats + 2 * r]), splat(ws[stats + 2 * r + 1])
        sum_e, sum_ex = zero, zero
        for c in range(0, stride, width):
            gamma = load(theta, gamma_at + c)
            x = (load(ws, z + row + c) - mean) * rstd
            e = load(ws, d + row + c)
            e = positive(x * gamma + load(theta, beta_at + c), e, e * wide_slope)
            store(grad, beta_at + c, load(grad, beta_at + c) + e)
            store(grad, gamma_at + c, load(grad, gamma_at + c) + e * x)
            e = e * gamma
            store(ws, d + row + c, e)
            sum_e = sum_e + e
            sum_ex = sum_ex + e * x
        tilt = splat(total(sum_ex) * share) * rstd
        shift = zero
        if center:
            shift = splat(total(sum_e) * share)
        for c in range(0, stride, width):
            e = load(ws, d + row + c) - shift - (load(ws, z + row + c) - mean) * tilt
            store(ws, d + row + c, e * rstd * load(ws, live + c))


@kernel
def group_normalize(
    ws, z, y, rows, stride, columns, groups, stats, theta, gamma_at, beta_at, eps, slope
):
    """As `row_normalize`, with `groups` equal runs of columns a row; y's padding becomes zero.

    Left as it was, the padding could hold the NaN of an earlier trial in this workspace, and its
    product with a gradient of zero would enter the weights' padding.
    """
    size = columns // groups
    share = ws.dtype.type(1) / ws.dtype.type(size)
    one, zero = ws.dtype.type(1), ws.dtype.type(0)
    small, below = ws.dtype.type(eps), ws.dtype.type(slope)
    for r in range(rows):
        ws[y + r * stride + columns : y + (r + 1) * stride] = zero
        for g in range(groups):
            at, p = r * stride + g * size, g * size
            part, out = ws[z + at : z + at + size], ws[y + at : y + at + size]
            gamma = theta[gamma_at + p : gamma_at + p + size]
            beta = theta[beta_at + p : beta_at + p + size]
            mean = zero
            for i in range(size):
                mean += part[i]
            mean *= share
            spread = zero
            for i in range(size):
                spread += (part[i] - mean) * (part[i] - mean)
            rstd = one / ws.dtype.type(math.sqrt(spread * share + small))
            place = stats + 2 * (r * groups + g)
            ws[place] = mean
            ws[place + 1] = rstd
            for i in range(size):
                value = (part[i] - mean) * rstd * gamma[i] + beta[i]
                out[i] = value if value > zero else value * below


@kernel
def group_backward(
    ws, d, z, rows, stride, columns, groups, stats, theta, gamma_at, beta_at, grad, slope
):
    """As `row_backward` for `group_normalize`."""
    size = columns // groups
    share = ws.dtype.type(1) / ws.dtype.type(size)
    zero, below = ws.dtype.type(0), ws.dtype.type(slope)
    grad[gamma_at : gamma_at + stride] = zero
    grad[beta_at : beta_at + stride] = zero
    for r in range(rows):
        for g in range(groups):
            at, p = r * stride + g * size, g * size
            part, source = ws[d + at : d + at + size], ws[z + at : z + at + size]
            gamma = theta[gamma_at + p : gamma_at + p + size]
            beta = theta[beta_at + p : beta_at + p + size]
            dgamma = grad[gamma_at + p : gamma_at + p + size]
            dbeta = grad[beta_at + p : beta_at + p + size]
            place = stats + 2 * (r * groups + g)
            mean, rstd = ws[place], ws[place + 1]
            sum_e, sum_ex = zero, zero
            for i in range(size):
                x = (source[i] - mean) * rstd
                e = part[i] if x * gamma[i] + beta[i] > zero else part[i] * below
                dbeta[i] += e
                dgamma[i] += e * x
                e *= gamma[i]
                part[i] = e
                sum_e += e
                sum_ex += e * x
            shift, tilt = sum_e * share, sum_ex * share * rstd
            for i in range(size):
                part[i] = (part[i] - shift - (source[i] - mean) * tilt) * rstd
