"""Carries an experiment out: trains what it asks for, round after round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evenbatch.engine import Curve, train
from evenbatch.experiments.protocol import Experiment, Round, Verdict


@dataclass
class Outcome:
    """What there is of an experiment, finished or not.

    Attributes:
        curves: finished trainings by the key of their trial.
        timed: trainings of the timing pass, in order.
        interrupted: Ctrl-C ended it early.
    """

    curves: dict[str, Curve] = field(default_factory=dict)
    timed: list[Curve] = field(default_factory=list)
    interrupted: bool = False

    def verdict(self, experiment: Experiment) -> Verdict:
        """What the experiment says to the curves there are."""
        return experiment.verdict(self.curves, self.timed)


Watch = Callable[[Round, int], None]
"""Called with the round and how many of its trials have ended: at its start and after each."""


def carry_out(
    experiment: Experiment,
    *,
    threads: int | None = None,
    watch: Watch = lambda _round, _done: None,
    outcome: Outcome | None = None,
) -> Outcome:
    """Train what the experiment asks for until it asks for nothing more, then time.

    Timed trainings run one at a time and in the experiment's order: nothing of ours competes with
    them, and arms that take turns share whatever else the machine is doing.

    Args:
        experiment: any object with the members of `Experiment`.
        threads: cores to use; all by default.
        watch: told of progress, in this thread.
        outcome: what is already there; it is added to and returned.

    Ctrl-C is no error: what is finished comes back, marked as interrupted.
    """
    found = outcome or Outcome()
    try:
        while (wanted := experiment.trials(found.curves)).trials:
            _train_round(experiment, wanted, found, threads, watch)
        timing = experiment.timing(found.curves)
        if timing:
            watch(Round("timing", ()), 0)
            found.timed = train(timing, experiment.datasets, threads=1)
    except KeyboardInterrupt:
        found.interrupted = True
    return found


def _train_round(
    experiment: Experiment, wanted: Round, found: Outcome, threads: int | None, watch: Watch
) -> None:
    done = 0
    watch(wanted, done)

    def keep(_place: int, curve: Curve) -> None:
        nonlocal done
        # A trial that a stop ended early is no result; the interrupt follows at once.
        if curve.ended == "stopped":
            return
        found.curves[curve.trial.key] = curve
        done += 1
        watch(wanted, done)

    train(wanted.trials, experiment.datasets, threads=threads, on_curve=keep)
