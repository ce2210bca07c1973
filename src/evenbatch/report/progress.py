"""How far a command has come: one live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evenbatch.experiments import Round
from evenbatch.experiments.carry_out import Watch

LINE_SECONDS = 5.0


class _Face(Protocol):
    def show(self, text: str, done: int, total: int, new: bool) -> None: ...
    def close(self) -> None: ...


class Watcher:
    """Counts the trainings of several experiments as one piece of work.

    Args:
        console: where to show it; None for nowhere.
        guesses: for each experiment, how many trainings it will probably need.

    How many there will be is only known round by round, so the total is corrected as rounds come.
    """

    def __init__(self, console: Console | None, guesses: Mapping[str, int]) -> None:
        self.totals = dict(guesses)
        self.done = dict.fromkeys(guesses, 0)
        self._face: _Face | None = None
        if console is not None:
            self._face = _Bar(console) if console.is_terminal else _Lines(console)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._face is not None:
            self._face.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while something else is printed."""
        bar = self._face if isinstance(self._face, _Bar) else None
        if bar is not None:
            bar.progress.stop()
        yield
        if bar is not None:
            bar.progress.start()

    def of(self, name: str, title: str) -> Watch:
        """The `watch` argument of `carry_out` for one experiment, shown under `title`."""
        before = 0

        def watch(round_: Round, done: int) -> None:
            nonlocal before
            if done == 0:
                before = self.done[name]
            self.done[name] = before + done
            self.totals[name] = before + len(round_.trials) + round_.later
            if self._face is not None:
                counts = sum(self.done.values()), sum(self.totals.values())
                self._face.show(f"{title}: {round_.title}", *counts, new=done == 0)

        return watch

    def finish(self, name: str) -> None:
        """The experiment has ended, whatever was expected of it."""
        self.totals[name] = self.done[name]


class _Bar:
    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task = self.progress.add_task("starting", total=None)
        self.progress.start()

    def show(self, text: str, done: int, total: int, new: bool) -> None:
        self.progress.update(self.task, description=text, completed=done, total=total)

    def close(self) -> None:
        self.progress.stop()


class _Lines:
    """For logs: a line when something new begins, and one every `LINE_SECONDS`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = time.monotonic()
        self.first: tuple[float, int] | None = None

    def show(self, text: str, done: int, total: int, new: bool) -> None:
        now = time.monotonic()
        if self.first is None and done:
            self.first = now, done  # what came before may have been compiling
        if not new and now - self.last < LINE_SECONDS:
            return
        self.last = now
        left = ""
        if self.first is not None and self.first[1] + total / 20 <= done < total:
            each = (now - self.first[0]) / (done - self.first[1])
            left = f", about {each * (total - done) + 0.5:.0f} s left"
        line = f"{text}, {done} of about {total} trainings{left}"
        self.console.print(line, soft_wrap=True)

    def close(self) -> None:
        pass
