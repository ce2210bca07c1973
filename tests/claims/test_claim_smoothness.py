"""The smoothness claim on losses whose smoothness is known."""

from __future__ import annotations

from typing import Any

import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve, luck, surveyed
from support.studies import by_id, concluded, study_of

Pair = tuple[float, float]
CASES = [f"{init}/{what}" for init in ("torch", "he") for what in ("loss", "gradient")]


def lying(loss: Pair, gradient: Pair, best: float = 0.1) -> Model:
    """Change of the loss and of the gradient along it, without and with batch norm."""

    def model(trial: Trial) -> Curve:
        batch = trial.network.norm == "batch"
        found = curve(trial, 0.95 if trial.learning_rate == best else 0.7, noise=0.01)
        factor = 1 + 0.05 * luck(trial)
        return surveyed(found, loss[batch] * factor, gradient[batch] * factor)

    return model


def here(seeds: int = 5) -> Any:
    return study_of("smoothness", seeds=seeds, rates=(0.01, 0.1, 1.0))


@pytest.mark.parametrize(
    ("loss", "gradient", "answer"),
    [
        ((2.0, 0.5), (8.0, 1.0), "holds"),
        ((2.0, 0.5), (1.0, 8.0), "holds in part"),
        ((1.0, 1.0), (8.0, 1.0), "holds in part"),
        ((1.0, 1.0), (1.0, 1.0), "does not hold"),
        ((0.5, 2.0), (1.0, 8.0), "does not hold"),
    ],
)
def test_the_rule_says_how_smooth_it_is(loss: Pair, gradient: Pair, answer: str) -> None:
    verdict = concluded(here(), lying(loss, gradient))
    assert verdict.answer == answer, verdict.sentence


def test_a_part_says_in_how_many_cases() -> None:
    verdict = concluded(here(), lying((2.0, 0.5), (1.0, 8.0)))
    assert "smoother in 2 of 4 cases" in verdict.reason
    assert "rougher in 2" in verdict.reason


def test_ratios_are_without_by_with_and_one_rate_is_one_comparison() -> None:
    study = here()
    verdict = concluded(study, lying((2.0, 0.5), (8.0, 1.0)))
    found = by_id(verdict)
    assert found["smoother/equal/he/loss"].value == pytest.approx(4.0, rel=0.1)
    assert found["smoother/equal/he/gradient"].value == pytest.approx(8.0, rel=0.1)
    assert any("4 cases" in n or n.startswith("Left out") for n in verdict.notes)


def test_best_rates_that_differ_are_a_comparison_of_their_own() -> None:
    def model(trial: Trial) -> Curve:
        best = 0.01 if trial.network.norm == "none" else 1.0
        return lying((2.0, 0.5), (8.0, 1.0) if trial.learning_rate != best else (1.0, 8.0), best)(
            trial
        )

    verdict = concluded(here(), model)
    found = by_id(verdict)
    assert set(found) == {f"smoother/{at}/{case}" for at in ("equal", "best") for case in CASES}
    assert verdict.answer == "holds in part"
    assert "of 8 cases" in verdict.reason
    assert found["smoother/best/he/gradient"].value == pytest.approx(1 / 8, rel=0.1)


def test_the_sentence_tells_the_changes_of_both_arms() -> None:
    sentence = concluded(here(), lying((2.0, 0.5), (800.0, 30.0))).sentence
    assert "changes by 2.0 without and 0.5" in sentence or "changes by 1.9 without" in sentence
    assert any(f"by {number} and" in sentence for number in range(760, 840))


def test_a_plain_is_left_out() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "none" and trial.network.init == "torch":
            return surveyed(curve(trial, 0.5), 1e-6, 1e-6)
        return lying((2.0, 0.5), (8.0, 1.0))(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds", verdict.sentence
    assert any(note.startswith("Left out") for note in verdict.notes)


def test_wide_intervals_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 10.0 ** ((-1) ** trial.seed) if trial.network.norm == "batch" else 1.0
        return surveyed(lying((1, 1), (1, 1))(trial), away, away)

    assert concluded(here(6), model).answer == "cannot tell"


def test_runs_that_diverge_count_until_then_and_are_told() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.seed == 2:
            return surveyed(curve(trial, diverged=True), 0.5, 1.0)
        return lying((2.0, 0.5), (8.0, 1.0))(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert any("1 of 5 runs" in n and "batch norm" in n for n in verdict.notes), verdict.notes


def test_figures_show_the_way() -> None:
    verdict = concluded(here(), lying((2.0, 0.5), (8.0, 1.0)))
    figures = {figure.id: figure for figure in verdict.figures}
    none, batch = figures["loss/he"].series
    assert (none.id, batch.id) == ("none", "batch")
    assert max(none.high) == pytest.approx(3.0, rel=0.1)
    assert max(batch.high) == pytest.approx(1.5, rel=0.1)
    assert len(figures["loss/torch"].series) == 2
    assert len(figures["gradient"].series) == 4
