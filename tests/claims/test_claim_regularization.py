"""The regularization claim on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import ExperimentError
from support.curves import Model, curve, tea
from support.studies import NEEDED, QUICK, by_id, concluded, study_of

Both = tuple[float, float]
GAINS = ("gain/little/best/batch/none", "gain/noisy/best/batch/none")


def arm(trial: Trial) -> str:
    if trial.network.norm == "batch":
        return "batch"
    return "dropout" if trial.network.dropout else "none"


def learned(little: Both, noisy: Both, dropout: float = 0.8, end: float = 0.01) -> Model:
    """Test metrics (none, batch) on little data and with noisy labels, the same all along.

    The training loss falls evenly on a log scale, to `end` of the guess's; batch norm's twice as
    fast, which must not matter.
    """

    def model(trial: Trial) -> Curve:
        none, batch = noisy if "shuffled" in trial.data else little
        top = {"none": none, "batch": batch, "dropout": dropout}[arm(trial)]
        found = curve(trial, top, start=top, noise=0.002)
        part = np.minimum(found.step / trial.steps * (2 if arm(trial) == "batch" else 1), 1)
        loss = np.log(2) * end**part
        return replace(found, train_eval_loss=loss, train_metric=found.metric + 0.05)

    return model


def here(data: Any = None, seeds: int = 5) -> Any:
    return study_of("regularization", data or tea(2000), seeds=seeds, rates=(0.1, 0.316))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (learned((0.8, 0.9), (0.8, 0.9)), "holds"),
        (learned((0.8, 0.9), (0.8, 0.8)), "holds in part"),
        (learned((0.8, 0.9), (0.9, 0.8)), "holds in part"),
        (learned((0.8, 0.8), (0.8, 0.8)), "does not hold"),
        (learned((0.9, 0.8), (0.9, 0.8)), "does not hold"),
    ],
)
def test_the_rule_says_what_batch_norm_does(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_the_gains_and_gaps_are_the_planted_ones() -> None:
    found = by_id(concluded(here(), learned((0.8, 0.9), (0.7, 0.75))))
    assert [found[name].value for name in GAINS] == pytest.approx([10, 5], abs=0.5)
    assert found["gain/little/best/batch/dropout"].value == pytest.approx(10, abs=0.5)
    assert found["gap/little"].value == pytest.approx(0, abs=0.5)


def test_arms_that_do_not_get_down_to_the_training_loss_are_left_out_and_told() -> None:
    verdict = concluded(here(), learned((0.8, 0.9), (0.8, 0.9), end=0.3))
    assert (verdict.answer, NEEDED in verdict.reason) == ("cannot tell", True)
    late = [n for n in verdict.notes if "5 of 5 runs of batch norm" in n]
    assert [("200 rows" in note, "left out" in note) for note in late] == [(True, True)]


def test_a_diverged_arm_has_no_value_at_equal_loss() -> None:
    def model(trial: Trial) -> Curve:
        if arm(trial) == "batch":
            return curve(trial, diverged=True)
        return learned((0.8, 0.9), (0.8, 0.9))(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_labels_are_shuffled_and_rows_few_only_where_said() -> None:
    assert list(here(load("digits")).datasets) == [
        "digits, 200 rows", "digits, 500 rows, 30 % labels shuffled",
    ]  # fmt: skip
    first = next(iter(here(load("cookies")).datasets))
    assert first == "cookies, columns standardized, 200 rows"


def test_a_regression_has_targets_shuffled_and_is_told_in_r2() -> None:
    x = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    data = Dataset("milk", "regression", x, x[:, :1], x, x[:, :1], ("a", "b", "c"), ())
    study = here(data)
    assert list(study.datasets)[1] == "milk, 500 rows, 30 % targets shuffled"
    verdict = concluded(study, learned((0.5, 0.9), (0.5, 0.9)))
    assert verdict.answer == "holds"
    assert "R²" in verdict.effects[0].unit


def test_a_table_too_small_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"tea has 90 training rows; .* at least 120 rows"):
        CLAIMS["regularization"].on(tea(90), QUICK)
