"""What is read inside a network on the minibatch of a probed step."""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import operations as T
from evenbatch.kernels._jit import kernel
from evenbatch.kernels.engine import dense

# Columns of a probe.
MEAN, SPREAD, SATURATED, DEAD, GRADIENT_NORM, GAMMA_SHIFT, BETA_SHIFT, GAMMA_MEAN = range(8)
PROBE = 8


@kernel
def probe_layers(probes, slopes, ws, theta, grad, rows, out):
    """Per linear layer: mean and standard deviation of its input, saturated and dead share of its
    activation, norm of its weight gradient, and how far its normalizer's knobs have moved.

    An activation is saturated where its derivative is at most 5 % of the largest it can have; a
    unit is dead where that is so for every example of the batch. A layer that runs over time is
    read at all steps together, each over the examples that reach it.
    """
    for i in range(probes.shape[0]):
        row = probes[i]
        count = _probe_input(row, ws, rows, out[i])
        saturated, dead = 0, 0
        for c in range(row[T.P_COLUMNS]):
            here = 0
            for s in range(row[T.P_STEPS]):
                n = rows if row[T.P_COUNT] < 0 else np.int64(ws[row[T.P_COUNT] + s])
                for r in range(n):
                    at = s * row[T.P_OUT_STEP] + r * row[T.P_STRIDE] + c
                    y, z = ws[row[T.P_OUT] + at], ws[row[T.P_Z] + at]
                    here += dense.is_saturated(row[T.P_CODE], slopes[i], z, y)
            saturated += here
            dead += here == count
        if count > 0:
            out[i, SATURATED] = saturated / (count * row[T.P_COLUMNS])
            out[i, DEAD] = dead / row[T.P_COLUMNS]
        norm = 0.0
        for at in range(row[T.P_W], row[T.P_W] + row[T.P_W_SIZE]):
            norm += np.float64(grad[at]) ** 2
        out[i, GRADIENT_NORM] = math.sqrt(norm)
        if row[T.P_NORM_COLUMNS] > 0:
            _probe_knobs(theta, row[T.P_GAMMA], row[T.P_BETA], row[T.P_NORM_COLUMNS], out[i])


@kernel
def _probe_input(row, ws, rows, out):
    """Mean and standard deviation of what the layer receives; returns the number of examples, each
    counted at every time step."""
    total, spread, count = 0.0, 0.0, 0
    mean = 0.0
    for again in range(2):
        for s in range(row[T.P_STEPS]):
            n = rows if row[T.P_COUNT] < 0 else np.int64(ws[row[T.P_COUNT] + s])
            for r in range(n):
                at = row[T.P_IN] + s * row[T.P_IN_STEP] + r * row[T.P_IN_STRIDE]
                for c in range(row[T.P_IN_COLUMNS]):
                    if again:
                        spread += (ws[at + c] - mean) ** 2
                    else:
                        total += ws[at + c]
                count += 1 - again
        if count == 0:
            return count
        mean = total / (count * row[T.P_IN_COLUMNS])
    out[MEAN] = mean
    out[SPREAD] = math.sqrt(spread / (count * row[T.P_IN_COLUMNS]))
    return count


@kernel
def _probe_knobs(theta, gamma_at, beta_at, columns, out):
    """Root mean square of gamma − 1 and of beta, and mean of gamma."""
    gammas, gamma_squares, beta_squares = 0.0, 0.0, 0.0
    for c in range(columns):
        gamma, beta = np.float64(theta[gamma_at + c]), np.float64(theta[beta_at + c])
        gammas += gamma
        gamma_squares += (gamma - 1) ** 2
        beta_squares += beta**2
    out[GAMMA_SHIFT] = math.sqrt(gamma_squares / columns)
    out[BETA_SHIFT] = math.sqrt(beta_squares / columns)
    out[GAMMA_MEAN] = gammas / columns
