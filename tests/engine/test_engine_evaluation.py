"""What a curve holds: evaluations with running and exact statistics, metrics, and probes.

Losses and metrics are compared to a tolerance relative to the larger of 1 and the number: R² is 1
less a ratio, and where that is near 1, the ratio's error is all that is left.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch_twin import Twin, compare_probes, evaluate

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Network, Session, Trial, train
from evenbatch.engine.network import ACTIVATIONS, NORMALIZERS, PLACEMENTS
from evenbatch.engine.trial import STATISTICS
from harness import arrays, classification, random_weights, regression

TASKS = {"classification": classification(9, 4), "regression": regression(9, 3)}
DATA = {d.name: d for d in TASKS.values()}


def started(trial: Trial) -> tuple[Curve, Twin]:
    """A curve from random weights (gamma, beta, statistics too), and its twin before training."""
    trial = replace(trial, dtype="float64")
    weights = random_weights(trial.network, trial.seed, np.float64)
    with Session([trial], DATA, weights={0: weights}, keep_weights=True) as session:
        session.advance(trial.steps)
        [curve] = session.curves()
    return curve, Twin(trial.network, weights, trial.seed, torch.float64)


def network(data: Dataset, **settings: Any) -> Network:
    return Network(data.n_features, settings.pop("hidden", (14, 6)), data.n_outputs, **settings)


# ---- evaluation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("norm", NORMALIZERS)
@pytest.mark.parametrize("task", TASKS)
def test_evaluation_is_pytorchs_eval(task: str, norm: str, statistics: str) -> None:
    """At step 0 and at the end, on the test set and on the training set, dropout off."""
    data = TASKS[task]
    trial = Trial(
        network(data, norm=norm, dropout=0.3, drift=0.5, groups=2, activation="tanh"), data.name,
        steps=40,
        learning_rate=0.05, evaluate_train=True, statistics=statistics,
    )  # fmt: skip
    curve, twin = started(trial)
    assert list(curve.step) == [0, 40]
    for place in (0, 1):
        if place:
            assert curve.weights is not None
            twin.set_weights(curve.weights)
        test, train_ = evaluate(twin, trial, data), evaluate(twin, trial, data, "train")
        found = [curve.test_loss, curve.metric, curve.train_eval_loss, curve.train_metric]
        for values, wanted in zip(found, (*test, *train_), strict=True):
            np.testing.assert_allclose(values[place], wanted, rtol=1e-11, atol=1e-11)


def test_exact_statistics_differ_from_running_ones_and_change_nothing_else() -> None:
    data = TASKS["classification"]
    running = Trial(network(data, norm="batch"), data.name, steps=30, evaluate_every=10)
    exact = replace(running, statistics="population")
    one, other = train([running, exact], DATA, keep_weights=True)
    assert (one.test_loss != other.test_loss).all()
    np.testing.assert_array_equal(one.train_loss, other.train_loss)
    assert one.weights is not None
    assert other.weights is not None
    np.testing.assert_array_equal(
        one.weights.norms[0].running_var, other.weights.norms[0].running_var
    )


@pytest.mark.parametrize("batch", [1, 2, 7, 41, 1000])
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("task", TASKS)
def test_evaluation_by_the_statistics_of_each_evaluation_batch(
    task: str, placement: str, batch: int
) -> None:
    """41 test rows and 97 of training: the last batch is a smaller one, for 2 and 7 of one row, and
    97 are a batch of their own in one of 1000.
    """
    data = TASKS[task]
    trial = Trial(
        network(data, norm="batch", dropout=0.3, placement=placement), data.name, steps=30,
        learning_rate=0.05, evaluate_train=True, statistics="batch", evaluation_batch=batch,
        batch_size=16,
    )  # fmt: skip
    curve, twin = started(trial)
    for place in (0, 1):
        if place:
            assert curve.weights is not None
            twin.set_weights(curve.weights)
        test, train_ = evaluate(twin, trial, data), evaluate(twin, trial, data, "train")
        found = [curve.test_loss, curve.metric, curve.train_eval_loss, curve.train_metric]
        for values, wanted in zip(found, (*test, *train_), strict=True):
            np.testing.assert_allclose(values[place], wanted, rtol=1e-10, atol=1e-10)


def test_an_evaluation_batch_of_one_sees_beta_alone() -> None:
    """Then every row is told apart by nothing, and all get the same class."""
    data = TASKS["classification"]
    trial = Trial(network(data, norm="batch"), data.name, steps=60, learning_rate=0.05)
    alone = replace(trial, statistics="batch", evaluation_batch=1)
    right, forgotten = train([trial, alone], DATA)
    assert right.metric[-1] > 0.5
    counts = np.bincount(data.y_test)
    assert forgotten.metric[-1] * len(data.y_test) in counts


def test_the_evaluation_batch_is_the_training_batch_unless_given() -> None:
    data = TASKS["classification"]
    trial = Trial(network(data, norm="batch"), data.name, batch_size=7, steps=9, statistics="batch")
    same, given, other = train(
        [trial, replace(trial, evaluation_batch=7), replace(trial, evaluation_batch=8)], DATA
    )
    np.testing.assert_array_equal(same.test_loss, given.test_loss)
    assert (same.test_loss != other.test_loss).all()
    np.testing.assert_array_equal(same.train_loss, other.train_loss)


def test_statistics_of_the_evaluation_batch_change_nothing_else() -> None:
    data = TASKS["classification"]
    running = Trial(network(data, norm="batch"), data.name, steps=30, evaluate_every=10)
    own = replace(running, statistics="batch", evaluation_batch=5)
    one, other = train([running, own], DATA, keep_weights=True)
    assert (one.test_loss != other.test_loss).all()
    assert one.weights is not None
    assert other.weights is not None
    for (name, a), (_, b) in zip(arrays(one.weights), arrays(other.weights), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("n_test", [1, 2, 127, 128, 129, 300])
def test_any_size_of_test_set(n_test: int) -> None:
    """Evaluation works through the test set in pieces; the last may be a single row."""
    data = classification(9, 4, n_test=n_test)
    trial = Trial(network(data, norm="batch"), data.name, batch_size=5, steps=20, dtype="float64")
    [curve] = train([trial], {data.name: data}, keep_weights=True)
    assert curve.weights is not None
    twin = Twin(trial.network, curve.weights, 0, torch.float64)
    loss, accuracy = evaluate(twin, trial, data)
    np.testing.assert_allclose(curve.test_loss[-1], loss, rtol=1e-12)
    assert curve.metric[-1] == accuracy


@pytest.mark.parametrize("classes", [2, 3, 16, 17, 33])
def test_a_tie_counts_for_the_first_class_alone(classes: int) -> None:
    """A dead network (equal logits) scores the share of class 0, which is chance, and not 100 %."""
    data = classification(5, classes, n_test=99)
    dead = Network(5, (4,), classes, init="gaussian", sigma=0.0)
    [curve] = train([Trial(dead, data.name, steps=1, learning_rate=0.0)], {data.name: data})
    assert curve.metric[0] == (data.y_test == 0).mean()
    np.testing.assert_allclose(curve.test_loss[0], np.log(classes), rtol=1e-6)


def test_r_squared_is_over_all_targets_together() -> None:
    data = TASKS["regression"]
    trial = Trial(network(data), data.name, steps=60, learning_rate=0.05, evaluate_train=True)
    curve, twin = started(trial)
    assert curve.weights is not None
    twin.set_weights(curve.weights)
    twin.eval()
    for part, found in (("test", curve.metric[-1]), ("train", curve.train_metric[-1])):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}").astype(np.float64)
        error = twin(torch.tensor(x, dtype=torch.float64)).detach().numpy() - y
        wanted = 1 - (error**2).sum() / ((y - y.mean(axis=0)) ** 2).sum()
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_r_squared_of_a_constant_target_is_nan_and_not_an_error() -> None:
    data = TASKS["regression"]
    flat = replace(data, name="flat", y_test=np.ones_like(data.y_test))
    [curve] = train([Trial(network(data), "flat", steps=5)], {"flat": flat})
    assert curve.ended == "finished"
    assert np.isnan(curve.metric).all()
    assert np.isfinite(curve.test_loss).all()


# ---- points of a curve ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "steps", "wanted"),
    [
        (0, 7, [0, 7]),
        (1, 3, [0, 1, 2, 3]),
        (5, 12, [0, 5, 10, 12]),
        (5, 10, [0, 5, 10]),
        (50, 10, [0, 10]),
        (0, 1, [0, 1]),
    ],
)
def test_evaluated_steps(every: int, steps: int, wanted: list[int]) -> None:
    data = TASKS["classification"]
    trial = Trial(network(data), data.name, steps=steps, evaluate_every=every)
    [curve] = train([trial], DATA)
    assert trial.evaluation_steps() == wanted
    assert list(curve.step) == wanted
    assert (curve.ended, curve.ended_at) == ("finished", steps)
    assert np.isnan(curve.train_eval_loss).all()
    assert np.isnan(curve.train_metric).all()


def test_train_loss_is_the_mean_since_the_point_before() -> None:
    data = TASKS["classification"]
    each = Trial(network(data), data.name, steps=23, evaluate_every=1)
    fine, coarse = train([each, replace(each, evaluate_every=5)], DATA)
    assert np.isnan(fine.train_loss[0])
    assert np.isnan(coarse.train_loss[0])
    cuts = [0, 5, 10, 15, 20, 23]
    wanted = [fine.train_loss[1 + a : 1 + b].mean() for a, b in pairwise(cuts)]
    np.testing.assert_allclose(coarse.train_loss[1:], wanted, rtol=1e-12)


def test_seconds_start_at_nothing_and_grow() -> None:
    """That evaluations are left out is tested with a made-up clock, compiler off."""
    data = TASKS["classification"]
    [curve] = train([Trial(network(data), data.name, steps=300, evaluate_every=100)], DATA)
    assert curve.seconds[0] == 0
    assert (np.diff(curve.seconds) > 0).all()


def test_steps_to_a_target() -> None:
    data = TASKS["classification"]
    [curve] = train(
        [Trial(network(data, norm="batch"), data.name, steps=200, evaluate_every=10)], DATA
    )
    best = float(curve.metric.max())
    assert best > 0.6
    reached = curve.steps_to(0.5)
    after = np.flatnonzero(curve.step >= reached)
    assert curve.metric[after[0] - 1] < 0.5 <= curve.metric[after[0]]
    assert curve.steps_to(-1.0) == 0
    assert curve.steps_to(1.01) == float("inf")
    once = replace(curve, metric=np.where(curve.step == 100, best + 0.1, curve.metric))
    assert once.steps_to(best + 0.05) == float("inf"), "touched, and not held"


# ---- probes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("norm", NORMALIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_probes_are_what_the_twin_sees(activation: str, norm: str, placement: str) -> None:
    """Large weights, so that units saturate and die; the second probe comes after an evaluation.

    With drift and without it.
    """
    data = TASKS["classification"]
    net = network(
        data, hidden=(14, 18, 18), activation=activation, norm=norm, placement=placement,
        dropout=0.2, residual=1, init="gaussian", sigma=1.5 if activation != "identity" else 0.3,
        drift=0.4 * (norm in ("none", "layer")),
        groups=1 + (placement != "input"),
    )  # fmt: skip
    trial = Trial(
        net, data.name, batch_size=12, steps=9, learning_rate=0.01, probe_every=4, evaluate_every=4,
        seed=8,
    )  # fmt: skip
    curve, twin = started(trial)
    compare_probes(trial, data, curve.probes, twin)


def test_the_probed_shares_are_not_all_zero() -> None:
    """Otherwise the comparison above would prove little."""
    data = TASKS["classification"]
    for activation in ACTIVATIONS:
        net = network(data, activation=activation, init="gaussian", sigma=1.5)
        curve, _ = started(Trial(net, data.name, batch_size=12, steps=1, probe_every=1))
        assert curve.probes is not None
        shares = curve.probes.saturated[0, :-1]
        if activation == "identity":
            assert (shares == 0).all()
            continue
        if activation == "leaky_relu":
            assert (shares > 0).all(), "a slope of 0.01 is below 5 % of 1"
        assert shares.max() > 0.05, activation
        assert (curve.probes.dead[0] <= curve.probes.saturated[0]).all()
        assert curve.probes.saturated[0, -1] == 0


def test_knobs_are_probed_where_there_are_any() -> None:
    """They start at 1 and 0, the learned ones move, and the output layer has none."""
    data = TASKS["classification"]
    for placement, places in (("before", [0, 1]), ("after", [0, 1]), ("input", [0])):
        net = network(data, norm="batch", placement=placement)
        [curve] = train([Trial(net, data.name, steps=20, probe_every=19)], DATA)
        probes = curve.probes
        assert probes is not None
        rest = [layer for layer in range(3) if layer not in places]
        for found, start in (
            (probes.gamma_shift, 0), (probes.beta_shift, 0), (probes.gamma_mean, 1),
        ):  # fmt: skip
            assert (found[0, places] == start).all()
            assert (found[1, places] != start).all()
            assert np.isnan(found[:, rest]).all()


def test_no_probes_unless_asked_for() -> None:
    data = TASKS["classification"]
    [curve] = train([Trial(network(data), data.name, steps=3)], DATA)
    assert curve.probes is None
