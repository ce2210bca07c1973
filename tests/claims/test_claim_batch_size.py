"""The batch-size claim on curves whose truth is known; the spread of batch statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import ExperimentError
from support.curves import Model, curve, tea
from support.studies import QUICK, by_id, concluded, study_of

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


def level(_part: float, _updates: bool) -> float:
    """No lead at all."""
    return 0.0


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
    assert [size.at for size in sizes] == [2, 4, 8, 16]
    with pytest.raises(ExperimentError, match=r"tea has 15 training rows; .* at least 16"):
        CLAIMS["batch-size"].on(tea(15), QUICK)


def spread(data: Dataset) -> dict[str, Any]:
    """What is drawn of the batch statistics, by id."""
    study = study_of("batch-size", data, rates=(0.1,))
    figures = {figure.id: figure for figure in concluded(study, leads(level)).figures}
    return {series.id: np.array(series.y) for series in figures["spread"].series}


def test_batch_means_of_independent_rows_vary_as_the_law_says() -> None:
    x = np.random.default_rng(1).normal(size=(2000, 30)).astype(np.float32)
    y = np.arange(2000) % 2
    data = Dataset("bells", "classification", x, y, x, y, tuple(map(str, range(30))), "ab")
    found = spread(data)
    law = found["law"]
    assert law == pytest.approx(np.sqrt((2000 - np.array(SIZES)) / 1999 / SIZES))
    assert found["means"] == pytest.approx(law, rel=0.05)
    # A bell's variance has a spread of √(2/N), so its standard deviation one of 1/√(2N).
    assert found["spreads"][3:] == pytest.approx(law[3:] / math.sqrt(2), rel=0.1)


def test_the_exponent_of_the_law_is_a_half() -> None:
    found = by_id(concluded(study_of("batch-size", load("digits"), rates=(0.1,)), leads(level)))
    assert found["exponent"].value == pytest.approx(-0.5, abs=0.02)


def test_a_column_far_from_zero_does_not_disturb_the_spread() -> None:
    digits = load("digits")
    far = replace(digits, x_train=digits.x_train + np.float32(1000), fingerprint="")
    near, shifted = spread(digits), spread(far)
    for name in ("means", "spreads"):
        assert shifted[name] == pytest.approx(near[name], rel=1e-3)
