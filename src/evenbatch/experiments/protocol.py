"""What an experiment is: a question with its rule, fixed before any result is seen.

An experiment is a frozen dataclass with four members; there is nothing to register and no base
class:

    statement                what is claimed and how it will be judged, in words
    trials(curves)           the trainings still wanted, given the curves there are; then none
    timing(curves)           trainings to be timed in a pass of their own; () if time is no matter
    verdict(curves, timed)   what follows from the curves, also from a part of them

`evenbatch.experiments.carry_out` asks for trials, trains them, asks again, and so on. Because
`trials` only looks at curves, a run that was interrupted can go on from the curves it kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evenbatch.engine import Curve, Trial
from evenbatch.experiments.exhibits import Figure, Table

Curves = Mapping[str, Curve]
"""Curves by the key of their trial."""

HOLDS, IN_PART, FAILS, CANNOT_TELL = "holds", "holds in part", "does not hold", "cannot tell"
ANSWERS = (HOLDS, IN_PART, FAILS, CANNOT_TELL)
MIN_SEEDS = 5
"""With fewer seeds than this every verdict is "cannot tell"."""


class ExperimentError(ValueError):
    """An experiment cannot be carried out as asked; the message says what to change."""


class NotHere(Exception):
    """A claim is not about these data, or its data are not on this machine; the message says so in
    a sentence. The claim is then skipped, which is no error.
    """


@dataclass(frozen=True)
class Statement:
    """What an experiment states before any result.

    Attributes:
        claim: the lesson's claim, in plain words.
        question: what is asked of it here.
        arms: a name for each side of the comparison and what it is.
        grid: which settings are tried.
        fairness: why the comparison is a fair one.
        measure: what is measured, with its unit.
        rule: how the measure becomes a verdict.
        source: the claim in the literature.
    """

    claim: str
    question: str
    arms: tuple[tuple[str, str], ...]
    grid: str
    fairness: str
    measure: str
    rule: str
    source: str


@dataclass(frozen=True)
class Round:
    """Trainings wanted next.

    Attributes:
        title: what they are for, for the progress bar: "finding learning rates".
        trials: the trainings, in the order in which results are most useful if interrupted.
        later: a guess of how many trainings follow after these.
    """

    title: str
    trials: tuple[Trial, ...]
    later: int = 0


@dataclass(frozen=True)
class Effect:
    """A measured quantity with its 95 % interval over seeds.

    Attributes:
        label: under which settings: "best against best".
        value, low, high: the estimate and its interval.
        unit: "times fewer steps".
        bound: "at least" or "at most" where some runs ended before the measure was reached and the
            value is only a bound; else "".
    """

    label: str
    value: float
    low: float
    high: float
    unit: str
    bound: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an experiment found.

    Attributes:
        answer: one of `ANSWERS`.
        reason: the part of the rule that decided, in a few words.
        sentence: the answer in one plain sentence.
        effects: what was measured; the first is the one meant when one number is wanted.
        measured_on: data, network, seeds and steps, in words.
        notes: what a sceptic should know, one sentence each.
        figures, tables: what was seen, for the report (see `exhibits`).
        change: what would change the answer, in a sentence or two.
    """

    answer: str
    reason: str
    sentence: str
    effects: tuple[Effect, ...]
    measured_on: str
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    change: str = ""

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ValueError(f"answer is {self.answer!r}; it must be one of {', '.join(ANSWERS)}")


class Untimed:
    """The member `timing` of an experiment in which seconds do not matter."""

    def timing(self, _curves: Curves) -> Sequence[Trial]:
        return ()


class Experiment(Protocol):
    """The four members of an experiment (see the top of this file), and the data it runs on."""

    @property
    def statement(self) -> Statement: ...

    @property
    def datasets(self) -> Mapping[str, Any]:
        """Data sets by the names its trials use."""
        ...

    def trials(self, curves: Curves) -> Round: ...

    def timing(self, curves: Curves) -> Sequence[Trial]: ...

    def verdict(self, curves: Curves, timed: Sequence[Curve]) -> Verdict: ...
