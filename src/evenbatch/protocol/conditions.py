"""Conditions of a rule: where the 95 % intervals of effects lie, said and tested by one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import ge, gt, le, lt

import msgspec

from evenbatch.protocol.verdict import Effect

Effects = Mapping[str, Effect]
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {">=": ge, ">": gt, "<": lt, "<=": le}
_OPPOSITE = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}
_WORDS = {
    ("low", ">="): "at or above",
    ("low", ">"): "above",
    ("low", "<"): "not at or above",
    ("low", "<="): "not above",
    ("high", "<"): "below",
    ("high", "<="): "at or below",
    ("high", ">"): "not at or below",
    ("high", ">="): "not below",
}
"""Where an interval lies, by its end and the sign."""


class _Condition(msgspec.Struct, frozen=True):
    """Conditions are joined by & and |, and turned round by ~.

    >>> (~(above("off", 1) & below("off", 2))).words({"off": "it"})
    'it not at or above 1, or it not below 2'
    """

    def __and__(self, other: Condition) -> Both:
        return Both((*(self.of if isinstance(self, Both) else (self,)), other))

    def __or__(self, other: Condition) -> Either:
        return Either((*(self.of if isinstance(self, Either) else (self,)), other))


class Interval(_Condition, frozen=True, tag="interval", omit_defaults=True):
    """Where an end of the 95 % interval lies, of an effect or of all whose id begins so.

    Attributes:
        effects: an id, or the beginning of several and a star: ``calmer/*``.
        end: "low" or "high".
        sign: ">=", ">", "<" or "<=".
        bound: the number it is compared with.
        how: "all" of the effects, or "any"; "always" is true and only counts them, for the reason.
    """

    effects: str
    end: str
    sign: str
    bound: float
    how: str = "all"

    def among(self, effects: Effects) -> list[Effect]:
        """The effects meant."""
        if self.effects.endswith("*"):
            return [e for name, e in effects.items() if name.startswith(self.effects[:-1])]
        return [effects[self.effects]]

    def true_of(self, effects: Effects) -> list[Effect]:
        """Those of them for which it is true."""
        compare = _SIGNS[self.sign]
        return [e for e in self.among(effects) if compare(getattr(e, self.end), self.bound)]

    def margin(self, effect: Effect) -> float:
        """By how much the end of an interval lies on the right side of the number."""
        beyond: float = getattr(effect, self.end) - self.bound
        return beyond if self.sign in (">=", ">") else -beyond

    def __invert__(self) -> Interval:
        how = {"all": "any", "any": "all"}[self.how] if self.effects.endswith("*") else self.how
        return Interval(self.effects, self.end, _OPPOSITE[self.sign], self.bound, how)

    def holds(self, effects: Effects) -> bool:
        """Whether it is true."""
        found = self.true_of(effects)
        if self.how == "all":
            return len(found) == len(self.among(effects)) > 0
        return self.how == "always" or bool(found)

    def words(self, names: Mapping[str, str]) -> str:
        """It in words."""
        some = "some of " if self.how == "any" else ""
        return f"{some}{names[self.effects]} {_WORDS[self.end, self.sign]} {self.bound:g}"

    def intervals(self) -> Iterable[Interval]:
        """Itself."""
        return (self,)


class Both(_Condition, frozen=True, tag="both"):
    """All of several conditions."""

    of: tuple[Condition, ...]

    def __invert__(self) -> Either:
        return Either(tuple(~one for one in self.of))

    def holds(self, effects: Effects) -> bool:
        """Whether all are true."""
        return all(one.holds(effects) for one in self.of)

    def words(self, names: Mapping[str, str]) -> str:
        """Them in words."""
        said = [one.words(names) for one in self.of if not _counts(one)]
        return " and ".join(said)

    def intervals(self) -> Iterable[Interval]:
        """Those of all."""
        return (found for one in self.of for found in one.intervals())


class Either(_Condition, frozen=True, tag="either"):
    """At least one of several conditions."""

    of: tuple[Condition, ...]

    def __invert__(self) -> Both:
        return Both(tuple(~one for one in self.of))

    def holds(self, effects: Effects) -> bool:
        """Whether one is true."""
        return any(one.holds(effects) for one in self.of)

    def words(self, names: Mapping[str, str]) -> str:
        """Them in words."""
        return ", or ".join(one.words(names) for one in self.of)

    def intervals(self) -> Iterable[Interval]:
        """Those of all."""
        return (found for one in self.of for found in one.intervals())


class Each(_Condition, frozen=True, tag="each", omit_defaults=True):
    """A condition for several cases: "$" in the ids of its effects stands for the case.

    Attributes:
        cases: id and name of each.
        when: the condition.
        how: "all" of the cases, or "any".
    """

    cases: dict[str, str]
    when: Condition
    how: str = "all"

    def __invert__(self) -> Each:
        return Each(self.cases, ~self.when, "any" if self.how == "all" else "all")

    def holds(self, effects: Effects) -> bool:
        """Whether it is true of all cases, or of any."""
        found = (_of_case(self.when, case).holds(effects) for case in self.cases)
        return all(found) if self.how == "all" else any(found)

    def words(self, names: Mapping[str, str]) -> str:
        """It in words."""
        cases = "; ".join(self.cases.values())
        some = "for each of" if self.how == "all" else "for at least one of"
        return f"{self.when.words(names)}, {some}: {cases}"

    def intervals(self) -> Iterable[Interval]:
        """Those of all cases."""
        return (found for case in self.cases for found in _of_case(self.when, case).intervals())


Condition = Interval | Both | Either | Each


def _of_case(condition: Condition, case: str) -> Condition:
    if isinstance(condition, Interval):
        return msgspec.structs.replace(condition, effects=condition.effects.replace("$", case))
    if isinstance(condition, Each):
        return condition
    of = tuple(_of_case(one, case) for one in condition.of)
    return msgspec.structs.replace(condition, of=of)


def _counts(condition: Condition) -> bool:
    return isinstance(condition, Interval) and condition.how == "always"


def above(effects: str, bound: float, how: str = "all") -> Interval:
    """The whole interval lies at or above a number."""
    return Interval(effects, "low", ">=", bound, how)


def beyond(effects: str, bound: float = 0.0, how: str = "all") -> Interval:
    """The whole interval lies above a number."""
    return Interval(effects, "low", ">", bound, how)


def below(effects: str, bound: float, how: str = "all") -> Interval:
    """The whole interval lies below a number."""
    return Interval(effects, "high", "<", bound, how)


def up_to(effects: str, bound: float, how: str = "all") -> Interval:
    """The whole interval lies at or below a number."""
    return Interval(effects, "high", "<=", bound, how)
