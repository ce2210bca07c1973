"""The sequences claim on curves whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evenbatch.claims import CLAIMS
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import NotHere
from support.curves import Model, curve, tea
from support.studies import QUICK, by_id, concluded, study_of, trained

GUESS = 1 / 3


def ends(none: float, batch: float, layer: float) -> Model:
    """Each arm ends there at its best learning rate, 0.01."""
    tops = {"none": none, "batch": batch, "layer": layer}

    def model(trial: Trial) -> Curve:
        away = abs(math.log10(trial.learning_rate / 0.01))
        return curve(trial, tops[trial.network.norm] - 0.1 * away, start=GUESS, noise=0.003)

    return model


def here() -> Any:
    return study_of("sequences")


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (ends(0.7, 0.7, 0.9), "holds"),
        (ends(0.9, 0.7, 0.9), "holds in part"),
        (ends(0.95, 0.7, 0.9), "holds in part"),
        (ends(0.8, 0.8, 0.8), "does not hold"),
        (ends(0.7, 0.9, 0.7), "does not hold"),
        (ends(0.7, 0.9, 0.9), "does not hold"),
    ],
)
def test_the_rule_says_what_the_arms_learned(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_seeds_that_disagree_settle_nothing() -> None:
    def wavering(trial: Trial) -> Curve:
        up = 0.2 * (trial.seed % 2) if trial.network.norm == "layer" else 0.08
        return curve(trial, 0.7 + up, start=GUESS)

    assert concluded(here(), wavering).answer == "cannot tell"


def test_an_arm_that_learns_early_is_ahead_of_one_that_ends_as_high() -> None:
    def model(trial: Trial) -> Curve:
        early = trial.network.norm == "layer"
        return curve(trial, 0.9, (0.1 if early else 0.8) * trial.steps, start=GUESS)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds", verdict.sentence
    gain = by_id(verdict)["gain/arms/best/layer/batch"]
    assert gain.value == pytest.approx(100 * (0.9 - GUESS) * (0.8 - 0.1) / 2, rel=0.01)


def test_every_trial_reads_over_time_and_the_arms_are_paired() -> None:
    trials = here().trials({}).trials
    assert {trial.network.time_steps for trial in trials} == {24}
    by_norm: dict[str, set[tuple[int, float]]] = {}
    for trial in trials:
        by_norm.setdefault(trial.network.norm, set()).add((trial.seed, trial.learning_rate))
    assert by_norm["none"] == by_norm["batch"] == by_norm["layer"]


def test_search_and_measurement_share_no_seed() -> None:
    study = here()
    curves = trained(study, ends(0.7, 0.8, 0.9))
    tuning = {trial.seed for trial in study.trials({}).trials}
    assert {found.trial.seed for found in curves.values()} - tuning == set(range(5))
    assert not tuning & set(range(5))


def test_rows_that_are_no_sequences_are_not_for_this_claim() -> None:
    with pytest.raises(NotHere, match="the rows of tea are not"):
        CLAIMS["sequences"].on(tea(), QUICK)
