"""The train-eval claim on curves whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import Curve, Trial, train
from support.curves import Model, curve, tea
from support.studies import by_id, concluded, study_of, trained

MOMENTA = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)


def forgotten(by_batch: Callable[[int], float], shuffled: float = 0.0) -> Model:
    """0.9 with running and exact statistics; less by `by_batch` with those of a test batch, and
    with shuffled rows better by `shuffled`."""

    def model(trial: Trial) -> Curve:
        end = 0.9
        if trial.statistics == "batch":
            end -= by_batch(trial.evaluation_batch)
            end += shuffled * trial.data.endswith("shuffled")
        return curve(trial, end, noise=0.002)

    return model


def here(data: Any = None) -> Any:
    return study_of("train-eval", data, rates=(0.1,))


@pytest.mark.parametrize(
    ("by_batch", "answer"),
    [
        (lambda size: 0.3 / size**0.25, "holds"),
        (lambda size: 0.4 if size == 1 else 0.0, "holds in part"),
        (lambda _: 0.0, "does not hold"),
        (lambda _: -0.05, "does not hold"),
    ],
    ids=["always", "one at a time", "never", "the batch's own are better"],
)
def test_the_rule_says_what_forgetting_costs(by_batch: Callable[[int], float], answer: str) -> None:
    verdict = concluded(here(), forgotten(by_batch))
    assert verdict.answer == answer, verdict.sentence


def test_a_cost_that_changes_sides_from_seed_to_seed_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        luck = (-0.05, 0.05, -0.05, 0.05, 0.06)[trial.seed % 5]
        return forgotten(lambda _: luck)(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_a_metric_below_chance_is_not_made_better() -> None:
    found = by_id(concluded(here(), forgotten(lambda _: 0.8)))
    assert found["cost/1"].value == found["cost/32"].value == pytest.approx(80, abs=1)
    assert found["cost/exact"].value == pytest.approx(0, abs=1e-9)


def test_what_the_order_of_the_rows_does_is_said() -> None:
    verdict = concluded(here(), forgotten(lambda _: 0.2, shuffled=0.1))
    assert by_id(verdict)["cost/shuffled"].value == pytest.approx(10, abs=0.1)
    (note,) = [n for n in verdict.notes if n.startswith("Shuffling")]
    assert "batches of 32 10" in note
    assert "better" in note


def test_all_ways_of_testing_are_of_the_same_trained_network() -> None:
    study = here(load("digits"))
    curves = trained(study, forgotten(lambda _: 0.2))
    reading = study.reading(curves)
    ways = ("running", "1", "32", "shuffled")
    keys = [reading.keys((how,), "tested")[0] for how in ways]
    trials = [replace(curves[key].trial, steps=40) for key in keys]
    found = train(trials, dict(study.datasets), threads=1, keep_weights=True)
    first = found[0].weights
    assert first is not None
    for other in found[1:]:
        assert other.weights is not None
        for one, two in zip(first.linears, other.weights.linears, strict=True):
            assert np.array_equal(one.weight, two.weight)
    assert len({float(each.metric[-1]) for each in found}) > 2


def test_momentum_is_that_of_the_running_statistics() -> None:
    study = here()
    reading = study.reading(trained(study, forgotten(lambda _: 0.2)))
    rates = reading.rates("momenta")
    cells = study.cells["momenta"]
    trials = [trial for cell in cells.settings for trial in cells.trials(cell, rates[cell])]
    found = {(t.network.momentum, t.momentum, t.steps) for t in trials}
    assert found == {(m, 0.9, steps) for m in MOMENTA for steps in (30, 300)}


def test_a_small_test_set_has_smaller_batches() -> None:
    data = tea(60)
    small = replace(
        data, name="mate", x_test=data.x_test[:10], y_test=data.y_test[:10], fingerprint=""
    )
    study = here(small)
    sizes = [v.at for v in study.experiment.block("tested").axis("how").levels if v.at]
    assert sizes == [1, 2, 4, 8, 10]
    assert [part.effect for part in study.experiment.rule.parts] == ["cost/10", "cost/1"]
