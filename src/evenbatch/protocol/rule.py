"""Rules: from effects with their 95 % intervals to an answer. What is printed is what is applied.

A rule is one object. `text` says it before any result, and `apply` goes through the same conditions
afterwards.

    Rule      conditions in order; the first that is true decides
    PerPart   one threshold for each part of a claim, and the answers joined

>>> from evenbatch.protocol.conditions import above, below
>>> steps = Effect("", 4.0, 3.2, 5.1, "times fewer steps", id="steps", seeds=10)
>>> rule = Rule(
...     clauses=(
...         Clause(HOLDS, above("steps", 3), "at least 3 times fewer"),
...         Clause(FAILS, below("steps", 3), "fewer than 3 times"),
...     ),
...     names={"steps": "the ratio of steps"},
...     otherwise="the interval includes 3",
... )
>>> rule.apply({"steps": steps})
Decision(answer='holds', reason='at least 3 times fewer', note='', effect='')
>>> print(rule.text())
Judged by 95 % intervals, the first that applies. Holds: the ratio of steps at or above 3. Does not
hold: the ratio of steps below 3. Undecided: otherwise, or with fewer than 5 seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from evenbatch.protocol.conditions import Condition, Effects
from evenbatch.protocol.verdict import (
    ANSWERS,
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Answer,
    Effect,
)
from evenbatch.protocol.wording import count, listed

POINT = 1.0
"""A difference of metrics that matters: one percentage point of accuracy, or 0.01 of R². The test
sets here have a few hundred to a few thousand rows, on which accuracy itself is uncertain by about
as much; a smaller gain could not be distinguished from another choice of test rows."""

_ANSWERED = {
    HOLDS: "Holds",
    IN_PART: "Holds in part",
    FAILS: "Does not hold",
    CANNOT_TELL: "Undecided",
}


class Decision(msgspec.Struct, frozen=True):
    """What a rule says.

    Attributes:
        answer: one of `ANSWERS`.
        reason: the part of the rule that decided, in a few words.
        note: to be added to the answer wherever it stands.
        effect: id of the effect to be shown first; "" for the one that stands first.
    """

    answer: Answer
    reason: str
    note: str = ""
    effect: str = ""


class Clause(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer, when it is given, and why in a few words.

    Attributes:
        answer: one of `ANSWERS`.
        when: the condition.
        because: the reason. {0} stands for the effects for which the condition's first interval is
            true, by what they are about; {0.n} for how many those are, {0.of} of how many; {1}, …
            for those of its next.
        note: to be added to the answer: "more than claimed".
        leads: the effect for which the condition is truest is shown before all others.
    """

    answer: Answer
    when: Condition
    because: str
    note: str = ""
    leads: bool = False

    def decision(self, effects: Effects) -> Decision:
        """What it says if its condition is true."""
        found = [
            _Which(each.true_of(effects), each.among(effects)) for each in self.when.intervals()
        ]
        first = next(iter(self.when.intervals()))
        leading = max(first.true_of(effects), key=first.margin).id if self.leads else ""
        return Decision(self.answer, self.because.format(*found), self.note, leading)


def holds(when: Condition, because: str, note: str = "") -> Clause:
    """A clause that says "holds"."""
    return Clause(HOLDS, when, because, note)


def in_part(when: Condition, because: str) -> Clause:
    """A clause that says "holds in part"."""
    return Clause(IN_PART, when, because)


def fails(when: Condition, because: str, leads: bool = False) -> Clause:
    """A clause that says "does not hold"."""
    return Clause(FAILS, when, because, leads=leads)


def undecided(when: Condition, because: str) -> Clause:
    """A clause that says "cannot tell"."""
    return Clause(CANNOT_TELL, when, because)


class _Which:
    """Effects in a reason: what they are about, how many, of how many."""

    def __init__(self, found: Sequence[Effect], among: Sequence[Effect]) -> None:
        self.n, self.of = len(found) or "none", len(among)
        self._abouts = [e.about for e in found]

    def __format__(self, _spec: str) -> str:
        return listed(list(dict.fromkeys(self._abouts)))


class Rule(msgspec.Struct, frozen=True, tag="rule", kw_only=True, omit_defaults=True):
    """Conditions in order; the first that is true decides.

    Attributes:
        clauses: answers and their conditions.
        names: of the effects, for the printed rule: "the ratio of steps".
        otherwise: the reason if none is true; it is undecided then.
        where: which of several comparisons counts: "best against best".
        needs: effects without which it is undecided, with the reason.
    """

    clauses: tuple[Clause, ...]
    names: dict[str, str]
    otherwise: str
    where: str = ""
    needs: dict[str, str] = {}

    def apply(self, effects: Effects) -> Decision:
        """The answer to these effects, by their ids."""
        for name, reason in self.needs.items():
            if name not in effects:
                return Decision(CANNOT_TELL, reason)
        used = [i for clause in self.clauses for i in clause.when.intervals()]
        judged = {e.id: e for interval in used for e in interval.among(effects)}
        if few := too_few(judged.values()):
            return few
        for clause in self.clauses:
            if clause.when.holds(effects):
                return clause.decision(effects)
        return Decision(CANNOT_TELL, self.otherwise)

    def text(self) -> str:
        """The rule in words."""
        where = f", {self.where}" if self.where else ""
        said = [f"Judged by 95 % intervals{where}, the first that applies."]
        last = ""
        for clause in self.clauses:
            words = clause.when.words(self.names)
            words += f" ({clause.note})" if clause.note else ""
            if clause.answer == last:
                said[-1] = f"{said[-1][:-1]}; or {words}."
            else:
                said.append(f"{_ANSWERED[clause.answer]}: {words}.")
            last = clause.answer
        said.append(f"Undecided: otherwise, or with fewer than {MIN_SEEDS} seeds.")
        return " ".join(said)


