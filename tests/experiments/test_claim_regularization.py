"""The regularization claim's rule on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.regularization import Regularization, at_loss, guess_loss, on
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK, Effort
from evenbatch.protocol.verdict import ExperimentError


def arm(trial: Trial) -> str:
    if trial.network.norm == "batch":
        return "batch"
    return "dropout" if trial.network.dropout else "none"


def learned(
    little: tuple[float, float], noisy: tuple[float, float], dropout: float = 0.8, end: float = 0.01
) -> Model:
    """Test metrics (none, batch) on little data and with noisy labels, the same all along.

    The training loss falls evenly on a log scale, to `end` of the guess's; batch norm's twice as
    fast, which must not matter.
    """

    def model(trial: Trial) -> Curve:
        none, batch = noisy if "shuffled" in trial.data else little
        tops = {"none": none, "batch": batch, "dropout": dropout}
        top = tops[arm(trial)] + noise(trial, 0.002)
        curve = invented(trial, 0.9)
        part = np.minimum(curve.step / trial.steps * (2 if arm(trial) == "batch" else 1), 1)
        metric = 0 * curve.metric + top
        loss = np.log(2) * end**part
        return replace(curve, metric=metric, train_eval_loss=loss, train_metric=metric + 0.05)

    return model


def here(effort: Effort = QUICK) -> Regularization:
    return on(tea(2000), effort)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (learned((0.8, 0.9), (0.8, 0.9)), "holds"),
        (learned((0.8, 0.9), (0.8, 0.8)), "holds in part"),
        (learned((0.8, 0.9), (0.9, 0.8)), "holds in part"),
        (learned((0.8, 0.8), (0.8, 0.8)), "does not hold"),
        (learned((0.9, 0.8), (0.9, 0.8)), "does not hold"),
        (learned((0.5, 0.5), (0.5, 0.5), dropout=0.5), "cannot tell"),
    ],
)
def test_the_rule_says_what_batch_norm_does(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_too_few_seeds_tell_nothing() -> None:
    verdict = concluded(here(replace(QUICK, seeds=4)), learned((0.8, 0.9), (0.8, 0.9)))
    assert verdict.answer == "cannot tell"
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_arms_that_do_not_get_down_to_the_training_loss_are_left_out_and_told() -> None:
    verdict = concluded(here(), learned((0.8, 0.9), (0.8, 0.9), end=0.3))
    assert verdict.answer == "cannot tell"
    assert verdict.reason == "0 seeds measured and at least 5 are needed"
    (note,) = [n for n in verdict.notes if "5 of 5 runs of batch norm did not get down" in n]
    assert "tea, 200 rows" in note


def test_a_diverged_arm_has_no_value_at_equal_loss() -> None:
    def model(trial: Trial) -> Curve:
        if arm(trial) == "batch":
            return invented(trial, 0.9, diverged=True)
        return learned((0.8, 0.9), (0.8, 0.9))(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_the_value_is_read_where_the_loss_is_crossed() -> None:
    trial = next(iter(here().trials({}).trials))
    curve = learned((0.8, 0.9), (0.8, 0.9))(trial)
    even = replace(
        curve,
        train_eval_loss=np.linspace(1, 0, len(curve.step)),
        metric=np.linspace(0, 1, len(curve.step)) ** 2,
    )
    assert at_loss(even, 0.25, even.metric) == pytest.approx(0.75**2, abs=1e-3)
    assert np.isnan(at_loss(even, -1, even.metric))


def test_equal_loss_is_told_against_a_guess() -> None:
    assert guess_loss(tea(40)) == pytest.approx(np.log(2))
    taste = load("cookies-taste")
    assert guess_loss(taste) == pytest.approx(float(taste.y_train.var()), rel=1e-5)


def test_labels_are_shuffled_and_rows_few_only_where_said() -> None:
    names = list(on(load("digits"), QUICK).datasets)
    assert names == ["digits, 200 rows", "digits, 500 rows, 30 % labels shuffled"]
    assert (
        next(iter(on(load("cookies"), QUICK).datasets)) == "cookies, columns standardized, 200 rows"
    )


def test_a_regression_has_targets_shuffled_and_is_told_in_r2() -> None:
    x = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    data = Dataset("milk", "regression", x, x[:, :1], x, x[:, :1], ("a", "b", "c"), ())
    experiment = on(data, QUICK)
    assert list(experiment.datasets)[1] == "milk, 500 rows, 30 % targets shuffled"
    verdict = concluded(experiment, learned((0.5, 0.9), (0.5, 0.9)))
    assert verdict.answer == "holds"
    assert verdict.effects[0].unit == "points of R²"


def test_a_table_too_small_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"tea has 90 training rows; .* at least 120 rows"):
        on(tea(90), QUICK)


def test_every_number_in_the_tables_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, learned((0.8, 0.9), (0.8, 0.9)))
    tables = experiment.verdict(curves, ()).tables
    assert [len(table.rows) for table in tables] == [3, 3]
    assert {key for table in tables for keys in table.keys for key in keys} <= set(curves)
    assert all(len(keys) == QUICK.seeds for table in tables for keys in table.keys)
