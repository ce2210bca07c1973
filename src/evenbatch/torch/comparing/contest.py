"""All arms against the first, carried out as an experiment and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from evenbatch.engine import Curve
from evenbatch.protocol.carry_out import Outcome, Watch, carry_out
from evenbatch.protocol.verdict import Curves, Round, Statement, Verdict
from evenbatch.store import Store
from evenbatch.torch.comparing.batches import Feed
from evenbatch.torch.comparing.judging import Judge
from evenbatch.torch.comparing.result import Comparison, collected
from evenbatch.torch.comparing.training import Training, Workshop, step_seconds


class Contest:
    """All arms against the first as one study (`evenbatch.protocol.verdict.Study`)."""

    def __init__(self, judges: Mapping[str, Judge], template: Training, feed: Feed) -> None:
        self.judges, self.template, self.feed = judges, template, feed

    @property
    def _first(self) -> Judge:
        return next(iter(self.judges.values()))

    @property
    def datasets(self) -> Any:
        """The data by name; their fingerprint is made when the store asks for it."""
        return _Lazily(self.template.data, self.feed)

    @property
    def statement(self) -> Statement:
        """That of the first pair."""
        return self._first.statement

    def trials(self, curves: Curves) -> Round:
        """What all pairs want, called as the first that wants something."""
        rounds = [judge.race.trials(curves) for judge in self.judges.values()]
        wanted = {trial.key: trial for each in rounds for trial in each.trials}
        phase = next((each.phase for each in rounds if each.trials), rounds[0].phase)
        return Round(phase, tuple(wanted.values()), sum(each.later for each in rounds))

    def timing(self, _curves: Curves) -> Sequence[Any]:
        """Steps are timed apart (`step_seconds`)."""
        return ()

    def verdict(self, curves: Curves, _timed: Sequence[Curve]) -> Verdict:
        """That of the first pair."""
        return self._first.verdict(self._first.finding(curves, {}))


class _Lazily(dict[str, Any]):
    def __init__(self, name: str, feed: Any) -> None:
        super().__init__({name: None})
        self.feed = feed

    def __getitem__(self, name: str) -> Any:
        if super().__getitem__(name) is None:
            self[name] = SimpleNamespace(fingerprint=self.feed.fingerprint())
        return super().__getitem__(name)


def carried_out(
    contest: Contest, shop: Workshop, store: Store | None, progress: bool, guess: int, began: float
) -> Comparison:
    """Train, time, judge.

    Args:
        contest, shop: what is asked, and what trains it.
        store: keeps and answers runs.
        progress: show how far it has come.
        guess: how many runs there will be, about.
        began: `time.monotonic()` at the start.
    """
    template, first = contest.template, shop.ranks.first
    with _watched(progress and first, template.model, template.data, guess) as watch:
        runner: Any = shop
        outcome = carry_out(contest, watch=watch, store=store, runner=runner)
        timed = _timed(shop, template.learning_rate, outcome, contest, watch)
    return collected(
        contest.judges, outcome, timed, name=template.model, data=template.data,
        arms=tuple(shop.arms), seconds=time.monotonic() - began, _writes=first,
    )  # fmt: skip


def _timed(
    shop: Workshop, rate: float, outcome: Outcome, contest: Contest, watch: Watch
) -> dict[str, list[float]]:
    """Seconds per step of each arm; {} if there is nothing to compare, or Ctrl-C ended it."""
    found = [judge.finding(outcome.curves, {}) for judge in contest.judges.values()]
    if outcome.interrupted or not any(f is not None and f.meetings for f in found):
        return {}
    watch(Round("timing", ()), 0)
    try:
        return step_seconds(shop, 0, rate)
    except KeyboardInterrupt:
        outcome.interrupted = True
        return {}


@contextmanager
def _watched(shown: bool, name: str, data: str, guess: int) -> Iterator[Watch]:
    from evenbatch.report.progress import Watcher
    from evenbatch.report.terminal import plain_console

    console = plain_console(stderr=True) if shown else None
    with Watcher(console, {name: guess}, [name]) as watcher:
        inner = watcher.of(name, data)

        def watch(wanted: Round, done: int) -> None:
            # Only the number: what the watcher knows of costs is about the engine's networks.
            inner(Round(wanted.phase, (), len(wanted.trials) + wanted.later), done)

        yield watch
