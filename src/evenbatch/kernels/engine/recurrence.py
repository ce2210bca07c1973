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
from evenbatch.kernels._lanes import PAD, lanes, load, splat, store

# What `share_gradient` does with a step's gradient and the sum of the steps after it.
CLEAR, ADD, FINISH, ONLY_SUM = range(4)


def reference_order(lengths: Any, steps: int) -> tuple[Any, Any]:
    """(places, counts): rows longest first, equal ones in their own order; rows longer than t."""
    lengths = np.asarray(lengths)
    counts = (lengths[None, :] > np.arange(steps + 1)[:, None]).sum(axis=1)
    return np.argsort(-lengths, kind="stable"), counts


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
def move_rows(ws, ordered, minibatch, first, last, stride, places, back):
    """Rows first … last − 1 from the order of length to where they stand in the minibatch, or
    `back`."""
    width = lanes(ws)
    for i in range(first, last):
        source = ordered + i * stride
        target = minibatch + np.int64(ws[places + i]) * stride
        if back:
            source, target = target, source
        for c in range(0, stride, width):
            store(ws, target + c, load(ws, source + c))


@kernel
def share_gradient(grad, at, size, ws, total, code):
    """CLEAR: the sum is zero. ADD: a step's gradient into the sum. FINISH: the sum, with this
    step's, into the gradient. ONLY_SUM: the sum alone (this step did not use the parameter)."""
    for i in range(0, size, lanes(ws)):
        value = splat(ws.dtype.type(0))
        if code != CLEAR:
            value = load(ws, total + i)
        if code in (ADD, FINISH):
            value = value + load(grad, at + i)
        if code in (CLEAR, ADD):
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
