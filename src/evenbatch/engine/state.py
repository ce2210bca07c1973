"""Everything one trial owns while it trains, and the buffers that trials share."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import initialize, loop
from evenbatch.engine.conv import of_positions
from evenbatch.engine.curve import PROBE_FIELDS, Curve, Probes, Weights
from evenbatch.engine.feed import Feed
from evenbatch.engine.landscape import LANDSCAPE_STEPS, landscape
from evenbatch.engine.layout import (
    Counter,
    Hyper,
    Learner,
    Log,
    Mode,
    Plan,
    Point,
    Probe,
    Program,
    Room,
    Status,
    Sum,
)
from evenbatch.engine.parameters import get_weights, set_weights
from evenbatch.engine.settings import SettingError
from evenbatch.engine.tape import compile_tape
from evenbatch.engine.trial import OPTIMIZERS, Trial
from evenbatch.kernels import _clock
from evenbatch.kernels._lanes import padded

EVALUATION_ROWS = 128
"""Test rows evaluated at a time, where the batch is not larger; of a network with convolutions,
whose rows have many positions, an eighth."""
MOST_ROWS = 1 << 24
"""A number of rows lies in the workspace as a float32 where examples have positions."""

Array = NDArray[Any]


class Scratch(threading.local):
    """A thread's workspace and other buffers, as large as the largest trial it has seen."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}

    def _take(self, name: str, size: int, dtype: Any) -> Array:
        found = self.buffers.get(name)
        if found is None or len(found) < size or found.dtype != dtype:
            found = self.buffers[name] = np.zeros(size, dtype)
        return found[:size]

    def room(self, state: TrialState) -> Room:
        """Buffers large enough for the trial, constants filled in."""
        tape, dtype = state.tape, state.dtype
        ws = self._take("ws", tape.n_workspace, dtype)
        for offset, columns in tape.ones:
            ws[offset : offset + columns] = 1
            ws[offset + columns : offset + padded(columns)] = 0
        order = state.batches
        if order is None:
            order = self._take("order", state.program.plan[Plan.N_TRAIN], np.int64)
        spare = (tape.n_parameters, tape.n_running, tape.n_learned)
        if not len(state.program.survey_steps):
            spare = (0, 0, 0)
        names = ("spare_theta", "spare_running", "spare_grad")
        return Room(
            ws,
            self._take("grad", tape.n_parameters, dtype),
            order,
            *(self._take(name, size, dtype) for name, size in zip(names, spare, strict=True)),
        )


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
    of_positions({"conv": net.conv}, data)
    if net.conv and net.shape != data.shape:
        found = f"has shape={data.shape}; use Network(shape={data.shape}, …)"
        raise SettingError(f"the network has shape={net.shape} but data set {data.name!r} {found}")
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
    most = _rows(trial, data) * max((stage.between for stage in net.stages), default=1)
    if most > MOST_ROWS:
        raise SettingError(
            f"batch_size is {trial.batch_size} with statistics={trial.statistics!r}: a layer would "
            f"have {most:,} positions at once, and at most {MOST_ROWS:,} can be counted; use a "
            "smaller batch, or statistics='running'"
        )


def _rows(trial: Trial, data: Dataset) -> int:
    """Examples that are in the workspace together, at most."""
    exact = trial.statistics == "population" and trial.network.norm == "batch"
    return max(trial.batch_size, _evaluation_rows(trial, data), data.n_train if exact else 1)


