"""The feature-scaling claim on curves whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evenbatch.claims import feature_scaling
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol import Prepared
from support.curves import Model, curve
from support.studies import by_id, concluded, study_of


def arm(trial: Trial) -> str:
    even = trial.data.endswith("standardized")
    if trial.network.norm == "none":
        return "even" if even else "raw"
    if trial.network.placement == "input":
        return "input"
    return "both" if even else "batch"


def ends(raw: float, even: float, batch: float, both: float) -> Model:
    tops = {"raw": raw, "even": even, "batch": batch, "both": both, "input": even}
    return lambda trial: curve(trial, tops[arm(trial)], noise=0.002)


def here(data: Any = None) -> Any:
    return study_of("feature-scaling", data, rates=(0.1, 1.0))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (ends(0.6, 0.9, 0.95, 0.95), "holds"),
        (ends(0.6, 0.9, 0.8, 0.9), "holds in part"),
        (ends(0.6, 0.9, 0.6, 0.9), "does not hold"),
        (ends(0.8, 0.9, 0.6, 0.9), "does not hold"),
        (ends(0.9, 0.9, 0.9, 0.9), "cannot tell"),
        (ends(0.9, 0.6, 0.9, 0.9), "cannot tell"),
    ],
)
def test_the_rule_says_what_scaling_does(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_raw_arms_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if arm(trial) in ("raw", "batch"):
            return curve(trial, diverged=True)
        return ends(0.6, 0.9, 0.9, 0.9)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "does not hold"
    assert any("5 of 5 runs of “raw input” diverged" in note for note in verdict.notes)


def test_gains_are_differences_of_averages_over_the_run() -> None:
    tops = {"raw": 0.6, "even": 0.9, "batch": 0.85, "both": 0.95, "input": 0.9}
    verdict = concluded(
        here(), lambda trial: curve(trial, tops[arm(trial)], start=tops[arm(trial)])
    )
    found = by_id(verdict)
    gains = ("gain/arms/best/both/batch", "gain/arms/best/standardized/raw", "saved/best")
    assert [found[name].value for name in gains] == pytest.approx([10, 30, 20])
    assert found["gain/arms/best/batch/standardized"].value == pytest.approx(-5)
    assert "behind standardized input" in verdict.sentence


def test_columns_of_one_scale_are_written_in_mixed_units() -> None:
    data = load("mnist1d")
    mixed = feature_scaling.uneven(Prepared(data)).data
    ratio = mixed.x_train.std(axis=0) / data.x_train.std(axis=0)
    assert ratio.max() / ratio.min() == pytest.approx(1000, rel=1e-3)
    assert np.allclose(mixed.x_test, data.x_test * ratio, rtol=1e-4)
    assert feature_scaling.uneven(Prepared(load("cookies"))).data is load("cookies")


def test_a_regression_is_told_in_points_of_r2() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    data = Dataset("milk", "regression", x, x[:, :1], x, x[:, :1], ("a", "b", "c"), ())
    tops = {"raw": 0.2, "even": 0.9, "batch": 0.9, "both": 0.9, "input": 0.9}
    verdict = concluded(here(data), lambda trial: curve(trial, tops[arm(trial)], start=0.0))
    assert verdict.answer == "holds"
    assert "R²" in verdict.effects[0].unit
