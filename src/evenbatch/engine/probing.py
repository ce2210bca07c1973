"""What is read inside a network on the minibatch of a probed step."""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine.layout import Plan, Probe
from evenbatch.engine.layout import ProbeField as P
from evenbatch.kernels._jit import kernel
from evenbatch.kernels.engine import dense


@kernel
def probe_layers(program, theta, grad, ws, out):
    """Per linear layer: mean and standard deviation of its input, saturated and dead share of its
    activation, norm of its weight gradient, and how far its normalizer's knobs have moved.

    An activation is saturated where its derivative is at most 5 % of the largest it can have; a
    unit is dead where that is so for every example of the batch. A layer that runs over time is
    read at all steps together, each over the examples that reach it; a convolution, at all
    positions.
    """
    rows = program.plan[Plan.BATCH_SIZE]
    for i in range(program.probes.shape[0]):
        row, slope = program.probes[i], program.probe_slopes[i]
        count = _probe_input(row, ws, rows, out[i]) * row[P.OUT_ROWS]
        saturated, dead = 0, 0
        for c in range(row[P.COLUMNS]):
            here = 0
            for s in range(row[P.STEPS]):
                n = rows if row[P.COUNT] < 0 else np.int64(ws[row[P.COUNT] + s])
                for r in range(n * row[P.OUT_ROWS]):
                    at = s * row[P.OUT_STEP] + r * row[P.STRIDE] + c
                    y, z = ws[row[P.OUT] + at], ws[row[P.Z] + at]
                    here += dense.is_saturated(row[P.CODE], slope, z, y)
            saturated += here
            dead += here == count
        if count > 0:
            out[i, Probe.SATURATED] = saturated / (count * row[P.COLUMNS])
            out[i, Probe.DEAD] = dead / row[P.COLUMNS]
        norm = 0.0
        for at in range(row[P.W], row[P.W] + row[P.W_SIZE]):
            norm += np.float64(grad[at]) ** 2
        out[i, Probe.GRADIENT_NORM] = math.sqrt(norm)
        if row[P.NORM_COLUMNS] > 0:
            _probe_knobs(theta, row[P.GAMMA], row[P.BETA], row[P.NORM_COLUMNS], out[i])


@kernel
def _probe_input(row, ws, rows, out):
    """Mean and standard deviation of what the layer receives; returns the number of examples, each
    counted at every time step."""
    total, spread, count = 0.0, 0.0, 0
    mean = 0.0
    for again in range(2):
        for s in range(row[P.STEPS]):
            n = rows if row[P.COUNT] < 0 else np.int64(ws[row[P.COUNT] + s])
            for r in range(n * row[P.IN_ROWS]):
                at = row[P.IN] + s * row[P.IN_STEP] + r * row[P.IN_STRIDE]
                for c in range(row[P.IN_COLUMNS]):
                    if again:
                        spread += (ws[at + c] - mean) ** 2
                    else:
                        total += ws[at + c]
                count += 1 - again
        if count == 0:
            return count
        mean = total / (count * row[P.IN_COLUMNS])
    out[Probe.MEAN] = mean
    out[Probe.SPREAD] = math.sqrt(spread / (count * row[P.IN_COLUMNS]))
    return count // row[P.IN_ROWS]


@kernel
def _probe_knobs(theta, gamma_at, beta_at, columns, out):
    """Root mean square of gamma − 1 and of beta, and mean of gamma."""
    gammas, gamma_squares, beta_squares = 0.0, 0.0, 0.0
    for c in range(columns):
        gamma, beta = np.float64(theta[gamma_at + c]), np.float64(theta[beta_at + c])
        gammas += gamma
        gamma_squares += (gamma - 1) ** 2
        beta_squares += beta**2
    out[Probe.GAMMA_SHIFT] = math.sqrt(gamma_squares / columns)
    out[Probe.BETA_SHIFT] = math.sqrt(beta_squares / columns)
    out[Probe.GAMMA_MEAN] = gammas / columns
