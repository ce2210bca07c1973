"""The layer-norm claim on curves whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve, tea
from support.studies import by_id, concluded, study_of, trained


def losing(in_training: float, in_testing: float, layer: float = 0.0) -> Model:
    """Batch norm loses so much with batches of 2 or less; layer norm loses `layer`."""

    def model(trial: Trial) -> Curve:
        arm = trial.network.norm
        tested = trial.evaluation_batch if trial.statistics == "batch" else 0
        end = 0.9
        if trial.batch_size <= 2:
            end -= in_training if arm == "batch" else layer
        if 0 < tested <= 2:
            end -= in_testing if arm == "batch" else layer
        away = abs(math.log10(trial.learning_rate / 0.1))
        return curve(trial, end - 0.1 * away, noise=0.003)

    return model


def wavering(trial: Trial) -> Curve:
    """Batch norm loses a lot with every second seed, and nothing with the others."""
    lost = 0.1 * (trial.seed % 2)
    return losing(lost, lost)(trial)


def here() -> Any:
    return study_of("layer-norm", tea(), rates=(0.01, 0.1, 1.0))


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
    ids=["both", "in training", "in testing", "neither", "the other way round", "wavering"],
)
def test_the_rule_says_what_small_batches_cost(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_effects_are_the_planted_losses() -> None:
    found = by_id(concluded(here(), losing(0.1, 0.2)))
    assert found["trained"].value == pytest.approx(10, abs=1)
    assert found["tested"].value == pytest.approx(20, abs=1)


def test_each_arm_is_measured_at_its_own_best_learning_rate() -> None:
    def model(trial: Trial) -> Curve:
        best = 1.0 if trial.network.norm == "batch" else 0.01
        return curve(trial, 0.9 - 0.1 * abs(math.log10(trial.learning_rate / best)))

    study = here()
    reading = study.reading(trained(study, model))
    for block in ("trained", "tested"):
        rates = {cell[1]: rate for cell, rate in reading.rates(block).items()}
        assert (rates["batch"], rates["layer"]) == (1.0, 0.01)


def test_the_networks_that_are_tested_are_those_that_were_trained() -> None:
    study = here()
    curves = trained(study, losing(0.1, 0.2))
    tested = [c.trial for c in curves.values() if c.trial.statistics == "batch"]
    sizes = {trial.batch_size for trial in tested}
    assert sizes == {max(c.trial.batch_size for c in curves.values())}
    assert {trial.evaluation_batch for trial in tested} == {1, 4, 32}


def test_a_small_table_leaves_large_batches_out() -> None:
    experiment = study_of("layer-norm", tea(20)).experiment
    sizes = {
        block.id: [level.at for level in block.axis("size").levels] for block in experiment.blocks
    }
    assert sizes == {"trained": [2, 8], "tested": [1, 4]}
