"""The rule, on invented curves whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evenbatch.engine import Curve
from evenbatch.protocol.race import Race
from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Effect, Verdict
from evenbatch.torch.comparing.judging import Judge, Models, rule
from evenbatch.torch.comparing.measures import Scale, accuracy, default_loss
from evenbatch.torch.comparing.training import Training

STEPS = 1000
SHARE = Scale("accuracy", accuracy, 1, None, (0.1, 400))
BASE = Training("net", "", "a", "invented", "sgd", 0.1, 32, STEPS, 0, 10, "accuracy")


def invented(asked: Any, reach: float, scale: Scale, top: float = 0.9) -> Curve:
    """The metric rises on a straight line from chance to `top` at step `reach`; infinity: it
    diverges at once."""
    step = np.arange(0, STEPS + 1, 10)
    if np.isinf(reach):
        step = step[:2]
    low, high = (0.1, top) if scale.sign > 0 else (-2.0, -0.2)
    metric = low + (high - low) * np.minimum(step / reach, 1)
    metric = np.where(np.isinf(reach) & (step > 0), np.nan, metric)
    no = np.full(len(step), np.nan)
    ended = ("diverged", 10) if np.isinf(reach) else ("finished", STEPS)
    return Curve(asked, step, 0.001 * step, no, -metric, metric, no, no, *ended)


def outcome(
    paces: dict[str, Any],
    cost: tuple[float, float] | None = (1.0, 1.0),
    seeds: int = 5,
    there: int = 99,
    scale: Scale = SHARE,
    goal: float | None = None,
    fast: dict[str, float] | None = None,
) -> Verdict:
    """The verdict on curves with these steps to the goal: a function of the seed for each arm."""
    rates = {"a": (0.1, 1.0), "b": (0.1, 1.0)}
    race = Race(Models(("a", "b"), BASE, scale), rates, 0, False, seeds, 2, goal=goal)
    judge = Judge(race, "invented", "invented curves", 1.0)
    curves: dict[str, Curve] = {}
    while wanted := race.trials(curves).trials:
        for asked in wanted:
            # At any other rate than its fast one, the lower if nothing is said, an arm is slower.
            slow = 1 if asked.learning_rate == (fast or {}).get(asked.arm, 0.1) else 5
            reach = paces[asked.arm](asked.seed % 1000) * slow
            curves[asked.key] = invented(asked, reach, scale)
    kept = {k: c for k, c in curves.items() if c.trial.seed < there or c.trial.seed >= 1_000_000}
    seconds = {} if cost is None else {"a": [cost[0]] * 9, "b": [cost[1]] * 9}
    return judge.verdict(judge.finding(kept, seconds))


def wobbling(middle: float, spread: float, turn: int = 1) -> Any:
    return lambda seed: middle * (1 + spread * (-1 if (seed * turn) % 2 else 1))


def test_four_times_fewer_steps_at_the_same_price_holds() -> None:
    verdict = outcome({"a": wobbling(400, 0.05), "b": wobbling(100, 0.05, 3)})
    assert verdict.answer == HOLDS
    steps, seconds, end = verdict.effects[:3]
    assert steps.value == pytest.approx(4, rel=0.1)
    assert steps.low > 3
    assert seconds.value == pytest.approx(steps.value)
    assert end.value == pytest.approx(0, abs=1e-6)
    assert "4.0 times fewer steps" in verdict.sentence
    assert "“b trains faster than a” holds" in verdict.sentence


@pytest.mark.parametrize(("a", "b"), [(200, 200), (200, 600)])
def test_no_gain_and_a_loss_do_not_hold(a: int, b: int) -> None:
    verdict = outcome({"a": wobbling(a, 0.01), "b": wobbling(b, 0.01)})
    assert verdict.answer == FAILS


def test_fewer_steps_that_cost_more_hold_in_part() -> None:
    verdict = outcome({"a": wobbling(400, 0.02), "b": wobbling(200, 0.02)}, cost=(1.0, 2.5))
    assert verdict.answer == IN_PART
    assert verdict.effects[1].value == pytest.approx(0.8, rel=0.05)
    assert "more time" in verdict.sentence


def test_seeds_that_disagree_cannot_tell() -> None:
    verdict = outcome({"a": lambda s: 200, "b": lambda s: (60, 500, 90, 520, 200)[s % 5]})
    assert verdict.answer == CANNOT_TELL
    assert verdict.effects[0].low < 1 < verdict.effects[0].high


def test_too_few_seeds_or_no_timing_cannot_tell() -> None:
    paces = {"a": wobbling(400, 0.05), "b": wobbling(100, 0.05)}
    few = outcome(paces, there=3)
    assert (few.answer, few.reason) == (
        CANNOT_TELL,
        "only 3 seeds can be compared, and at least 5 are needed",
    )
    assert "Only 3 of 5 seeds were measured." in few.notes
    untimed = outcome(paces, cost=None)
    assert (untimed.answer, untimed.reason) == (CANNOT_TELL, "the steps were not timed")


def test_an_arm_that_diverges_gives_a_bound() -> None:
    verdict = outcome({"a": lambda s: np.inf, "b": wobbling(100, 0.05)})
    assert verdict.answer == HOLDS
    assert verdict.effects[0].bound == "at least"
    assert any("5 of 5 runs with a did not reach" in note for note in verdict.notes)
    assert any("(5 diverged)" in note for note in verdict.notes)


def test_nothing_learned_cannot_tell() -> None:
    verdict = outcome({"a": lambda s: np.inf, "b": lambda s: np.inf})
    assert verdict.answer == CANNOT_TELL
    assert "all 8 runs diverged at learning rates from 0.1 to 1" in verdict.sentence


def test_a_metric_that_falls_is_read_the_other_way_round() -> None:
    falling = Scale("loss", default_loss, -1, None, (2.0, 400))
    verdict = outcome({"a": wobbling(400, 0.05), "b": wobbling(100, 0.05)}, scale=falling)
    assert verdict.answer == HOLDS
    assert "loss 0.38" in verdict.sentence
    lines = verdict.figures[0].series[0]
    assert lines.y[0] == pytest.approx(2.0)
    assert lines.low[3] <= lines.y[3] <= lines.high[3]


def test_equal_settings_are_shown_beside_best_against_best() -> None:
    def pace(best: float) -> Any:
        return lambda seed: 400 if best == 0.1 else 100

    verdict = outcome({"a": pace(0.1), "b": pace(1.0)}, fast={"a": 0.1, "b": 1.0})
    labels = [effect.label for effect in verdict.effects]
    assert labels[::3] == [
        "best against best", "both at learning rate 0.1", "both at learning rate 1"
    ]  # fmt: skip
    best, low, high = (effect.value for effect in verdict.effects[::3])
    assert best == pytest.approx(4, rel=0.05)
    assert low < 1, "at the first arm's best rate the other is the slower one"
    assert high > best
    assert [row[1] for row in verdict.tables[0].rows] == ["0.1", "1"]
    assert [row[1] for row in verdict.tables[2].rows] == ["0.1", "0.1", "1", "1"]


def test_a_goal_that_guessing_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the goal, 5.0 %, is not above chance, 10.0 %"):
        outcome({"a": wobbling(400, 0), "b": wobbling(100, 0)}, goal=0.05)


@pytest.mark.parametrize(
    ("steps", "time", "least", "answer"),
    [
        ((1.2, 2), (1.2, 2), 1.1, HOLDS),
        ((1.2, 2), (0.8, 1.05), 1.1, IN_PART),
        ((1.01, 2), (0.9, 2), 1.1, IN_PART),
        ((0.8, 1.05), (0.8, 1.05), 1.1, FAILS),
        ((0.9, 2), (0.8, 1.05), 1.1, FAILS),
        ((0.9, 2), (0.9, 2), 1.1, CANNOT_TELL),
        ((1.2, 2), None, 1.1, CANNOT_TELL),
        ((1.2, 2), (1.2, 2), 1.5, IN_PART),
    ],
)
def test_the_rule_at_its_edges(steps: Any, time: Any, least: float, answer: str) -> None:
    intervals = {"steps/best": steps, "time/best": time}
    effects = {
        name: Effect("", (own[0] * own[1]) ** 0.5, *own, "times fewer steps", id=name, seeds=5)
        for name, own in intervals.items()
        if own is not None
    }
    assert rule(least).apply(effects).answer == answer
