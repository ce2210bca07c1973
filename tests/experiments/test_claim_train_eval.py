"""The train-eval claim's rule on curves whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.train_eval import MOMENTA, RUNNING, SHUFFLED, TrainEval, on
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial, train
from evenbatch.protocol.setup import QUICK, Effort


def forgotten(
    by_batch: Callable[[int], float], shuffled: float = 0.0, spread: float = 0.002
) -> Model:
    """0.9 with running and exact statistics; less by `by_batch` with those of a test batch, and
    with shuffled rows better by `shuffled`."""

    def model(trial: Trial) -> Curve:
        end = 0.9
        if trial.statistics == "batch":
            end -= by_batch(trial.evaluation_batch)
            end += shuffled * trial.data.endswith("shuffled")
        return invented(trial, end + noise(trial, spread))

    return model


def here(effort: Effort = QUICK) -> TrainEval:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("by_batch", "answer"),
    [
        (lambda size: 0.3 / size**0.25, "holds"),
        (lambda size: 0.4 if size == 1 else 0.0, "holds in part"),
        (lambda _: 0.0, "does not hold"),
        (lambda _: -0.05, "does not hold"),
    ],
)
def test_the_rule_says_what_forgetting_costs(by_batch: Callable[[int], float], answer: str) -> None:
    verdict = concluded(here(), forgotten(by_batch))
    assert verdict.answer == answer, verdict.sentence


def test_nothing_learned_and_too_few_seeds_tell_nothing() -> None:
    nothing = concluded(here(), lambda trial: invented(trial, 0.9, diverged=True))
    assert (nothing.answer, nothing.reason) == ("cannot tell", "the network learned nothing")
    few = concluded(here(replace(QUICK, seeds=4)), forgotten(lambda _: 0.3))
    assert few.reason == "4 seeds measured and at least 5 are needed"


def test_a_cost_that_changes_sides_from_seed_to_seed_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        luck = (-0.05, 0.05, -0.05, 0.05, 0.06)[trial.seed % 5]
        return forgotten(lambda _: luck)(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_a_metric_below_chance_is_not_made_better() -> None:
    verdict = concluded(here(), forgotten(lambda _: 0.8))
    assert verdict.effects[1].value == pytest.approx(80, abs=1)


def test_what_the_order_of_the_rows_does_is_said() -> None:
    verdict = concluded(here(), forgotten(lambda _: 0.2, shuffled=0.1))
    assert "Shuffling the test rows first made batches of 32 10" in verdict.notes[0]
    assert "better" in verdict.notes[0]


def test_all_ways_of_testing_are_of_the_same_trained_network() -> None:
    experiment = on(load("digits"), QUICK)
    grid = experiment.grid(trained(experiment, forgotten(lambda _: 0.2)))
    cells = [("test", how) for how in (RUNNING, 1, 32, SHUFFLED)]
    trials = [replace(grid.trials(cell)[0], steps=40) for cell in cells]
    curves = train(trials, dict(experiment.datasets), threads=1, keep_weights=True)
    first = curves[0].weights
    assert first is not None
    for curve in curves[1:]:
        assert curve.weights is not None
        for one, other in zip(first.linears, curve.weights.linears, strict=True):
            assert np.array_equal(one.weight, other.weight)
    assert len({float(curve.metric[-1]) for curve in curves}) > 2


def test_momentum_is_that_of_the_running_statistics() -> None:
    experiment = here()
    grid = experiment.grid(trained(experiment, forgotten(lambda _: 0.2)))
    found = {
        (t.network.momentum, t.momentum, t.steps)
        for cell in grid.cells
        if cell[0] == "momentum"
        for t in grid.trials(cell)
    }
    assert found == {(m, 0.9, steps) for m in MOMENTA for steps in (30, 300)}


def test_a_small_test_set_has_smaller_batches() -> None:
    data = tea(60)
    small = Dataset(
        "mate",
        "classification",
        data.x_train,
        data.y_train,
        data.x_test[:10],
        data.y_test[:10],
        data.features,
        data.classes,
    )
    experiment = on(small, QUICK)
    assert experiment.sizes == (1, 2, 4, 8, 10)
    assert experiment.judged == (1, 10)
    assert concluded(experiment, forgotten(lambda _: 0.2)).answer in ("holds", "cannot tell")


def test_every_number_in_the_tables_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, forgotten(lambda _: 0.2))
    tables = experiment.verdict(curves, ()).tables
    measured = {key for table in tables for keys in table.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
