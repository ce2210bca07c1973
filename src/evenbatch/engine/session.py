"""Trials in, curves out: `train` to the end, or a `Session` that advances while you watch."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Future,
    ThreadPoolExecutor,
    wait,
)

import numpy as np
from numpy.typing import NDArray

from evenbatch import data as data_floor
from evenbatch.data.dataset import Dataset
from evenbatch.engine import loop
from evenbatch.engine.curve import Curve, Weights
from evenbatch.engine.feed import Feed, make_feed
from evenbatch.engine.settings import SettingError
from evenbatch.engine.state import Scratch, TrialState, check_fit
from evenbatch.engine.trial import Trial
from evenbatch.kernels._folder import is_cached, source_hash
from evenbatch.kernels._jit import cache_folder, jit_enabled

Datasets = Mapping[str, Dataset]
SLICE_SECONDS = 0.05
"""A trial is handed back to Python about this often, to see whether it should stop."""


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Feeds:
    """Data sets by name, each laid out for the kernels once in each precision asked for."""

    def __init__(self, given: Datasets | None) -> None:
        self.datasets = dict(given or {})
        self.feeds: dict[tuple[str, str], Feed] = {}

    def get(self, trial: Trial) -> tuple[Dataset, Feed]:
        name, place = trial.data, (trial.data, trial.dtype)
        if name not in self.datasets:
            self.datasets[name] = data_floor.load(name)
        if place not in self.feeds:
            self.feeds[place] = make_feed(self.datasets[name], np.dtype(trial.dtype))
        return self.datasets[name], self.feeds[place]


def kernels_ready() -> bool:
    """True if training starts without compiling: compiled in this process, or kept in the cache."""
    if not jit_enabled() or getattr(loop.advance, "signatures", None):
        return True
    return is_cached(loop.__file__, "advance")


def kernels_version() -> str:
    """Hash of the kernels' source: what is timed is timed with these."""
    return source_hash(loop.__file__)


def _announce() -> None:
    if not kernels_ready():
        kept = "once" if cache_folder() else "in each process: no cache folder can be written"
        sys.stderr.write(f"evenbatch: compiling its kernels ({kept}; about 20 s)\n")
        sys.stderr.flush()


class Session:
    """Trials in training: advance them, read the curves so far, stop when you have seen enough.

    Args:
        trials: the trials; of any shapes and settings.
        data: data sets by the names trials use, for those `evenbatch.data.load` does not know.
        threads: cores to use; all by default. The result does not depend on it.
        weights: for single trials (by place), weights to start from instead of those of the seed.
        batches: for single trials, rows of each minibatch (steps, batch_size) instead of shuffles.
        keep_weights: put the final parameters into the curves.

    Raises:
        SettingError: a trial's network, batch or data do not fit each other.

    >>> from evenbatch.engine import Network, Trial
    >>> net = Network(inputs=64, hidden=(16,), outputs=10, norm="batch")
    >>> with Session([Trial(net, "digits", steps=60, evaluate_every=20)]) as session:
    ...     for _ in session.stream(chunk=20):
    ...         print(session.curves()[0].ended_at)
    20
    40
    60
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        data: Datasets | None = None,
        *,
        threads: int | None = None,
        weights: Mapping[int, Weights] | None = None,
        batches: Mapping[int, NDArray[np.int64]] | None = None,
        keep_weights: bool = False,
    ) -> None:
        self.trials = _check_trials(trials)
        self.keep_weights = keep_weights
        self.threads = _check_threads(threads)
        feeds = _Feeds(data)
        weights, batches = weights or {}, batches or {}
        self._states = [
            TrialState(t, *feeds.get(t), weights.get(i), batches.get(i))
            for i, t in enumerate(self.trials)
        ]
        self._scratch = Scratch()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="evenbatch")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop training and let the threads go. Curves can still be read."""
        self.stop()
        self._pool.shutdown(wait=True)

    @property
    def finished(self) -> bool:
        """True when no trial has steps left."""
        return self._stop.is_set() or all(state.done for state in self._states)

    def advance(self, steps: int) -> None:
        """Train every unfinished trial for `steps` more steps (fewer where it ends before)."""
        if steps < 1:
            raise SettingError(f"steps is {steps}; advance by at least 1")
        active = [state for state in self._states if not state.done]
        if self._stop.is_set() or not active:
            return
        _announce()
        targets = [(state, state.step + steps) for state in active]
        futures = [self._pool.submit(self._run, state, until) for state, until in targets]
        try:
            # One by one in order, an error would wait for all trials before it to end.
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            self._stop.set()
            wait(futures)
            raise

    def _run(self, state: TrialState, until: int) -> None:
        _run_slices(state, until, self._scratch, self._stop)

    def stream(self, chunk: int = 100) -> Iterator[int]:
        """Advance by `chunk` steps again and again; yields the step reached, until all have
        ended."""
        step = 0
        while not self.finished:
            self.advance(chunk)
            step += chunk
            yield step

    def stop(self) -> None:
        """End all unfinished trials where they are; their curves say "stopped"."""
        self._stop.set()
        for state in self._states:
            state.stopped = True

    def weights(self, place: int) -> Weights:
        """A copy of the parameters of one trial as they are now, in PyTorch's layout."""
        return self._states[place].weights()

    def curves(self) -> list[Curve]:
        """The curves so far, in the order of the trials."""
        return [state.curve(self.keep_weights) for state in self._states]

    def points(self, place: int, since: int = 0) -> Curve:
        """One trial's points from the `since`-th on, and how it stands; no probes, no weights.

        Whoever watches a curve grow asks for what is new: copying all of it each time would cost
        the square of its length.
        """
        return self._states[place].curve(since=since)


