"""Reads a printed rule and applies it: an account of its own of what the words mean."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any

from evenbatch.protocol.conditions import Interval
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.rule import PerPart, Rule
from evenbatch.protocol.verdict import Effect

Effects = Mapping[str, Effect]
ANSWERS = {
    "Holds": "holds",
    "Holds in part": "holds in part",
    "Does not hold": "does not hold",
    "Undecided": "cannot tell",
}
LIES: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "not at or above": ("low", lt),
    "not at or below": ("high", gt),
    "not above": ("low", le),
    "not below": ("high", ge),
    "at or above": ("low", ge),
    "at or below": ("high", le),
    "above": ("low", gt),
    "below": ("high", lt),
}
"""Where a whole interval lies, or does not lie, in words: an end of it and the comparison."""


def sentences(text: str) -> Iterable[tuple[str, str]]:
    """Answer and condition of each sentence of a rule."""
    parts = re.split(rf"(?:^|(?<=\. ))({'|'.join(ANSWERS)}): ", text)
    for answer, said in zip(parts[1::2], parts[2::2], strict=True):
        yield ANSWERS[answer], said.strip().removesuffix(".")


class Reader:
    """A printed `Rule`, by the names it calls effects and cases by.

    Args:
        rule: whose names they are; its conditions are not looked at.
        text: what is printed.
    """

    def __init__(self, rule: Rule, text: str) -> None:
        self.names: dict[str, list[str]] = {}
        for name, words in rule.names.items():
            self.names.setdefault(words, []).append(name)
        self.cases = {words: case for each in cases_in(rule) for case, words in each.items()}
        longest = sorted(self.names, key=len, reverse=True)
        self.atom = re.compile(
            rf"(some of )?({'|'.join(map(re.escape, longest))}) ({'|'.join(LIES)}) (-?[\d.]+)"
        )
        self.clauses = [
            (answer, re.sub(r" \([^()]*\)$", "", clause))
            for answer, said in sentences(text)
            for clause in said.split("; or ")
            if not clause.startswith("otherwise")
        ]

    def decides(self, effects: Effects) -> tuple[int, str]:
        """Which clause is the first that applies, and its answer; −1 if none does."""
        for place, (answer, clause) in enumerate(self.clauses):
            if self.true(clause, effects):
                return place, answer
        return -1, "cannot tell"

    def true(self, clause: str, effects: Effects) -> bool:
        """Whether a condition is met; its parts for several cases are joined by "and"."""
        cases = "|".join(map(re.escape, self.cases)) or "(?!)"
        several = rf", for (each|at least one) of: ((?:{cases})(?:; (?:{cases}))*)"
        *parts, rest = re.split(several, clause)
        found = []
        for said, how, listed in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            each = [
                self.group(said.removeprefix(" and "), effects, self.cases[case])
                for case in listed.split("; ")
            ]
            found.append(all(each) if how == "each" else any(each))
        if rest:
            found.append(self.group(rest.removeprefix(" and "), effects, ""))
        return all(found)

    def group(self, said: str, effects: Effects, case: str) -> bool:
        """Conditions joined by "and", or by "or"."""
        found, joints, end = [], set(), 0
        for atom in self.atom.finditer(said):
            if atom.start():
                joints.add(said[end : atom.start()])
            found.append(self.one(*atom.groups(), effects, case))
            end = atom.end()
        assert found, f"nothing is said of effects: {said!r}"
        assert end == len(said), f"more is said: {said[end:]!r}"
        assert joints in (set(), {" and "}, {", or "}), f"read both ways: {said!r}"
        return any(found) if joints == {", or "} else all(found)

    def one(self, some: str, name: str, lies: str, bound: str, effects: Effects, case: str) -> bool:
        """A condition on an effect, or on several."""
        end, compare = LIES[lies]
        (pattern,) = [p for p in self.names[name] if ("$" in p) == bool(case) or "$" not in p][:1]
        pattern = pattern.replace("$", case)
        meant = [e for n, e in effects.items() if matches(pattern, n)]
        assert meant, f"there is no effect {pattern}"
        found = [compare(getattr(e, end), float(bound)) for e in meant]
        return any(found) if some else all(found)


def matches(pattern: str, name: str) -> bool:
    """Whether an id is meant by another one, or by the beginning of several and a star."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def read_parts(rule: PerPart, text: str, effects: Effects) -> str:
    """The answer of a printed `PerPart`: each part by its size, and the answers joined."""
    said = dict(sentences(text))
    sizes = re.findall(r"-?\d[\d.]*", said["holds"].removeprefix(rule.gain))
    (zero,) = re.findall(r"otherwise, if above (-?[\d.]+)", said["holds in part"])
    found = []
    for place, part in enumerate(rule.parts):
        low, high = effects[part.effect].low, effects[part.effect].high
        size = float(sizes[min(place, len(sizes) - 1)])
        answers = (
            (low >= size, "holds"), (high < size, "does not hold"), (low > float(zero), "in part"),
        )  # fmt: skip
        found.append(next((answer for there, answer in answers if there), "cannot tell"))
    if len(set(found)) == 1:
        return found[0].replace("in part", "holds in part")
    assert "Where they differ: in part if one holds at least in part; else it does not hold" in text
    if {"holds", "in part"} & set(found):
        return "holds in part"
    return "does not hold"


def cases_in(found: Any) -> list[Mapping[str, str]]:
    """The cases that conditions are about, by id."""
    if hasattr(found, "cases"):
        return [found.cases]
    if isinstance(found, tuple):
        return [cases for one in found for cases in cases_in(one)]
    names = getattr(found, "__struct_fields__", ())
    return [cases for name in names for cases in cases_in(getattr(found, name))]


def intervals_in(rule: Rule | PerPart, ids: Iterable[str]) -> dict[str, set[float]]:
    """The numbers that a rule compares each effect with."""
    found: dict[str, set[float]] = {}
    if isinstance(rule, PerPart):
        return {part.effect: {part.least, rule.zero} for part in rule.parts}
    known = list(ids)
    intervals: list[Interval] = [i for c in rule.clauses for i in c.when.intervals()]
    for interval in intervals:
        meant = [name for name in known if matches(interval.effects, name)]
        assert meant, f"the rule names {interval.effects}, and no effect is called so"
        for name in meant:
            found.setdefault(name, set()).add(interval.bound)
    return found


def drawn_effects(experiment: Experiment, draws: int) -> Iterator[dict[str, Effect]]:
    """Effects whose intervals end on, just above and just below the numbers of the rule, and far
    from them; in every second draw, effects of one kind mostly alike."""
    ids = [spec.id for spec in experiment.effects] or ["steps/best", "time/best"]
    bounds, rng = intervals_in(experiment.rule, ids), random.Random(0)
    for place in range(draws):
        kinds: dict[Any, tuple[float, float]] = {}
        found = {}
        for name, numbers in bounds.items():
            kind = (name.split("/")[0], frozenset(numbers)) if place % 2 else name
            if kind not in kinds or rng.random() < 0.1 * (place % 4):
                ends = [number + away for number in numbers for away in (-1, -0.01, 0, 0.01, 1)]
                low, high = sorted(rng.choices(ends, k=2))
                kinds[kind] = low, high
            low, high = kinds[kind]
            found[name] = Effect(
                name, (low + high) / 2, low, high, "points", id=name, seeds=5, about="here"
            )
        yield found
