"""The compiled training loop: walks a tape forwards and backwards, step after step.

One call of `advance` trains one trial for some steps on one core, evaluating and probing on the
way. Everything a trial needs between calls lies in arrays of its own (parameters, optimizer,
running statistics, counters); what only lives within a step lies in a workspace that trials of a
thread share.

Each operation is a small function of its own. Tried: the same loops inlined into one long function
ran 3 times slower, because the compiler then keeps too much alive at once.
"""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import operations as T
from evenbatch.engine import probing
from evenbatch.kernels import _clock
from evenbatch.kernels._jit import kernel
from evenbatch.kernels.engine import (
    columns,
    dense,
    drift,
    groups,
    losses,
    matmul,
    optimizers,
    recurrence,
)

# How batch norm normalizes. Training: by the batch, kept in the running statistics. Evaluation: by
# the running statistics; or by the batch at hand, kept nowhere. Population: by the whole training
# set, which replaces the statistics.
TRAIN, EVALUATE, POPULATION, OWN = 0, 1, 2, 3

# The integer settings of a trial, as `advance` reads them.
(
    ROWS, BATCH_SIZE, STEPS, OPTIMIZER, COSINE, WARMUP, CLASSIFY, N_TRAIN, N_TEST, X_STRIDE,
    Y_STRIDE, TARGETS, N_LEARNED, DECAY_END, INPUT, OUTPUT, D0, D1, STASH, TRANSPOSE, EVAL_TRAIN,
    EXACT, SEED_LOW,
    SEED_HIGH, INJECTED, CLOCK, CLOCK_ID, N_OPS, EVAL_MODE,
) = range(29)  # fmt: skip
PLAN = 29

# The real settings.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, EPS, STAT_MOMENTUM, SST_TEST, SST_TRAIN = range(7)
HYPER = 7

# The counters a trial keeps between calls.
STEP, STATUS, NEXT_EVALUATION, NEXT_PROBE = range(4)
COUNTERS = 4
RUNNING, FINISHED, DIVERGED = 0, 1, 2

# The real counters.
LOSS_SUM, LOSS_COUNT, SECONDS = range(3)
SUMS = 3

# Columns of a curve.
TRAIN_LOSS, TEST_LOSS, METRIC, TRAIN_EVAL_LOSS, TRAIN_METRIC, TRAIN_SECONDS = range(6)
CURVE = 6


