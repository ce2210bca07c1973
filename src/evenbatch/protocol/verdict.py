"""A statement before any result, effects with their intervals, a verdict; and what a study is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args

from evenbatch._shown import Shown
from evenbatch.engine import Curve
from evenbatch.protocol.exhibits import Figure, Table
from evenbatch.protocol.wording import signed

Curves = Mapping[str, Curve]
"""Curves by the key of their trial."""

Answer = Literal["holds", "holds in part", "does not hold", "cannot tell"]
HOLDS: Final = "holds"
IN_PART: Final = "holds in part"
FAILS: Final = "does not hold"
CANNOT_TELL: Final = "cannot tell"
ANSWERS: tuple[Answer, ...] = get_args(Answer)
Bound = Literal["", "at least", "at most"]
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


Phase = Literal["tuning", "measuring", "timing", "training"]
PHASES: dict[Phase, str] = {
    "tuning": "finding learning rates",
    "measuring": "measuring on fresh seeds",
    "timing": "timing",
    "training": "training",
}
"""What runs are for, in words."""


@dataclass(frozen=True)
class Round:
    """Runs wanted next.

    Attributes:
        phase: what they are for: one of `PHASES`.
        trials: the runs, in the order in which results are most useful if interrupted.
        later: a guess of how many runs follow after these.
    """

    phase: Phase
    trials: tuple[Any, ...]
    later: int = 0

    @property
    def title(self) -> str:
        """What they are for, in words."""
        return PHASES[self.phase]


@dataclass(frozen=True)
class Effect:
    """A measured quantity with its 95 % interval over seeds.

    Attributes:
        label: under which settings: "best against best".
        value, low, high: the estimate and its interval.
        unit: "times fewer steps".
        bound: "at least" or "at most" where some runs ended before the measure was reached and the
            value is only a bound; else "".
        id: what rules, pages and tests name it by.
        seeds: how many it rests on.
        about: what it is about, in a rule's reason: "after the activation".
    """

    label: str
    value: float
    low: float
    high: float
    unit: str
    bound: Bound = ""
    id: str = ""
    seeds: int = 0
    about: str = ""

    @property
    def amount(self) -> str:
        """The value as it is shown, without its unit."""
        return signed(self.value)

    @property
    def interval(self) -> str:
        """The 95 % interval as it is shown, such as "1.0 to 3.2"."""
        return f"{signed(self.low)} to {signed(self.high)}"


@dataclass(frozen=True)
class Verdict(Shown):
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
        note: to be added to the answer wherever it stands: "more than claimed".
    """

    answer: Answer
    reason: str
    sentence: str
    effects: tuple[Effect, ...]
    measured_on: str
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    change: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ValueError(f"answer is {self.answer!r}; it must be one of {', '.join(ANSWERS)}")

    def __repr__(self) -> str:
        return f"<Verdict: {self.answer}. {self.sentence}>"  # with its figures, some 50 kB


class Study(Protocol):
    """What `carry_out` asks of an experiment on its data.

    statement                what is claimed and how it will be judged, in words
    datasets                 data sets by the names its trials use
    trials(curves)           the runs still wanted, given the curves there are; then none
    timing(curves)           runs to be timed in a pass of their own; () if time is no matter
    verdict(curves, timed)   what follows from the curves, also from a part of them

    A trial is whatever has a `key`, `data`, `seed`, `steps` and `learning_rate`. Because `trials`
    only looks at curves, a run that was interrupted goes on from the curves it kept.
    """

    @property
    def statement(self) -> Statement: ...
    @property
    def datasets(self) -> Mapping[str, Any]: ...
    def trials(self, curves: Curves) -> Round: ...
    def timing(self, curves: Curves) -> Sequence[Any]: ...
    def verdict(self, curves: Curves, timed: Sequence[Curve]) -> Verdict: ...
