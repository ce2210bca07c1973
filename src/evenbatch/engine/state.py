"""Everything one trial owns while it trains, and the buffers that trials share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, is_roomy
from evenbatch.engine import initialize, loop, probing
from evenbatch.engine.curve import PROBE_FIELDS, Curve, Probes, Weights
from evenbatch.engine.landscape import Survey
from evenbatch.engine.network import SettingError
from evenbatch.engine.parameters import get_weights, set_weights
from evenbatch.engine.tape import Tape, compile_tape
from evenbatch.engine.trial import OPTIMIZERS, Trial
from evenbatch.kernels import _clock
from evenbatch.kernels._lanes import padded

EVALUATION_ROWS = 128
"""Test rows evaluated at a time, where the batch is not larger."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Feed:
    """A data set as the kernels read it: flat, rows padded."""

    x: Array
    labels: NDArray[np.int64]
    target: Array
    x_test: Array
    labels_test: NDArray[np.int64]
    target_test: Array
    x_stride: int
    y_stride: int
    sst: tuple[float, float]  # total sum of squares of the targets: train, test


def _flat(matrix: Array, dtype: Any) -> Array:
    there = _as_it_lies(matrix) if matrix.dtype == dtype else None
    if there is not None:
        return there
    out = np.zeros((len(matrix), padded(matrix.shape[1])), dtype)
    out[:, : matrix.shape[1]] = matrix
    return out.ravel()


def _as_it_lies(matrix: Array) -> Array | None:
    """The memory of a matrix, if its rows are padded with zeros already: no second copy is made.

    A data set's arrays are read-only, and the loop is compiled for arrays that are not; what they
    are views of may be written.
    """
    whole = matrix.base
    if not (
        is_roomy(matrix)
        and isinstance(whole, np.ndarray)
        and whole.dtype == matrix.dtype
        and whole.flags.c_contiguous
        and whole.flags.writeable
    ):
        return None
    width = padded(matrix.shape[1])
    start = (matrix.ctypes.data - whole.ctypes.data) // matrix.itemsize
    flat = whole.reshape(-1)[start : start + len(matrix) * width]
    if len(flat) != len(matrix) * width or flat.reshape(-1, width)[:, matrix.shape[1] :].any():
        return None
    return flat


def _with_length(x: Array, lengths: NDArray[np.int64] | None) -> Array:
    """Sequences carry their length behind them; the tape looks for it there."""
    return x if lengths is None else np.column_stack([x, lengths])


def _spread(target: Array) -> float:
    return float(((target - target.mean(axis=0)) ** 2).sum()) or float("nan")


def make_feed(data: Dataset, dtype: Any) -> Feed:
    """The data set laid out for the kernels."""
    nothing, none = np.zeros(0, dtype), np.zeros(0, np.int64)
    x_train = _with_length(data.x_train, data.lengths_train)
    x_test = _with_length(data.x_test, data.lengths_test)
    strides = padded(x_train.shape[1]), padded(data.n_outputs)
    x, x_test = _flat(x_train, dtype), _flat(x_test, dtype)
    if data.task == "classification":
        # Copies: a data set is read-only, and the loop is compiled for arrays that are not.
        labels = np.array(data.y_train, np.int64)
        labels_test = np.array(data.y_test, np.int64)
        return Feed(x, labels, nothing, x_test, labels_test, nothing, *strides, (1.0, 1.0))
    y, y_test = data.y_train.astype(np.float64), data.y_test.astype(np.float64)
    return Feed(
        x,
        none,
        _flat(y, dtype),
        x_test,
        none,
        _flat(y_test, dtype),
        *strides,
        (_spread(y), _spread(y_test)),
    )


