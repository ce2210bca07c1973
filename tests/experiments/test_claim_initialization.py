"""The initialization claim's rule on networks of which it is known what weights they train from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.initialization import ARMS, Initialization, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK

Ranges = Mapping[str, tuple[float, float]]


def claim(seeds: int = 5) -> Initialization:
    """The claim with fewer learning rates."""
    return replace(on(tea(), replace(QUICK, seeds=seeds)), rates=(0.01, 0.1, 1.0))


def training_from(ranges: Ranges, tops: Mapping[str, float] | None = None) -> Model:
    """Each arm trains from scales in its range (decades), and diverges above it."""

    def model(trial: Trial) -> Curve:
        arm, scale = trial.network.norm, math.log10(trial.network.sigma)
        low, high = ranges.get(arm, (-1.0, 0.0))
        if scale > high + 0.01:
            return invented(trial, 0.5, diverged=True)
        trains = scale >= low - 0.01 and trial.learning_rate == 0.1
        top = (tops or {}).get(arm, 0.95)
        return invented(trial, (top if trains else 0.55) + noise(trial))

    return model


@pytest.mark.parametrize(
    ("none", "batch", "answer"),
    [
        ((-1, 0), (-3, 1), "holds"),
        ((-1, 0), (-1.5, 0), "holds in part"),
        ((-1, 0), (-1, 0), "does not hold"),
        ((-3, 1), (-1, 0), "does not hold"),
        ((5, 6), (5, 6), "cannot tell"),
    ],
)
def test_the_rule_says_what_the_ranges_are(
    none: tuple[float, float], batch: tuple[float, float], answer: str
) -> None:
    verdict = concluded(claim(), training_from({"none": none, "batch": batch}))
    assert verdict.answer == answer, verdict.sentence


def test_widths_are_counted_in_decades_and_told_as_ranges() -> None:
    verdict = concluded(claim(), training_from({"none": (-1, 0), "batch": (-3, 1)}))
    wider, equal, own, layer = verdict.effects
    assert (wider.value, wider.unit) == (pytest.approx(3.0), "decades wider")
    assert equal.value == own.value == pytest.approx(3.0)
    assert layer.value == pytest.approx(0.0)
    assert "no normalization 0.1 to 1 (1.5 decades); batch norm 0.001 to 10" in verdict.sentence


def test_one_goal_for_both_and_beside_it_each_arms_own() -> None:
    def model(trial: Trial) -> Curve:
        scale = math.log10(trial.network.sigma)
        batch = trial.network.norm == "batch"
        top = 0.95 if batch and -1.1 < scale < 0.1 else 0.75
        return invented(trial, top if -3.1 < scale < 1.1 or batch else 0.55)

    wider, _, own, _ = concluded(claim(), model).effects
    assert wider.value == pytest.approx(6.5 - 4.5)
    assert own.value == pytest.approx(1.5 - 4.5)


def test_seeds_that_disagree_and_few_seeds_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 2.0 * (-1) ** trial.seed
        return training_from({"none": (-1, 0), "batch": (-1, 0 + away)})(trial)

    verdict = concluded(claim(seeds=6), model)
    assert verdict.reason == "the interval holds both no gain and a factor of ten"
    few = concluded(claim(seeds=4), training_from({"none": (-1, 0), "batch": (-3, 1)}))
    assert few.reason == "4 seeds measured and at least 5 are needed"


def test_an_arm_that_always_diverges_loses() -> None:
    def model(trial: Trial) -> Curve:
        return training_from({"none": (-1, 0), "batch": (-9, -8)})(trial)

    verdict = concluded(claim(), model)
    assert verdict.answer == "does not hold"
    assert "batch norm at none" in verdict.sentence


def test_open_ends_are_said() -> None:
    notes = concluded(claim(), training_from({"none": (-1, 0), "batch": (-9, 9)})).notes
    assert [note for note in notes if "batch norm reaches the smallest" in note]
    assert [note for note in notes if "batch norm reaches the largest" in note]


def test_tables_lead_to_trials() -> None:
    experiment = claim()
    curves = trained(experiment, training_from({"none": (-1, 0), "batch": (-3, 1)}))
    verdict = experiment.verdict(curves, ())
    for table in verdict.tables:
        assert len(table.rows) == len(experiment.scales) == 13
        assert all(len(keys) == len(ARMS) * 5 for keys in table.keys)
        assert {key for keys in table.keys for key in keys} <= set(curves)
    some = dict(list(curves.items())[:-20])
    assert experiment.verdict(some, ()).answer == "cannot tell"
    assert experiment.verdict({}, ()).reason == "nothing is measured yet"
