"""One minibatch: walks a tape forwards and backwards.

Each operation is a small function of its own. Tried: the same loops inlined into one long function
ran 3 times slower, because the compiler then keeps too much alive at once.
"""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import convolving
from evenbatch.engine.layout import Field as F
from evenbatch.engine.layout import Hyper, Mode, Op, Plan
from evenbatch.kernels._jit import kernel
from evenbatch.kernels.engine import columns, dense, drift, groups, losses, matmul, recurrence


@kernel
def forward(program, theta, running, ws, rows, mode, step):
    """All operations in order; the input lies at `Plan.INPUT`, the output at `Plan.OUTPUT`."""
    ops, slopes, plan, hyper = program.ops, program.slopes, program.plan, program.hyper
    eps = hyper[Hyper.EPS]
    for i in range(plan[Plan.N_OPS]):
        op, src, dst, stride = ops[i, F.OP], ops[i, F.SRC], ops[i, F.DST], ops[i, F.STRIDE]
        a, b, c, e = ops[i, F.A], ops[i, F.B], ops[i, F.C], ops[i, F.E]
        width, code, slope = ops[i, F.COLUMNS], ops[i, F.CODE], slopes[i]
        n = rows
        if ops[i, F.COUNT] >= 0:
            n = np.int64(ws[ops[i, F.COUNT]])
            if n == 0:  # no example goes on so long
                continue
        if op == Op.PRODUCT:
            matmul.product(ws, src, ops[i, F.STRIDE_IN], theta, a, ws, dst, n, stride, b)
        elif op == Op.BATCH:
            time = code  # 1 + the time step, or 0
            own = mode != Mode.EVALUATE and (n > 1 or time == 0)
            if not own:
                at = recurrence.known_step(running, c, time, stride)
                columns.running_to_scale(running, at, ws, stride, e, e + stride, eps)
            else:
                columns.batch_statistics(ws, src, n, stride, e, e + stride, e + 2 * stride, eps)
            columns.batch_normalize(
                ws, src, dst, n, stride, e, e + stride, e + 3 * stride, theta, a, b, slope
            )
            if own and mode != Mode.OWN:
                new = hyper[Hyper.STAT_MOMENTUM] if mode == Mode.TRAIN else 1.0
                columns.update_running(
                    ws, e, e + 2 * stride, n, stride, running, c, new, mode == Mode.TRAIN
                )
                recurrence.note_step(running, c, time, stride)
        elif op == Op.ACTIVATE:
            dense.activate(ws, src, dst, n, stride, theta, a, code, slope)
        elif op == Op.ROW:
            groups.row_normalize(
                ws, src, dst, n, stride, width, e, c, theta, a, b, code, eps, slope
            )
        elif op == Op.GROUP:
            groups.group_normalize(ws, src, dst, n, stride, width, code, e, theta, a, b, eps, slope)
        elif op == Op.DROPOUT:
            if mode == Mode.TRAIN:
                key = noise_key(plan[Plan.SEED_LOW], plan[Plan.SEED_HIGH], step, code)
                dense.dropout_mask(ws, a, n * stride, key, slope)
                dense.multiply(ws, src, a, dst, n * stride)
            else:
                dense.copy(ws, src, dst, n * stride)
        elif op == Op.DRIFT:
            if mode == Mode.TRAIN:
                key = noise_key(plan[Plan.SEED_LOW], plan[Plan.SEED_HIGH], step, code)
                drift.add_drift(ws, dst, n, stride, width, a, b, key, slope)
        elif op in (Op.ADD, Op.SUM):
            dense.add(ws, src, a, dst, n * stride)
        elif op == Op.ORDER:
            recurrence.order_by_length(ws, src, dst, n, stride, b, c, a)
        elif op == Op.ENDING:
            on = np.int64(ws[ops[i, F.COUNT] + 1])
            recurrence.move_rows(ws, src, dst, on, n, stride, a, False)
        elif op >= Op.CONVOLVE:
            convolving.forward(ops, slopes, i, theta, ws, n, eps)


