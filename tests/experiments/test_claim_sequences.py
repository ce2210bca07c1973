"""The sequences claim's rule on curves whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims import NotHere
from evenbatch.claims.sequences import Sequences, on
from evenbatch.data import load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK

STORIES = load("stories:n=200")


def ends(none: float, batch: float, layer: float) -> Model:
    """Each arm ends there at its best learning rate, 0.01."""
    tops = {"none": none, "batch": batch, "layer": layer}

    def model(trial: Trial) -> Curve:
        away = abs(math.log10(trial.learning_rate / 0.01))
        end = tops[trial.network.norm] - 0.1 * away + noise(trial, 0.003)
        return invented(trial, end, start=1 / 3)

    return model


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
    verdict = concluded(on(STORIES, QUICK), model)
    assert verdict.answer == answer, verdict.sentence


def test_seeds_that_disagree_settle_nothing() -> None:
    def wavering(trial: Trial) -> Curve:
        up = 0.2 * (trial.seed % 2) if trial.network.norm == "layer" else 0.08
        return invented(trial, 0.7 + up, start=1 / 3)

    assert concluded(on(STORIES, QUICK), wavering).answer == "cannot tell"


def test_arms_that_diverge_everywhere_tell_nothing() -> None:
    verdict = concluded(
        on(STORIES, QUICK), lambda trial: invented(trial, 0.5, start=1 / 3, diverged=True)
    )
    assert (verdict.answer, verdict.reason) == ("cannot tell", "no arm learned anything")


def test_four_seeds_are_too_few() -> None:
    verdict = concluded(on(STORIES, replace(QUICK, seeds=4)), ends(0.7, 0.7, 0.9))
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_an_arm_that_learns_early_is_ahead_of_one_that_ends_as_high() -> None:
    def model(trial: Trial) -> Curve:
        early = trial.network.norm == "layer"
        return invented(trial, 0.9, start=1 / 3, tau=0.05 if early else 0.6)

    verdict = concluded(on(STORIES, QUICK), model)
    assert verdict.answer == "holds", verdict.sentence


def test_every_trial_reads_over_time_and_the_arms_are_paired() -> None:
    experiment = on(STORIES, QUICK)
    assert isinstance(experiment, Sequences)
    trials = experiment.trials({}).trials
    assert {trial.network.time_steps for trial in trials} == {24}
    assert {trial.network.norm for trial in trials} == {"none", "batch", "layer"}
    by_norm: dict[str, set[tuple[int, float]]] = {}
    for trial in trials:
        by_norm.setdefault(trial.network.norm, set()).add((trial.seed, trial.learning_rate))
    assert by_norm["none"] == by_norm["batch"] == by_norm["layer"]


def test_selection_and_measurement_share_no_seed() -> None:
    experiment = on(STORIES, QUICK)
    curves = trained(experiment, ends(0.7, 0.8, 0.9))
    tuning = {trial.seed for trial in experiment.trials({}).trials}
    measured = {curve.trial.seed for curve in curves.values()} - tuning
    assert measured == set(range(5))


def test_rows_that_are_no_sequences_are_not_for_this_claim() -> None:
    with pytest.raises(NotHere, match="rows of tea are none"):
        on(tea(), QUICK)
