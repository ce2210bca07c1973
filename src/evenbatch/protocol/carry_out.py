"""Carries an experiment out: looks up what is stored, trains the rest, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evenbatch.engine import Curve, train
from evenbatch.protocol.shelf import Shelf
from evenbatch.protocol.verdict import Round, Study, Verdict
from evenbatch.runners import Local, Runner
from evenbatch.store import Store


@dataclass
class Outcome:
    """What there is of an experiment, finished or not.

    Attributes:
        curves: finished runs by the key of their trial.
        timed: runs of the timing pass, in order.
        interrupted: Ctrl-C ended it early.
    """

    curves: dict[str, Curve] = field(default_factory=dict)
    timed: list[Curve] = field(default_factory=list)
    interrupted: bool = False

    def verdict(self, study: Study) -> Verdict:
        """What the experiment says to the curves there are."""
        return study.verdict(self.curves, self.timed)


Watch = Callable[[Round, int], None]
"""Called with the round and how many of its trials have ended: at its start, once for all that were
stored, and after each. A run it was shown is committed, if there is a store."""


def carry_out(
    study: Study,
    *,
    threads: int | None = None,
    watch: Watch = lambda _round, _done: None,
    outcome: Outcome | None = None,
    store: Store | None = None,
    runner: Runner | None = None,
) -> Outcome:
    """Train what the experiment asks for until it asks for nothing more, then time.

    Timed runs are done on this machine, one at a time and in the experiment's order: nothing of
    ours competes with them, and arms that take turns share whatever else the machine is doing. All
    curves are rounded to float32, stored or not: a result does not depend on where they came from.

    Args:
        study: any object with the members of `verdict.Study`.
        threads: cores to use; all by default.
        watch: hears of progress, in this thread.
        outcome: what is already there; it is added to and returned.
        store: answers trials it knows, and keeps the others as they finish. If it fails on the way
            (a full disk), that is said once and all goes on without it.
        runner: where the rest is trained; on this machine if left out.

    Ctrl-C is no error: what is finished comes back, marked as interrupted.
    """
    found = outcome or Outcome()
    shelf = Shelf(store, study.datasets)
    try:
        while (wanted := study.trials(found.curves)).trials:
            _Progress(wanted, found, watch).train(study, shelf, runner or Local(), threads)
        found.timed = _time(study, shelf, found, watch)
    except KeyboardInterrupt:
        found.interrupted = True
    finally:
        shelf.try_again()
    return found


@dataclass
class _Progress:
    """One round on its way."""

    wanted: Round
    found: Outcome
    watch: Watch
    done: int = 0

    def train(self, study: Study, shelf: Shelf, runner: Runner, threads: int | None) -> None:
        self.watch(self.wanted, 0)
        stored = shelf.get(self.wanted.trials)
        if stored:
            self.found.curves.update(stored)
            self.done = sum(trial.key in stored for trial in self.wanted.trials)
            self.watch(self.wanted, self.done)
        missing = [trial for trial in self.wanted.trials if trial.key not in stored]
        try:
            runner.run(missing, study.datasets, lambda *got: self.keep(shelf, *got), threads)
            self.tell(shelf.flush())
        except BaseException:
            # What is finished is kept, whatever ended the rest; progress is shown no more.
            self.add(shelf.flush())
            raise

    def keep(self, shelf: Shelf, curve: Curve, machine: Mapping[str, Any]) -> None:
        # A trial that a stop ended early is no result; the interrupt follows at once.
        if curve.ended != "stopped":
            self.tell(shelf.put(curve.rounded(), machine))

    def tell(self, curves: Iterable[Curve]) -> None:
        for _ in range(self.add(curves)):
            self.done += 1
            self.watch(self.wanted, self.done)

    def add(self, curves: Iterable[Curve]) -> int:
        new = {curve.trial.key: curve for curve in curves}
        self.found.curves.update(new)
        return len(new)


def _time(study: Study, shelf: Shelf, found: Outcome, watch: Watch) -> list[Curve]:
    timing = study.timing(found.curves)
    if not timing:
        return []
    watch(Round("timing", ()), 0)
    stored = shelf.get_timed(timing)
    if stored is None:
        stored = [c.rounded() for c in train(timing, study.datasets, threads=1)]
        shelf.put_timed(stored)
    return stored
