"""The process that trains: compiling and training never share an interpreter with the page.

It takes orders from a pipe and answers with events on it, both plain tuples:

    orders   ("start", run, chapter, settings JSON) · ("stop", run) · ("trust", ask) · ("quit",)
    events   ("busy", text) · ("ready",)
             ("trials", run, first, [description of each trial])
             ("points", run, trial, first, points) · ("ended", run, trial, how, at step)
             ("layers", run, {…}) · ("round", run, phase, done, total)
             ("verdict", run, {…}) · ("failed", run, text) · ("stopped", run) · ("trust", ask, {…})

At most `AT_ONCE` runs train at a time; the rest wait in the order in which they came.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Session, Trial, cores
from evenbatch.engine.machine import machine
from evenbatch.lesson import chapters
from evenbatch.lesson.wire import points_of

AT_ONCE = 2
TOGETHER = 24  # trials that grow side by side
STEPS_FIRST = 4  # steps until the first points are sent
SECONDS = 0.04  # between updates
STRETCH = 10  # steps at most between two looks inside the layers

Event = tuple[Any, ...]


class Stopped(Exception):
    """The last client has left."""


class LiveRunner:
    """A runner that tells of every curve while it grows.

    Args:
        tell: called with the trial and its curve so far.
        stop: set when the run is to end.
        session_seen: called with the networks as they are, after every stretch of training.
        stretch: at most so many steps are trained between two calls.
    """

    def __init__(
        self,
        tell: Callable[[Trial, Curve], None],
        stop: threading.Event,
        session_seen: Callable[[Session, Sequence[Trial]], None] = lambda _session, _trials: None,
        stretch: int = 1 << 30,
    ) -> None:
        self.tell, self.stop, self.session_seen = tell, stop, session_seen
        self.stretch = stretch

    def run(
        self,
        trials: Sequence[Trial],
        datasets: Mapping[str, Dataset],
        on_curve: Callable[[Curve, Mapping[str, Any]], None],
        threads: int | None,
    ) -> None:
        """Train in groups whose curves grow side by side."""
        here = machine()
        for first in range(0, len(trials), TOGETHER):
            group = trials[first : first + TOGETHER]
            with Session(group, datasets, threads=threads) as session:
                self._grow(group, session)
                for curve in session.curves():
                    on_curve(curve, here)

    def close(self) -> None:
        """Nothing was started."""

    def _grow(self, group: Sequence[Trial], session: Session) -> None:
        self.session_seen(session, group)
        steps = STEPS_FIRST
        while not session.finished:
            if self.stop.is_set():
                raise Stopped
            steps = min(steps, self.stretch)
            began = time.perf_counter()
            session.advance(steps)
            took = time.perf_counter() - began
            self.session_seen(session, group)
            for trial, curve in zip(group, session.curves(), strict=True):
                self.tell(trial, curve)
            steps = max(1, min(2 * steps, int(steps * SECONDS / max(took, 1e-6))))


def watch_again(
    look: chapters.Look,
    trials: Sequence[Trial],
    datasets: Mapping[str, Dataset],
    show: Callable[[dict[str, Any]], None],
    stop: threading.Event | None = None,
) -> None:
    """Train the first pair once more for a look inside: a store knows curves, and no layers.

    The same trials give the same networks, so what is seen is what there was.
    """

    def seen(session: Session, group: Sequence[Trial]) -> None:
        if (found := look(session, group)) is not None:
            show(found)

    again = LiveRunner(lambda _trial, _curve: None, stop or threading.Event(), seen, STRETCH)
    first = [trial for trial in trials if trial.seed == 0]
    again.run(first, datasets, lambda _curve, _here: None, 1)


class Run:
    """One experiment under way, in a thread of its own."""

    def __init__(
        self, number: int, chapter: str, settings: bytes, send: Callable[..., None]
    ) -> None:
        self.number, self.chapter, self.settings, self.send = number, chapter, settings, send
        self.stop = threading.Event()
        self.places: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.ended: set[str] = set()

    def go(self, store: Any, threads: int) -> None:
        """Train to the end, or to the stop; every outcome is told."""
        try:
            self._carry_out(store, threads)
        except Stopped:
            self.send("stopped", self.number)
        except Exception as error:  # whatever went wrong is told to the page, not lost in a thread
            self.send("failed", self.number, f"{type(error).__name__}: {error}")

    def _carry_out(self, store: Any, threads: int) -> None:
        from evenbatch.protocol.carry_out import Outcome, carry_out

        study = chapters.study(self.chapter, self.settings)
        look = chapters.watched(self.chapter, study)
        outcome = Outcome()
        looks = 0

        def seen(session: Session, group: Sequence[Trial]) -> None:
            nonlocal looks
            if look is not None and (shown := look(session, group)) is not None:
                looks += 1
                self.send("layers", self.number, shown)

        def watch(wanted: Any, done: int) -> None:
            if self.stop.is_set():
                raise Stopped
            self.name(wanted.trials)
            for key in [key for key in outcome.curves if key not in self.ended]:
                self.tell(outcome.curves[key].trial, outcome.curves[key])
            self.send("round", self.number, wanted.phase, done, len(wanted.trials))

        runner = LiveRunner(self.tell, self.stop, seen, STRETCH if look else 1 << 30)
        carry_out(study, threads=threads, watch=watch, outcome=outcome, store=store, runner=runner)
        if look is not None and not looks:
            trials = [curve.trial for curve in outcome.curves.values()]
            shown = partial(self.send, "layers", self.number)
            watch_again(look, trials, study.datasets, shown, self.stop)
        for curve in outcome.curves.values():
            self.name([curve.trial])
            self.tell(curve.trial, curve)
        verdict = asdict(outcome.verdict(study)) | {"statement": asdict(study.statement)}
        self.send("verdict", self.number, verdict)

    def name(self, trials: Sequence[Trial]) -> None:
        """Give trials their place in the run and tell the page what they are."""
        new = [trial for trial in trials if trial.key not in self.places]
        first = len(self.places)
        for trial in new:
            self.places[trial.key] = len(self.places)
        if new:
            described = [chapters.describe(trial) for trial in new]
            self.send("trials", self.number, first, described)

    def tell(self, trial: Trial, curve: Curve) -> None:
        """Send the points that are new, and how the trial ended."""
        key = trial.key
        if key in self.ended:
            return
        if key not in self.places:
            self.name([trial])
        place, sent = self.places[key], self.sent.get(key, 0)
        points = points_of(curve)
        if len(points) > sent:
            self.send("points", self.number, place, sent, points[sent:])
            self.sent[key] = len(points)
        if curve.ended in ("finished", "diverged"):
            self.ended.add(key)
            self.send("ended", self.number, place, curve.ended, int(curve.ended_at))


class Trainer:
    """Takes orders, keeps the queue, answers.

    Args:
        pipe: to the page's process.
        store_path: where finished trials are kept; None for nowhere.
    """

    def __init__(self, pipe: Connection, store_path: str | None) -> None:
        self.pipe, self.store_path = pipe, store_path
        self.lock = threading.Lock()
        self.runs: dict[int, Run] = {}
        self.waiting: queue.SimpleQueue[Run | None] = queue.SimpleQueue()

    def send(self, *event: Any) -> None:
        with self.lock, contextlib.suppress(BrokenPipeError, OSError):
            self.pipe.send(event)

    def serve(self) -> None:
        """Answer orders until told to quit or the page's process is gone."""
        warm = threading.Thread(target=self._warm_up, daemon=True)
        warm.start()
        workers = [
            threading.Thread(target=self._work, args=(warm,), daemon=True) for _ in range(AT_ONCE)
        ]
        for worker in workers:
            worker.start()
        while True:
            try:
                order = self.pipe.recv()
            except (EOFError, OSError):
                return
            if order[0] == "quit":
                return
            self._obey(order)

    def _obey(self, order: Event) -> None:
        if order[0] == "start":
            _, number, chapter, settings = order
            run = self.runs[number] = Run(number, chapter, settings, self.send)
            self.waiting.put(run)
        elif order[0] == "stop" and order[1] in self.runs:
            self.runs[order[1]].stop.set()
        elif order[0] == "trust":
            threading.Thread(target=self._trust, args=(order[1],), daemon=True).start()

    def _work(self, warm: threading.Thread) -> None:
        warm.join()
        store = self._open_store()
        threads = max(1, cores() // AT_ONCE)
        while True:
            run = self.waiting.get()
            if run is None:
                return
            if run.stop.is_set():
                self.send("stopped", run.number)
            else:
                run.go(store, threads if self._busy() else cores())
            self.runs.pop(run.number, None)

    def _busy(self) -> bool:
        return len(self.runs) > 1

    def _open_store(self) -> Any:
        if self.store_path is None:
            return None
        from evenbatch.store import Store

        return Store(self.store_path)

    def _warm_up(self) -> None:
        from evenbatch.engine import Network, kernels_ready, train

        if not kernels_ready():
            self.send("busy", "compiling")
        network = Network(inputs=64, hidden=(8,), outputs=10, norm="batch")
        train([Trial(network, data="digits", steps=2)], threads=1)
        self.send("ready")

    def _trust(self, ask: int) -> None:
        from evenbatch.lesson.trust import check

        try:
            self.send("trust", ask, check())
        except Exception as error:
            self.send("trust", ask, {"failed": f"{type(error).__name__}: {error}"})


def main(pipe: Connection, store_path: str | None) -> None:
    """The process's entry. Ctrl-C is for the page's process, which then says quit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Trainer(pipe, store_path).serve()
