"""How far a command has come: live bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evenbatch.experiments import Round
from evenbatch.experiments.carry_out import Watch

LINE_SECONDS = 5.0


class _Face(Protocol):
    def show(self, text: str, counts: Counts, claim: str, new: bool) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Counts:
    """Trainings done and expected: of everything, and of the claim at hand."""

    done: int
    total: int
    claim_done: int
    claim_total: int


class Watcher:
    """Counts the trainings of several experiments as one piece of work.

    Args:
        console: where to show it; None for nowhere.
        guesses: for each experiment, how many trainings it will probably need.
        claims: the claim of each experiment.

    How many there will be is only known round by round, so the total is corrected as rounds come.
    """

    def __init__(
        self, console: Console | None, guesses: Mapping[str, int], claims: Sequence[str] = ()
    ) -> None:
        self.totals = dict(guesses)
        self.done = dict.fromkeys(guesses, 0)
        self.claims = dict(zip(guesses, claims or [""] * len(guesses), strict=True))
        self._face: _Face | None = None
        if console is not None:
            several = len(guesses) > 1
            self._face = _Bars(console, several) if console.is_terminal else _Lines(console)

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
        """Take the bars away while something else is printed."""
        bars = self._face if isinstance(self._face, _Bars) else None
        if bars is not None:
            bars.progress.stop()
        yield
        if bars is not None:
            bars.progress.start()

    def of(self, name: str, title: str) -> Watch:
        """The `watch` argument of `carry_out` for one experiment, shown under `title`."""
        before = 0
        claim = self.claims[name]
        about = f"{claim}, {title}" if claim else title

        def watch(round_: Round, done: int) -> None:
            nonlocal before
            if done == 0:
                before = self.done[name]
            self.done[name] = before + done
            self.totals[name] = before + len(round_.trials) + round_.later
            if self._face is not None:
                text = f"{about}: {round_.title}"
                self._face.show(text, self._counts(claim), claim, new=done == 0)

        return watch

    def _counts(self, claim: str) -> Counts:
        own = [name for name, its in self.claims.items() if its == claim]
        return Counts(
            sum(self.done.values()),
            sum(self.totals.values()),
            sum(self.done[name] for name in own),
            sum(self.totals[name] for name in own),
        )

    def finish(self, name: str) -> None:
        """The experiment has ended, whatever was expected of it."""
        self.totals[name] = self.done[name]


def counted(watch: Watch, total: int) -> Callable[[int], None]:
    """The same for work that is one round of `total` trainings."""
    whole = Round("training", (), later=total)
    return lambda done: watch(whole, done)


class _Bars:
    """One bar for the claim at hand and, if there are several experiments, one for all."""

    def __init__(self, console: Console, several: bool) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.whole = self.progress.add_task("all claims", total=None) if several else None
        self.task = self.progress.add_task("starting", total=None)
        self.claim: str | None = None
        self.progress.start()

    def show(self, text: str, counts: Counts, claim: str, new: bool) -> None:
        if claim != self.claim and self.claim is not None:
            self.progress.reset(self.task)
        self.claim = claim
        done, total = counts.claim_done, counts.claim_total
        self.progress.update(self.task, description=text, completed=done, total=total)
        if self.whole is not None:
            self.progress.update(self.whole, completed=counts.done, total=counts.total)

    def close(self) -> None:
        self.progress.stop()


class _Lines:
    """For logs: a line when something new begins, and one every `LINE_SECONDS`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = time.monotonic()
        self.first: tuple[float, int] | None = None

    def show(self, text: str, counts: Counts, claim: str, new: bool) -> None:
        now, done, total = time.monotonic(), counts.done, counts.total
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
