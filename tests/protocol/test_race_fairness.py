"""Both arms of a race get the same: weights, minibatches, rates, evaluations, turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import initial_weights
from evenbatch.protocol.carry_out import carry_out
from support.curves import tea
from support.races import Arm, arms, curves_of, race_of, raced, timed_of

MODELS = arms(Arm(200, best=0.3), Arm(40, best=0.1))


def test_measured_trials_come_in_pairs_that_differ_in_the_normalizer_only() -> None:
    found, _ = raced(race_of(seeds=3), MODELS)
    equal = found.meetings[1:]
    assert [each.at for each in equal] == ["at-none", "at-batch"]
    assert [each.rates for each in equal] == [(0.316, 0.316), (0.1, 0.1)]
    for meeting in equal:
        assert len(meeting.curves) == 3
        for a, b in meeting.curves:
            network = replace(a.trial.network, norm="batch")
            assert replace(a.trial, network=network) == b.trial


def test_best_against_best_differs_in_the_learning_rate_too() -> None:
    found, _ = raced(race_of(seeds=3), MODELS)
    best = found.meetings[0]
    assert (best.at, best.rates) == ("best", (0.316, 0.1))
    for a, b in best.curves:
        network = replace(a.trial.network, norm="batch")
        assert replace(a.trial, network=network, learning_rate=0.1) == b.trial


def test_paired_networks_start_from_the_same_weights() -> None:
    networks = race_of(load("digits")).networks
    none, batch = (initial_weights(networks.trial(a, 0.1, 5, 0).network, 5) for a in networks.arms)
    for a, b in zip(none.linears, batch.linears, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)


def test_one_comparison_is_enough_when_both_like_the_same_rate() -> None:
    found, verdict = raced(race_of(seeds=2), arms(Arm(200), Arm(40)))
    assert [each.at for each in found.meetings] == ["best"]
    assert len([e for e in verdict.effects if e.id.startswith("steps/")]) == 1


def test_timing_takes_turns_and_is_alone() -> None:
    study = race_of(seeds=1)
    timed = study.timing(curves_of(study, MODELS))
    order = [trial.network.norm for trial in timed]
    assert order[:6] == ["batch", "none", "none", "batch", "batch", "none"]
    assert order.count("none") == order.count("batch") == 51
    assert {trial.evaluate_every for trial in timed} == {0}
    assert len({trial.learning_rate for trial in timed}) == 1


def test_the_first_timed_pair_only_warms_up() -> None:
    study = race_of(seeds=1)
    curves = curves_of(study, MODELS)
    timed = timed_of(study, MODELS, curves)
    slow = [replace(MODELS[c.trial.network.norm], second=1e6).curve(c.trial) for c in timed[:2]]
    found = study.finding(curves, slow + timed[2:])
    assert found is not None
    assert list(found.seconds["none"]) == pytest.approx([50e-6] * 50)


def test_timed_runs_get_shorter_as_networks_grow() -> None:
    data = load("digits")
    steps = [race_of(data, depth=depth).networks.timed_steps() for depth in (1, 3, 50)]
    assert steps == sorted(steps, reverse=True)
    assert 20 <= steps[-1] < steps[0] <= 200


def test_of_large_test_sets_a_race_takes_a_thousand_rows() -> None:
    small, large = (race_of(tea(rows), seeds=1) for rows in (400, 80_000))
    assert small.data.n_test == 400
    assert large.data.n_test == 1000
    assert "1000 of 80000 test rows" in large.data.name
    assert {s.trials({}).trials[0].evaluate_every for s in (small, large)} == {5}


def test_a_race_is_the_same_to_the_bit_every_time() -> None:
    """With real runs: the second time from half of the curves of the first."""
    study = race_of(load("digits"), width=16, depth=1, steps=100, seeds=5, tuning=1, rates=(0.1, 1))
    first = carry_out(study)
    assert not first.interrupted
    half = carry_out(study)
    half.curves = dict(list(first.curves.items())[::2])
    again = carry_out(study, outcome=half, threads=1)
    a, b = (study.finding(each.curves, []) for each in (first, again))
    assert a is not None
    assert b is not None
    assert a.search.best == b.search.best
    for one, two in zip(a.meetings, b.meetings, strict=True):
        np.testing.assert_array_equal(one.steps.without, two.steps.without)
        assert one.effects == two.effects
