"""What a layer needs to run over time: examples of unequal length, and parameters used again.

The rows of a minibatch are put in order of length, longest first. Then the examples still going at
a time step are the first rows of every matrix, and all other kernels do a time step by being given
fewer rows: nothing is masked, nothing is computed for an example that has ended.

Parameters serve every time step, and kernels assign their gradients. So each step's gradient is
added to a sum that lies in the workspace, and the first time step (the last on the way back) puts
the sum where the optimizer looks for it.

Whole numbers (row counts and places) lie in the workspace as floats, which are exact to 2²⁴.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import PAD, lanes, load, positive, splat, store

# What `share_gradient` does with a step's gradient and the sum of the steps after it.
ADD, FINISH, ONLY_SUM = 0, 1, 2


def reference_order(lengths: Any, steps: int) -> tuple[Any, Any]:
    """(places, counts): rows longest first, equal ones in their own order; rows longer than t."""
    lengths = np.asarray(lengths)
    counts = (lengths[None, :] > np.arange(steps + 1)[:, None]).sum(axis=1)
    return np.argsort(-lengths, kind="stable"), counts


def reference_fixed_backward(
    dy: Any, z: Any, mean: Any, rstd: Any, gamma: Any, beta: Any, slope: float
) -> tuple[Any, Any, Any]:
    """float64: (dz, dgamma, dbeta) where mean and spread are constants, not the batch's own."""
    xhat = (np.asarray(z, np.float64) - mean) * rstd
    d = np.where(gamma * xhat + beta > 0, dy, slope * np.asarray(dy, np.float64))
    return d * gamma * rstd, (d * xhat).sum(axis=0), d.sum(axis=0)


@kernel
def order_by_length(ws, x, out, rows, stride, steps, features, meta):
    """Rows of x (each a sequence, its length in column steps · features) at `out`, longest first.

    At `meta`: for t = 0 … steps the number of rows longer than t; as many numbers of scratch; and
    for each row of `out` the row of x it was.
    """
    width = lanes(ws)
    one = ws.dtype.type(1)
    cursor, places = meta + steps + 1, meta + 2 * (steps + 1)
    for t in range(steps + 1):
        ws[meta + t] = 0
    for r in range(rows):
        length = np.int64(ws[x + r * stride + steps * features])
        ws[meta + length - 1] += one
    longer = ws.dtype.type(0)
    for t in range(steps, -1, -1):
        longer += ws[meta + t]
        ws[meta + t] = longer
        ws[cursor + t] = longer
    for r in range(rows):
        length = np.int64(ws[x + r * stride + steps * features])
        place = np.int64(ws[cursor + length])  # behind those that are longer
        ws[cursor + length] += one
        ws[places + place] = r
        for c in range(0, length * features, width):
            store(ws, out + place * stride + c, load(ws, x + r * stride + c))


@kernel
def put_rows(ws, source, target, first, last, stride, places):
    """Rows first … last − 1 of the source, to the rows of the target they came from."""
    width = lanes(ws)
    for i in range(first, last):
        row = np.int64(ws[places + i])
        for c in range(0, stride, width):
            store(ws, target + row * stride + c, load(ws, source + i * stride + c))


@kernel
def take_rows(ws, source, target, first, last, stride, places):
    """The way back of `put_rows`: rows first … last − 1 of the target, from where they went."""
    width = lanes(ws)
    for i in range(first, last):
        row = np.int64(ws[places + i])
        for c in range(0, stride, width):
            store(ws, target + i * stride + c, load(ws, source + row * stride + c))


@kernel
def clear(ws, at, size):
    """Zeros."""
    zero = splat(ws.dtype.type(0))
    for i in range(at, at + size, lanes(ws)):
        store(ws, i, zero)


@kernel
def share_gradient(grad, at, size, ws, total, code):
    """ADD: a step's gradient into the sum. FINISH: the sum, with this step's, into the gradient.
    ONLY_SUM: the sum alone (this step did not use the parameter)."""
    for i in range(0, size, lanes(ws)):
        value = load(ws, total + i)
        if code != ONLY_SUM:
            value = value + load(grad, at + i)
        if code == ADD:
            store(ws, total + i, value)
        else:
            store(grad, at + i, value)


@kernel
def known_step(running, at, step, stride):
    """Where to read the running statistics of a time step.

    Args:
        running: for each time step means and variances, 2 · stride apart; `PAD` elements before
            them lies how many steps have been seen.
        at: where the step's own lie.
        step: 1 + the time step; 0 for a normalizer that has no steps.

    A step that has not been seen takes the last one's that has.
    """
    if step > 0:
        seen = np.int64(running[at - (step - 1) * 2 * stride - PAD])
        if 0 < seen < step:
            return at - (step - seen) * 2 * stride
    return at


@kernel
def note_step(running, at, step, stride):
    """Remember that this time step (1 + its number; 0: no steps) has statistics now."""
    if step > 0:
        place = at - (step - 1) * 2 * stride - PAD
        running[place] = max(running[place], running.dtype.type(step))


@kernel
def fixed_backward(
    ws, d, z, rows, stride, mean_at, rstd_at, scale_at, theta, gamma_at, beta_at, grad, slope
):
    """As `evenbatch.kernels.columns.batch_backward`, where mean and spread were given.

    d ← activation'(y) · d,   dbeta = Σ d,   dgamma = Σ d x̂,   dz = gamma · rstd · d
    """
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    wide_slope = splat(ws.dtype.type(slope))
    for c in range(0, stride, width):
        mean, scale = load(ws, mean_at + c), load(ws, scale_at + c)
        beta = load(theta, beta_at + c)
        dbeta, dgamma = zero, zero
        at = c
        for _ in range(rows):
            x = load(ws, z + at) - mean
            e = load(ws, d + at)
            e = positive(x * scale + beta, e, e * wide_slope)
            dbeta, dgamma = dbeta + e, dgamma + e * x
            store(ws, d + at, e * scale)
            at += stride
        store(grad, beta_at + c, dbeta)
        store(grad, gamma_at + c, dgamma * load(ws, rstd_at + c))