@kernel
def forward(ops, slopes, plan, hyper, rows, theta, running, ws, mode, step):
    """All operations in order; the input lies at plan[INPUT], the output at plan[OUTPUT]."""
    eps = hyper[EPS]
    for i in range(plan[N_OPS]):
        op, src, dst, stride = ops[i, T.OP], ops[i, T.SRC], ops[i, T.DST], ops[i, T.STRIDE]
        a, b, c, e = ops[i, T.A], ops[i, T.B], ops[i, T.C], ops[i, T.E]
        slope = slopes[i]
        n = rows
        if ops[i, T.COUNT] >= 0:
            n = np.int64(ws[ops[i, T.COUNT]])
            if n == 0:  # no example goes on so long
                continue
        if op == T.PRODUCT:
            matmul.product(ws, src, ops[i, T.STRIDE_IN], theta, a, ws, dst, n, stride, b)
        elif op == T.BATCH:
            time = ops[i, T.CODE]  # 1 + the time step, or 0
            own = mode != EVALUATE and (n > 1 or time == 0)
            if not own:
                at = recurrence.known_step(running, c, time, stride)
                columns.running_to_scale(running, at, ws, stride, e, e + stride, eps)
            else:
                columns.batch_statistics(ws, src, n, stride, e, e + stride, e + 2 * stride, eps)
            columns.batch_normalize(
                ws, src, dst, n, stride, e, e + stride, e + 3 * stride, theta, a, b, slope
            )
            if own and mode != OWN:
                new = hyper[STAT_MOMENTUM] if mode == TRAIN else 1.0
                columns.update_running(
                    ws, e, e + 2 * stride, n, stride, running, c, new, mode == TRAIN
                )
                recurrence.note_step(running, c, time, stride)
        elif op == T.ACTIVATE:
            dense.activate(ws, src, dst, n, stride, theta, a, ops[i, T.CODE], slope)
        elif op == T.ROW:
            groups.row_normalize(
                ws, src, dst, n, stride, ops[i, T.COLUMNS], e, c, theta, a, b, ops[i, T.CODE], eps,
                slope,
            )  # fmt: skip
        elif op == T.GROUP:
            groups.group_normalize(
                ws, src, dst, n, stride, ops[i, T.COLUMNS], ops[i, T.CODE], e, theta, a, b, eps,
                slope,
            )  # fmt: skip
        elif op == T.DROPOUT:
            if mode == TRAIN:
                key = noise_key(plan[SEED_LOW], plan[SEED_HIGH], step, ops[i, T.CODE])
                dense.dropout_mask(ws, a, n * stride, key, slope)
                dense.multiply(ws, src, a, dst, n * stride)
            else:
                dense.copy(ws, src, dst, n * stride)
        elif op == T.DRIFT:
            if mode == TRAIN:
                key = noise_key(plan[SEED_LOW], plan[SEED_HIGH], step, ops[i, T.CODE])
                drift.add_drift(ws, dst, n, stride, ops[i, T.COLUMNS], a, b, key, slope)
        elif op in (T.ADD, T.SUM):
            dense.add(ws, src, a, dst, n * stride)
        elif op == T.ORDER:
            recurrence.order_by_length(ws, src, dst, n, stride, b, c, a)
        elif op == T.ENDING:
            on = np.int64(ws[ops[i, T.COUNT] + 1])
            recurrence.move_rows(ws, src, dst, on, n, stride, a, False)


@kernel
def backward(ops, slopes, plan, hyper, rows, theta, grad, ws):
    """All operations in reverse; the gradient by the output lies at plan[D0]."""
    d, other = plan[D0], plan[D1]
    for i in range(plan[N_OPS] - 1, -1, -1):
        op, src, dst, stride = ops[i, T.OP], ops[i, T.SRC], ops[i, T.DST], ops[i, T.STRIDE]
        a, b, c, e = ops[i, T.A], ops[i, T.B], ops[i, T.C], ops[i, T.E]
        slope = slopes[i]
        n = rows
        if ops[i, T.COUNT] >= 0:
            n = np.int64(ws[ops[i, T.COUNT]])
            if n == 0:
                continue
        if op == T.PRODUCT:
            stride_in = ops[i, T.STRIDE_IN]
            if e > 0:  # the input was overwritten by a later layer: normalize once more
                j = e - 1
                stats, wide = ops[j, T.E], ops[j, T.STRIDE]
                columns.batch_normalize(
                    ws, ops[j, T.SRC], ops[j, T.DST], n, wide, stats, stats + wide,
                    stats + 3 * wide, theta, ops[j, T.A], ops[j, T.B], slopes[j],
                )  # fmt: skip
            matmul.product_transposed(ws, src, stride_in, ws, d, grad, a, b, stride, n)
            if ops[i, T.NEED_DX]:
                scratch = plan[TRANSPOSE]
                matmul.transpose(theta, a, stride, ws, scratch, stride_in, b, ops[i, T.COLUMNS])
                matmul.product(
                    ws, d, stride, ws, scratch, ws, other, n, stride_in, ops[i, T.COLUMNS]
                )
                d, other = other, d
        elif op == T.BATCH:
            columns.batch_backward(
                ws, d, src, n, stride, e, e + stride, e + 3 * stride, theta, a, b, grad, slope,
                n > 1 or ops[i, T.CODE] == 0,
            )  # fmt: skip
        elif op == T.ACTIVATE:
            dense.activate_backward(ws, d, src, dst, n, stride, grad, a, ops[i, T.CODE], slope)
        elif op == T.ROW:
            groups.row_backward(
                ws, d, src, n, stride, ops[i, T.COLUMNS], e, c, theta, a, b, grad, ops[i, T.CODE],
                slope,
            )  # fmt: skip
        elif op == T.GROUP:
            groups.group_backward(
                ws, d, src, n, stride, ops[i, T.COLUMNS], ops[i, T.CODE], e, theta, a, b, grad,
                slope,
            )  # fmt: skip
        elif op in (T.DROPOUT, T.DRIFT):
            dense.multiply(ws, d, a, d, n * stride)
        elif op in (T.ADD, T.HOLD):
            kept = plan[STASH] if op == T.ADD else a
            dense.copy(ws, d, kept, n * stride)
        elif op == T.FORK:
            dense.add(ws, d, plan[STASH], d, n * stride)
        elif op == T.ENDING:
            on = np.int64(ws[ops[i, T.COUNT] + 1])
            recurrence.move_rows(ws, d, b, on, n, stride, a, True)
        elif op == T.SHARE:
            recurrence.share_gradient(grad, a, b, ws, c, ops[i, T.CODE])


