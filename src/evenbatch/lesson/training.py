"""The process that trains: compiling and training never share an interpreter with the page.

It takes orders from a pipe and answers with events on it (`events`). At most `AT_ONCE` runs train
at a time; the rest wait in the order in which they came.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Session, Trial, cores
from evenbatch.engine.machine import machine
from evenbatch.lesson import chapters, events
from evenbatch.lesson.layers import Layers
from evenbatch.lesson.trials import Study, described
from evenbatch.lesson.wire import points_of
from evenbatch.protocol.verdict import Phase, Round

AT_ONCE = 2
TOGETHER = 24  # trials that grow side by side
STEPS_FIRST = 4  # steps until the first points are sent
SECONDS = 0.04  # between updates
STRETCH = 10  # steps at most between two looks inside the layers

Tell = Callable[[Trial, int, Curve], None]
"""Called with a trial, the place of the first point in the curve, and the points from there on."""


class Stopped(Exception):
    """The last client has left."""


class LiveRunner:
    """A runner that tells of every curve while it grows.

    Args:
        tell: called with every trial's new points.
        stop: set when the run is to end.
        session_seen: called with the networks as they are, after every stretch of training.
        stretch: at most so many steps are trained between two calls.
    """

    def __init__(
        self,
        tell: Tell,
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
        steps, sent = STEPS_FIRST, [0] * len(group)
        while not session.finished:
            if self.stop.is_set():
                raise Stopped
            steps = min(steps, self.stretch)
            began = time.perf_counter()
            session.advance(steps)
            took = time.perf_counter() - began
            self.session_seen(session, group)
            for place, trial in enumerate(group):
                new = session.points(place, sent[place])
                self.tell(trial, sent[place], new)
                sent[place] += len(new.step)
            steps = max(1, min(2 * steps, int(steps * SECONDS / max(took, 1e-6))))


def watch_again(
    look: chapters.Look,
    trials: Sequence[Trial],
    datasets: Mapping[str, Dataset],
    show: Callable[[Layers], None],
    stop: threading.Event | None = None,
) -> None:
    """Train the first pair once more for a look inside: a store knows curves, and no layers.

    The same trials give the same networks, so what is seen is what there was.
    """

    def seen(session: Session, group: Sequence[Trial]) -> None:
        if (found := look(session, group)) is not None:
            show(found)

    again = LiveRunner(lambda *_news: None, stop or threading.Event(), seen, STRETCH)
    seed = min(trial.seed for trial in trials)
    first = [trial for trial in trials if trial.seed == seed]
    again.run(first, datasets, lambda _curve, _here: None, 1)


class Run:
    """One experiment under way, in a thread of its own."""

    def __init__(
        self, number: int, chapter: str, settings: bytes, send: Callable[[events.Event], None]
    ) -> None:
        self.number, self.chapter, self.settings, self.send = number, chapter, settings, send
        self.stop = threading.Event()
        self.places: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.ended: set[str] = set()

    def go(self, store: Any, threads: int) -> None:
        """Train to the end, or to the stop; every outcome is sent."""
        try:
            self._carry_out(store, threads)
        except Stopped:
            self.send(events.Stopped(run=self.number))
        except Exception as error:  # the page says it; it is not lost in a thread
            text = f"{type(error).__name__}: {error}"
            self.send(events.Failed(run=self.number, text=text))

    def _carry_out(self, store: Any, threads: int) -> None:
        from evenbatch.protocol.carry_out import Outcome, carry_out

        study = chapters.study(self.chapter, self.settings)
        look = chapters.watched(self.chapter, study)
        outcome = Outcome()
        looks = 0

        def show(layers: Layers) -> None:
            nonlocal looks
            looks += 1
            self.send(events.Looked(run=self.number, layers=layers))

        def seen(session: Session, group: Sequence[Trial]) -> None:
            if look is not None and (shown := look(session, group)) is not None:
                show(shown)

        def watch(wanted: Round, done: int) -> None:
            if self.stop.is_set():
                raise Stopped
            self.name(study, outcome.curves, wanted.trials)
            self._tell_whole(outcome.curves)
            self._progress(wanted.phase, done, len(wanted.trials))

        runner = LiveRunner(self.tell, self.stop, seen, STRETCH if look else 1 << 30)
        carry_out(study, threads=threads, watch=watch, outcome=outcome, store=store, runner=runner)
        trials = [curve.trial for curve in outcome.curves.values()]
        if look is not None and not looks:
            watch_again(look, trials, study.datasets, show, self.stop)
        self.name(study, outcome.curves, trials)
        self._tell_whole(outcome.curves)
        result = events.Result(
            claim=study.experiment.claim,
            statement=study.statement,
            verdict=outcome.verdict(study),
        )
        self.send(events.Concluded(run=self.number, result=result))

    def name(self, study: Study, curves: Mapping[str, Curve], trials: Sequence[Trial]) -> None:
        """Give trials their place in the run and tell the page what they are."""
        new = [trial for trial in trials if trial.key not in self.places]
        if not new:
            return
        first = len(self.places)
        for trial in new:
            self.places[trial.key] = len(self.places)
        shown = described(study, curves, new)
        self.send(events.Trials(run=self.number, first=first, trials=shown))

    def tell(self, trial: Trial, first: int, curve: Curve) -> None:
        """Send those of a curve's points, from place `first` on, that are new, and how it ended."""
        key = trial.key
        if key in self.ended:
            return
        place, sent = self.places[key], self.sent.get(key, 0)
        points = points_of(curve)[sent - first :]
        if len(points):
            self.send(events.Points(run=self.number, trial=place, first=sent, points=points))
            self.sent[key] = sent + len(points)
        if curve.ended in ("finished", "diverged"):
            self.ended.add(key)
            at = int(curve.ended_at)
            how: Literal["finished", "diverged"] = "diverged" if curve.diverged else "finished"
            self.send(events.Ended(run=self.number, trial=place, how=how, at=at))

    def _tell_whole(self, curves: Mapping[str, Curve]) -> None:
        for key in [key for key in curves if key not in self.ended and key in self.places]:
            self.tell(curves[key].trial, 0, curves[key])

    def _progress(self, phase: Phase, done: int, total: int) -> None:
        self.send(events.Progress(run=self.number, phase=phase, done=done, total=total))


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

    def send(self, event: events.Event) -> None:
        """To the page's process; if that is gone, to nobody."""
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
            if isinstance(order, events.Quit):
                return
            self._obey(order)

    def _obey(self, order: events.Order) -> None:
        if isinstance(order, events.Begin):
            run = Run(order.run, order.chapter, order.settings, self.send)
            self.runs[order.run] = run
            self.waiting.put(run)
        elif isinstance(order, events.Halt) and order.run in self.runs:
            self.runs[order.run].stop.set()
        elif isinstance(order, events.Check):
            threading.Thread(target=self._trust, args=(order.ask,), daemon=True).start()

    def _work(self, warm: threading.Thread) -> None:
        warm.join()
        store = self._open_store()
        threads = max(1, cores() // AT_ONCE)
        while True:
            run = self.waiting.get()
            if run is None:
                return
            if run.stop.is_set():
                self.send(events.Stopped(run=run.number))
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
            self.send(events.State(state="compiling"))
        network = Network(inputs=64, hidden=(8,), outputs=10, norm="batch")
        train([Trial(network, data="digits", steps=2)], threads=1)
        self.send(events.State(state="ready"))

    def _trust(self, ask: int) -> None:
        from evenbatch.lesson.trust import check

        try:
            self.send(events.Trusted(ask=ask, checked=check()))
        except Exception as error:
            self.send(events.Trusted(ask=ask, failed=f"{type(error).__name__}: {error}"))


def main(pipe: Connection, store_path: str | None) -> None:
    """The process's entry. Ctrl-C is for the page's process, which then says quit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Trainer(pipe, store_path).serve()
