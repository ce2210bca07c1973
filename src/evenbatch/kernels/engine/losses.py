"""Losses and their gradients by the network's output.

    cross-entropy        L = −1/N Σ_n log softmax(z_n)[label_n]    dL/dz = (softmax(z) − onehot)/N
    mean squared error   L = 1/(N T) Σ (z − t)²                    dL/dz = 2 (z − t)/(N T)

Both are means over the batch, as in PyTorch. For cross-entropy the padding columns of the output
hold −1e30 (`LOGIT_PADDING`, set in the bias), so their probability is exactly 0 and no mask is
needed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lane_math import exp
from evenbatch.kernels._lanes import highest, lanes, load, splat, store, total
from evenbatch.kernels._scalars import log

LOGIT_PADDING = -1e30


def reference_cross_entropy(z: Any, labels: Any) -> tuple[float, Any]:
    """float64: the loss and its gradient by the logits z (N, classes)."""
    z = np.asarray(z, np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(z))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return float(loss), p / len(z)


def reference_squared_error(z: Any, target: Any) -> tuple[float, Any]:
    """float64: the loss and its gradient by the prediction z (N, targets)."""
    difference = np.asarray(z, np.float64) - target
    return float((difference**2).mean()), 2 * difference / difference.size


@kernel
def cross_entropy(ws, z, rows, stride, labels, index, first, d):
    """Mean loss of the batch ``labels[index[first:first + rows]]``; the gradient into `d`."""
    width = lanes(ws)
    share = ws.dtype.type(1) / ws.dtype.type(rows)
    loss = 0.0
    masses = 1.0  # Σ log mass = log Π mass: a mass is at most the stride, so 16 fit a float64
    for r in range(rows):
        at = z + r * stride
        out = d + r * stride
        top = highest(load(ws, at))
        for c in range(width, stride, width):
            top = max(top, highest(load(ws, at + c)))
        wide_top = splat(top)
        mass = ws.dtype.type(0)
        for c in range(0, stride, width):
            e = exp(load(ws, at + c) - wide_top)
            store(ws, out + c, e)
            mass += total(e)
        scale = splat(share / mass)
        for c in range(0, stride, width):
            store(ws, out + c, load(ws, out + c) * scale)
        label = labels[index[first + r]]
        ws[out + label] -= share
        loss += top - ws[at + label]
        masses *= mass
        if r % 16 == 15:
            loss += log(masses)
            masses = 1.0
    return (loss + log(masses)) / rows


@kernel
def squared_error(ws, z, rows, stride, columns, target, index, first, d):
    """Mean loss against rows ``target[index[first + r]]`` (flat, rows `stride` apart)."""
    width = lanes(ws)
    scale = splat(ws.dtype.type(2.0 / (rows * columns)))
    loss = 0.0
    for r in range(rows):
        goal = index[first + r] * stride
        for c in range(0, stride, width):
            difference = load(ws, z + r * stride + c) - load(target, goal + c)
            store(ws, d + r * stride + c, difference * scale)
            loss += total(difference * difference)
    return loss / (rows * columns)


@kernel
def count_correct(ws, z, rows, stride, labels, first):
    """(Σ loss, number right) over rows ``labels[first:first + rows]``.

    The prediction is the first largest logit; with equal logits only the first class counts, so a
    dead network scores chance and not 100 %.
    """
    width = lanes(ws)
    loss = 0.0
    right = 0
    for r in range(rows):
        at = z + r * stride
        label = labels[first + r]
        top = highest(load(ws, at))
        for c in range(width, stride, width):
            top = max(top, highest(load(ws, at + c)))
        wide_top = splat(top)
        mass = ws.dtype.type(0)
        for c in range(0, stride, width):
            mass += total(exp(load(ws, at + c) - wide_top))
        value = ws[at + label]
        loss += log(mass) + top - value
        if value == top and not math.isnan(mass):  # next to a NaN no logit is the largest
            earlier = False
            for c in range(label):
                earlier = earlier or ws[at + c] == top
            if not earlier:
                right += 1
    return loss, right


@kernel
def sum_squared_error(ws, z, rows, stride, target, first):
    """Σ (z − target)² over rows ``target[first:first + rows]``."""
    error = 0.0
    for at in range(0, rows * stride, lanes(ws)):
        difference = load(ws, z + at) - load(target, first * stride + at)
        error += total(difference * difference)
    return error
