"""The feature-scaling claim's rule on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.feature_scaling import FeatureScaling, on, uneven
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK, Effort


def arm(trial: Trial) -> str:
    even = trial.data.endswith("standardized")
    if trial.network.norm == "none":
        return "even" if even else "raw"
    if trial.network.placement == "input":
        return "input"
    return "both" if even else "batch"


def ends(raw: float, even: float, batch: float, both: float) -> Model:
    tops = {"raw": raw, "even": even, "batch": batch, "both": both, "input": even}
    return lambda trial: invented(trial, tops[arm(trial)] + noise(trial, 0.002))


def here(effort: Effort = QUICK) -> FeatureScaling:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (ends(0.6, 0.9, 0.95, 0.95), "holds"),
        (ends(0.6, 0.9, 0.8, 0.9), "holds in part"),
        (ends(0.6, 0.9, 0.6, 0.9), "does not hold"),
        (ends(0.8, 0.9, 0.6, 0.9), "does not hold"),
        (ends(0.9, 0.9, 0.9, 0.9), "cannot tell"),
        (ends(0.9, 0.6, 0.9, 0.9), "cannot tell"),
        (ends(0.5, 0.5, 0.5, 0.5), "cannot tell"),
    ],
)
def test_the_rule_says_what_scaling_does(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_too_few_seeds_tell_nothing() -> None:
    verdict = concluded(here(replace(QUICK, seeds=4)), ends(0.6, 0.9, 0.95, 0.95))
    assert verdict.answer == "cannot tell"
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_raw_arms_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if arm(trial) in ("raw", "batch"):
            return invented(trial, 0.9, diverged=True)
        return ends(0.6, 0.9, 0.9, 0.9)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "does not hold"
    assert [
        note
        for note in verdict.notes
        if "5 of 5 runs diverged at the best learning rate of “raw input”" in note
    ]


def test_gains_are_differences_of_averages_over_the_training() -> None:
    def model(trial: Trial) -> Curve:
        tops = {"raw": 0.6, "even": 0.9, "batch": 0.85, "both": 0.95, "input": 0.9}
        curve = invented(trial, 0.9)
        return replace(curve, metric=0 * curve.metric + tops[arm(trial)])

    verdict = concluded(here(), model)
    assert [effect.value for effect in verdict.effects[:3]] == pytest.approx([10, 30, 20])
    assert "5.0 points of accuracy (95 % interval 5.0 to 5.0) behind" in verdict.sentence


def test_columns_of_one_scale_are_written_in_mixed_units() -> None:
    mixed = uneven(load("mnist1d"))
    ratio = mixed.x_train.std(axis=0) / load("mnist1d").x_train.std(axis=0)
    assert ratio.max() / ratio.min() == pytest.approx(1000, rel=1e-3)
    assert np.allclose(mixed.x_test, load("mnist1d").x_test * ratio, rtol=1e-4)
    assert uneven(load("cookies")) is load("cookies")


def test_a_regression_is_told_in_points_of_r2() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    data = Dataset("milk", "regression", x, x[:, :1], x, x[:, :1], ("a", "b", "c"), ())

    def model(trial: Trial) -> Curve:
        return invented(trial, ends(0.2, 0.9, 0.9, 0.9)(trial).metric[-1], start=0.0)

    verdict = concluded(on(data, QUICK), model)
    assert verdict.answer == "holds"
    assert verdict.effects[0].unit == "points of R²"


def test_every_number_in_the_table_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, ends(0.6, 0.9, 0.8, 0.9))
    (table,) = experiment.verdict(curves, ()).tables
    assert len(table.rows) == 5
    measured = {key for keys in table.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
