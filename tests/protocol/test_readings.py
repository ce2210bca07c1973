"""What curves show: values and arithmetic with them, effects, goals and picks, seed by seed."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from evenbatch.engine import Curve, Trial
from evenbatch.protocol import (
    Along,
    Axis,
    Best,
    Block,
    Clip,
    Computed,
    Experiment,
    Fewer,
    Goal,
    HostRate,
    Level,
    LogSteps,
    Mean,
    Measure,
    OnePart,
    Part,
    PerPart,
    Pick,
    Ratio,
    Telling,
    WayToGoal,
    changes,
    numbered,
)
from evenbatch.protocol.study import ClaimStudy
from support.curves import CHANCE, curve, tea
from support.studies import trained

LEVEL, STEPS = Measure("level"), Measure("steps-to", goal="goal")
ARM = Axis(
    "arm", "arm", (Level("none", "none"), Level("batch", "batch norm", changes(norm="batch")))
)
DEPTH = numbered("depth", "hidden layers", (1, 2, 4), lambda d: {"depth": d, "width": 4})
BUDGET = 1000
RULE = PerPart(parts=(OnePart("e0"),), gain="gain", because={})


def study_of(*effects: Any, seeds: int = 5, **described: Any) -> ClaimStudy:
    block = Block(
        id="b", base=changes(steps=BUDGET, evaluate_every=10), axes=(DEPTH, ARM), seeds=seeds,
        tuning=1, rates=(0.1, 1.0), at=(Best(), HostRate("batch")), score=LEVEL,
    )  # fmt: skip
    named = [
        of if not isinstance(of, (Measure, Along)) and hasattr(of, "label") else mean(of)
        for of in effects
    ]
    experiment = Experiment(
        claim="c", phrase="p", states="s", question="q", measure="m", source="s", data="tea",
        metric="accuracy", blocks=(block,), rule=RULE,
        effects=tuple(msgspec.structs.replace(e, id=f"e{i}") for i, e in enumerate(named)),
        **{"goals": (Goal(levels=("none", "batch")),)} | described,
    )  # fmt: skip
    return ClaimStudy(experiment, {"tea": tea()}, Telling(lambda _reading: "so it was"))


def mean(of: Any, **more: Any) -> Mean:
    return Mean(id="", label="of it", unit="points", of=of, **more)


def seen(model: Any, *effects: Any, **described: Any) -> Any:
    """The reading of curves by this model."""
    study = study_of(*effects, **described)
    return study.reading(trained(study, model))


def rising(trial: Trial) -> Curve:
    """Batch norm ends at 0.9 after 200 steps, the other at 0.8 after 600, a little less deep down;
    every seed a hundredth higher than the one before; best at rate 0.1."""
    batch, depth = trial.network.norm == "batch", trial.network.depth
    top = (0.9 if batch else 0.8) - 0.02 * depth + 0.01 * (trial.seed % 5)
    if trial.learning_rate != 0.1:
        top -= 0.05
    return curve(trial, top, 200 if batch else 600)


def of(arm: str, depth: int = 1, measure: Measure = LEVEL) -> Any:
    return measure.of(arm=arm, depth=str(depth))


SEEDS = 0.01 * np.arange(5)


def test_a_value_is_a_measure_over_seeds() -> None:
    reading = seen(rising)
    assert reading.values(of("batch")) == pytest.approx(0.88 + SEEDS)
    assert reading.mean(of("none", 4)) == pytest.approx(0.74)


def test_arithmetic_goes_seed_by_seed() -> None:
    reading = seen(rising)
    lead = of("batch") - of("none")
    assert reading.values(lead) == pytest.approx([0.1] * 5)
    assert reading.values(of("none") - of("batch")) == pytest.approx([-0.1] * 5)
    assert reading.values(abs(of("none") - of("batch"))) == pytest.approx([0.1] * 5)
    assert reading.values(Clip(of("none") - of("batch"), 0.05)) == pytest.approx([-0.05] * 5)


def test_a_way_to_the_goal_is_a_share_from_chance() -> None:
    reading = seen(rising)
    goal = reading.goal()
    assert goal == pytest.approx(CHANCE + 0.9 * (0.8 - CHANCE))  # the weaker arm's best median
    share = (0.78 + SEEDS - CHANCE) / (goal - CHANCE)
    assert reading.values(WayToGoal(of("none"))) == pytest.approx(share)


def test_logs_of_steps_count_a_run_that_never_got_there_as_its_budget() -> None:
    def model(trial: Trial) -> Curve:
        late = trial.seed == 2 and trial.network.norm == "none"
        return curve(trial, 0.55) if late else rising(trial)

    reading = seen(model)
    logs = reading.values(LogSteps(of("none", measure=STEPS)))
    assert logs[2] == pytest.approx(math.log(BUDGET))
    assert (np.exp(logs[[0, 1, 3, 4]]) < 600).all()


@pytest.mark.parametrize(
    ("reached", "how", "found"),
    [
        ((1, 2), "deepest", 2.0),
        ((1, 4), "deepest", 1.0),  # one that got there by luck is none
        ((2, 4), "deepest", 1.0),
        ((1, 2, 4), "deepest", 4.0),
        ((1, 4), "width", 2 * 0.5),
        ((), "width", 0.0),
    ],
)
def test_along_an_axis_of_numbers(reached: tuple[int, ...], how: str, found: float) -> None:
    def model(trial: Trial) -> Curve:
        there = trial.network.norm == "none" or trial.network.depth in reached
        return curve(trial, 0.9 if there else 0.55)

    of_it = Along(LEVEL.of(arm="batch"), "depth", how, spacing=0.5)
    assert seen(model).values(of_it) == pytest.approx([found] * 5)


def test_the_highest_is_where_the_value_is() -> None:
    def model(trial: Trial) -> Curve:
        return curve(trial, 0.9 if trial.network.depth == 2 + 2 * (trial.seed % 2) else 0.8)

    found = seen(model).values(Along(LEVEL.of(arm="none"), "depth", "highest"))
    assert found.tolist() == [2, 4, 2, 4, 2]


# Effects.


def test_each_kind_of_effect_is_what_was_put_in() -> None:
    none, batch = of("none"), of("batch")
    slow, fast = (of(arm, measure=STEPS) for arm in ("none", "batch"))
    part = Part(id="", label="a part", unit="", part=batch - none, whole=batch - none)
    ratio = Ratio(id="", label="a ratio", unit="times", above=batch, below=none)
    factor = Ratio(id="", label="alone", unit="times", above=batch, by=0.5)
    fewer = Fewer(id="", label="steps", unit="times fewer steps", slow=slow, fast=fast)
    effects = list(
        seen(rising, mean(batch - none, times=100), part, ratio, factor, fewer).effects.values()
    )
    lead, share, times, alone, steps = effects
    assert lead.value == pytest.approx(10)
    assert lead.high - lead.low < 1e-9, "paired: what seeds share is no noise"
    assert share.value == pytest.approx(1)
    assert times.value == pytest.approx(np.exp(np.log((0.88 + SEEDS) / (0.78 + SEEDS)).mean()))
    assert alone.value == pytest.approx(np.exp(np.log((0.88 + SEEDS) / 0.5).mean()))
    assert 2.5 < steps.value < 5
    assert {effect.seeds for effect in effects} == {5}
    assert all(e.low <= e.value <= e.high for e in effects)


def test_an_effect_at_a_host_that_has_the_same_rate_is_left_out() -> None:
    at_batch = LEVEL.of(at="at-batch", arm="none", depth="1")
    reading = seen(rising, mean(of("none")), mean(at_batch))
    assert set(reading.effects) == {"e0", "e1"}, "one host is always there"
    assert reading.kinds() == {"best": "best against best", "at-batch": "all at learning rate 0.1"}


def test_labels_name_the_learning_rates() -> None:
    spec = mean(LEVEL.of(at="at-batch", arm="none", depth="1"))
    spec = msgspec.structs.replace(spec, label="none, {at}")
    (found,) = seen(rising, spec).effects.values()
    assert found.label == "none, all at learning rate 0.1"


def test_a_computed_value_is_asked_for_by_name() -> None:
    study = study_of(mean(Computed("twice", of("none"))))
    telling = Telling(lambda _r: "", computed={"twice": lambda r, of: 2 * r.values(of)})
    study = ClaimStudy(study.experiment, study.datasets, telling)
    reading = study.reading(trained(study, rising))
    assert reading.effects["e0"].value == pytest.approx(2 * 0.8)


def test_effects_count_only_where_something_was_learned() -> None:
    def model(trial: Trial) -> Curve:
        return curve(trial, 0.55 if trial.network.depth == 4 else 0.9)

    effects = [
        msgspec.structs.replace(mean(of("batch", d) - of("none", d)), learned=True) for d in (1, 4)
    ]
    reading = seen(model, *effects)
    assert set(reading.effects) == {"e0", "e1"}
    assert set(reading.to_judge) == {"e0"}


# Picks and goals.


def test_the_first_level_that_is_clearly_enough_is_picked() -> None:
    lead = Mean(id="", label="", unit="", of=LEVEL.of(arm="batch", depth="$") - of("none"))
    # batch norm leads the shallow network by 0.1, 0.08 and 0.04
    for least, picked in ((0.09, "1"), (0.05, "2"), (0.2, "1")):
        pick = Pick(id="chosen", levels=("4", "2", "1"), effect=lead, least=least)
        reading = seen(rising, picks=(pick,))
        assert reading.picked == {"chosen": picked}
        assert reading.mean(LEVEL.of(arm="batch", depth="$chosen")) == pytest.approx(
            0.92 - 0.02 * int(picked)
        )


def test_goals_of_their_own_are_each_arms() -> None:
    own = Goal(id="own", levels=("none", "batch"), own=True)
    reading = seen(rising, goals=(own,))
    goals = [reading.goal("own", ("1", arm)) for arm in ("none", "batch")]
    assert goals == pytest.approx([CHANCE + 0.9 * 0.3, CHANCE + 0.9 * 0.4])


def test_a_goal_may_be_chosen_from_the_search_alone() -> None:
    reading = seen(rising, goals=(Goal(levels=("none", "batch"), at="search"),))
    assert reading.goal() == pytest.approx(CHANCE + 0.9 * (0.78 - CHANCE)), "its one tuning seed"


def test_no_goal_and_nothing_learned_are_said() -> None:
    study = study_of(mean(of("none")))
    verdict = study.verdict(trained(study, lambda trial: curve(trial, 0.51)))
    assert "learned anything" in verdict.reason
    one = study_of(mean(of("none")), goals=())
    assert one.verdict(trained(one, rising)).effects
