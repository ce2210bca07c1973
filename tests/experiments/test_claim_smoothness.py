"""The smoothness claim's rule on losses whose smoothness is known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, surveyed, trained
from race_models import tea

from evenbatch.claims.smoothness import changes, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK


def lying(loss: tuple[float, float], gradient: tuple[float, float], best: float = 0.1) -> Model:
    """Change of the loss and of the gradient along it, without and with batch norm."""

    def model(trial: Trial) -> Curve:
        batch = trial.network.norm == "batch"
        curve = invented(trial, (0.95 if trial.learning_rate == best else 0.7) + noise(trial))
        factor = 1 + noise(trial, 0.05)
        return surveyed(curve, loss[batch] * factor, gradient[batch] * factor)

    return model


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
def test_the_rule_says_how_smooth_it_is(
    loss: tuple[float, float], gradient: tuple[float, float], answer: str
) -> None:
    verdict = concluded(on(tea(), QUICK), lying(loss, gradient))
    assert verdict.answer == answer, verdict.sentence


def test_changes_are_those_of_the_landscape() -> None:
    trial = on(tea(), QUICK).tuned.cells["he", "batch"](0.1, 0)
    curve = surveyed(invented(trial, 0.9), loss=0.3, gradient=2.0, norm=4.0)
    assert changes(curve) == pytest.approx({"loss": 0.3, "gradient": 2.0, "relative": 0.5})
    assert curve.landscape is not None
    curve.landscape.loss[:, 3:] = np.inf
    curve.landscape.gradient_change[:, 3:] = np.nan
    assert set(changes(curve).values()) == {1e9}


def test_ratios_are_without_by_with() -> None:
    verdict = concluded(on(tea(), QUICK), lying((2.0, 0.5), (8.0, 1.0)))
    loss, gradient = verdict.effects[:2]
    assert loss.value == pytest.approx(4.0, rel=0.1)
    assert gradient.value == pytest.approx(8.0, rel=0.1)
    assert len(verdict.effects) == 4  # one rate is best for both: counted once


def test_best_rates_that_differ_are_a_comparison_of_their_own() -> None:
    def model(trial: Trial) -> Curve:
        best = 0.01 if trial.network.norm == "none" else 1.0
        return lying((2.0, 0.5), (8.0, 1.0), best)(trial)

    verdict = concluded(on(tea(), QUICK), model)
    assert len(verdict.effects) == 8
    assert verdict.answer == "holds"


def test_the_sentence_tells_the_changes() -> None:
    verdict = concluded(on(tea(), QUICK), lying((2.0, 0.5), (8.0, 1.0)))
    assert re.search(r"the loss changes by [12]\.\d without and 0\.[45]\d? with", verdict.sentence)


def test_a_plain_is_left_out() -> None:
    def model(trial: Trial) -> Curve:
        curve = lying((1e-6, 1.0), (1e-6, 1.0))(trial)
        if trial.network.norm == "none" and trial.network.init == "torch":
            return surveyed(invented(trial, 0.5), 1e-6, 1e-6)
        return surveyed(curve, *((2.0, 8.0) if trial.network.norm == "none" else (0.5, 1.0)))

    verdict = concluded(on(tea(), QUICK), model)
    assert verdict.answer == "holds", verdict.sentence
    assert any(note.startswith("Left out") for note in verdict.notes)

    def nothing(trial: Trial) -> Curve:
        return surveyed(invented(trial, 0.5), 2.0, 8.0)

    assert "a plain is no measure" in concluded(on(tea(), QUICK), nothing).reason


def test_wide_intervals_and_few_seeds_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 10.0 ** ((-1) ** trial.seed) if trial.network.norm == "batch" else 1.0
        return surveyed(lying((1, 1), (1, 1))(trial), away, away)

    verdict = concluded(on(tea(), replace(QUICK, seeds=6)), model)
    assert verdict.reason == "the intervals hold both no gain and twice as smooth"
    few = concluded(on(tea(), replace(QUICK, seeds=4)), lying((2.0, 0.5), (8.0, 1.0)))
    assert few.reason == "4 seeds measured and at least 5 are needed"


def test_runs_that_diverge_count_until_then_and_are_told() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.seed == 2:
            return surveyed(invented(trial, 0.5, diverged=True), 0.5, 1.0)
        return lying((2.0, 0.5), (8.0, 1.0))(trial)

    verdict = concluded(on(tea(), QUICK), model)
    assert verdict.answer == "holds"
    assert any("1 of 5 runs of batch norm" in note for note in verdict.notes)


def test_figures_show_the_way_and_tables_lead_to_trials() -> None:
    experiment = on(tea(), QUICK)
    curves = trained(experiment, lying((2.0, 0.5), (8.0, 1.0)))
    verdict = experiment.verdict(curves, ())
    torch, he, gradient = verdict.figures
    none, batch = he.series
    assert max(none.high) == pytest.approx(3.0, rel=0.1)
    assert max(batch.high) == pytest.approx(1.5, rel=0.1)
    assert len(torch.series) == 2
    assert len(gradient.series) == 4
    (table,) = verdict.tables
    assert {key for keys in table.keys for key in keys} <= set(curves)
    assert all(len(keys) == QUICK.seeds for keys in table.keys)
    some = dict(list(curves.items())[:-3])
    assert experiment.verdict(some, ()).answer == "cannot tell"
    assert experiment.verdict({}, ()).reason == "nothing is measured yet"
