"""Chance, noise, and a goal that both arms can reach."""

from __future__ import annotations

import numpy as np
import pytest

from evenbatch.data import Dataset, load
from evenbatch.protocol.goals import chance, chosen, guess_loss, noise
from support.curves import CHANCE, tea


def test_chance_is_the_best_guess_without_looking() -> None:
    x = np.zeros((10, 1), np.float32)
    labels = np.array([0] * 7 + [1] * 3)
    x[:, 0] = labels
    rare = Dataset("rare", "classification", x, labels, x, labels[::-1].copy(), ("a",), ("n", "y"))
    assert chance(rare) == 0.7
    assert chance(load("cookies-taste")) == 0
    assert chance(tea()) == CHANCE


def test_noise_is_three_standard_errors_of_a_guess() -> None:
    assert noise(tea(400)) == pytest.approx(3 * 0.5 / 20)
    assert noise(tea(1600)) == pytest.approx(3 * 0.5 / 40)


def test_the_loss_of_a_guess_is_its_entropy_or_the_variance() -> None:
    assert guess_loss(tea(40)) == pytest.approx(np.log(2))
    taste = load("cookies-taste")
    assert guess_loss(taste) == pytest.approx(float(taste.y_train.var()), rel=1e-5)


def test_the_goal_is_a_share_of_the_way_to_the_weaker_arms_best() -> None:
    goal = chosen({"none": 0.8, "batch": 1.0}, 0.5, 0.05)
    assert goal is not None
    assert goal.value == pytest.approx(0.5 + 0.9 * 0.3)
    assert (goal.bar, goal.weaker) == (0.8, True)
    assert chosen({"batch": 0.8, "none": 1.0}, 0.5, 0.05) == goal
    half = chosen({"none": 0.8, "batch": 1.0}, 0.5, 0.05, 0.5)
    assert half is not None
    assert half.value == pytest.approx(0.65)
    assert half.rule().startswith("50 % of the way")


@pytest.mark.parametrize("weaker", [0.5, 0.54, 0.549])
def test_an_arm_that_gained_next_to_nothing_sets_no_goal(weaker: float) -> None:
    goal = chosen({"none": weaker, "batch": 1.0}, 0.5, 0.01)
    assert goal is not None
    assert (goal.bar, goal.weaker) == (1.0, False)
    assert "next to nothing" in goal.rule()
    assert chosen({"none": 0.56, "batch": 1.0}, 0.5, 0.01).bar == 0.56  # type: ignore[union-attr]


def test_no_goal_if_nothing_was_learned() -> None:
    assert chosen({"none": 0.51, "batch": 0.54}, 0.5, 0.05) is None
    alone = chosen({"batch": 0.9}, 0.5, 0.05)
    assert alone is not None
    assert alone.bar == 0.9
