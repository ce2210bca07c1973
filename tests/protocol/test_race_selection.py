"""Goal and learning rates: chosen by rules that favour no arm, on seeds of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evenbatch.protocol.cells import TUNING_SEED
from evenbatch.protocol.tuning import Search, Tried
from evenbatch.protocol.verdict import ExperimentError
from support.curves import CHANCE
from support.races import Arm, arms, curves_of, race_of, raced


def searched(*rows: Tried, learned: bool = True) -> Search:
    """A search in which one arm tried these."""
    return Search(floor=CHANCE, noise=0.05 if learned else 0.5, tried={"batch": rows})


def tried(rate: float, steps: float, level: float = 0.9) -> Tried:
    return Tried(rate, level, steps, 5, 0, ())


# The goal.


def test_the_goal_lies_on_the_way_to_the_weaker_arms_best() -> None:
    found, _ = raced(race_of(seeds=1), arms(Arm(200, top=0.8), Arm(40, top=1.0)))
    assert found.goal.value == pytest.approx(CHANCE + 0.9 * 0.3)
    assert found.goal.bar == pytest.approx(0.8)
    assert "weaker" in found.goal.rule()


def test_the_goal_does_not_ask_which_arm_is_which() -> None:
    a, b = Arm(200, top=0.8), Arm(40, top=1.0)
    there, _ = raced(race_of(seeds=1), arms(a, b))
    back, _ = raced(race_of(seeds=1), arms(b, a))
    assert there.goal == back.goal


def test_an_arm_that_learned_nothing_sets_no_goal() -> None:
    found, verdict = raced(race_of(), arms(Arm(100, top=0.51), Arm(40, top=1.0)))
    assert found.goal.value == pytest.approx(CHANCE + 0.9 * 0.5)
    assert not found.goal.weaker
    assert any("the other learned next to nothing" in note for note in verdict.notes)


def test_no_goal_if_nothing_was_learned() -> None:
    found, verdict = raced(race_of(), arms(Arm(100, top=0.51), Arm(40, top=0.52)))
    assert found.search.goal is None
    assert found.meetings == ()
    assert verdict.reason.startswith(
        "400 test rows cannot tell what was learned from luck: the best"
    )
    assert verdict.reason.endswith("it would take 57.5 %")


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (0.5, r"the goal, 50.0 %, is not above chance, 50.0 %"),
        (0.2, "not above chance"),
        (math.nan, "not above chance"),
        (93, "the goal is 93, but accuracy cannot exceed 1. A goal of 93 % is written 0.93"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused(goal: float, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        curves_of(race_of(goal=goal), arms(Arm(100), Arm(50)))


def test_a_goal_out_of_reach_says_what_was_reached() -> None:
    both = arms(Arm(200, top=0.9), Arm(50, top=0.95))
    with pytest.raises(ExperimentError, match=r"no run of either arm reached the goal 99.0 %") as e:
        curves_of(race_of(goal=0.99), both)
    assert "no normalization at 90.0 % and batch norm at 95.0 %" in str(e.value)
    assert "in 1000 steps" in str(e.value)


def test_a_goal_that_was_asked_for_is_taken() -> None:
    found, verdict = raced(race_of(goal=0.6), arms(Arm(200), Arm(50)))
    assert found.goal.value == 0.6
    assert found.goal.rule() == "asked for"
    assert "60.0 % was reached" in verdict.sentence


# The grid.


def grown(*rows: Tried, learned: bool = True) -> list[float]:
    from evenbatch.protocol.tuning import _grown

    return _grown(searched(*rows, learned=learned), rows)


def test_a_grid_grows_towards_its_best_end() -> None:
    assert grown(tried(0.1, 10), tried(0.316, 20)) == [0.0316]
    assert grown(tried(0.1, 20), tried(0.316, 10)) == [1.0]
    assert grown(tried(0.1, 20), tried(0.316, 10), tried(1, 20)) == []
    assert grown(tried(1e-12, 10), tried(3.16e-12, 20)) == []
    assert grown(tried(31.6, 20), tried(100, 10)) == []


def test_a_grid_grows_for_an_arm_that_learned_nothing_where_that_may_help() -> None:
    calm = [tried(0.1, 10), tried(0.316, 20)]
    assert grown(*calm, learned=False) == [1.0]
    wild = [replace(row, diverged=2) for row in calm]
    assert grown(*wild, learned=False) == [0.0316]
    assert grown(tried(0.001, 10), *wild, learned=False) == [0.000316]
    assert grown(tried(0.000316, 10), *wild, learned=False) == []


def test_equal_steps_are_decided_by_the_level_then_by_the_lower_rate() -> None:
    assert searched(tried(0.1, 10, 0.8), tried(0.2, 10, 0.9)).best == {"batch": 0.2}
    assert searched(tried(0.1, 10), tried(0.2, 10)).best == {"batch": 0.1}


def test_a_best_rate_at_an_end_is_at_an_edge() -> None:
    assert searched(tried(0.1, 10), tried(0.2, 20)).at_edge == ("batch",)
    assert searched(tried(0.1, 20), tried(0.2, 10), tried(0.3, 20)).at_edge == ()


@pytest.mark.parametrize(("best", "expected"), [(2e-4, 1.78e-4), (0.1, 0.1), (50, 56.2)])
def test_the_best_rate_is_found_wherever_it_lies(best: float, expected: float) -> None:
    found, _ = raced(race_of(seeds=1), arms(Arm(100, best=best, spread=0), Arm(50, spread=0)))
    assert found.search.best == {"none": expected, "batch": 0.1}
    assert found.search.at_edge == ()


def test_rates_of_ones_own_are_kept_and_their_edge_is_told() -> None:
    study = race_of(seeds=5, rates=(0.3, 0.1, 0.3))
    both = arms(Arm(100, best=1.0), Arm(50, best=0.01))
    curves = curves_of(study, both)
    assert {found.trial.learning_rate for found in curves.values()} == {0.1, 0.3}
    found, verdict = raced(study, both)
    assert found.search.best == {"none": 0.3, "batch": 0.1}
    assert found.search.at_edge == ("none", "batch")
    assert sum("lowest or highest tried" in note for note in verdict.notes) == 2


# Seeds of their own.


def test_search_and_measurement_share_no_seed() -> None:
    study = race_of(seeds=7, seed=3)
    curves = curves_of(study, arms(Arm(100, best=1.0), Arm(50, best=0.01)))
    seeds = {found.trial.seed for found in curves.values()}
    assert seeds == {*range(3, 10), *range(3 + TUNING_SEED, 8 + TUNING_SEED)}


def test_a_learning_rate_that_won_by_luck_wins_nothing() -> None:
    """The ratio does not move when the tuning seeds alone are made luckier."""
    study, both, lucky = race_of(rates=(0.1,)), arms(Arm(200), Arm(50)), Arm(10)
    curves = curves_of(study, both)
    plain = study.finding(curves, [])
    luck = {
        key: lucky.curve(found.trial)
        if found.trial.seed >= TUNING_SEED and found.trial.network.norm == "batch"
        else found
        for key, found in curves.items()
    }
    # A faster search changes how often the measured runs are evaluated, so these are drawn anew.
    while wanted := study.trials(luck).trials:
        luck |= {trial.key: both[trial.network.norm].curve(trial) for trial in wanted}
    told = study.finding(luck, [])
    assert plain is not None
    assert told is not None
    first, second = (each.effects["steps/best"].value for each in (plain, told))
    assert second == pytest.approx(first, rel=0.02)
