"""The compiled training loop: one call of `advance` trains one trial for some steps on one core,
evaluating, probing and surveying on the way.

Everything a trial needs between calls lies in arrays of its own; what only lives within a step lies
in a workspace that trials of a thread share (`evenbatch.engine.layout`).
"""

from __future__ import annotations

import math

import numpy as np

from evenbatch.engine import landscape, passes, probing
from evenbatch.engine.layout import Counter, Hyper, Mode, Plan, Point, Status, Sum
from evenbatch.kernels import _clock
from evenbatch.kernels._jit import kernel
from evenbatch.kernels._scalars import half_turn
from evenbatch.kernels.engine import dense, losses, optimizers


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
    rate = hyper[Hyper.LEARNING_RATE]
    warmup = plan[Plan.WARMUP]
    if step < warmup:
        return rate * (step + 1) / warmup
    if plan[Plan.COSINE]:
        return rate * 0.5 * (1 + half_turn((step - warmup) / (plan[Plan.STEPS] - warmup)))
    return rate


@kernel
def _evaluate(program, testing, data, theta, running, ws, mode):
    """(loss, metric) on the test or the training set, a number of rows at a time, in order.

    In mode POPULATION all rows at once.
    """
    plan = program.plan
    stride_x, stride_y = plan[Plan.X_STRIDE], plan[Plan.Y_STRIDE]
    n = plan[Plan.N_TEST] if testing else plan[Plan.N_TRAIN]
    at_once = n if mode == Mode.POPULATION else plan[Plan.ROWS]
    x = data.x_test if testing else data.x
    labels = data.labels_test if testing else data.labels
    target = data.target_test if testing else data.target
    loss, right = 0.0, 0
    for first in range(0, n, at_once):
        rows = min(at_once, n - first)
        dense.gather_range(x, stride_x, first, rows, ws, plan[Plan.INPUT], stride_x)
        passes.forward(program, theta, running, ws, rows, mode, np.int64(0))
        if plan[Plan.CLASSIFY]:
            some, hits = losses.count_correct(ws, plan[Plan.OUTPUT], rows, stride_y, labels, first)
            loss += some
            right += hits
        else:
            loss += losses.sum_squared_error(ws, plan[Plan.OUTPUT], rows, stride_y, target, first)
    if plan[Plan.CLASSIFY]:
        return loss / n, right / n
    total = program.hyper[Hyper.SST_TEST if testing else Hyper.SST_TRAIN]
    return loss / (n * plan[Plan.TARGETS]), 1 - loss / total


@kernel
def _record(program, data, learner, ws, sums, point):
    """Evaluate now and fill one point of the curve."""
    plan, theta, running = program.plan, learner.theta, learner.running
    if plan[Plan.EXACT]:
        running = learner.population
        _evaluate(program, False, data, theta, running, ws, np.int64(Mode.POPULATION))
    mode = plan[Plan.EVAL_MODE]
    point[Point.TEST_LOSS], point[Point.METRIC] = _evaluate(
        program, True, data, theta, running, ws, mode
    )
    if plan[Plan.EVAL_TRAIN]:
        point[Point.TRAIN_EVAL_LOSS], point[Point.TRAIN_METRIC] = _evaluate(
            program, False, data, theta, running, ws, mode
        )
    steps = sums[Sum.LOSS_COUNT]
    point[Point.TRAIN_LOSS] = sums[Sum.LOSS_SUM] / steps if steps > 0 else math.nan
    point[Point.TRAIN_SECONDS] = sums[Sum.SECONDS]
    sums[Sum.LOSS_SUM] = sums[Sum.LOSS_COUNT] = 0.0


@kernel
def _look(program, data, learner, room, log, first, step):
    """Survey the loss around a step, if it is one to be surveyed."""
    place = log.counters[Counter.NEXT_SURVEY]
    if place < program.survey_steps.size and program.survey_steps[place] == step:
        here, away = log.here[place], log.away[place]
        if landscape.survey(program, data, learner, room, first, step, here, away):
            log.counters[Counter.NEXT_SURVEY] += 1


@kernel
def _now(plan):
    return _clock.seconds(plan[Plan.CLOCK], plan[Plan.CLOCK_ID])


@kernel
def _update(program, learner, grad, step):
    """The optimizer's step number `step`, counted from 0."""
    plan, hyper = program.plan, program.hyper
    optimizers.update(
        learner.theta, grad, learner.m, learner.v, plan[Plan.N_LEARNED], plan[Plan.DECAY_END],
        plan[Plan.OPTIMIZER], learning_rate(plan, hyper, step), hyper[Hyper.MOMENTUM],
        hyper[Hyper.WEIGHT_DECAY], step + 1,
    )  # fmt: skip


@kernel(entry=True)
def advance(program, data, learner, room, log, until):
    """Train one trial until step `until` (or its end, or divergence); returns its status."""
    plan, evaluations, counters, sums = program.plan, program.evaluations, log.counters, log.sums
    batch, n_batches = plan[Plan.BATCH_SIZE], plan[Plan.N_TRAIN] // plan[Plan.BATCH_SIZE]
    epoch_ready = -1
    last = min(until, plan[Plan.STEPS])
    while True:
        place = counters[Counter.NEXT_EVALUATION]
        if counters[Counter.STEP] == evaluations[place]:
            _record(program, data, learner, room.ws, sums, log.curve[place])
            counters[Counter.NEXT_EVALUATION] += 1
            if counters[Counter.STEP] == plan[Plan.STEPS]:
                counters[Counter.STATUS] = Status.FINISHED
        if counters[Counter.STEP] >= last or counters[Counter.STATUS] != Status.RUNNING:
            return counters[Counter.STATUS]
        # Train up to the next evaluation; only this is on the clock.
        stop = min(last, evaluations[counters[Counter.NEXT_EVALUATION]])
        started = _now(plan)
        for step in range(counters[Counter.STEP], stop):
            if plan[Plan.INJECTED]:
                first = step * batch
            else:
                epoch = step // n_batches
                if epoch != epoch_ready:
                    shuffle(room.order, plan[Plan.SEED_LOW], plan[Plan.SEED_HIGH], epoch)
                    epoch_ready = epoch
                first = (step - epoch * n_batches) * batch
            if program.survey_steps.size > 0:
                paused = _now(plan)
                _look(program, data, learner, room, log, first, step)
                started += _now(plan) - paused
            loss = passes.loss_and_gradient(
                program, data, learner.theta, learner.running, room, first, step
            )
            if not math.isfinite(loss):
                counters[Counter.STATUS] = Status.DIVERGED
                break
            place = counters[Counter.NEXT_PROBE]
            if place < program.probe_steps.size and program.probe_steps[place] == step:
                paused = _now(plan)
                probing.probe_layers(program, learner.theta, room.grad, room.ws, log.probed[place])
                counters[Counter.NEXT_PROBE] += 1
                started += _now(plan) - paused
            _update(program, learner, room.grad, step)
            counters[Counter.STEP] = step + 1
            sums[Sum.LOSS_SUM] += loss
            sums[Sum.LOSS_COUNT] += 1
        sums[Sum.SECONDS] += _now(plan) - started
