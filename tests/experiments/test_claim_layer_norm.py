"""The layer-norm claim's rule on curves whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims import CLAIMS
from evenbatch.claims.layer_norm import LayerNorm, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK


def losing(in_training: float, in_testing: float, layer: float = 0.0) -> Model:
    """Batch norm loses so much with batches of 2 or less; layer norm loses `layer`."""

    def model(trial: Trial) -> Curve:
        arm = trial.network.norm
        tested = trial.evaluation_batch if trial.statistics == "batch" else 0
        end = 0.9 + noise(trial, 0.003)
        if trial.batch_size <= 2:
            end -= in_training if arm == "batch" else layer
        if 0 < tested <= 2:
            end -= in_testing if arm == "batch" else layer
        away = abs(math.log10(trial.learning_rate / 0.1))
        return invented(trial, end - 0.1 * away)

    return model


def wavering(trial: Trial) -> Curve:
    """Batch norm loses a lot with every second seed, and nothing with the others."""
    lost = 0.1 * (trial.seed % 2)
    return losing(lost, lost)(trial)


def small() -> LayerNorm:
    made = on(tea(), QUICK)
    assert isinstance(made, LayerNorm)
    return made


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (losing(0.1, 0.2), "holds"),
        (losing(0.1, 0.0), "holds in part"),
        (losing(0.0, 0.2), "holds in part"),
        (losing(0.0, 0.0), "does not hold"),
        (losing(0.0, 0.0, layer=0.2), "does not hold"),
        (wavering, "cannot tell"),
    ],
)
def test_the_rule_says_what_small_batches_cost(model: Model, answer: str) -> None:
    verdict = concluded(small(), model)
    assert verdict.answer == answer, verdict.sentence


def test_arms_that_diverge_everywhere_tell_nothing() -> None:
    verdict = concluded(small(), lambda trial: invented(trial, 0.5, diverged=True))
    assert (verdict.answer, verdict.reason) == ("cannot tell", "no arm learned anything")


def test_four_seeds_are_too_few() -> None:
    verdict = concluded(on(tea(), replace(QUICK, seeds=4)), losing(0.1, 0.2))
    assert verdict.answer == "cannot tell"
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_each_arm_is_measured_at_its_own_best_learning_rate() -> None:
    def model(trial: Trial) -> Curve:
        best = 1.0 if trial.network.norm == "batch" else 0.01
        return invented(trial, 0.9 - 0.1 * abs(math.log10(trial.learning_rate / best)))

    experiment = small()
    curves = trained(experiment, model)
    rates = experiment.training.best(curves)
    assert {rate for (arm, _), rate in rates.items() if arm == "batch"} == {1.0}
    assert {rate for (arm, _), rate in rates.items() if arm == "layer"} == {0.01}


def test_a_small_table_leaves_large_batches_out() -> None:
    experiment = CLAIMS["layer-norm"].on(tea(20), QUICK)
    assert isinstance(experiment, LayerNorm)
    assert experiment.sizes == (2, 8)
    assert max(experiment.tested) == 4


def test_a_part_of_the_curves_is_no_crash() -> None:
    experiment = small()
    curves = trained(experiment, losing(0.1, 0.2))
    for share in (0, len(curves) // 4, len(curves) // 2, len(curves) - 3):
        verdict = experiment.verdict(dict(list(curves.items())[:share]), ())
        assert verdict.answer == "cannot tell", verdict.sentence


def test_effects_are_the_planted_losses() -> None:
    training, testing = concluded(small(), losing(0.1, 0.2)).effects
    assert training.value == pytest.approx(10, abs=1)
    assert testing.value == pytest.approx(20, abs=1)
