"""Both arms of a race get the same: weights, minibatches, rates, evaluations, turns."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from race_models import Model, curves_of, tea

from evenbatch.claims import CLAIMS, NotHere
from evenbatch.claims.speed import Speed
from evenbatch.data import load
from evenbatch.engine import Network, SettingError, initial_weights
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.race import BEST, Race
from evenbatch.protocol.setup import DEFAULT, QUICK

MODELS = {"none": Model(200, best=0.3), "batch": Model(40, best=0.1)}


def test_measured_trials_come_in_pairs_that_differ_in_the_normalizer_only() -> None:
    race = Race(tea(), seeds=3)
    found = race.finding(curves_of(race, MODELS), [])
    assert found is not None
    equal = [c for c in found.comparisons if c.label != BEST]
    assert [c.rates for c in equal] == [(0.316, 0.316), (0.1, 0.1)]
    for comparison in equal:
        assert len(comparison.curves) == 3
        for a, b in comparison.curves:
            network = replace(a.trial.network, norm="batch")
            assert replace(a.trial, network=network) == b.trial


def test_best_against_best_differs_in_the_learning_rate_too() -> None:
    race = Race(tea(), seeds=3)
    found = race.finding(curves_of(race, MODELS), [])
    assert found is not None
    best = found.comparisons[0]
    assert (best.label, best.rates) == (BEST, (0.316, 0.1))
    for a, b in best.curves:
        network = replace(a.trial.network, norm="batch")
        assert replace(a.trial, network=network, learning_rate=0.1) == b.trial


def test_paired_networks_start_from_the_same_weights() -> None:
    race = Race(load("digits"))
    none, batch = (
        initial_weights(race.trial(arm, 0.1, 5, 0).network, 5) for arm in ("none", "batch")
    )
    for a, b in zip(none.linears, batch.linears, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)


def test_one_comparison_is_enough_when_both_like_the_same_rate() -> None:
    race = Race(tea(), seeds=2)
    found = race.finding(curves_of(race, {"none": Model(200), "batch": Model(40)}), [])
    assert found is not None
    assert [c.label for c in found.comparisons] == [BEST]


def test_timing_takes_turns_and_is_alone() -> None:
    race = Race(tea(), seeds=1)
    timed = race.timing(curves_of(race, MODELS))
    arms = [t.network.norm for t in timed]
    assert arms[:6] == ["batch", "none", "none", "batch", "batch", "none"]
    assert arms.count("none") == arms.count("batch") == 51
    assert {t.evaluate_every for t in timed} == {0}
    assert len({t.learning_rate for t in timed}) == 1


def test_the_first_timed_pair_only_warms_up() -> None:
    race = Race(tea(), seeds=1)
    curves = curves_of(race, MODELS)
    timed = [MODELS[t.network.norm].curve(t) for t in race.timing(curves)]
    slow = [replace(MODELS[c.trial.network.norm], second=1e6).curve(c.trial) for c in timed[:2]]
    found = race.finding(curves, slow + timed[2:])
    assert found is not None
    assert found.step_seconds is not None
    assert found.step_seconds["none"] == pytest.approx([50e-6] * 50)


def test_timed_trainings_get_shorter_as_networks_grow() -> None:
    steps = [Race(load("digits"), depth=d)._timed_steps() for d in (1, 3, 50)]
    assert steps == sorted(steps, reverse=True)
    assert 20 <= steps[-1] < steps[0] <= 200


def test_large_test_sets_are_evaluated_less_often() -> None:
    small, large = Race(tea(400), seeds=1), Race(tea(80_000), seeds=1)
    assert small.trials({}).trials[0].evaluate_every == 5
    assert large.trials({}).trials[0].evaluate_every == 105


def test_a_race_is_the_same_to_the_bit_every_time() -> None:
    """With real trainings: the second time from half of the curves of the first."""
    race = Race(
        load("digits"), width=16, depth=1, steps=100, seeds=5, tuning_seeds=1, grid=(0.1, 1)
    )
    first = carry_out(Speed(race))
    assert not first.interrupted
    half = carry_out(Speed(race))
    half.curves = dict(list(first.curves.items())[::2])
    again = carry_out(Speed(race), outcome=half, threads=1)
    a, b = (race.finding(o.curves, []) for o in (first, again))
    assert a is not None
    assert b is not None
    assert a.rates == b.rates
    for one, two in zip(a.comparisons, b.comparisons, strict=True):
        np.testing.assert_array_equal(one.steps.without, two.steps.without)
        assert one.effects == two.effects


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm": "none"}, "norm is 'none', which is what the other arm has"),
        ({"norm": "bach"}, "did you mean 'batch'"),
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 10000"),
        ({"depth": 0}, "depth is 0; it must be from 1 to 200"),
        ({"grid": (0.1, 0.0)}, "the learning rate 0 in the grid must be above 0"),
        ({"grid": (float("nan"),)}, "the learning rate nan in the grid must be above 0"),
        ({"batch_size": 500}, "batch_size is 500 but data set 'tea' has only 400 training rows"),
        ({"width": 6, "norm": "group"}, "groups is 4, which does not divide the width 6"),
        ({"steps": 0}, "steps is 0"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'"),
    ],
)
def test_settings_that_cannot_be_raced_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        Race(tea(), **settings)  # type: ignore[arg-type]


def test_group_norm_races_too() -> None:
    trial = Race(tea(), norm="group").trial("group", 0.1, 0, 0)
    assert trial.network == Network(inputs=3, hidden=(64,) * 3, outputs=2, norm="group")


def test_every_claim_in_the_table_makes_an_experiment() -> None:
    for name, claim in CLAIMS.items():
        try:
            experiment = claim.alone(QUICK) if claim.alone else claim.on(tea(), QUICK)
        except NotHere:  # about data of a certain kind; tested on its own
            continue
        if not claim.alone:
            assert len(claim.data) >= 2, f"{name} is measured on fewer than two data sets"
        for field in fields(experiment.statement):
            assert getattr(experiment.statement, field.name), f"{name} does not state {field.name}"
        assert experiment.trials({}).trials
        assert experiment.verdict({}, []).answer == "cannot tell"


def test_quick_means_fewer_seeds_and_still_enough() -> None:
    quick, whole, asked = (
        CLAIMS["speed"].on(tea(), effort) for effort in (QUICK, DEFAULT, replace(QUICK, seeds=7))
    )
    assert isinstance(quick, Speed)
    assert isinstance(whole, Speed)
    assert isinstance(asked, Speed)
    assert 5 <= quick.race.seeds < whole.race.seeds
    assert asked.race.seeds == 7
