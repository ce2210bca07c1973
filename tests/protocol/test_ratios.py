"""Intervals hold what they should as often as they should, and unfinished runs widen them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evenbatch.protocol.effects import PENALTY, Pairs
from evenbatch.protocol.intervals import mean_interval, median_interval

DRAWS = 300


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_the_interval_of_a_mean_holds_it_about_95_times_in_100(n: int, shape: str) -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(DRAWS):
        values = rng.normal(size=n) if shape == "normal" else rng.gamma(4.0, size=n) - 4
        low, high = mean_interval(values)
        hits += low <= 0 <= high
    # 300 draws of a true 95 % lie within ±2.5 points (two standard errors). The bootstrap is known
    # to fall a little short for few and skewed values.
    least = {5: 0.89, 10: 0.91, 20: 0.92}[n] - 0.03 * (shape == "skewed")
    assert least <= hits / DRAWS <= 0.985, f"{hits / DRAWS:.3f}"


def test_the_plain_percentile_interval_would_be_too_narrow() -> None:
    """What the correction is for: with 5 values the usual interval misses too often."""
    rng = np.random.default_rng(7)
    plain = hits = 0
    for _ in range(DRAWS):
        values = rng.normal(size=5)
        means = values[rng.integers(0, 5, (2000, 5))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        plain += low <= 0 <= high
        low, high = mean_interval(values)
        hits += low <= 0 <= high
    assert plain / DRAWS < 0.87
    assert hits - plain > 0.04 * DRAWS


def test_the_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(0).normal(size=10)
    assert mean_interval(values) == mean_interval(values)


def test_one_value_has_no_interval() -> None:
    assert mean_interval(np.array([3.0])) == (-math.inf, math.inf)
    assert mean_interval(np.array([])) == (-math.inf, math.inf)


@pytest.mark.parametrize("n", [6, 8, 24, 50])
def test_the_interval_of_a_median_holds_it_at_least_95_times_in_100(n: int) -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(2000):
        low, high = median_interval(rng.exponential(size=n))
        hits += low <= math.log(2) <= high
    assert hits / 2000 > 0.94, f"{hits / 2000:.3f}"


def test_the_interval_of_a_median_is_no_wider_than_it_must_be() -> None:
    # Tables of the sign test: for 24 values the 7th and the 18th, for 50 the 18th and the 33rd.
    assert median_interval(np.arange(1.0, 25.0)) == (7, 18)
    assert median_interval(np.arange(1.0, 51.0)) == (18, 33)
    assert median_interval(np.arange(1.0, 6.0)) == (1, 5)


FOUR = np.array([400.0, 440, 380, 420, 410, 390])
ONE = np.array([100.0, 110, 95, 105, 100, 100])
NEVER = np.full(6, np.inf)


def test_pairs_are_compared_seed_by_seed() -> None:
    """Seeds that are slow in both arms do not blur the ratio."""
    slow = np.array([1.0, 5, 1, 5, 1, 5])
    effect = Pairs(FOUR * slow, ONE * slow, 10_000).ratio("")
    assert effect.value == pytest.approx(4.0, rel=0.02)
    assert effect.high / effect.low < 1.05
    swapped = Pairs(FOUR * slow, (ONE * slow)[::-1], 10_000).ratio("")
    assert swapped.high / swapped.low > 3


def test_arms_exchanged_turn_the_ratio_over() -> None:
    there, back = Pairs(FOUR, ONE, 1000).ratio(""), Pairs(ONE, FOUR, 1000).ratio("")
    assert back.value == pytest.approx(1 / there.value)
    assert back.low == pytest.approx(1 / there.high, rel=0.02)


def test_an_unfinished_run_counts_one_budget_and_up_to_ten() -> None:
    late = FOUR.copy()
    late[0] = np.inf
    whole, effect = Pairs(FOUR, ONE, 1000).ratio(""), Pairs(late, ONE, 1000).ratio("")
    assert effect.bound == "at least"
    assert effect.value == pytest.approx(math.exp(np.log(np.r_[1000, FOUR[1:]] / ONE).mean()))
    assert effect.value > whole.value
    assert effect.low < effect.value < effect.high
    assert effect.high > 1.3 * Pairs(np.r_[1000, FOUR[1:]], ONE, 1000).ratio("").high


def test_an_unfinished_run_with_normalization_is_held_against_it() -> None:
    late = ONE.copy()
    late[0] = np.inf
    effect = Pairs(FOUR, late, 1000).ratio("")
    assert effect.bound == "at most"
    assert effect.low < Pairs(FOUR, np.r_[1000, ONE[1:]], 1000).ratio("").low / 1.3


def test_all_unfinished_on_one_side_is_a_bound() -> None:
    effect = Pairs(NEVER, ONE, 1000).ratio("")
    assert (effect.bound, round(effect.value)) == ("at least", 10)
    assert effect.low > 9
    assert effect.high == pytest.approx(10 * PENALTY, rel=0.1)


def test_nothing_finished_tells_nothing() -> None:
    pairs = Pairs(NEVER, NEVER, 1000)
    effect = pairs.ratio("")
    assert pairs.told == 0
    assert math.isnan(effect.value)
    assert (effect.low, effect.high) == (0, math.inf)


def test_a_pair_in_which_one_arm_finished_tells_something() -> None:
    a, b = FOUR.copy(), ONE.copy()
    a[0] = a[1] = b[1] = np.inf
    assert Pairs(a, b, 1000).told == 5


def test_one_seed_has_an_estimate_and_no_interval() -> None:
    effect = Pairs(FOUR[:1], ONE[:1], 1000).ratio("")
    assert (effect.value, effect.low, effect.high) == (pytest.approx(4), 0, math.inf)


def test_the_price_of_a_step_moves_the_ratio_and_widens_it() -> None:
    pairs = Pairs(FOUR, ONE, 1000)
    exact = pairs.ratio("", price=np.full(24, 0.8))
    assert exact.value == pytest.approx(0.8 * pairs.ratio("").value)
    assert exact.low == pytest.approx(0.8 * pairs.ratio("").low)
    shaky = pairs.ratio("", price=0.8 * np.exp(np.random.default_rng(0).normal(0, 0.3, 25)))
    assert shaky.value / shaky.low > 1.05 * exact.value / exact.low
    assert shaky.high / shaky.value > 1.05 * exact.high / exact.value
