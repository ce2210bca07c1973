"""The rule of the race must be able to say no: verdicts on curves whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS, EFFORTS, race_study
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, SettingError
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.goals import chance
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.picked import balanced
from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Effect, Verdict
from support.curves import tea
from support.races import LOST, Arm, arms, curves_of, race_of, raced, timed_of
from support.studies import NEEDED, by_id


def held(without: Arm, with_norm: Arm, **settings: Any) -> Verdict:
    return raced(race_of(**settings), arms(without, with_norm))[1]


@pytest.mark.parametrize(
    ("without", "with_norm", "answer", "reason"),
    [
        (Arm(200), Arm(200), FAILS, "3 times is ruled out"),
        (Arm(100), Arm(200), FAILS, "3 times is ruled out"),
        (Arm(400), Arm(100), HOLDS, "in steps and in time"),
        (Arm(400), Arm(40), HOLDS, "in steps and in time"),
        (Arm(200), Arm(100), IN_PART, "less than 3 times"),
        (Arm(400), Arm(100, second=90), IN_PART, "3 times in steps"),
        (Arm(200), Arm(100, second=150), FAILS, "3 times is ruled out"),
        (Arm(300, spread=1.2), Arm(200, spread=1.2), CANNOT_TELL, "both no gain and 3 times"),
    ],
    ids=["none", "reversed", "4x", "10x", "2x", "slow steps", "all lost in time", "noise"],
)
def test_effects_are_judged_as_they_are(
    without: Arm, with_norm: Arm, answer: str, reason: str
) -> None:
    verdict = held(without, with_norm)
    assert (verdict.answer, reason in verdict.reason) == (answer, True), verdict.sentence


def test_more_than_claimed_is_added_to_the_answer() -> None:
    verdict = held(Arm(400), Arm(40))
    assert verdict.note == "more than claimed"
    assert verdict.note in verdict.sentence
    assert held(Arm(400), Arm(100)).note == ""


@pytest.mark.parametrize("factor", [1.0, 4.0, 10.0])
def test_the_interval_holds_the_true_ratio(factor: float) -> None:
    found = by_id(held(Arm(60 * factor), Arm(60), seeds=20))
    steps, seconds = found["steps/best"], found["time/best"]
    assert steps.low <= factor <= steps.high
    assert steps.low > 0.85 * factor
    assert seconds.value == pytest.approx(steps.value)  # a step takes the same time in both arms


def test_the_ratio_does_not_depend_on_which_arm_is_slower() -> None:
    ahead = held(Arm(300), Arm(100, spread=0))
    behind = held(Arm(100), Arm(300, spread=0))
    assert behind.effects[0].value < 0.5
    assert "times more steps" in behind.sentence
    assert "times fewer steps" in ahead.sentence


def test_four_seeds_are_too_few() -> None:
    verdict = held(Arm(400), Arm(40), seeds=4)
    assert (verdict.answer, NEEDED in verdict.reason) == (CANNOT_TELL, True)


def test_both_arms_diverging_is_no_result() -> None:
    study = race_of(rates=(0.1, 1))
    verdict = study.verdict(curves_of(study, arms(LOST, LOST)), [])
    assert verdict.answer == CANNOT_TELL
    assert "all 20 runs diverged at learning rates from 0.1 to 1" in verdict.sentence


def test_an_arm_that_never_gets_there_gives_a_bound() -> None:
    verdict = held(LOST, Arm(50), rates=(0.1, 1))
    assert verdict.answer == HOLDS
    assert by_id(verdict)["steps/best"].bound == "at least"
    assert "none of 10 runs within 1000 steps" in verdict.sentence
    assert any("10 of 10 runs with no normalization" in note for note in verdict.notes)


def test_a_normalized_arm_that_never_gets_there_does_not_hold() -> None:
    verdict = held(Arm(50), LOST, rates=(0.1, 1))
    assert verdict.answer == FAILS
    steps = by_id(verdict)["steps/best"]
    assert steps.bound == "at most"
    assert steps.high < 1


def test_normalized_runs_that_diverge_now_and_then_count_against_it() -> None:
    """A ratio of 4 with half of the normalized runs lost must not be called 4."""
    frail = Arm(100, diverges=lambda seed: seed < 100 and seed % 2 == 0)
    verdict = held(Arm(400), frail)
    assert verdict.answer != HOLDS
    assert by_id(verdict)["steps/best"].low < 1
    assert any("5 of 10 runs with batch norm" in note for note in verdict.notes)


def test_without_timing_nothing_is_claimed_about_time() -> None:
    _, verdict = raced(race_of(), arms(Arm(400), Arm(40)), timed=False)
    assert (verdict.answer, verdict.reason) == (CANNOT_TELL, "the steps were not timed")
    assert not [name for name in by_id(verdict) if name.startswith("time/")]


def test_before_and_during_the_measurement_there_is_a_verdict_too() -> None:
    study = race_of()
    assert "nothing is measured" in study.verdict({}, []).sentence
    curves = curves_of(study, arms(Arm(400), Arm(40)))
    whole = [key for key, found in curves.items() if found.trial.seed < 1000]
    for key in whole[6:]:  # three seeds with two runs each are left
        del curves[key]
    verdict = study.verdict(curves, [])
    assert any("3 of 10 seeds" in note for note in verdict.notes)
    for key in whole:
        curves.pop(key, None)
    assert "no seed was measured" in study.verdict(curves, []).sentence


def test_the_statement_says_what_is_raced() -> None:
    study = race_of(norm="layer")
    stated = study.statement
    assert "layer norm" in stated.question
    assert [name for name, _ in stated.arms] == ["none", "layer"]
    assert stated.rule == study.experiment.rule.text()
    assert "1502.03167" in stated.source
    assert "0.01, 0.1" in race_of(rates=(0.1, 0.01)).statement.grid
    asked_for, chosen = race_of(goal=0.9).statement, stated
    assert "asked for" in asked_for.fairness
    assert "asked for" not in chosen.fairness


def test_a_group_norm_races_too() -> None:
    trial = race_of(norm="group").networks.trial("group", 0.1, 0, 0)
    assert trial.network == Network(inputs=3, hidden=(64,) * 3, outputs=2, norm="group")


def test_quick_means_fewer_seeds_and_still_enough() -> None:
    plans = []
    for effort in EFFORTS.values():
        study = CLAIMS["speed"].on(tea(), effort)
        assert isinstance(study, RaceStudy)
        plans.append(study.plan.seeds)
    assert plans == sorted(set(plans))
    assert plans[0] >= 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm": "none"}, "norm is 'none', as the other arm's"),
        ({"norm": "bach"}, "did you mean 'batch'"),
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 10000"),
        ({"depth": 0}, "depth is 0; it must be from 1 to 200"),
        ({"rates": (0.1, 0.0)}, "the learning rate 0 must be above 0"),
        ({"rates": (float("nan"),)}, "the learning rate nan must be above 0"),
        ({"batch_size": 500}, "batch_size is 500 but data set 'tea' has only 400 training rows"),
        ({"width": 6, "norm": "group"}, "groups is 4, which does not divide the width 6"),
        ({"steps": 0}, "steps is 0"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'"),
        ({"momentun": 0.9}, "neither Network nor Trial has momentun"),
    ],
)
def test_settings_that_cannot_be_raced_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises((SettingError, TypeError), match=message):
        race_of(**settings)


# On several data sets.


def test_the_conclusion_names_every_data_set_once() -> None:
    def ratio(name: str, value: float, bound: Any = "") -> Effect:
        unit = "times fewer steps" if name == "steps/best" else "times less time"
        return Effect("", value, 0.9 * value, 1.1 * value, unit, bound, name)

    effects = ratio("steps/best", 9.2, "at least"), ratio("time/best", 8.6)
    good = Verdict(HOLDS, "", "", effects, "")
    bad = Verdict(FAILS, "", "", (ratio("steps/best", np.nan), ratio("time/best", np.nan)), "")
    said = CLAIMS["speed"].conclude({"a": good, "b": good, "c": bad})
    assert said.startswith("“3–5 times faster” held here on a (")
    assert said.count("at least 9.2 times fewer steps, 8.6 times less time") == 2
    assert said.endswith("did not hold on c.")
    none = CLAIMS["speed"].conclude(dict.fromkeys("xyz", Verdict(CANNOT_TELL, "", "", (), "")))
    assert "on x, on y and on z" in none


def test_timing_that_did_not_end_counts_as_none() -> None:
    study, both = race_of(seeds=5), arms(Arm(400), Arm(40))
    curves = curves_of(study, both)
    timed = timed_of(study, both, curves)
    verdict = study.verdict(curves, timed[:3])
    assert verdict.reason == "the steps were not timed"
    assert "time/best" in by_id(study.verdict(curves, timed[:4]))


def rare(share: float) -> Dataset:
    """Two classes apart by one column, of which the second has this share of the rows."""
    y = (np.arange(1000) % 100 < 100 * share).astype(np.int64)
    noise = np.random.default_rng(0).normal(size=(1000, 3))
    x = (noise + np.outer(y, [1.5, 0, 0])).astype(np.float32)
    return Dataset(
        "fraud", "classification", x[:600], y[:600], x[600:], y[600:], tuple("abc"), ("no", "yes")
    )


def test_where_most_rows_are_of_one_class_as_many_of_each_are_tested() -> None:
    data = race_study(rare(0.05)).data
    assert data.name == "fraud, 40 balanced test rows of 400"
    assert np.bincount(data.y_test).tolist() == [20, 20]
    assert chance(data) == 0.5  # of the 95 % that always answering "no" would have
    assert race_study(rare(0.3)).data.name == "fraud"
    few = race_study(rare(0.01)).data  # four rows cannot set the number of the others
    assert np.bincount(few.y_test).tolist() == [4, 4]
    study = race_study(rare(0.05), seeds=5, tuning=1, steps=60)
    sentence = carry_out(study, threads=1).verdict(study).sentence
    assert sentence.startswith("fraud, 40 balanced test rows of 400: ")


def test_a_class_of_a_few_rows_does_not_set_the_number_of_the_others() -> None:
    labels = np.repeat([0, 1, 2], [180, 18, 2])
    kept = balanced(labels, 1000, seed=0)
    assert kept is not None
    assert np.bincount(labels[kept]).tolist() == [18, 18, 2]
    assert kept == sorted(set(kept))
    few = balanced(labels, 30, seed=0)
    assert few is not None
    assert np.bincount(labels[few]).tolist() == [10, 10, 2]
