"""The rule must be able to say no: verdicts on curves whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from race_models import Model, curves_of, held, tea

from evenbatch.claims.speed import Race, Speed, judge, summary
from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Effect, Verdict

FEWER, LESS = "times fewer steps", "times less time"


def arms(without: Model, with_norm: Model) -> dict[str, Model]:
    return {"none": without, "batch": with_norm}


@pytest.mark.parametrize(
    ("without", "with_norm", "answer", "reason"),
    [
        (Model(200), Model(200), FAILS, "3 times is ruled out"),
        (Model(100), Model(200), FAILS, "3 times is ruled out"),
        (Model(400), Model(100), HOLDS, "in steps and in time"),
        (Model(400), Model(40), HOLDS, "more than claimed"),
        (Model(200), Model(100), IN_PART, "less than 3 times"),
        (Model(400), Model(100, second=90), IN_PART, "3 times in steps"),
        (Model(200), Model(100, second=150), FAILS, "3 times is ruled out"),
        (Model(300, spread=1.5), Model(200, spread=1.5), CANNOT_TELL, "both no gain and 3 times"),
    ],
    ids=["none", "reversed", "4x", "10x", "2x", "slow steps", "all lost in time", "noise"],
)
def test_effects_are_judged_as_they_are(
    without: Model, with_norm: Model, answer: str, reason: str
) -> None:
    verdict = held(Race(tea()), arms(without, with_norm))
    assert (verdict.answer, reason in verdict.reason) == (answer, True), verdict.sentence


@pytest.mark.parametrize("factor", [1.0, 4.0, 10.0])
def test_the_interval_holds_the_true_ratio(factor: float) -> None:
    verdict = held(Race(tea(), seeds=20), arms(Model(60 * factor), Model(60)))
    steps, seconds = verdict.effects[:2]
    assert steps.low <= factor <= steps.high
    assert steps.low > 0.85 * factor
    assert seconds.value == pytest.approx(steps.value)  # a step takes the same time in both models


def test_ratio_does_not_depend_on_which_arm_is_slower() -> None:
    ahead = held(Race(tea()), arms(Model(300), Model(100, spread=0)))
    behind = held(Race(tea()), arms(Model(100), Model(300, spread=0)))
    assert behind.effects[0].value < 0.5
    assert "times more steps" in behind.sentence
    assert "times fewer steps" in ahead.sentence


def test_four_seeds_are_too_few() -> None:
    verdict = held(Race(tea(), seeds=4), arms(Model(400), Model(40)))
    assert verdict.answer == CANNOT_TELL
    assert "only 4 seeds told anything and at least 5 are needed" in verdict.reason


def test_both_arms_diverging_is_no_result() -> None:
    lost = Model(100, diverges=lambda _seed: True)
    verdict = held(Race(tea()), arms(lost, lost))
    assert verdict.answer == CANNOT_TELL
    assert "neither arm learned anything in 1000 steps" in verdict.sentence


def test_an_arm_that_never_gets_there_gives_a_bound() -> None:
    lost = Model(100, diverges=lambda _seed: True)
    verdict = held(Race(tea()), arms(lost, Model(50)))
    assert verdict.answer == HOLDS
    assert verdict.effects[0].bound == "at least"
    assert "without it in no run within 1000" in verdict.sentence
    assert any("10 of 10 runs without normalization" in note for note in verdict.notes)


def test_a_normalized_arm_that_never_gets_there_does_not_hold() -> None:
    lost = Model(100, diverges=lambda _seed: True)
    verdict = held(Race(tea()), arms(Model(50), lost))
    assert verdict.answer == FAILS
    assert verdict.effects[0].bound == "at most"
    assert verdict.effects[0].high < 1


def test_normalized_runs_that_diverge_now_and_then_count_against_it() -> None:
    """A ratio of 4 with half of the normalized runs lost must not be called 4."""
    frail = Model(100, diverges=lambda seed: seed < 100 and seed % 2 == 0)
    verdict = held(Race(tea()), arms(Model(400), frail))
    assert verdict.answer != HOLDS
    assert verdict.effects[0].low < 1
    assert any("5 of 10 runs with batch norm" in note for note in verdict.notes)


def test_without_timing_nothing_is_claimed_about_time() -> None:
    race = Race(tea())
    curves = curves_of(race, arms(Model(400), Model(40)))
    verdict = Speed(race).verdict(curves, [])
    assert verdict.answer == CANNOT_TELL
    assert verdict.reason == "the steps were not timed"
    assert len([e for e in verdict.effects if e.unit == LESS]) == 0


def test_before_and_during_the_measurement_there_is_a_verdict_too() -> None:
    race = Race(tea())
    models = arms(Model(400), Model(40))
    assert "not chosen yet" in Speed(race).verdict({}, []).sentence
    curves = curves_of(race, models)
    measured = [k for k, c in curves.items() if c.trial.seed < 1000]
    for key in measured[6:]:  # three seeds with two trainings each are left
        del curves[key]
    verdict = Speed(race).verdict(curves, [])
    assert "Only 3 of 10 seeds were measured." in verdict.notes
    for key in measured:
        curves.pop(key, None)
    assert "no seed was measured" in Speed(race).verdict(curves, []).sentence


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


@pytest.mark.parametrize(("steps", "seconds", "answer"), LOW_HIGH.values(), ids=LOW_HIGH)
def test_limits_of_the_rule(
    steps: tuple[float, float], seconds: tuple[float, float], answer: str
) -> None:
    effects = [Effect("", math.sqrt(a * b), a, b, "") for a, b in (steps, seconds)]
    assert judge(*effects, seeds=5)[0] == answer
    assert judge(*effects, seeds=4)[0] == CANNOT_TELL


def test_more_than_claimed_only_above_five() -> None:
    five, six = Effect("", 6, 5.0, 7, FEWER), Effect("", 6, 5.1, 7, FEWER)
    assert judge(six, six, 5) == (HOLDS, "more than claimed")
    assert judge(five, six, 5) == (HOLDS, "in steps and in time")


def test_the_statement_says_what_the_rule_does() -> None:
    statement = Speed(Race(tea(), norm="layer")).statement
    assert "layer norm" in statement.question
    assert statement.arms == (("none", "without normalization"), ("layer", "with layer norm"))
    assert "both intervals at or above 3" in statement.rule
    assert "fewer than 5 seeds" in statement.rule
    assert "1502.03167" in statement.source
    assert "0.01, 0.1" in Speed(Race(tea(), grid=(0.1, 0.01))).statement.grid


def test_an_answer_outside_the_four_is_refused() -> None:
    with pytest.raises(ValueError, match="answer is 'yes'; it must be one of holds, "):
        Verdict("yes", "", "", (), "")


def test_summary_names_every_data_set_once() -> None:
    effects = Effect("", 9.2, 8, 10, FEWER, "at least"), Effect("", 8.6, 7, 9, LESS)
    good = Verdict(HOLDS, "", "", effects, "")
    bad = Verdict(FAILS, "", "", (Effect("", np.nan, 0, np.inf, FEWER),) * 2, "")
    assert summary({"a": good, "b": good, "c": bad}) == (
        "“3–5 times faster” held here on a (at least 9.2 times in steps, 8.6 in time) and on b "
        "(at least 9.2 times in steps, 8.6 in time); did not hold on c."
    )
    three = summary(dict.fromkeys("xyz", Verdict(CANNOT_TELL, "", "", (), "")))
    assert three == "“3–5 times faster” could not be told here on x, on y and on z."