class Scratch(threading.local):
    """A thread's workspace and shuffle buffer; grows to the largest trial the thread has seen."""

    def __init__(self) -> None:
        self.workspace: Array = np.zeros(0, np.float32)
        self.grad: Array = np.zeros(0, np.float32)
        self.order = np.zeros(0, np.int64)

    def for_tape(self, tape: Tape, dtype: Any) -> tuple[Array, Array]:
        """A workspace and a gradient vector large enough for the tape, constants filled in."""
        if len(self.workspace) < tape.n_workspace or self.workspace.dtype != dtype:
            self.workspace = np.zeros(tape.n_workspace, dtype)
        if len(self.grad) < tape.n_parameters or self.grad.dtype != dtype:
            self.grad = np.zeros(tape.n_parameters, dtype)
        for offset, columns in tape.ones:
            self.workspace[offset : offset + columns] = 1
            self.workspace[offset + columns : offset + padded(columns)] = 0
        return self.workspace, self.grad

    def for_order(self, n: int) -> NDArray[np.int64]:
        """A buffer for a permutation of n rows."""
        if len(self.order) < n:
            self.order = np.zeros(n, np.int64)
        return self.order[:n]


def check_fit(trial: Trial, data: Dataset) -> None:
    """Raise a `SettingError` unless the trial's network and batch fit the data."""
    net = trial.network
    if net.inputs != data.n_features:
        raise SettingError(
            f"the network has inputs={net.inputs} but data set {data.name!r} has {data.n_features} "
            f"features; use Network(inputs={data.n_features}, …)"
        )
    if net.time_steps != data.time_steps:
        found = f"holds sequences of {data.time_steps} time steps"
        if not data.time_steps:
            found = "holds no sequences"
        raise SettingError(
            f"the network has time_steps={net.time_steps} but data set {data.name!r} {found}; use "
            f"Network(time_steps={data.time_steps}, …)"
        )
    if net.outputs != data.n_outputs:
        what = "classes" if data.task == "classification" else "targets"
        raise SettingError(
            f"the network has outputs={net.outputs} but data set {data.name!r} has "
            f"{data.n_outputs} {what}; use Network(outputs={data.n_outputs}, …)"
        )
    if trial.batch_size > data.n_train:
        raise SettingError(
            f"batch_size is {trial.batch_size} but data set {data.name!r} has only {data.n_train} "
            f"training rows; use a batch size of at most {data.n_train}"
        )


def _evaluation_rows(trial: Trial, data: Dataset) -> int:
    """Rows evaluated at a time. With statistics "batch" the result depends on it, else not."""
    if trial.statistics != "batch":
        return max(trial.batch_size, min(EVALUATION_ROWS, data.n_test))
    most = max(data.n_test, data.n_train if trial.evaluate_train else 0)
    return min(trial.evaluation_batch or trial.batch_size, most)


