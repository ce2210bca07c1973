"""The learning-rate claim on curves whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from evenbatch.claims import EFFORTS
from evenbatch.engine import Curve, Trial
from support.curves import Model, curve
from support.studies import QUICK, by_id, concluded, study_of, trained

Range = tuple[float, float]


def ranges(none: Range, batch: Range) -> Model:
    """Each arm learns at rates in its range (decades), and diverges beyond it."""

    def model(trial: Trial) -> Curve:
        low, high = none if trial.network.norm == "none" else batch
        decades = math.log10(trial.learning_rate)
        if decades > high + 0.01:
            return curve(trial, diverged=True)
        return curve(trial, 0.95 if decades > low - 0.01 else 0.55, noise=0.01)

    return model


def here(effort: Any = QUICK) -> Any:
    return study_of("learning-rate", effort=effort)


@pytest.mark.parametrize(
    ("none", "batch", "answer"),
    [
        ((-2, 0), (-3, 1), "holds"),
        ((-2, 0), (-2, 0), "does not hold"),
        ((-3, 1), (-2, 0), "does not hold"),
    ],
)
def test_the_rule_says_what_the_ranges_are(none: Range, batch: Range, answer: str) -> None:
    verdict = concluded(here(), ranges(none, batch))
    assert verdict.answer == answer, verdict.sentence


def test_a_gain_of_a_quarter_of_a_decade_is_only_in_part() -> None:
    fine = here(EFFORTS["default"])
    assert concluded(fine, ranges((-2, 0), (-2, 0.25))).answer == "holds in part"


def test_widths_are_counted_in_decades() -> None:
    found = by_id(concluded(here(), ranges((-2, 0), (-3, 1))))
    assert found["wider"].value == pytest.approx(2.0)
    assert found["wider"].unit == "decades wider"


def test_the_highest_best_rate_is_compared_too() -> None:
    def model(trial: Trial) -> Curve:
        best = 0.1 if trial.network.norm == "none" else 1.0
        return curve(trial, 0.95 - 0.02 * abs(math.log10(trial.learning_rate / best)))

    assert by_id(concluded(here(), model))["higher"].value == pytest.approx(10)


def test_a_range_that_reaches_the_edge_is_said_to() -> None:
    notes = concluded(here(), ranges((-2, 0), (-9, 9))).notes
    assert any("batch norm" in note and "highest" in note for note in notes)
    assert not any("no normalization" in note and "highest" in note for note in notes)


def test_every_learning_rate_is_a_row_and_every_run_is_measured() -> None:
    study = here()
    assert {trial.seed for trial in study.trials({}).trials} == set(range(5))
    curves = trained(study, ranges((-2, 0), (-3, 1)))
    (table,) = study.verdict(curves).tables
    assert len(table.rows) == len(study.experiment.block().axis("rate").levels)
    assert {key for keys in table.keys for key in keys} == set(curves)
