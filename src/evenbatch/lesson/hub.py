"""Runs, shared by all who watch them, and what each watcher has yet to be sent.

A run is named by its chapter and settings: who asks for what is already training, or trained,
joins it and gets all of its points at once. Each client has a cursor into every curve it watches,
and its sender asks for what is new whenever the connection has room: a slow client gets fewer,
larger updates, and nothing is queued for it without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any

import msgspec
import numpy as np

from evenbatch.lesson import events, wire
from evenbatch.lesson.training import main

KEPT_RUNS = 200
"""Finished runs kept in memory; older ones come from the store again."""
CLOSING = (events.Ended, events.Concluded, events.Failed, events.Stopped)
"""Events that are sent after the points they close."""
OVER = (events.Concluded, events.Failed, events.Stopped)
"""Events after which no more of the run comes."""
QUEUED_PER_CLIENT = 4
QUEUED = 64


class Busy(Exception):
    """Too much is queued already; the text is for the page."""


@dataclass(eq=False)
class SharedRun:
    """What is known of one run.

    Attributes:
        number: its name on the wire.
        name: chapter and settings.
        log: every event so far but points and progress.
        progress: how far it has come.
        points: for each trial the points so far.
        counts: how many those are.
        over: no more will come.
    """

    number: int
    name: tuple[str, bytes]
    log: list[events.OfRun] = field(default_factory=list)
    progress: events.Progress | None = None
    points: dict[int, list[wire.Points]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    over: bool = False
    watchers: set[Watcher] = field(default_factory=set)


@dataclass(eq=False)
class Cursor:
    """How far a watcher has come in one run."""

    log: int = 0
    progress: events.Progress | None = None
    points: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class Watcher:
    """One connection: runs it watches, and the run each of its requests is about."""

    asks: dict[int, SharedRun] = field(default_factory=dict)
    cursors: dict[SharedRun, Cursor] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    notes: list[events.Event] = field(default_factory=list)

    def note(self, event: events.Event) -> None:
        """Something for this connection alone."""
        self.notes.append(event)
        self.news.set()

    def take(self) -> tuple[list[events.Event], bytes, list[events.Event]]:
        """What is new since the last time, in the order it is to be sent: events, one frame of
        points, and the events that close a trial or a run.
        """
        new, self.notes = self.notes, []
        frame: list[bytes] = []
        for run, cursor in list(self.cursors.items()):
            new += run.log[cursor.log :]
            cursor.log = len(run.log)
            if run.progress is not None and run.progress is not cursor.progress:
                cursor.progress = run.progress
                new.append(run.progress)
            for trial, count in run.counts.items():
                sent = cursor.points.get(trial, 0)
                if count > sent:
                    frame.append(wire.record(run.number, trial, sent, _tail(run, trial, sent)))
                    cursor.points[trial] = count
        self.news.clear()
        closing: list[events.Event] = [event for event in new if isinstance(event, CLOSING)]
        opening = [event for event in new if not isinstance(event, CLOSING)]
        return opening, b"".join(frame), closing


def _tail(run: SharedRun, trial: int, sent: int) -> wire.Points:
    parts = run.points[trial]
    if len(parts) > 1:
        parts[:] = [np.concatenate(parts)]
    return parts[0][sent:]


class Hub:
    """All runs and the process that trains them.

    Args:
        store_path: where finished trials are kept; None for nowhere.
    """

    def __init__(self, store_path: str | None) -> None:
        self.store_path = store_path
        self.watchers: set[Watcher] = set()
        self.runs: dict[tuple[str, bytes], SharedRun] = {}
        self.by_number: dict[int, SharedRun] = {}
        self.asks: dict[int, tuple[Watcher, int]] = {}
        self.numbers = itertools.count(1)
        self.state = events.State(state="starting")
        self._context: SpawnContext = get_context("spawn")
        self._process: Any = None
        self._pipe: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    async def start(self) -> None:
        """Start the training process and listen to it."""
        self._launch()
        self._tasks.append(asyncio.create_task(self._listen()))

    async def close(self) -> None:
        """End the training process."""
        self._closing = True
        with contextlib.suppress(OSError, AttributeError):
            self._pipe.send(events.Quit())  # type: ignore[union-attr]
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._process.join, 3)
        if self._process.is_alive():
            self._process.kill()

    def _launch(self) -> None:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=main, args=(theirs, self.store_path), daemon=True, name="evenbatch training"
        )
        self._process.start()
        theirs.close()
        self._pipe = ours

    async def _listen(self) -> None:
        """Take events; when the process dies, start another and ask again for what it was doing."""
        while True:
            pipe = self._pipe
            assert pipe is not None
            try:
                news = await asyncio.to_thread(_receive, pipe)
            except (EOFError, OSError):
                if self._closing:
                    return
                await self._restart()
                continue
            for event in news:
                self.handle(event)

    async def _restart(self) -> None:
        self._set_state(events.State(state="restarting"))
        await asyncio.to_thread(self._process.join, 1)
        self._launch()
        for run in list(self.by_number.values()):
            if not run.over:
                # The store answers what was finished; trials and points come anew.
                run.log.append(events.Again(run=run.number))
                run.points.clear()
                run.counts.clear()
                for watcher in run.watchers:
                    watcher.cursors[run].points.clear()
                self._order(events.Begin(run.number, *run.name))
        self._wake(self.watchers)

    def _order(self, order: events.Order) -> None:
        # A broken pipe is noticed, and mended, by the listener; the run is asked for again then.
        with contextlib.suppress(OSError):
            assert self._pipe is not None
            self._pipe.send(order)

    def _set_state(self, state: events.State) -> None:
        self.state = state
        for watcher in self.watchers:
            watcher.note(self.state)

    @staticmethod
    def _wake(watchers: Iterable[Watcher]) -> None:
        for watcher in watchers:
            watcher.news.set()

    # What clients ask for.

    def join(self) -> Watcher:
        """A new connection."""
        watcher = Watcher()
        self.watchers.add(watcher)
        watcher.note(self.state)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """The connection is gone; runs that nobody watches end early."""
        self.watchers.discard(watcher)
        for ask in list(watcher.asks):
            self.unwatch(watcher, ask)

    def start_run(self, watcher: Watcher, ask: int, chapter: str, settings: bytes) -> SharedRun:
        """The run of this chapter with these settings, started if it is not there.

        All there is of it is sent from its beginning, also to a page that has watched it before.

        Raises:
            Busy: the client, or everyone together, has too many runs waiting.
        """
        name = (chapter, settings)
        run = self.runs.get(name)
        if run is None:
            mine = sum(not run.over for run in watcher.cursors)
            under_way = sum(not run.over for run in self.runs.values())
            if mine >= QUEUED_PER_CLIENT or under_way >= QUEUED:
                whose = "this page has" if mine >= QUEUED_PER_CLIENT else "everyone together has"
                raise Busy(f"{whose} {max(mine, 1)} runs waiting; stop one, or wait for it to end")
            run = SharedRun(next(self.numbers), name)
            self.runs[name] = self.by_number[run.number] = run
            self._forget()
            self._order(events.Begin(run.number, chapter, settings))
        run.watchers.add(watcher)
        watcher.asks[ask] = run
        watcher.cursors[run] = Cursor()
        watcher.news.set()
        return run

    def unwatch(self, watcher: Watcher, ask: int) -> None:
        """This client no longer watches the run of that request, unless by another one."""
        run = watcher.asks.pop(ask, None)
        if run is None or run in watcher.asks.values():
            return
        run.watchers.discard(watcher)
        watcher.cursors.pop(run, None)
        if run.watchers:
            return
        if not run.over:
            self._order(events.Halt(run.number))
        if not run.over or self.runs.get(run.name) is not run:
            self._drop(run)

    def trust(self, watcher: Watcher, ask: int) -> None:
        """Have the gradients checked; the answer goes to this client."""
        number = next(self.numbers)
        self.asks[number] = (watcher, ask)
        self._order(events.Check(number))

    def _drop(self, run: SharedRun) -> None:
        if self.runs.get(run.name) is run:
            del self.runs[run.name]
        self.by_number.pop(run.number, None)

    def _forget(self) -> None:
        old = [run for run in self.runs.values() if run.over and not run.watchers]
        for run in old[: max(0, len(self.runs) - KEPT_RUNS)]:
            self._drop(run)

    def handle(self, event: events.Event) -> None:
        """What the training process says."""
        if isinstance(event, events.State):
            self._set_state(event)
        elif isinstance(event, events.Trusted):
            watcher, ask = self.asks.pop(event.ask, (None, 0))
            if watcher is not None:
                watcher.note(msgspec.structs.replace(event, ask=ask))
        elif isinstance(event, events.OfRun) and (run := self.by_number.get(event.run)):
            self._keep(run, event)
            self._wake(run.watchers)

    def _keep(self, run: SharedRun, event: events.OfRun) -> None:
        if isinstance(event, events.Points):
            have = run.counts.get(event.trial, 0)
            new = event.points[max(0, have - event.first) :]
            if len(new):
                run.points.setdefault(event.trial, []).append(new)
                run.counts[event.trial] = have + len(new)
        elif isinstance(event, events.Progress):
            run.progress = event
        else:
            run.log.append(event)
            run.over = run.over or isinstance(event, OVER)
            if isinstance(event, events.Failed):
                self.runs.pop(run.name, None)  # the next one who asks tries again


def _receive(pipe: Connection) -> list[events.Event]:
    """Wait for an event; take all that are there."""
    found = [pipe.recv()]
    while len(found) < 1000 and pipe.poll():
        found.append(pipe.recv())
    return found