class TrialState:
    """Parameters, optimizer state, running statistics and counters of one trial in training."""

    def __init__(
        self,
        trial: Trial,
        data: Dataset,
        feed: Feed,
        weights: Weights | None = None,
        batches: NDArray[np.int64] | None = None,
    ) -> None:
        check_fit(trial, data)
        self.trial, self.feed, self.dtype = trial, feed, np.dtype(trial.dtype)
        exact = trial.statistics == "population" and trial.network.norm == "batch"
        self.evaluation_rows = _evaluation_rows(trial, data)
        rows = max(trial.batch_size, self.evaluation_rows, data.n_train if exact else 1)
        self.tape = tape = compile_tape(trial.network, rows, keep=trial.probe_every > 0)
        self.batches = None if batches is None else self._check_batches(batches, data)
        self.theta = initialize.initial_parameters(tape, trial.seed, self.dtype)
        self.running = initialize.initial_running(tape, self.dtype)
        if weights is not None:
            set_weights(tape, weights, self.theta, self.running)
        if data.task == "classification":
            initialize.pad_logits(tape, self.theta)
        self.population = self.running.copy() if exact else np.zeros(0, self.dtype)
        code = OPTIMIZERS.index(trial.optimizer)
        self.m = np.zeros(tape.n_parameters if code >= 1 else 0, self.dtype)
        self.v = np.zeros(tape.n_parameters if code >= 2 else 0, self.dtype)
        self.evaluations = np.array(trial.evaluation_steps(), np.int64)
        self.probe_steps = np.array(trial.probe_steps(), np.int64)
        self.curve_points = np.full((len(self.evaluations), loop.CURVE), np.nan)
        self.probed = np.full(
            (len(self.probe_steps), len(tape.probes), probing.PROBE), np.nan, np.float32
        )
        self.counters = np.zeros(loop.COUNTERS, np.int64)
        self.sums = np.zeros(loop.SUMS)
        self.plan = self._plan(data, code, exact)
        self.hyper = np.zeros(loop.HYPER)
        self.hyper[loop.LEARNING_RATE] = trial.learning_rate
        self.hyper[loop.MOMENTUM] = trial.momentum
        self.hyper[loop.WEIGHT_DECAY] = trial.weight_decay
        self.hyper[loop.EPS] = trial.network.eps
        self.hyper[loop.STAT_MOMENTUM] = trial.network.momentum
        self.hyper[loop.SST_TRAIN], self.hyper[loop.SST_TEST] = feed.sst
        self.survey = Survey(trial)
        self.stopped = False

    def _check_batches(self, batches: NDArray[np.int64], data: Dataset) -> NDArray[np.int64]:
        batches = np.ascontiguousarray(batches, np.int64)
        wanted = (self.trial.steps, self.trial.batch_size)
        if batches.shape != wanted:
            raise SettingError(f"batches has shape {batches.shape}; this trial needs {wanted}")
        if batches.size and (batches.min() < 0 or batches.max() >= data.n_train):
            raise SettingError(
                f"batches holds row {batches.min()} to {batches.max()}; the training set has "
                f"rows 0 to {data.n_train - 1}"
            )
        return batches.ravel()

    def _plan(self, data: Dataset, optimizer: int, exact: bool) -> NDArray[np.int64]:
        trial, tape = self.trial, self.tape
        plan = np.zeros(loop.PLAN, np.int64)
        for place, value in (
            (loop.ROWS, self.evaluation_rows),
            (loop.BATCH_SIZE, trial.batch_size),
            (loop.STEPS, trial.steps),
            (loop.OPTIMIZER, optimizer),
            (loop.COSINE, trial.schedule == "cosine"),
            (loop.WARMUP, trial.warmup),
            (loop.CLASSIFY, data.task == "classification"),
            (loop.N_TRAIN, data.n_train),
            (loop.N_TEST, data.n_test),
            (loop.X_STRIDE, self.feed.x_stride),
            (loop.Y_STRIDE, self.feed.y_stride),
            (loop.TARGETS, data.n_outputs),
            (loop.N_LEARNED, tape.n_learned),
            (loop.DECAY_END, tape.decay_end),
            (loop.INPUT, tape.input_at),
            (loop.OUTPUT, tape.output_at),
            (loop.D0, tape.d_at[0]),
            (loop.D1, tape.d_at[1]),
            (loop.STASH, tape.stash_at),
            (loop.TRANSPOSE, tape.transpose_at),
            (loop.EVAL_TRAIN, trial.evaluate_train),
            (loop.EXACT, exact),
            (loop.SEED_LOW, trial.seed & 0xFFFFFFFF),
            (loop.SEED_HIGH, trial.seed >> 32),
            (loop.INJECTED, self.batches is not None),
            (loop.CLOCK, _clock.CLOCK_ADDRESS),
            (loop.CLOCK_ID, _clock.CLOCK_ID),
            (loop.N_OPS, len(tape.ops)),
            (loop.EVAL_MODE, loop.OWN if trial.statistics == "batch" else loop.EVALUATE),
        ):
            plan[place] = value
        return plan

    @property
    def step(self) -> int:
        """Steps trained so far."""
        return int(self.counters[loop.STEP])

    @property
    def done(self) -> bool:
        """True once the trial finished or diverged."""
        return bool(self.counters[loop.STATUS] != loop.RUNNING)

    def advance(self, until: int, scratch: Scratch) -> None:
        """Train until step `until`, or to the trial's end; survey the steps that are to be."""
        while (step := self.survey.next_before(until)) is not None:
            self.train(step, scratch)
            if self.done or not self.survey.measure(self, scratch):
                break  # it has diverged, or does at the very next step
        self.train(until, scratch)

    def train(self, until: int, scratch: Scratch) -> Array:
        """Train until step `until`; the gradient of the last step."""
        tape, feed = self.tape, self.feed
        workspace, grad = scratch.for_tape(tape, self.dtype)
        order = self.batches
        if order is None:
            order = scratch.for_order(len(feed.x) // feed.x_stride)
        loop.advance(
            tape.ops, tape.slopes, tape.probes, tape.probe_slopes, self.plan, self.hyper,
            feed.x, feed.labels, feed.target, feed.x_test, feed.labels_test, feed.target_test,
            self.theta, grad, self.m, self.v, self.running, self.population, workspace, order,
            self.evaluations, self.probe_steps, self.counters, self.sums, self.curve_points,
            self.probed, until,
        )  # fmt: skip
        return grad

    def weights(self) -> Weights:
        """A copy of the parameters, in PyTorch's layout."""
        return get_weights(self.tape, self.theta, self.running)

    def curve(self, keep_weights: bool = False, since: int | None = None) -> Curve:
        """The curve so far (a copy); or only its points from place `since` on, without the rest."""
        new = slice(since or 0, int(self.counters[loop.NEXT_EVALUATION]))
        points, whole = self.curve_points[new], since is None
        status = int(self.counters[loop.STATUS])
        ended = {loop.FINISHED: "finished", loop.DIVERGED: "diverged"}.get(
            status, "stopped" if self.stopped else "running"
        )
        probes = None
        if whole and len(self.probe_steps):
            p = int(self.counters[loop.NEXT_PROBE])
            parts = (self.probed[:p, :, i].copy() for i in range(len(PROBE_FIELDS)))
            probes = Probes(self.probe_steps[:p].copy(), *parts)
        return Curve(
            trial=self.trial,
            step=self.evaluations[new].copy(),
            seconds=points[:, loop.TRAIN_SECONDS].copy(),
            train_loss=points[:, loop.TRAIN_LOSS].copy(),
            test_loss=points[:, loop.TEST_LOSS].copy(),
            metric=points[:, loop.METRIC].copy(),
            train_eval_loss=points[:, loop.TRAIN_EVAL_LOSS].copy(),
            train_metric=points[:, loop.TRAIN_METRIC].copy(),
            ended=ended,
            ended_at=self.step,
            probes=probes,
            landscape=self.survey.result() if whole else None,
            weights=self.weights() if keep_weights else None,
        )


def minibatches(n_train: int, batch_size: int, steps: int, seed: int) -> NDArray[np.int64]:
    """Rows of each minibatch that a trial with this seed trains on: (steps, batch_size).

    >>> rows = minibatches(n_train=5, batch_size=2, steps=4, seed=0)
    >>> rows.shape, len(set(rows[:2].ravel()))  # an epoch: two batches, no row twice, one left over
    ((4, 2), 4)
    """
    if batch_size > n_train:
        raise SettingError(
            f"batch_size is {batch_size} but there are only {n_train} training rows; use at most "
            f"{n_train}"
        )
    order = np.zeros(n_train, np.int64)
    per_epoch = n_train // batch_size
    out = np.zeros((steps, batch_size), np.int64)
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            loop.shuffle(order, seed & 0xFFFFFFFF, seed >> 32, epoch)
        out[step] = order[place * batch_size : (place + 1) * batch_size]
    return out


__all__ = ["Feed", "Scratch", "TrialState", "make_feed", "minibatches"]