@kernel
def backward(program, theta, grad, ws, rows):
    """All operations in reverse; the gradient by the output lies at `Plan.D0`."""
    ops, slopes, plan = program.ops, program.slopes, program.plan
    d, other = plan[Plan.D0], plan[Plan.D1]
    for i in range(plan[Plan.N_OPS] - 1, -1, -1):
        op, src, dst, stride = ops[i, F.OP], ops[i, F.SRC], ops[i, F.DST], ops[i, F.STRIDE]
        a, b, c, e = ops[i, F.A], ops[i, F.B], ops[i, F.C], ops[i, F.E]
        width, code, slope = ops[i, F.COLUMNS], ops[i, F.CODE], slopes[i]
        n = rows
        if ops[i, F.COUNT] >= 0:
            n = np.int64(ws[ops[i, F.COUNT]])
            if n == 0:
                continue
        if op == Op.PRODUCT:
            stride_in = ops[i, F.STRIDE_IN]
            if e > 0:  # the input was overwritten by a later layer: normalize once more
                j = e - 1
                stats, wide = ops[j, F.E], ops[j, F.STRIDE]
                columns.batch_normalize(
                    ws, ops[j, F.SRC], ops[j, F.DST], n, wide, stats, stats + wide,
                    stats + 3 * wide, theta, ops[j, F.A], ops[j, F.B], slopes[j],
                )  # fmt: skip
            matmul.product_transposed(ws, src, stride_in, ws, d, grad, a, b, stride, n)
            if ops[i, F.NEED_DX]:
                scratch = plan[Plan.TRANSPOSE]
                matmul.transpose(theta, a, stride, ws, scratch, stride_in, b, width)
                matmul.product(ws, d, stride, ws, scratch, ws, other, n, stride_in, width)
                d, other = other, d
        elif op == Op.BATCH:
            columns.batch_backward(
                ws, d, src, n, stride, e, e + stride, e + 3 * stride, theta, a, b, grad, slope,
                n > 1 or code == 0,
            )  # fmt: skip
        elif op == Op.ACTIVATE:
            dense.activate_backward(ws, d, src, dst, n, stride, grad, a, code, slope)
        elif op == Op.ROW:
            groups.row_backward(ws, d, src, n, stride, width, e, c, theta, a, b, grad, code, slope)
        elif op == Op.GROUP:
            groups.group_backward(ws, d, src, n, stride, width, code, e, theta, a, b, grad, slope)
        elif op in (Op.DROPOUT, Op.DRIFT):
            dense.multiply(ws, d, a, d, n * stride)
        elif op in (Op.ADD, Op.HOLD):
            kept = plan[Plan.STASH] if op == Op.ADD else a
            dense.copy(ws, d, kept, n * stride)
        elif op == Op.FORK:
            dense.add(ws, d, plan[Plan.STASH], d, n * stride)
        elif op == Op.ENDING:
            on = np.int64(ws[ops[i, F.COUNT] + 1])
            recurrence.move_rows(ws, d, b, on, n, stride, a, True)
        elif op == Op.SHARE:
            recurrence.share_gradient(grad, a, b, ws, c, code)
        elif op >= Op.CONVOLVE and convolving.backward(
            ops, slopes, i, theta, grad, ws, n, d, other, plan[Plan.TRANSPOSE]
        ):
            d, other = other, d


@kernel
def noise_key(seed_low, seed_high, step, layer):
    """The 32-bit key of one layer's dropout mask, or drift, at one step."""
    key = dense.mix(np.uint32(seed_low) ^ np.uint32(0x9E3779B9))
    key = dense.mix(key ^ np.uint32(seed_high))
    key = dense.mix(key ^ np.uint32(step))
    return dense.mix(key ^ np.uint32(layer + 1))


@kernel
def loss_and_gradient(program, data, theta, running, room, first, step):
    """The loss of the minibatch ``room.order[first:first + batch]``, and the gradient into
    ``room.grad`` where the loss is finite."""
    plan, ws, order = program.plan, room.ws, room.order
    batch, stride = plan[Plan.BATCH_SIZE], plan[Plan.X_STRIDE]
    dense.gather(data.x, stride, order, first, batch, ws, plan[Plan.INPUT], stride)
    forward(program, theta, running, ws, batch, np.int64(Mode.TRAIN), step)
    if plan[Plan.CLASSIFY]:
        loss = losses.cross_entropy(
            ws, plan[Plan.OUTPUT], batch, plan[Plan.Y_STRIDE], data.labels, order, first,
            plan[Plan.D0],
        )  # fmt: skip
    else:
        loss = losses.squared_error(
            ws, plan[Plan.OUTPUT], batch, plan[Plan.Y_STRIDE], plan[Plan.TARGETS], data.target,
            order, first, plan[Plan.D0],
        )  # fmt: skip
    if math.isfinite(loss):
        backward(program, theta, room.grad, ws, batch)
    return loss
