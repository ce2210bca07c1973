"""The learning-rate claim's rule on curves whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.learning_rate import ARMS, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK


def ranges(none: tuple[float, float], batch: tuple[float, float]) -> Model:
    """Each arm learns at rates in its range (decades), and diverges beyond it."""

    def model(trial: Trial) -> Curve:
        low, high = none if trial.network.norm == "none" else batch
        decades = math.log10(trial.learning_rate)
        if decades > high:
            return invented(trial, 0.5, diverged=True)
        return invented(trial, 0.95 + noise(trial) if decades >= low else 0.55)

    return model


@pytest.mark.parametrize(
    ("none", "batch", "answer"),
    [
        ((-2, 0), (-3, 1), "holds"),
        ((-2, 0), (-2, 0), "does not hold"),
        ((-3, 1), (-2, 0), "does not hold"),
        ((5, 6), (5, 6), "cannot tell"),
    ],
)
def test_the_rule_says_what_the_ranges_are(
    none: tuple[float, float], batch: tuple[float, float], answer: str
) -> None:
    verdict = concluded(on(tea(), QUICK), ranges(none, batch))
    assert verdict.answer == answer, verdict.sentence


def test_a_gain_of_a_third_of_a_decade_is_only_in_part() -> None:
    fine = replace(on(tea(), QUICK), spacing=0.25)
    assert concluded(fine, ranges((-2, 0), (-2, 0.3))).answer == "holds in part"


def test_too_few_seeds_tell_nothing() -> None:
    few = on(tea(), replace(QUICK, seeds=4))
    verdict = concluded(few, ranges((-2, 0), (-3, 1)))
    assert (verdict.answer, verdict.reason) == (
        "cannot tell",
        "4 seeds measured and at least 5 are needed",
    )


def test_widths_are_counted_in_decades() -> None:
    verdict = concluded(on(tea(), QUICK), ranges((-2, 0), (-3, 1)))
    assert verdict.effects[0].value == pytest.approx(2.0)
    assert verdict.effects[0].unit == "decades wider"


def test_a_range_that_reaches_the_edge_is_said_to() -> None:
    verdict = concluded(on(tea(), QUICK), ranges((-2, 0), (-9, 9)))
    assert [note for note in verdict.notes if "highest" in note and "batch norm" in note]


def test_a_part_of_the_curves_gives_a_verdict_on_whole_seeds_only() -> None:
    experiment = on(tea(), QUICK)
    curves = trained(experiment, ranges((-2, 0), (-3, 1)))
    some = dict(list(curves.items())[: len(curves) // 2])
    verdict = experiment.verdict(some, ())
    assert verdict.answer == "cannot tell"
    assert "2 seeds" in verdict.measured_on


def test_every_number_in_the_table_leads_to_trials() -> None:
    experiment = on(tea(), QUICK)
    curves = trained(experiment, ranges((-2, 0), (-3, 1)))
    (table,) = experiment.verdict(curves, ()).tables
    assert len(table.rows) == len(experiment.rates)
    assert all(len(keys) == len(ARMS) * QUICK.seeds for keys in table.keys)
    assert {key for keys in table.keys for key in keys} == set(curves)
