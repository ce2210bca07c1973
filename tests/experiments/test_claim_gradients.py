"""The gradients claim's rule on gradients whose truth is known."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, probed, trained
from race_models import tea

from evenbatch.claims.gradients import CAP, CELLS, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK
from evenbatch.protocol.verdict import ExperimentError


def changing(
    start: tuple[float, float], training: tuple[float, float], diverges: str = ""
) -> Model:
    """Gradients that change by so many decades from depth 2 to 20 before training, and over the
    layers while training: without normalization, and with batch norm."""

    def model(trial: Trial) -> Curve:
        norm, depth = trial.network.norm, trial.network.depth
        curve = invented(trial, 0.9 + noise(trial), diverged=norm == diverges and trial.steps > 1)
        batch = norm == "batch"
        probes = len(trial.probe_steps())
        layers = np.linspace(0, training[batch], depth - 1)
        norms = np.zeros((probes, depth + 1))
        norms[:, 1:-1] = layers + noise(trial, 0.02)
        norms[0, 1:-1] = start[batch] * (depth - 2) / 18 + noise(trial, 0.02)
        return probed(curve, gradient_norm=10.0**norms)

    return model


@pytest.mark.parametrize(
    ("start", "training", "answer"),
    [
        ((-6, 0.3), (5, 0.4), "holds"),
        ((5, -0.3), (0.4, 0.4), "holds"),
        ((-6, 1.6), (5, 0.4), "holds in part"),
        ((-6, 0.5), (5, 3.0), "holds in part"),
        ((-0.3, 0.3), (0.4, 0.4), "does not hold"),
        ((0.3, 1.6), (0.4, 2.0), "does not hold"),
        ((-3, 3), (5, 5), "does not hold"),
    ],
)
def test_the_rule_says_what_the_gradients_do(
    start: tuple[float, float], training: tuple[float, float], answer: str
) -> None:
    verdict = concluded(on(tea(), QUICK), changing(start, training))
    assert verdict.answer == answer, verdict.sentence


def test_a_diverged_run_is_an_exploded_gradient() -> None:
    verdict = concluded(on(tea(), QUICK), changing((0.1, 0.1), (0.4, 0.4), "batch"))
    assert verdict.answer == "does not hold"
    left = verdict.effects[-1]
    assert (left.value, left.unit) == (CAP, "decades of change are left")
    assert any("5 of 5 runs diverged" in note for note in verdict.notes)
    without = concluded(on(tea(), QUICK), changing((0.1, 0.1), (0.4, 0.4), "none"))
    assert without.answer == "holds"


def test_a_gradient_of_zero_has_vanished() -> None:
    def model(trial: Trial) -> Curve:
        curve = changing((-1, 0.1), (1, 0.4))(trial)
        assert curve.probes is not None
        if trial.network.norm == "batch":
            curve.probes.gradient_norm.setflags(write=True)
            curve.probes.gradient_norm[:, 1] = 0
        return curve

    verdict = concluded(on(tea(), QUICK), model)
    assert verdict.answer == "does not hold", verdict.sentence


def test_too_few_seeds_tell_nothing() -> None:
    few = on(tea(), replace(QUICK, seeds=4))
    verdict = concluded(few, changing((-6, 0.3), (5, 0.4)))
    assert verdict.answer == "cannot tell"
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_what_lies_around_the_limit_is_not_settled() -> None:
    def model(trial: Trial) -> Curve:
        return changing((-6, 1.0 + 0.1 * (-1) ** trial.seed), (5, 0.4))(trial)

    verdict = concluded(on(tea(), QUICK), model)
    assert verdict.answer == "holds in part"
    assert "not settled" in verdict.reason


def test_wide_intervals_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 3.0 * (-1) ** trial.seed
        return changing((4.0 + away, 4.0 - away), (4.0 + away, 4.0 - away))(trial)

    verdict = concluded(on(tea(), replace(QUICK, seeds=6)), model)
    assert verdict.answer == "cannot tell", verdict.sentence


def test_the_change_is_counted_in_decades() -> None:
    verdict = concluded(on(tea(), QUICK), changing((-6, 1.6), (5, 0.4)))
    start, training = verdict.effects[:2]
    assert start.value == pytest.approx(6 - 1.6, abs=0.1)
    assert training.value == pytest.approx(5 - 0.4, abs=0.1)
    assert "fell 10⁶-fold without" in verdict.sentence
    assert re.search(r"grew (3[6-9]|4[0-4])-fold with batch norm", verdict.sentence)


def test_what_is_there_before_the_measurement_gives_no_verdict() -> None:
    experiment = on(tea(), QUICK)
    assert experiment.verdict({}, ()).reason == "nothing is measured yet"
    curves = trained(experiment, changing((-6, 1.6), (5, 0.4)))
    some = dict(list(curves.items())[: len(curves) * 3 // 4])
    verdict = experiment.verdict(some, ())
    assert verdict.answer == "cannot tell"


def test_tables_lead_to_trials_and_figures_show_every_arm() -> None:
    experiment = on(tea(), QUICK)
    curves = trained(experiment, changing((-6, 1.6), (5, 0.4)))
    verdict = experiment.verdict(curves, ())
    for table in verdict.tables:
        assert {key for keys in table.keys for key in keys} <= set(curves)
        assert all(len(keys) >= QUICK.seeds for keys in table.keys)
    depth, training, layers = verdict.figures
    assert len(depth.series) == len(training.series) == len(CELLS)
    vanishing = next(s for s in depth.series if s.name.startswith("no norm"))
    assert vanishing.x == (2.0, 5.0, 10.0, 20.0)
    assert math.log10(vanishing.y[-1] / vanishing.y[0]) == pytest.approx(-6, abs=0.1)
    assert {len(s.x) for s in layers.series} == {20}


def test_a_table_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"tea has 20 training rows, .* batches of 32"):
        on(tea(20), QUICK).trials({})
