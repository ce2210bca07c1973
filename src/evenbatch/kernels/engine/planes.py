"""Layer, RMS and group normalization of an example that has positions: statistics over channels and
positions together.

    layer   x̂ = (z − mean(z)) / sqrt(var(z) + eps) over all channels and positions of an example
    rms     x̂ = z / sqrt(mean(z²) + eps) over the same
    group   as layer, over each of G equal runs of the channels       Wu & He 2018, eq. 7 and fig. 2

followed by a gamma and a beta for each channel and a piecewise linear activation, as in
``columns.py``. Layer norm is group norm with one group (Wu & He 2018, section 3.1), instance norm
(Ulyanov et al. 2016) group norm with as many groups as channels. Sums run down the positions, one
lanes value of channels at a time, and only then over the channels of a group.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import lanes, load, positive, splat, store


def reference_forward(
    z: Any, gamma: Any, beta: Any, groups: int, center: bool, eps: float, slope: float
) -> tuple[Any, Any, Any]:
    """float64: (y, x̂, 1/spread) of z (N, positions, C); the spread is (N, groups)."""
    z = np.asarray(z, np.float64)
    parts = z.reshape(*z.shape[:2], groups, -1)
    if center:
        parts = parts - parts.mean(axis=(1, 3), keepdims=True)
    rstd = 1 / np.sqrt((parts**2).mean(axis=(1, 3)) + eps)
    xhat = (parts * rstd[:, None, :, None]).reshape(z.shape)
    y = gamma * xhat + beta
    return np.where(y > 0, y, slope * y), xhat, rstd


def reference_backward(
    dy: Any, z: Any, gamma: Any, beta: Any, groups: int, center: bool, eps: float, slope: float
) -> tuple[Any, Any, Any]:
    """float64: (dz, dgamma, dbeta)."""
    y, xhat, rstd = reference_forward(z, gamma, beta, groups, center, eps, slope)
    d = np.where(y > 0, dy, slope * np.asarray(dy, np.float64))
    shape = (*d.shape[:2], groups, -1)
    e, x = (d * gamma).reshape(shape), xhat.reshape(shape)
    dz = e - x * (e * x).mean(axis=(1, 3), keepdims=True)
    if center:
        dz = dz - e.mean(axis=(1, 3), keepdims=True)
    dz = (dz * rstd[:, None, :, None]).reshape(d.shape)
    return dz, (d * xhat).sum(axis=(0, 1)), d.sum(axis=(0, 1))


@kernel
def _share(ws, at, columns, groups, share):
    """Of sums over positions, one for each channel: those of a group together, times `share`."""
    size = columns // groups
    for g in range(groups):
        total = ws.dtype.type(0)
        for c in range(at + g * size, at + (g + 1) * size):
            total += ws[c]
        total *= share
        for c in range(at + g * size, at + (g + 1) * size):
            ws[c] = total


@kernel
def plane_normalize(
    ws, z, y, examples, positions, stride, columns, groups, stats, theta, gamma_at, beta_at,
    center, eps, slope,
):  # fmt: skip
    """The activated gamma·x̂ + beta at y; at `stats` for each example a row of means and one of
    1/spreads."""
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    one, small = ws.dtype.type(1), ws.dtype.type(eps)
    wide_slope = splat(ws.dtype.type(slope))
    share = one / ws.dtype.type(positions * (columns // groups))
    for n in range(examples):
        first = n * positions * stride
        mean_at = stats + 2 * n * stride
        rstd_at = mean_at + stride
        for c in range(0, stride, width):
            total = zero
            if center:
                for at in range(z + first + c, z + first + c + positions * stride, stride):
                    total = total + load(ws, at)
            store(ws, mean_at + c, total)
        _share(ws, mean_at, columns, groups, share)
        for c in range(0, stride, width):
            total, mean = zero, load(ws, mean_at + c)
            for at in range(z + first + c, z + first + c + positions * stride, stride):
                deviation = load(ws, at) - mean
                total = total + deviation * deviation
            store(ws, rstd_at + c, total)
        _share(ws, rstd_at, columns, groups, share)
        for c in range(rstd_at, rstd_at + columns):
            ws[c] = one / ws.dtype.type(math.sqrt(ws[c] + small))
        for c in range(rstd_at + columns, rstd_at + stride):
            ws[c] = 0  # where with eps 0 it would be infinite
        for p in range(positions):
            row = first + p * stride
            for c in range(0, stride, width):
                xhat = (load(ws, z + row + c) - load(ws, mean_at + c)) * load(ws, rstd_at + c)
                value = xhat * load(theta, gamma_at + c) + load(theta, beta_at + c)
                store(ws, y + row + c, positive(value, value, value * wide_slope))


@kernel
def plane_backward(
    ws, d, z, examples, positions, stride, columns, groups, stats, theta, gamma_at, beta_at, grad,
    center, slope,
):  # fmt: skip
    """Gradient by z in place of d, and those by gamma and beta into `grad` at their own offsets.

        d ← activation'(y) · d,   e = gamma · d,   both means over a group's channels and positions
        dz = 1/spread · (e − mean(e) − x̂ · mean(e x̂)), without mean(e) where it is not centred

    The sums lie behind the statistics of the last example.
    """
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    wide_slope = splat(ws.dtype.type(slope))
    share = ws.dtype.type(1) / ws.dtype.type(positions * (columns // groups))
    shift_at = stats + 2 * examples * stride
    tilt_at = shift_at + stride
    for c in range(0, stride, width):
        store(grad, gamma_at + c, zero)
        store(grad, beta_at + c, zero)
    for n in range(examples):
        first = n * positions * stride
        mean_at = stats + 2 * n * stride
        for c in range(0, stride, width):
            mean, rstd = load(ws, mean_at + c), load(ws, mean_at + stride + c)
            gamma, beta = load(theta, gamma_at + c), load(theta, beta_at + c)
            total, tilted = zero, zero
            for at in range(first + c, first + c + positions * stride, stride):
                x = (load(ws, z + at) - mean) * rstd
                e = load(ws, d + at)
                e = positive(x * gamma + beta, e, e * wide_slope)
                store(ws, d + at, e)
                total = total + e
                tilted = tilted + e * x
            store(grad, beta_at + c, load(grad, beta_at + c) + total)
            store(grad, gamma_at + c, load(grad, gamma_at + c) + tilted)
            store(ws, shift_at + c, total * gamma if center else zero)
            store(ws, tilt_at + c, tilted * gamma)
        _share(ws, shift_at, columns, groups, share)
        _share(ws, tilt_at, columns, groups, share)
        for p in range(positions):
            row = first + p * stride
            for c in range(0, stride, width):
                rstd = load(ws, mean_at + stride + c)
                x = (load(ws, z + row + c) - load(ws, mean_at + c)) * rstd
                e = load(ws, d + row + c) * load(theta, gamma_at + c)
                e = e - load(ws, shift_at + c) - x * load(ws, tilt_at + c)
                store(ws, d + row + c, e * rstd)
