"""Goal and learning rates: chosen by rules that favour no arm, on seeds of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from race_models import CHANCE, Model, curves_of, tea

from evenbatch.claims import ExperimentError
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Network, Trial
from evenbatch.protocol import selection
from evenbatch.protocol.race import MOST_SEEDS, TUNING_SEED, Race
from evenbatch.protocol.selection import Row, choose_goal, grown, steps_to

NET = Network(inputs=3, hidden=(4,), outputs=2)


def curve(metric: list[float], every: int = 10, steps: int = 100, ended: str = "finished") -> Curve:
    values = np.array(metric)
    step, blank = every * np.arange(len(values)), np.full(len(values), np.nan)
    trial = Trial(NET, steps=steps)
    return Curve(trial, step, blank, blank, blank, values, blank, blank, ended, int(step[-1]))


def arm(*tops: float) -> selection.Arm:
    return {0.1 * (i + 1): [curve([0.5, *[top] * 10])] for i, top in enumerate(tops)}


# Steps to a goal.


def test_the_goal_must_be_held() -> None:
    touched = curve([0.5, 0.9, 0.5, 0.5, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert steps_to(touched, 0.9) == 50
    assert touched.steps_to(0.9) == 10


def test_a_dip_that_leaves_the_average_up_is_allowed() -> None:
    dip = curve(
        [0.5, 0.99, 0.99, 0.6, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99], every=2, steps=100
    )
    assert steps_to(dip, 0.8) == pytest.approx(2 * 0.3 / 0.49)


def test_a_touch_at_the_very_end_cannot_be_held() -> None:
    assert steps_to(curve([0.5] * 10 + [0.9]), 0.8) == math.inf
    assert steps_to(curve([0.5] * 9 + [0.9, 0.9]), 0.8) == math.inf
    assert steps_to(curve([0.5] * 8 + [0.9] * 3), 0.8) == pytest.approx(70 + 10 * 0.3 / 0.4)


def test_the_step_lies_on_the_line_between_two_evaluations() -> None:
    assert steps_to(curve([0.0, 1.0] + [1.0] * 9), 0.25) == pytest.approx(2.5)
    assert steps_to(curve([0.9] * 11), 0.25) == 0


@pytest.mark.parametrize("metric", [[math.nan] * 11, [0.5], [0.5, math.nan, 0.9, math.nan]])
def test_what_never_gets_there_never_gets_there(metric: list[float]) -> None:
    assert steps_to(curve(metric), 0.95) == math.inf


# Chance, noise, levels.


def test_chance_is_the_best_guess_without_looking() -> None:
    x = np.zeros((10, 1), np.float32)
    labels = np.array([0] * 7 + [1] * 3)
    x[:, 0] = labels
    rare = Dataset("rare", "classification", x, labels, x, labels[::-1].copy(), ("a",), ("n", "y"))
    assert selection.chance(rare) == 0.7
    assert selection.chance(load("cookies-taste")) == 0
    assert selection.noise(tea(400)) == pytest.approx(3 * 0.5 / 20)


def test_the_level_is_the_mean_at_the_end() -> None:
    assert selection.level(curve([0.1] * 18 + [0.8, 0.9]), 0.5) == pytest.approx(0.85)
    assert selection.level(curve([0.9] * 20, ended="diverged"), 0.5) == 0.5
    assert selection.level(curve([0.9] * 19 + [math.nan]), 0.5) == 0.5
    assert selection.level(curve([0.2] * 20), 0.5) == 0.5


# The goal.


def test_the_goal_lies_on_the_way_to_the_weaker_arms_best() -> None:
    goal = choose_goal(tea(), {"none": arm(0.7, 0.8), "batch": arm(0.9, 1.0)}, None)
    assert goal is not None
    assert goal.value == pytest.approx(CHANCE + 0.9 * 0.3)
    assert (
        goal.rule
        == "90 % of the way from chance, 50.0 %, to the best the weaker arm reached, 80.0 %"
    )


def test_the_goal_does_not_ask_which_arm_is_which() -> None:
    a, b = arm(0.7, 0.8), arm(0.9, 1.0)
    there = choose_goal(tea(), {"none": a, "batch": b}, None)
    back = choose_goal(tea(), {"none": b, "batch": a}, None)
    assert there == back


def test_an_arm_that_learned_nothing_sets_no_goal() -> None:
    goal = choose_goal(tea(), {"none": arm(0.51), "batch": arm(1.0)}, None)
    assert goal is not None
    assert goal.value == pytest.approx(CHANCE + 0.9 * 0.5)
    assert "stronger arm reached" in goal.rule
    assert goal.rule.endswith("the other learned next to nothing")


def test_no_goal_if_nothing_was_learned() -> None:
    assert choose_goal(tea(), {"none": arm(0.51), "batch": arm(0.52)}, None) is None


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (0.5, "the goal 0.5 is not above chance, which is 0.5 on tea"),
        (0.2, "not above chance"),
        (math.nan, "not above chance"),
        (93, "the goal is 93, but accuracy cannot exceed 1. A goal of 93 % is written 0.93"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused_at_once(goal: float, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        Race(tea(), goal=goal)


def test_a_goal_out_of_reach_says_what_was_reached() -> None:
    race = Race(tea(), goal=0.99)
    models = {"none": Model(200, top=0.9), "batch": Model(50, top=0.95)}
    with pytest.raises(
        ExperimentError,
        match=r"no training of either arm reached the goal 0.99 in 1000 steps at any learning "
        r"rate; the best ended at without 0.9, with batch norm 0.95. Lower the goal or raise",
    ):
        curves_of(race, models)


# The grid.


def row(rate: float, steps: float, level: float = 0.9) -> Row:
    return Row(rate, level, steps, 5)


def test_a_grid_grows_towards_its_best_end() -> None:
    assert grown([row(0.1, 10), row(0.316, 20)], learned=True) == [0.0316]
    assert grown([row(0.1, 20), row(0.316, 10)], learned=True) == [1.0]
    assert grown([row(0.1, 20), row(0.316, 10), row(1, 20)], learned=True) == []
    assert grown([row(0.1, 10), row(0.316, 20)], learned=False) == [0.0316, 1.0]
    assert grown([row(1e-6, 10), row(3.16e-6, 20)], learned=True) == []
    assert grown([row(31.6, 20), row(100, 10)], learned=True) == []


def test_equal_steps_are_decided_by_the_level_then_by_the_lower_rate() -> None:
    assert selection.best([row(0.1, 10, 0.8), row(0.2, 10, 0.9)]).learning_rate == 0.2
    assert selection.best([row(0.2, 10), row(0.1, 10)]).learning_rate == 0.1


@pytest.mark.parametrize(("best", "expected"), [(2e-5, 1.78e-5), (0.1, 0.1), (50, 56.2)])
def test_the_best_rate_is_found_wherever_it_lies(best: float, expected: float) -> None:
    race = Race(tea(), seeds=1)
    models = {"none": Model(100, best=best, spread=0), "batch": Model(50, best=0.1, spread=0)}
    found = race.finding(curves_of(race, models), [])
    assert found is not None
    assert found.rates == {"none": expected, "batch": 0.1}
    assert found.at_edge == ()


def test_a_grid_of_ones_own_is_kept_and_its_edge_is_told() -> None:
    race = Race(tea(), seeds=5, grid=(0.3, 0.1, 0.3))
    curves = curves_of(race, {"none": Model(100, best=1.0), "batch": Model(50, best=0.01)})
    rates = {c.trial.learning_rate for c in curves.values()}
    assert rates == {0.1, 0.3}
    found = race.finding(curves, [])
    assert found is not None
    assert (found.rates, found.at_edge) == ({"none": 0.3, "batch": 0.1}, ("none", "batch"))


def test_selection_and_measurement_share_no_seed() -> None:
    race = Race(tea(), seeds=7, seed=3)
    curves = curves_of(race, {"none": Model(100, best=1.0), "batch": Model(50, best=0.01)})
    assert TUNING_SEED > MOST_SEEDS
    seeds = {c.trial.seed for c in curves.values()}
    assert seeds == {*range(3, 10), *range(3 + TUNING_SEED, 8 + TUNING_SEED)}


def test_a_learning_rate_that_won_by_luck_wins_nothing() -> None:
    """The ratio does not move when the selection seeds alone are made luckier."""
    race = Race(tea(), grid=(0.1,))
    models = {"none": Model(200), "batch": Model(50)}
    curves = curves_of(race, models)
    plain = race.finding(curves, [])
    lucky = Model(10)
    luck = {
        k: lucky.curve(c.trial)
        if c.trial.seed >= TUNING_SEED and c.trial.network.norm == "batch"
        else c
        for k, c in curves.items()
    }
    # A faster selection changes how often the measured runs are evaluated, so these are drawn anew.
    while race.trials(luck).trials:
        luck |= {t.key: models[t.network.norm].curve(t) for t in race.trials(luck).trials}
    told = race.finding(luck, [])
    assert plain is not None
    assert told is not None
    first, second = plain.comparisons[0].effects[0], told.comparisons[0].effects[0]
    assert second.value == pytest.approx(first.value, rel=0.02)
