"""The batch-size claim on curves whose truth is known; the spread of batch statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.curves import Model, curve, tea
from support.studies import QUICK, by_id, concluded, study_of

from evenbatch.claims import CLAIMS, batch_spread
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import ExperimentError

Lead = Callable[[float, bool], float]
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
STEPS, SEEN = 200, 6400


def leads(lead: Lead) -> Model:
    """No normalization ends at 0.7; batch norm is ahead by what `lead` says for the doublings of
    the batch from 0 (2) to 1 (256) and whether updates are equal. Half of all that at any learning
    rate but 0.1."""

    def model(trial: Trial) -> Curve:
        part = (math.log2(trial.batch_size) - 1) / 7
        ahead = lead(part, trial.steps == STEPS) if trial.network.norm == "batch" else 0.0
        top = 0.7 + ahead
        return curve(trial, top if trial.learning_rate == 0.1 else top / 1.4, noise=0.002)

    return model


def here(seeds: int = 5) -> Any:
    return study_of("batch-size", seeds=seeds, rates=(0.1, 1.0))


@pytest.mark.parametrize(
    ("lead", "answer"),
    [
        (lambda part, _: 0.2 * part - 0.1, "holds"),
        (lambda part, updates: 0.2 * part if updates else 0.1, "holds in part"),
        (lambda _part, _updates: 0.1, "does not hold"),
        (lambda part, _: 0.1 - 0.2 * part, "does not hold"),
    ],
    ids=["grows", "grows with equal updates", "the same", "shrinks"],
)
def test_the_rule_says_what_batch_sizes_do(lead: Lead, answer: str) -> None:
    verdict = concluded(here(), leads(lead))
    assert verdict.answer == answer, verdict.sentence


def test_a_noisy_lead_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        luck = (-0.06, 0.06, -0.06, 0.06, 0.05)[trial.seed % 5]
        return leads(lambda part, _: luck * part)(trial)

    assert concluded(here(), model).answer == "cannot tell"


def test_runs_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.batch_size == 256:
            return curve(trial, diverged=True)
        return leads(lambda _part, _updates: 0.1)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "does not hold"
    assert by_id(verdict)["growth/updates/best"].value == pytest.approx(-30, abs=1)


def test_growth_and_rise_are_the_planted_ones_at_both_kinds_of_rates() -> None:
    found = by_id(concluded(here(), leads(lambda part, up: (0.2 if up else 0.1) * part)))
    for at in ("best", "equal"):
        assert found[f"growth/updates/{at}"].value == pytest.approx(20, abs=0.5)
        assert found[f"growth/examples/{at}"].value == pytest.approx(10, abs=0.5)
    assert found["rise/updates"].value == pytest.approx(20, abs=0.5)
    assert found["rise/examples"].value == pytest.approx(10, abs=0.5)


def test_budgets_are_equal() -> None:
    cells = here().cells
    updates, examples = (
        [cells[name].trials(cell, 0.1)[0] for cell in cells[name].settings]
        for name in ("updates", "examples")
    )
    assert {trial.steps for trial in updates} == {STEPS}
    assert {trial.steps * trial.batch_size for trial in examples} == {SEEN}
    for trials in (updates, examples):
        assert {trial.batch_size for trial in trials} == set(SIZES)


def test_where_batch_norm_gets_ahead_is_said() -> None:
    note = concluded(here(), leads(lambda part, _: 0.14 * (part - 0.5))).notes[0]
    assert "ahead with batches of 32 or more" in note
    assert "best with batches of 256" in note


def test_a_small_table_has_smaller_batches_and_a_tiny_one_is_refused() -> None:
    sizes = study_of("batch-size", tea(40)).experiment.block("updates").axis("size").levels
    assert [level.at for level in sizes] == [2, 4, 8, 16]
    with pytest.raises(ExperimentError, match=r"tea has 15 training rows; .* at least 16"):
        CLAIMS["batch-size"].on(tea(15), QUICK)


def starts(data: Dataset) -> list[Trial]:
    """Trials with batch norm, seed by seed."""
    cells = study_of("batch-size", data).cells["updates"]
    return cells.trials(("2", "batch"), 0.1)  # type: ignore[no-any-return]


def test_batch_means_of_independent_rows_vary_as_the_law_says() -> None:
    x = np.random.default_rng(1).normal(size=(2000, 30)).astype(np.float32)
    y = np.arange(2000) % 2
    data = Dataset("bells", "classification", x, y, x[:9], y[:9], tuple(map(str, range(30))), "ab")
    found = batch_spread.measure(data, dict.fromkeys(SIZES, starts(data)))
    law = found.correction / np.sqrt(SIZES)
    assert found.means.mean(axis=0) == pytest.approx(law, rel=0.05)
    # A bell's variance has a spread of √(2/N), so its standard deviation one of 1/√(2N).
    assert found.spreads.mean(axis=0)[3:] == pytest.approx(law[3:] / math.sqrt(2), rel=0.07)
    assert found.exponents().mean() == pytest.approx(-0.5, abs=0.02)


def test_a_column_far_from_zero_does_not_disturb_the_spread() -> None:
    digits = load("digits")
    far = replace(digits, x_train=digits.x_train + np.float32(1000), fingerprint="")
    trials = dict.fromkeys((2, 32), starts(digits)[:1])
    near, shifted = (batch_spread.measure(data, trials) for data in (digits, far))
    assert shifted.means == pytest.approx(near.means, rel=1e-3)
    assert shifted.spreads == pytest.approx(near.spreads, rel=1e-3)