def _check_trials(trials: Iterable[Trial]) -> list[Trial]:
    if isinstance(trials, Trial):
        return [trials]
    if not isinstance(trials, Iterable):
        raise SettingError(f"trials is {trials!r}; it must hold Trials")
    found = list(trials)
    for trial in found:
        if not isinstance(trial, Trial):
            raise SettingError(f"trials holds {trial!r}; every item must be a Trial")
    return found


def _check_threads(threads: int | None) -> int:
    if threads is None:
        return cores()
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise SettingError(
            f"threads is {threads!r}; use a whole number from 1, or leave it out for all cores"
        )
    return int(threads)


def _run_slices(state: TrialState, until: int, scratch: Scratch, stop: threading.Event) -> None:
    """Advance in slices of about `SLICE_SECONDS`, so that a stop is noticed."""
    slice_steps = 16
    while not state.done and state.step < until and not stop.is_set():
        began, start = state.step, time.perf_counter()
        state.advance(min(until, state.step + slice_steps), scratch)
        each = (time.perf_counter() - start) / max(state.step - began, 1)
        slice_steps = max(1, min(8 * slice_steps, int(SLICE_SECONDS / max(each, 1e-7))))


def train(
    trials: Iterable[Trial],
    data: Datasets | None = None,
    *,
    threads: int | None = None,
    keep_weights: bool = False,
    on_curve: Callable[[int, Curve], None] | None = None,
) -> list[Curve]:
    """Train every trial to its end and return their curves, in order.

    A trial runs on one core, with its weights and activations in that core's cache; trials are
    handed
    to a pool of threads. The curve of a trial is the same to the bit whatever the number of threads
    and whatever trains beside it. Only trials in flight hold optimizer state and workspace, so
    memory
    grows with the curves kept.

    Args:
        trials: the trials; of any shapes and settings.
        data: data sets by the names trials use, for those `evenbatch.data.load` does not know.
        threads: cores to use; all by default.
        keep_weights: put the final parameters into the curves.
        on_curve: called in this thread as ``on_curve(place, curve)`` whenever a trial has ended, so
            that what is finished can be kept when the rest is interrupted (Ctrl-C).

    Raises:
        SettingError: a trial's network, batch or data do not fit each other; nothing is trained
            then.

    >>> from evenbatch.engine import Network, Trial
    >>> nets = [Network(inputs=64, hidden=(16,), outputs=10, norm=n) for n in ("none", "batch")]
    >>> curves = train([Trial(net, "digits", learning_rate=0.1, steps=100) for net in nets])
    >>> curves[0].metric[-1] < curves[1].metric[-1]  # here and now, batch norm is ahead
    np.True_
    """
    found = _check_trials(trials)
    count = min(_check_threads(threads), max(len(found), 1))
    feeds = _Feeds(data)
    for trial in found:
        check_fit(trial, feeds.get(trial)[0])
    curves: list[Curve | None] = [None] * len(found)
    stop = threading.Event()
    scratch = Scratch()

    def run(place: int) -> tuple[int, Curve]:
        trial = found[place]
        state = TrialState(trial, *feeds.get(trial))
        _run_slices(state, trial.steps, scratch, stop)
        state.stopped = stop.is_set()
        return place, state.curve(keep_weights)

    if not found:
        return []
    _announce()
    with ThreadPoolExecutor(count, thread_name_prefix="evenbatch") as pool:
        waiting = iter(range(len(found)))
        # A short queue: a state is made when its turn comes, so memory stays small.
        running: set[Future[tuple[int, Curve]]] = set()
        try:
            while True:
                for place in waiting:
                    running.add(pool.submit(run, place))
                    if len(running) >= 2 * count:
                        break
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    place, curve = future.result()
                    curves[place] = curve
                    if on_curve is not None:
                        on_curve(place, curve)
        except BaseException:
            stop.set()
            raise
    return [curve for curve in curves if curve is not None]
