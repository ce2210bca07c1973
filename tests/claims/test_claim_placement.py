"""The placement claim on curves whose truth is known."""

from __future__ import annotations

from typing import Any

import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve
from support.studies import by_id, concluded, study_of, trained

BEST = {"none": 0.1, "input": 0.1, "after": 0.316, "before": 0.316}
OVER = "gain/raw/best/before"


def place(trial: Trial) -> str:
    return "none" if trial.network.norm == "none" else trial.network.placement


def ends(none: float, on_input: float, after: float, before: float) -> Model:
    """Each placement ends there at its best learning rate, a fifth lower at any other."""
    tops = {"none": none, "input": on_input, "after": after, "before": before}

    def model(trial: Trial) -> Curve:
        where = place(trial)
        top = tops[where] if trial.learning_rate == BEST[where] else 0.8 * tops[where]
        return curve(trial, top, noise=0.002)

    return model


def here() -> Any:
    return study_of("placement", rates=(0.0316, 0.1, 0.316, 1.0))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (ends(0.7, 0.8, 0.85, 0.95), "holds"),
        (ends(0.7, 0.8, 0.95, 0.95), "holds in part"),
        (ends(0.95, 0.95, 0.95, 0.95), "does not hold"),
        (ends(0.95, 0.8, 0.8, 0.7), "does not hold"),
        (ends(0.7, 0.95, 0.8, 0.9), "does not hold"),
    ],
)
def test_the_rule_says_what_the_placements_are(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_a_rival_that_is_ahead_is_named_and_stands_first() -> None:
    verdict = concluded(here(), ends(0.7, 0.95, 0.8, 0.9))
    assert "on the input only" in verdict.reason
    assert verdict.effects[0].id == f"{OVER}/input"
    assert verdict.effects[0].high < -1


def test_rivals_that_did_as_well_are_named() -> None:
    verdict = concluded(here(), ends(0.7, 0.8, 0.95, 0.95))
    assert "after the activation" in verdict.reason
    assert "on the input" not in verdict.reason


def test_a_noisy_gain_cannot_be_told() -> None:
    def noisy(trial: Trial) -> Curve:
        luck = (-0.03, 0.03, -0.03, 0.03, 0.04)[trial.seed % 5] if place(trial) == "before" else 0
        return ends(0.7, 0.7, 0.7, 0.7 + luck)(trial)

    assert concluded(here(), noisy).answer == "cannot tell"


def test_an_arm_that_diverges_counts_as_chance_and_is_noted() -> None:
    def model(trial: Trial) -> Curve:
        if place(trial) == "after":
            return curve(trial, diverged=True)
        return ends(0.7, 0.8, 0.9, 0.95)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert any("5 of 5 runs of “after the activation” diverged" in n for n in verdict.notes)


def test_each_arm_runs_at_its_own_best_rate_and_all_at_two_common_ones() -> None:
    study = here()
    curves = trained(study, ends(0.7, 0.8, 0.85, 0.95))
    reading = study.reading(curves)
    assert {cell[0]: rate for cell, rate in reading.rates("raw").items()} == BEST
    assert set(reading.rates("raw", "at-before").values()) == {0.316}
    assert set(reading.rates("raw", "at-none").values()) == {0.1}
    found = by_id(study.verdict(curves))
    assert {f"gain/raw/{at}/before/after" for at in ("best", "at-before", "at-none")} <= set(found)


def test_a_host_whose_best_rate_is_the_other_ones_is_no_comparison_of_its_own() -> None:
    verdict = concluded(here(), lambda trial: curve(trial, 0.9))
    found = by_id(verdict)
    assert "gain/raw/at-before/before/after" in found
    assert "gain/raw/at-none/before/after" not in found


def test_the_gain_is_paired_and_counted_in_points() -> None:
    tops = {"none": 0.6, "input": 0.62, "after": 0.62, "before": 0.64}

    def model(trial: Trial) -> Curve:
        top = tops[place(trial)] + 0.05 * (trial.seed % 5)  # between seeds; the same in all arms
        return curve(trial, top, start=top)

    effect = by_id(concluded(here(), model))[f"{OVER}/none"]
    assert effect.value == pytest.approx(4.0)
    assert effect.high - effect.low < 1e-6


def test_standardized_input_is_judged_by_itself() -> None:
    def model(trial: Trial) -> Curve:
        if trial.data.endswith("standardized"):
            return ends(0.95, 0.5, 0.95, 0.95)(trial)
        return ends(0.7, 0.8, 0.85, 0.95)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert any(n.startswith("With standardized input") and "not hold" in n for n in verdict.notes)


def test_a_seed_that_lacks_an_arm_is_left_out() -> None:
    study = here()
    curves = trained(study, ends(0.7, 0.8, 0.85, 0.95))
    missing = next(k for k, c in curves.items() if c.trial.seed == 3 and place(c.trial) == "after")
    del curves[missing]
    verdict = study.verdict(curves)
    assert verdict.answer == "cannot tell"
    assert "4 seeds" in verdict.measured_on
    assert any("4 of 5 seeds" in note for note in verdict.notes)
