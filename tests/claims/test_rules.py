"""What a rule prints is what it applies: the printed text, read by itself, says the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from evenbatch.claims import CLAIMS
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.rule import PerPart, Rule, joined
from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Effect
from support.printed import Reader, drawn_effects, intervals_in, matches, read_parts
from support.studies import NEEDED, study_of

DRAWS = 1500


def asked(claim: str) -> Experiment:
    experiment: Experiment = study_of(claim).experiment
    return experiment


def ids_of(experiment: Experiment) -> list[str]:
    """Ids of its effects; a race has those of best against best."""
    return [spec.id for spec in experiment.effects] or ["steps/best", "time/best"]


def applied(rule: Rule | PerPart, effects: dict[str, Effect]) -> tuple[int, str]:
    """Which clause decides, −1 for none or where there are only parts; and the answer."""
    clauses = getattr(rule, "clauses", ())
    true = (place for place, clause in enumerate(clauses) if clause.when.holds(effects))
    return next(true, -1), rule.apply(effects).answer


def reader_of(rule: Any, text: str) -> Callable[[dict[str, Effect]], tuple[int, str]]:
    """The same as the printed text has it."""
    if isinstance(rule, PerPart):
        return lambda effects: (-1, read_parts(rule, text, effects))
    return Reader(rule, text).decides


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_printed_rule_is_the_one_that_is_applied(claim: str) -> None:
    experiment = asked(claim)
    rule, text = experiment.rule, experiment.rule.text()
    said, decided = reader_of(rule, text), set()
    for effects in drawn_effects(experiment, DRAWS):
        found = applied(rule, effects)
        assert found == said(effects), f"{text}\n{effects}"
        decided.add(found[0])
    if isinstance(rule, Rule):
        assert set(range(len(rule.clauses))) <= decided, "a clause that never decides"


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_printed_rule_names_every_number_and_the_seeds_it_needs(claim: str) -> None:
    experiment = asked(claim)
    text = experiment.rule.text()
    said = {float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", text)}
    for numbers in intervals_in(experiment.rule, ids_of(experiment)).values():
        assert numbers <= said
    assert "fewer than 5 seeds" in text
    assert "95 % intervals" in text


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_effect_of_too_few_seeds_is_never_judged(claim: str) -> None:
    experiment = asked(claim)
    for effects in drawn_effects(experiment, 20):
        for name, effect in effects.items():
            few = experiment.rule.apply(effects | {name: replace(effect, seeds=4)})
            assert few.answer == CANNOT_TELL
            assert NEEDED in few.reason


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_effect_that_a_rule_names_is_measured(claim: str) -> None:
    experiment = asked(claim)
    rule, ids = experiment.rule, ids_of(experiment)
    assert set(intervals_in(rule, ids)) <= set(ids)
    assert set(rule.needs) <= set(ids)
    if isinstance(rule, Rule):
        used = {i.effects for clause in rule.clauses for i in clause.when.intervals()}
        named = {pattern.replace("$", ".*") for pattern in rule.names}
        for name in used:
            assert any(re.fullmatch(p.replace("*", ".*"), name) for p in named), name
        for pattern in rule.names:
            if "$" not in pattern:
                assert any(matches(pattern, name) for name in ids), f"{pattern} names nothing"


SLIPS = [
    ("speed", "Holds: the ratio of steps above 5", "Holds: the ratio of steps above 4"),
    ("speed", "of time at or above 3. Holds in part", "of time above 3. Holds in part"),
    ("depth", "no normalization below 1, for each", "no normalization at or below 1, for each"),
    ("depth", "for at least one of: residual", "for each of: residual"),
    ("gradients", "and some of the decades of change left", "and the decades of change left"),
    ("placement", "at or below -1", "below -1"),
    ("covariate-shift", "Holds in part: that drift", "Holds: that drift"),
    ("epsilon", "at or above 1", "at or above 2"),
    ("epsilon", "if above 0", "if above 1"),
    ("ioffe-2015", "0.1 at the end", "0.2 at the end"),
]


@pytest.mark.parametrize(("claim", "printed", "slip"), SLIPS)
def test_a_rule_that_printed_something_else_would_be_noticed(
    claim: str, printed: str, slip: str
) -> None:
    experiment = asked(claim)
    text = experiment.rule.text()
    assert printed in text
    said = reader_of(experiment.rule, text.replace(printed, slip, 1))
    drawn = drawn_effects(experiment, DRAWS)
    assert any(said(effects) != applied(experiment.rule, effects) for effects in drawn)


# Ends of a rule.

LOW_HIGH = {
    "at 3": ((3.0, 4.0), (3.0, 4.0), HOLDS),
    "just below 3 in time": ((3.0, 4.0), (2.99, 4.0), IN_PART),
    "just below 3 in steps": ((2.99, 4.0), (3.0, 4.0), IN_PART),
    "faster, below 3": ((1.2, 2.0), (1.1, 1.9), IN_PART),
    "at 1": ((1.0, 2.0), (1.0, 1.9), FAILS),
    "more steps, less time": ((0.5, 0.9), (1.1, 1.9), IN_PART),
    "wide": ((0.9, 3.5), (0.8, 3.1), CANNOT_TELL),
    "wide in steps only": ((0.9, 3.5), (0.8, 2.9), FAILS),
}


def ratios(steps: tuple[float, float], seconds: tuple[float, float]) -> dict[str, Effect]:
    return {
        f"{kind}/best": Effect("", (a * b) ** 0.5, a, b, "", id=f"{kind}/best", seeds=5)
        for kind, (a, b) in (("steps", steps), ("time", seconds))
    }


@pytest.mark.parametrize(("steps", "seconds", "answer"), LOW_HIGH.values(), ids=LOW_HIGH)
def test_limits_of_the_rule_of_speed(
    steps: tuple[float, float], seconds: tuple[float, float], answer: str
) -> None:
    assert asked("speed").rule.apply(ratios(steps, seconds)).answer == answer


def test_more_than_claimed_only_above_five() -> None:
    rule, six = asked("speed").rule, (5.1, 7.0)
    assert rule.apply(ratios(six, six)).note == "more than claimed"
    at_five = rule.apply(ratios((5.0, 7.0), six))
    assert (at_five.answer, at_five.note) == (HOLDS, "")


def test_without_a_needed_effect_nothing_is_told() -> None:
    alone = {"steps/best": ratios((4, 5), (4, 5))["steps/best"]}
    decided = asked("speed").rule.apply(alone)
    assert (decided.answer, decided.reason) == (CANNOT_TELL, "the steps were not timed")


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, FAILS], IN_PART),
        ([IN_PART, FAILS], IN_PART),
        ([IN_PART, IN_PART], IN_PART),
        ([HOLDS, CANNOT_TELL], IN_PART),
        ([FAILS, FAILS], FAILS),
        ([FAILS, CANNOT_TELL], FAILS),
        ([CANNOT_TELL, CANNOT_TELL], CANNOT_TELL),
    ],
)
def test_answers_to_parts_are_joined(parts: list[str], whole: str) -> None:
    assert joined(parts) == joined(parts[::-1]) == whole


def test_a_rule_is_the_same_after_json() -> None:
    for claim in CLAIMS:
        rule = asked(claim).rule
        again = msgspec.json.decode(msgspec.json.encode(rule), type=Rule | PerPart)
        assert again == rule
        assert again.text() == rule.text()
