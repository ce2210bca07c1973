"""How far a command has come: live bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from evenbatch.engine import Trial
from evenbatch.protocol.carry_out import Watch
from evenbatch.protocol.verdict import Round
from evenbatch.report.words import duration

LINE_SECONDS = 5.0
Clock = Callable[[], float]


def cost(trial: Trial) -> float:
    """About how many seconds a training takes, on some machine: its work relative to others'.

    Multiplications of its steps, each three products, and of its evaluations on some hundred rows;
    and a little for every layer of every step.
    """
    network = trial.network
    rows = 3 * trial.batch_size * trial.steps
    rows += 500 * len(trial.evaluation_steps()) * (1 + trial.evaluate_train)
    return 14e-12 * network.multiplications * rows + 1e-6 * (network.depth + 2) * trial.steps


@dataclass(frozen=True)
class Work:
    """Trainings, and what they cost (`cost`)."""

    trials: float = 0
    cost: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.trials + other.trials, self.cost + other.cost)

    @classmethod
    def of(cls, wanted: Round | int) -> Work:
        """A round with what probably follows it; or so many runs of unknown cost."""
        if isinstance(wanted, int):
            return cls(wanted, wanted)
        own = len(wanted.trials)
        each = sum(map(cost, wanted.trials)) / own if own else 1.0
        return cls(own + wanted.later, each * (own + wanted.later))


class Pace:
    """Seconds per cost, over the last while of training.

    What a store answers takes no time, so only runs that end one by one are counted.
    """

    WINDOW = 45.0
    LEAST = 2.0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ended: deque[tuple[float, float]] = deque()
        self.spent = 0.0

    def add(self, spent: float) -> None:
        """A training of this cost has ended."""
        self.spent += spent
        now = self.clock()
        self.ended.append((now, self.spent))
        while now - self.ended[0][0] > self.WINDOW and len(self.ended) > 2:
            self.ended.popleft()

    def seconds(self, left: float) -> float | None:
        """What this much cost will take; None as long as it cannot be told."""
        if len(self.ended) < 2:
            return None
        (start, before), (end, after) = self.ended[0], self.ended[-1]
        if end - start < self.LEAST or after <= before:
            return None
        return left * (end - start) / (after - before)


@dataclass(frozen=True)
class Standing:
    """How far all of it has come, or one claim: runs, their cost, seconds left if known."""

    done: Work
    total: Work
    left: float | None

    @property
    def left_words(self) -> str:
        """The time left, in words; "" if it is not known or all is done."""
        if self.left is None or self.done.trials >= self.total.trials:
            return ""
        short = f"{max(1, round(self.left))} s"
        return f"about {short if self.left < 59.5 else duration(self.left)} left"


class _Face(Protocol):
    def show(self, text: str, whole: Standing, claim: Standing, new: bool) -> None: ...
    def close(self) -> None: ...


class Watcher:
    """Counts the runs of several experiments as one piece of work.

    Args:
        console: where to show it; None for nowhere.
        guesses: for each experiment its first round, or how many runs it will probably need.
        claims: the claim of each experiment.
        clock: gives the time in seconds.

    How many there will be is only known round by round, so the total is corrected as rounds come.
    """

    def __init__(
        self,
        console: Console | None,
        guesses: Mapping[str, Round | int],
        claims: Sequence[str] = (),
        clock: Clock = time.monotonic,
    ) -> None:
        self.totals = {name: Work.of(guess) for name, guess in guesses.items()}
        self.done = dict.fromkeys(guesses, Work())
        self.claims = dict(zip(guesses, claims or [""] * len(guesses), strict=True))
        self.pace = Pace(clock)
        self._face: _Face | None = None
        if console is not None:
            several = len(set(self.claims.values())) > 1
            bars = console.is_terminal
            self._face = _Bars(console, several) if bars else _Lines(console, clock)

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
        before, whole, last = Work(), Work(), 0
        claim = self.claims[name]
        about = f"{claim}, {title}" if claim else title

        def watch(round_: Round, done: int) -> None:
            nonlocal before, whole, last
            if done == 0:
                before, whole = self.done[name], Work.of(round_)
            each = whole.cost / whole.trials if whole.trials else 0.0
            if done == last + 1:
                self.pace.add(each)
            last = done
            self.done[name] = before + Work(done, done * each)
            self.totals[name] = before + whole
            if self._face is not None:
                own = [other for other, its in self.claims.items() if its == claim]
                text = f"{about}: {round_.title}"
                self._face.show(text, self._standing(self.claims), self._standing(own), done == 0)

        return watch

    def _standing(self, names: Iterable[str]) -> Standing:
        names = list(names)
        done = sum((self.done[name] for name in names), Work())
        total = sum((self.totals[name] for name in names), Work())
        return Standing(done, total, self.pace.seconds(total.cost - done.cost))

    def finish(self, name: str) -> None:
        """The experiment has ended, whatever was expected of it."""
        self.totals[name] = self.done[name]


def counted(watch: Watch, total: int) -> Callable[[int], None]:
    """The same for work that is one round of `total` runs."""
    whole = Round("training", (), later=total)
    return lambda done: watch(whole, done)


class _Bars:
    """One bar for the claim at hand and, if there are several claims, one for all."""

    def __init__(self, console: Console, several: bool) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[counts]}"),
            TextColumn("[dim]{task.fields[left]}[/dim]"),
            console=console,
            transient=True,
        )
        self.whole: TaskID | None = None
        if several:
            self.whole = self.progress.add_task("all claims", total=None, counts="", left="")
        self.task = self.progress.add_task("starting", total=None, counts="", left="")
        self.progress.start()

    def show(self, text: str, whole: Standing, claim: Standing, new: bool) -> None:
        self._update(self.task, claim, text)
        if self.whole is not None:
            self._update(self.whole, whole, "all claims")

    def _update(self, task: TaskID, standing: Standing, text: str) -> None:
        self.progress.update(
            task,
            description=text,
            completed=standing.done.cost,
            total=standing.total.cost or None,
            counts=f"{standing.done.trials:.0f}/{standing.total.trials:.0f}",
            left=standing.left_words,
        )

    def close(self) -> None:
        self.progress.stop()


class _Lines:
    """For logs: a line when something new begins, and one every `LINE_SECONDS`."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self.console = console
        self.clock = clock
        self.last = clock()

    def show(self, text: str, whole: Standing, claim: Standing, new: bool) -> None:
        now = self.clock()
        if not new and now - self.last < LINE_SECONDS:
            return
        self.last = now
        line = f"{text}, {whole.done.trials:.0f} of about {whole.total.trials:.0f} runs"
        left = f", {whole.left_words}" if whole.left_words else ""
        self.console.print(line + left, soft_wrap=True)

    def close(self) -> None:
        pass
