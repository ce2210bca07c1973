"""The batch-size claim's rule on curves whose truth is known; the spread of batch statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims import batch_spread
from evenbatch.claims.batch_size import EXAMPLES, SEEN, SIZES, STEPS, UPDATES, BatchSize, on
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK, Effort
from evenbatch.protocol.verdict import ExperimentError

Lead = Callable[[float, bool], float]


def leads(lead: Lead) -> Model:
    """No normalization ends at 0.7; batch norm is ahead by what `lead` says for the doublings of
    the batch from 0 (2) to 1 (256) and whether updates are equal. Half of all that at any learning
    rate but 0.1."""

    def model(trial: Trial) -> Curve:
        part = (math.log2(trial.batch_size) - 1) / 7
        ahead = lead(part, trial.steps == STEPS) if trial.network.norm == "batch" else 0.0
        top = 0.7 + ahead + noise(trial, 0.002)
        return invented(trial, top if trial.learning_rate == 0.1 else top / 1.4)

    return model


def here(effort: Effort = QUICK) -> BatchSize:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("lead", "answer"),
    [
        (lambda part, _: 0.2 * part - 0.1, "holds"),
        (lambda part, updates: 0.2 * part if updates else 0.1, "holds in part"),
        (lambda _part, _updates: 0.1, "does not hold"),
        (lambda part, _: 0.1 - 0.2 * part, "does not hold"),
    ],
)
def test_the_rule_says_what_batch_sizes_do(lead: Lead, answer: str) -> None:
    verdict = concluded(here(), leads(lead))
    assert verdict.answer == answer, verdict.sentence


def test_too_few_seeds_and_no_learning_tell_nothing() -> None:
    few = concluded(here(replace(QUICK, seeds=4)), leads(lambda part, _: part / 4))
    assert few.reason == "4 seeds measured and at least 5 are needed"
    nothing = concluded(here(), lambda trial: invented(trial, 0.5))
    assert (nothing.answer, nothing.reason) == ("cannot tell", "no arm learned anything")


def test_a_noisy_lead_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        luck = (-0.06, 0.06, -0.06, 0.06, 0.05)[trial.seed % 5]
        return leads(lambda part, _: luck * part)(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_runs_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.batch_size == 256:
            return invented(trial, 0.9, diverged=True)
        return leads(lambda _part, _updates: 0.1)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "does not hold"
    assert verdict.effects[0].value == pytest.approx(-30, abs=1)


def test_budgets_are_equal() -> None:
    cells = {
        (budget, arm, size): make(0.1, 0)
        for (budget, arm, size), make in here().tuned.cells.items()
    }
    assert {trial.steps for (b, _, _), trial in cells.items() if b == UPDATES} == {STEPS}
    seen = {t.steps * t.batch_size for (b, _, _), t in cells.items() if b == EXAMPLES}
    assert seen == {SEEN}
    assert {size for _, _, size in cells} == set(SIZES)


def test_where_batch_norm_gets_ahead_is_said() -> None:
    verdict = concluded(here(), leads(lambda part, _: 0.14 * (part - 0.5)))
    assert "ahead for sure with batches of 32 or more" in verdict.notes[0]
    assert "did best with batches of 256" in verdict.notes[0]


def test_a_small_table_has_smaller_batches_and_a_tiny_one_is_refused() -> None:
    assert on(tea(40), QUICK).sizes == (2, 4, 8, 16)
    with pytest.raises(ExperimentError, match=r"tea has 15 training rows; .* at least 16"):
        on(tea(15), QUICK)


def test_every_number_in_the_tables_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, leads(lambda part, _: part / 4))
    by_updates, by_examples, spread = experiment.verdict(curves, ()).tables
    assert len(by_updates.rows) == len(by_examples.rows) == len(SIZES)
    measured = {key for t in (by_updates, by_examples) for keys in t.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
    assert {key for keys in spread.keys for key in keys} < set(curves)


def test_batch_means_of_independent_rows_vary_as_the_law_says() -> None:
    x = np.random.default_rng(1).normal(size=(2000, 30)).astype(np.float32)
    y = np.arange(2000) % 2
    data = Dataset("bells", "classification", x, y, x[:9], y[:9], tuple(map(str, range(30))), "ab")
    trials = [here().setup.trial(seed, data=data, norm="batch") for seed in range(5)]
    found = batch_spread.measure(data, dict.fromkeys(SIZES, trials))
    law = found.correction / np.sqrt(SIZES)
    assert found.means.mean(axis=0) == pytest.approx(law, rel=0.05)
    # A bell's variance has a spread of √(2/N), so its standard deviation one of 1/√(2N).
    assert found.spreads.mean(axis=0)[3:] == pytest.approx(law[3:] / math.sqrt(2), rel=0.07)
    assert found.exponent().value == pytest.approx(-0.5, abs=0.02)


def test_a_column_far_from_zero_does_not_disturb_the_spread() -> None:
    digits = load("digits")
    far = replace(digits, x_train=digits.x_train + np.float32(1000), fingerprint="")
    trial = on(digits, QUICK).setup.trial(0, norm="batch")
    near, shifted = (batch_spread.measure(d, {2: [trial], 32: [trial]}) for d in (digits, far))
    assert shifted.means == pytest.approx(near.means, rel=1e-3)
    assert shifted.spreads == pytest.approx(near.spreads, rel=1e-3)