def _evaluation_rows(trial: Trial, data: Dataset) -> int:
    """Rows evaluated at a time. With statistics "batch" the result depends on it, else not."""
    if trial.statistics != "batch":
        usual = EVALUATION_ROWS // 8 if trial.network.conv else EVALUATION_ROWS
        return max(trial.batch_size, min(usual, data.n_test))
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
        rows = _rows(trial, data)
        self.tape = compile_tape(trial.network, rows, keep=trial.probe_every > 0)
        self.batches = None if batches is None else self._check_batches(batches, data)
        self.program = self._program(data, feed, exact)
        self.learner = self._learner(weights, data.task == "classification", exact)
        self.log = self._log()
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

    def _program(self, data: Dataset, feed: Feed, exact: bool) -> Program:
        trial, tape = self.trial, self.tape
        plan, hyper = np.zeros(len(Plan), np.int64), np.zeros(len(Hyper))
        for place, value in (
            (Plan.ROWS, self.evaluation_rows),
            (Plan.BATCH_SIZE, trial.batch_size),
            (Plan.STEPS, trial.steps),
            (Plan.OPTIMIZER, OPTIMIZERS.index(trial.optimizer)),
            (Plan.COSINE, trial.schedule == "cosine"),
            (Plan.WARMUP, trial.warmup),
            (Plan.CLASSIFY, data.task == "classification"),
            (Plan.N_TRAIN, data.n_train),
            (Plan.N_TEST, data.n_test),
            (Plan.X_STRIDE, feed.x_stride),
            (Plan.Y_STRIDE, feed.y_stride),
            (Plan.TARGETS, data.n_outputs),
            (Plan.N_LEARNED, tape.n_learned),
            (Plan.DECAY_END, tape.decay_end),
            (Plan.INPUT, tape.input_at),
            (Plan.OUTPUT, tape.output_at),
            (Plan.D0, tape.d_at[0]),
            (Plan.D1, tape.d_at[1]),
            (Plan.STASH, tape.stash_at),
            (Plan.TRANSPOSE, tape.transpose_at),
            (Plan.EVAL_TRAIN, trial.evaluate_train),
            (Plan.EXACT, exact),
            (Plan.SEED_LOW, trial.seed & 0xFFFFFFFF),
            (Plan.SEED_HIGH, trial.seed >> 32),
            (Plan.INJECTED, self.batches is not None),
            (Plan.CLOCK, _clock.CLOCK_ADDRESS),
            (Plan.CLOCK_ID, _clock.CLOCK_ID),
            (Plan.N_OPS, len(tape.ops)),
            (Plan.EVAL_MODE, Mode.OWN if trial.statistics == "batch" else Mode.EVALUATE),
        ):
            plan[place] = value
        hyper[Hyper.LEARNING_RATE] = trial.learning_rate
        hyper[Hyper.MOMENTUM] = trial.momentum
        hyper[Hyper.WEIGHT_DECAY] = trial.weight_decay
        hyper[Hyper.EPS] = trial.network.eps
        hyper[Hyper.STAT_MOMENTUM] = trial.network.momentum
        hyper[Hyper.SST_TRAIN], hyper[Hyper.SST_TEST] = feed.sst
        return Program(
            tape.ops,
            tape.slopes,
            tape.probes,
            tape.probe_slopes,
            plan,
            hyper,
            evaluations=np.array(trial.evaluation_steps(), np.int64),
            probe_steps=np.array(trial.probe_steps(), np.int64),
            survey_steps=np.array(trial.survey_steps(), np.int64),
            etas=trial.learning_rate * np.array(LANDSCAPE_STEPS),
        )

    def _learner(self, weights: Weights | None, classify: bool, exact: bool) -> Learner:
        tape, dtype = self.tape, self.dtype
        theta = initialize.initial_parameters(tape, self.trial.seed, dtype)
        running = initialize.initial_running(tape, dtype)
        if weights is not None:
            set_weights(tape, weights, theta, running)
        if classify:
            initialize.pad_logits(tape, theta)
        moments = OPTIMIZERS.index(self.trial.optimizer)
        return Learner(
            theta,
            np.zeros(tape.n_parameters if moments >= 1 else 0, dtype),
            np.zeros(tape.n_parameters if moments >= 2 else 0, dtype),
            running,
            running.copy() if exact else np.zeros(0, dtype),
        )

    def _log(self) -> Log:
        probes, surveys = len(self.program.probe_steps), len(self.program.survey_steps)
        etas = len(self.program.etas)
        return Log(
            np.zeros(len(Counter), np.int64),
            np.zeros(len(Sum)),
            np.full((len(self.program.evaluations), len(Point)), np.nan),
            np.full((probes, len(self.tape.probes), len(Probe)), np.nan, np.float32),
            np.full((surveys, 2), np.nan),
            np.full((surveys, 2, etas), np.nan),
        )

    @property
    def step(self) -> int:
        """Steps trained so far."""
        return int(self.log.counters[Counter.STEP])

    @property
    def done(self) -> bool:
        """True once the trial finished or diverged."""
        return bool(self.log.counters[Counter.STATUS] != Status.RUNNING)

    def advance(self, until: int, scratch: Scratch) -> None:
        """Train until step `until`, or to the trial's end."""
        loop.advance(
            self.program, self.feed.data, self.learner, scratch.room(self), self.log, until
        )

    def weights(self) -> Weights:
        """A copy of the parameters, in PyTorch's layout."""
        return get_weights(self.tape, self.learner.theta, self.learner.running)

    def curve(self, keep_weights: bool = False, since: int | None = None) -> Curve:
        """The curve so far (a copy); or only its points from place `since` on, without the rest."""
        program, log, whole = self.program, self.log, since is None
        new = slice(since or 0, int(log.counters[Counter.NEXT_EVALUATION]))
        points = log.curve[new].T.copy()
        ended = {Status.FINISHED: "finished", Status.DIVERGED: "diverged"}.get(
            Status(log.counters[Counter.STATUS]), "stopped" if self.stopped else "running"
        )
        probes = None
        if whole and len(program.probe_steps):
            p = int(log.counters[Counter.NEXT_PROBE])
            parts = (log.probed[:p, :, i].copy() for i in range(len(PROBE_FIELDS)))
            probes = Probes(program.probe_steps[:p].copy(), *parts)
        return Curve(
            trial=self.trial,
            step=program.evaluations[new].copy(),
            seconds=points[Point.TRAIN_SECONDS],
            train_loss=points[Point.TRAIN_LOSS],
            test_loss=points[Point.TEST_LOSS],
            metric=points[Point.METRIC],
            train_eval_loss=points[Point.TRAIN_EVAL_LOSS],
            train_metric=points[Point.TRAIN_METRIC],
            ended=ended,
            ended_at=self.step,
            probes=probes,
            landscape=landscape(program, log) if whole else None,
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