@kernel
def noise_key(seed_low, seed_high, step, layer):
    """The 32-bit key of one layer's dropout mask, or drift, at one step."""
    key = dense.mix(np.uint32(seed_low) ^ np.uint32(0x9E3779B9))
    key = dense.mix(key ^ np.uint32(seed_high))
    key = dense.mix(key ^ np.uint32(step))
    return dense.mix(key ^ np.uint32(layer + 1))


@kernel(entry=True)
def shuffle(order, seed_low, seed_high, epoch):
    """Fill `order` with the epoch's permutation: Fisher–Yates on hashed counters."""
    key = dense.mix(np.uint32(seed_low) ^ np.uint32(0x85EBCA6B))
    key = dense.mix(key ^ np.uint32(seed_high))
    key = dense.mix(key ^ np.uint32(epoch))
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        random = np.uint64(dense.mix(np.uint32(i) ^ key))
        j = np.int64((random * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]


@kernel
def learning_rate(plan, hyper, step):
    """The learning rate of step 0, 1, …"""
    rate = hyper[LEARNING_RATE]
    warmup = plan[WARMUP]
    if step < warmup:
        return rate * (step + 1) / warmup
    if plan[COSINE]:
        return rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (plan[STEPS] - warmup)))
    return rate


@kernel
def _record(
    ops, slopes, plan, hyper, theta, running, population, ws, x, labels, target, xt, labels_t,
    target_t, sums, point,
):  # fmt: skip
    """Evaluate now and fill one point of the curve; rows are taken plan[ROWS] at a time, in order.

    Test set, training set if asked for, and before them, if asked for, the population statistics:
    the whole training set as one batch. All three walk through the one loop below; a second call of
    `forward` would double the time it takes to compile.
    """
    stride_x, stride_y = plan[X_STRIDE], plan[Y_STRIDE]
    used = population if plan[EXACT] else running
    for part in range(0 if plan[EXACT] else 1, 3 if plan[EVAL_TRAIN] else 2):
        testing = part == 1
        n = plan[N_TEST] if testing else plan[N_TRAIN]
        at_once = n if part == 0 else plan[ROWS]
        mode = np.int64(POPULATION if part == 0 else plan[EVAL_MODE])
        data = xt if testing else x
        loss, right = 0.0, 0
        for first in range(0, n, at_once):
            rows = min(at_once, n - first)
            dense.gather_range(data, stride_x, first, rows, ws, plan[INPUT], stride_x)
            forward(ops, slopes, plan, hyper, rows, theta, used, ws, mode, np.int64(0))
            if plan[CLASSIFY]:
                some, hits = losses.count_correct(
                    ws, plan[OUTPUT], rows, stride_y, labels_t if testing else labels, first
                )
                loss += some
                right += hits
            else:
                loss += losses.sum_squared_error(
                    ws, plan[OUTPUT], rows, stride_y, target_t if testing else target, first
                )
        metric = right / n
        if plan[CLASSIFY]:
            loss /= n
        else:
            metric = 1 - loss / hyper[SST_TEST if testing else SST_TRAIN]
            loss /= n * plan[TARGETS]
        if part > 0:
            point[TEST_LOSS if testing else TRAIN_EVAL_LOSS] = loss
            point[METRIC if testing else TRAIN_METRIC] = metric
    point[TRAIN_LOSS] = sums[LOSS_SUM] / sums[LOSS_COUNT] if sums[LOSS_COUNT] > 0 else math.nan
    point[TRAIN_SECONDS] = sums[SECONDS]
    sums[LOSS_SUM] = sums[LOSS_COUNT] = 0.0


