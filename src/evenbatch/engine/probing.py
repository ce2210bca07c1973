"""What is read inside a network on the minibatch of a probed step."""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import tape as T
from evenbatch.kernels import dense
from evenbatch.kernels._jit import kernel

# Columns of a probe.
MEAN, SPREAD, SATURATED, DEAD, GRADIENT_NORM = range(5)
PROBE = 5


@kernel
def probe_layers(probes, slopes, ws, grad, rows, out):
    """Per linear layer: mean and standard deviation of its input, saturated and dead share of its
    activation, norm of its weight gradient.

    An activation is saturated where its derivative is at most 5 % of the largest it can have; a
    unit is dead where that is so for every example of the batch.
    """
    for i in range(probes.shape[0]):
        row = probes[i]
        total = 0.0
        count = rows * row[T.P_IN_COLUMNS]
        for r in range(rows):
            at = row[T.P_IN] + r * row[T.P_IN_STRIDE]
            for c in range(row[T.P_IN_COLUMNS]):
                total += ws[at + c]
        mean = total / count
        spread = 0.0
        for r in range(rows):
            at = row[T.P_IN] + r * row[T.P_IN_STRIDE]
            for c in range(row[T.P_IN_COLUMNS]):
                spread += (ws[at + c] - mean) ** 2
        out[i, MEAN], out[i, SPREAD] = mean, math.sqrt(spread / count)
        saturated, dead = 0, 0
        for c in range(row[T.P_COLUMNS]):
            here = 0
            for r in range(rows):
                at = r * row[T.P_STRIDE] + c
                y, z = ws[row[T.P_OUT] + at], ws[row[T.P_Z] + at]
                here += dense.is_saturated(row[T.P_CODE], slopes[i], z, y)
            saturated += here
            dead += here == rows
        out[i, SATURATED] = saturated / (rows * row[T.P_COLUMNS])
        out[i, DEAD] = dead / row[T.P_COLUMNS]
        norm = 0.0
        for at in range(row[T.P_W], row[T.P_W] + row[T.P_W_SIZE]):
            norm += np.float64(grad[at]) ** 2
        out[i, GRADIENT_NORM] = math.sqrt(norm)
