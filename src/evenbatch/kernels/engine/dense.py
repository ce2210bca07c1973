"""What a fully connected network does besides products and normalization.

Each operation is a pair, forward and backward, on matrices (rows × stride) that lie in one flat
workspace; stride is a multiple of 16 and the columns beyond a layer's width hold zeros wherever a
product reads them. References in float64 stand beside each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lane_math import erf, exp
from evenbatch.kernels._lanes import lanes, load, positive, splat, store

# Codes of the activations, as the tape stores them. LINEAR covers identity, relu and leaky relu:
# one slope left of zero.
LINEAR, TANH, SIGMOID, GELU = 0, 1, 2, 3
LEAKY_SLOPE = 0.01
"""Slope of leaky relu below zero, PyTorch's default (Maas et al. 2013)."""


def reference_activation(code: int, x: Any, slope: float) -> tuple[Any, Any]:
    """float64: the activation and its derivative at x."""
    x = np.asarray(x, np.float64)
    if code == LINEAR:
        return np.where(x > 0, x, slope * x), np.where(x > 0, 1.0, slope)
    if code == TANH:
        y = np.tanh(x)
        return y, 1 - y * y
    if code == SIGMOID:
        y = 1 / (1 + np.exp(-x))
        return y, y * (1 - y)
    cdf = 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))
    return x * cdf, cdf + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@kernel
def gather(data, data_stride, index, first, rows, ws, out, stride):
    """Rows index[first : first + rows] of the data into the workspace."""
    width = lanes(ws)
    for r in range(rows):
        source = index[first + r] * data_stride
        target = out + r * stride
        for c in range(0, stride, width):
            store(ws, target + c, load(data, source + c))


@kernel
def gather_range(data, data_stride, first, rows, ws, out, stride):
    """Rows first, first + 1, … of the data into the workspace."""
    width = lanes(ws)
    for at in range(0, rows * stride, width):
        store(ws, out + at, load(data, first * data_stride + at))


@kernel
def activate(ws, z, y, rows, stride, theta, bias_at, code, slope):
    """``y = activation(z + bias)``; without a bias where `bias_at` is −1. y may be z itself.

    gelu reads its input again on the way back, so there z keeps z + bias.
    """
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    one = splat(ws.dtype.type(1))
    two = splat(ws.dtype.type(2))
    half = splat(ws.dtype.type(0.5))
    wide_slope = splat(ws.dtype.type(slope))
    root_half = splat(ws.dtype.type(math.sqrt(0.5)))
    for c in range(0, stride, width):
        bias = zero
        if bias_at >= 0:
            bias = load(theta, bias_at + c)
        at = c
        if code == LINEAR:
            for _ in range(rows):
                x = load(ws, z + at) + bias
                store(ws, y + at, positive(x, x, x * wide_slope))
                at += stride
        elif code == TANH:
            for _ in range(rows):
                x = load(ws, z + at) + bias
                store(ws, y + at, _tanh(x, zero, one, two))
                at += stride
        elif code == SIGMOID:
            for _ in range(rows):
                x = load(ws, z + at) + bias
                store(ws, y + at, one / (one + exp(zero - x)))
                at += stride
        else:
            for _ in range(rows):
                x = load(ws, z + at) + bias
                store(ws, z + at, x)
                store(ws, y + at, half * x * (one + erf(x * root_half)))
                at += stride


@kernel(inline=True)
def _tanh(x, zero, one, two):
    """tanh through exp of −2|x|, which never overflows; absolute error about 1e-7 in float32."""
    size = positive(x, x, zero - x)
    decay = exp(zero - two * size)
    value = (one - decay) / (one + decay)
    return positive(x, value, zero - value)


@kernel
def activate_backward(ws, d, z, y, rows, stride, grad, dbias_at, code, slope):
    """``d ← d · activation'`` in place, from y (gelu: z); the bias gradient is its column sum."""
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    one = splat(ws.dtype.type(1))
    half = splat(ws.dtype.type(0.5))
    wide_slope = splat(ws.dtype.type(slope))
    root_half = splat(ws.dtype.type(math.sqrt(0.5)))
    density = splat(ws.dtype.type(1 / math.sqrt(2 * math.pi)))
    for c in range(0, stride, width):
        total = zero
        at = c
        for _ in range(rows):
            e = load(ws, d + at)
            if code == LINEAR:
                e = positive(load(ws, y + at), e, e * wide_slope)
            elif code == TANH:
                value = load(ws, y + at)
                e = e * (one - value * value)
            elif code == SIGMOID:
                value = load(ws, y + at)
                e = e * value * (one - value)
            else:
                x = load(ws, z + at)
                cdf = half * (one + erf(x * root_half))
                e = e * (cdf + x * density * exp(zero - half * x * x))
            store(ws, d + at, e)
            total = total + e
            at += stride
        if dbias_at >= 0:
            store(grad, dbias_at + c, total)


@kernel
def add(ws, a, b, out, size):
    """``out = a + b`` over `size` elements (a residual connection, or a gradient that forks)."""
    for at in range(0, size, lanes(ws)):
        store(ws, out + at, load(ws, a + at) + load(ws, b + at))


@kernel
def copy(ws, a, out, size):
    """``out = a`` over `size` elements."""
    for at in range(0, size, lanes(ws)):
        store(ws, out + at, load(ws, a + at))


@kernel
def multiply(ws, a, b, out, size):
    """``out = a · b`` over `size` elements (dropout with its mask, forward and backward)."""
    for at in range(0, size, lanes(ws)):
        store(ws, out + at, load(ws, a + at) * load(ws, b + at))


@kernel
def mix(x):
    """A 32-bit hash with full avalanche ("lowbias32", Wellons 2018)."""
    x = np.uint32(x)
    x ^= x >> np.uint32(16)
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x ^= x >> np.uint32(15)
    x = np.uint32(x * np.uint32(0x846CA68B))
    x ^= x >> np.uint32(16)
    return x


@kernel
def dropout_mask(mask, at, size, key, share):
    """Fill `mask` with 0 (probability `share`) or 1/(1 − share).

    The mask is a hash of `key` and the element's place: the same for any thread and any chunking,
    and computed again rather than kept (Srivastava et al. 2014, inverted scaling).
    """
    limit = np.uint32(share * 4294967296.0)
    keep = mask.dtype.type(1.0 / (1.0 - share))
    drop = mask.dtype.type(0)
    part = mask[at : at + size]
    for i in range(size):
        part[i] = drop if mix(np.uint32(i) ^ np.uint32(key)) < limit else keep


SATURATED_BELOW = 0.05
"""An activation counts as saturated where its derivative is at most this share of its largest."""


@kernel
def is_saturated(code, slope, z, y):
    """Whether the derivative at y (of z) is at most `SATURATED_BELOW` of its maximum."""
    if code == LINEAR:
        return y <= 0 and slope <= SATURATED_BELOW
    if code == TANH:
        return 1 - y * y <= SATURATED_BELOW
    if code == SIGMOID:
        return y * (1 - y) <= 0.25 * SATURATED_BELOW
    z = np.float64(z)
    cdf = 0.5 * (1 + erf(z / math.sqrt(2.0)))
    derivative = cdf + z * exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return abs(derivative) <= 1.13 * SATURATED_BELOW  # gelu's derivative peaks at 1.129