@kernel(entry=True)
def advance(
    ops, slopes, probes, probe_slopes, plan, hyper, x, labels, target, xt, labels_t, target_t,
    theta, grad, m, v, running, population, ws, order, evaluations, probe_steps, counters, sums,
    curve, probed, until,
):  # fmt: skip
    """Train one trial until step `until` (or its end, or divergence); returns its status."""
    batch, n_batches = plan[BATCH_SIZE], plan[N_TRAIN] // plan[BATCH_SIZE]
    mode = np.int64(TRAIN)
    epoch_ready = -1
    last = min(until, plan[STEPS])
    while True:
        if counters[STEP] == evaluations[counters[NEXT_EVALUATION]]:
            _record(
                ops, slopes, plan, hyper, theta, running, population, ws, x, labels, target, xt,
                labels_t, target_t, sums, curve[counters[NEXT_EVALUATION]],
            )  # fmt: skip
            counters[NEXT_EVALUATION] += 1
            if counters[STEP] == plan[STEPS]:
                counters[STATUS] = FINISHED
        if counters[STEP] >= last or counters[STATUS] != RUNNING:
            return counters[STATUS]
        # Train up to the next evaluation; only this is on the clock.
        stop = min(last, evaluations[counters[NEXT_EVALUATION]])
        started = _clock.seconds(plan[CLOCK], plan[CLOCK_ID])
        for step in range(counters[STEP], stop):
            if plan[INJECTED]:
                first = step * batch
            else:
                epoch = step // n_batches
                if epoch != epoch_ready:
                    shuffle(order, plan[SEED_LOW], plan[SEED_HIGH], epoch)
                    epoch_ready = epoch
                first = (step - epoch * n_batches) * batch
            dense.gather(x, plan[X_STRIDE], order, first, batch, ws, plan[INPUT], plan[X_STRIDE])
            forward(ops, slopes, plan, hyper, batch, theta, running, ws, mode, step)
            if plan[CLASSIFY]:
                loss = losses.cross_entropy(
                    ws, plan[OUTPUT], batch, plan[Y_STRIDE], labels, order, first, plan[D0]
                )
            else:
                loss = losses.squared_error(
                    ws, plan[OUTPUT], batch, plan[Y_STRIDE], plan[TARGETS], target, order, first,
                    plan[D0],
                )  # fmt: skip
            if not math.isfinite(loss):
                counters[STATUS] = DIVERGED
                break
            backward(ops, slopes, plan, hyper, batch, theta, grad, ws)
            if (
                counters[NEXT_PROBE] < probe_steps.size
                and probe_steps[counters[NEXT_PROBE]] == step
            ):
                paused = _clock.seconds(plan[CLOCK], plan[CLOCK_ID])
                probing.probe_layers(
                    probes, probe_slopes, ws, theta, grad, batch, probed[counters[NEXT_PROBE]]
                )
                counters[NEXT_PROBE] += 1
                started += _clock.seconds(plan[CLOCK], plan[CLOCK_ID]) - paused
            optimizers.update(
                theta, grad, m, v, plan[N_LEARNED], plan[DECAY_END], plan[OPTIMIZER],
                learning_rate(plan, hyper, step), hyper[MOMENTUM], hyper[WEIGHT_DECAY], step + 1,
            )  # fmt: skip
            counters[STEP] = step + 1
            sums[LOSS_SUM] += loss
            sums[LOSS_COUNT] += 1
        sums[SECONDS] += _clock.seconds(plan[CLOCK], plan[CLOCK_ID]) - started