class OnePart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a claim: its effect, where it is, and the size that matters."""

    effect: str
    where: str = ""
    least: float = POINT


class PerPart(msgspec.Struct, frozen=True, tag="per-part", kw_only=True, omit_defaults=True):
    """A gain of at least some size in each part of a claim.

    Attributes:
        parts: effects that hold if the interval lies at or above `least`, do not if it lies below,
            and hold in part if it lies above 0.
        gain: of what, for the printed rule: "the growth of the lead".
        because: the reason for each kind of answer, with {where} for the parts that have it; in
            the order in which they are named. One whose text begins with "but" or "not" follows
            another.
        alone: texts in place of those of `because` where no other comes before.
        where: which of several comparisons counts: "best against best".
        zero: no gain: 0, or 1 of ratios.
        needs: effects without which it is undecided, with the reason.
    """

    parts: tuple[OnePart, ...]
    gain: str
    because: dict[Answer, str]
    alone: dict[Answer, str] = {}
    where: str = ""
    zero: float = 0.0
    needs: dict[str, str] = {}

    def apply(self, effects: Effects) -> Decision:
        """The answer to these effects, by their ids."""
        for name, reason in self.needs.items():
            if name not in effects:
                return Decision(CANNOT_TELL, reason)
        if few := too_few([effects[part.effect] for part in self.parts]):
            return few
        answers = {p: gained(effects[p.effect], p.least, self.zero) for p in self.parts}
        said: list[str] = []
        for kind, text in self.because.items():
            where = [part.where for part, answer in answers.items() if answer == kind]
            if where:
                text = text if said else self.alone.get(kind, text)
                joined_where = listed(where, "or" if "not" in text.split() else "and")
                said.append(text.format(where=joined_where))
        return Decision(joined(list(answers.values())), ", ".join(said))

    def text(self) -> str:
        """The rule in words."""
        where = f", {self.where}" if self.where else ""
        sizes = listed([f"{part.least:g} {part.where}".strip() for part in self.parts])
        if len({part.least for part in self.parts}) == 1:
            sizes = f"{self.parts[0].least:g}"
        said = (
            f"Judged by 95 % intervals{where}. Holds: {self.gain} at or above {sizes}. Does not "
            f"hold: below that. Holds in part: otherwise, if above {self.zero:g}. Undecided: "
            f"otherwise, or with fewer than {MIN_SEEDS} seeds."
        )
        if len(self.parts) > 1:
            said += (
                f" Each is judged for itself: {listed([part.where for part in self.parts])}. Where "
                "they differ: in part if one holds at least in part; else it does not hold if one "
                "does not."
            )
        return said


def too_few(judged: Iterable[Effect]) -> Decision | None:
    """The decision where an effect rests on fewer seeds than are needed; None if all have enough.

    >>> too_few([Effect("", 1.0, 0.0, 2.0, "", seeds=3)]).reason
    'only 3 seeds can be compared, and at least 5 are needed'
    """
    fewest = min((effect.seeds for effect in judged), default=0)
    if fewest >= MIN_SEEDS:
        return None
    found = f"only {count(fewest, 'seed')}" if fewest else "no seed"
    return Decision(CANNOT_TELL, f"{found} can be compared, and at least {MIN_SEEDS} are needed")


def gained(effect: Effect, least: float = POINT, zero: float = 0.0) -> Answer:
    """Whether a gain is there, and as large as `least`.

    * the interval lies at or above `least`: holds
    * it lies below `least`: does not hold, for a gain that is clear but too small to matter too
    * it lies above `zero`: holds in part
    * else: cannot tell

    >>> [gained(Effect("", 0, low, high, "")) for low, high in ((1, 3), (0.5, 3), (0.1, 0.5))]
    ['holds', 'holds in part', 'does not hold']
    >>> gained(Effect("", 0, -2, 2, ""))
    'cannot tell'
    """
    if effect.low >= least:
        return HOLDS
    if effect.high < least:
        return FAILS
    return IN_PART if effect.low > zero else CANNOT_TELL


def joined(answers: Sequence[Answer]) -> Answer:
    """One answer from those to the parts of a claim.

    All the same: that one. Some hold, at least in part: holds in part. None does, and one does not
    hold: does not hold. Else it cannot tell.

    >>> joined([HOLDS, HOLDS]), joined([HOLDS, FAILS]), joined([FAILS, CANNOT_TELL])
    ('holds', 'holds in part', 'does not hold')
    """
    kinds = set(answers)
    if len(kinds) == 1:
        return answers[0]
    if kinds & {HOLDS, IN_PART}:
        return IN_PART
    return FAILS if FAILS in kinds else CANNOT_TELL


AnyRule = Rule | PerPart
assert set(_ANSWERED) == set(ANSWERS)
