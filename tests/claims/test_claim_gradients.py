"""The gradients claim on gradients whose truth is known."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import ExperimentError
from support.curves import Model, curve, luck, probed, tea
from support.studies import by_id, concluded, study_of

CAP = 10.0  # decades at which a change is cut
PAIRS = 3 * 2  # initializations times arms


def changing(
    start: tuple[float, float], training: tuple[float, float], diverges: str = ""
) -> Model:
    """Gradients that change by so many decades from depth 2 to 20 before training, and over the
    layers while training: without normalization, and with batch norm."""

    def model(trial: Trial) -> Curve:
        norm, depth = trial.network.norm, trial.network.depth
        found = curve(trial, noise=0.01, diverged=norm == diverges and trial.steps > 1)
        batch = norm == "batch"
        norms = np.zeros((len(trial.probe_steps()), depth + 1))
        norms[:, 1:-1] = np.linspace(0, training[batch], depth - 1) + 0.02 * luck(trial)
        norms[0, 1:-1] = start[batch] * (depth - 2) / 18 + 0.02 * luck(trial)
        return probed(found, gradient_norm=10.0**norms)

    return model


def here(seeds: int = 5, data: Any = None) -> Any:
    return study_of("gradients", data or tea(), seeds=seeds, rates=(0.01, 0.1))


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
    verdict = concluded(here(), changing(start, training))
    assert verdict.answer == answer, verdict.sentence


def test_a_diverged_run_is_an_exploded_gradient() -> None:
    verdict = concluded(here(), changing((0.1, 0.1), (0.4, 0.4), "batch"))
    assert verdict.answer == "does not hold"
    assert by_id(verdict)["left/best/large"].value == CAP
    assert any("30 in all" in n or "5 of 5 runs" in n for n in verdict.notes)
    without = concluded(here(), changing((0.1, 0.1), (0.4, 0.4), "none"))
    assert without.answer == "holds"


def test_a_gradient_of_zero_has_vanished() -> None:
    def model(trial: Trial) -> Curve:
        found = changing((-1, 0.1), (1, 0.4))(trial)
        assert found.probes is not None
        if trial.network.norm == "batch":
            norms = np.array(found.probes.gradient_norm)
            norms[:, 1] = 0
            return probed(found, gradient_norm=norms)
        return found

    verdict = concluded(here(), model)
    assert verdict.answer == "does not hold", verdict.sentence


def test_what_lies_around_the_limit_is_not_settled() -> None:
    def model(trial: Trial) -> Curve:
        return changing((-6, 1.0 + 0.1 * (-1) ** trial.seed), (5, 0.4))(trial)

    verdict = concluded(here(), model)
    assert (verdict.answer, "not settled" in verdict.reason) == ("holds in part", True)


def test_wide_intervals_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 3.0 * (-1) ** trial.seed
        return changing((4.0 + away, 4.0 - away), (4.0 + away, 4.0 - away))(trial)

    verdict = concluded(here(6), model)
    assert verdict.answer == "cannot tell", verdict.sentence


def test_the_change_is_counted_in_decades() -> None:
    verdict = concluded(here(), changing((-6, 1.6), (5, 0.4)))
    found = by_id(verdict)
    for init in ("torch", "he", "large"):
        assert found[f"calmer/start/{init}"].value == pytest.approx(6 - 1.6, abs=0.1)
        assert found[f"calmer/best/{init}"].value == pytest.approx(5 - 0.4, abs=0.1)
        assert found[f"left/start/{init}"].value == pytest.approx(1.6, abs=0.1)
    assert "fell 10⁶-fold without" in verdict.sentence
    assert re.search(r"grew (3[6-9]|4[0-4])-fold with batch norm", verdict.sentence)


def test_figures_show_every_arm() -> None:
    figures = {f.id: f for f in concluded(here(), changing((-6, 1.6), (5, 0.4))).figures}
    assert len(figures["start"].series) == len(figures["range"].series) == PAIRS
    falling = next(s for s in figures["start"].series if s.id.startswith("none"))
    assert falling.x == (2.0, 5.0, 10.0, 20.0)
    assert falling.y[-1] - falling.y[0] == pytest.approx(-6, abs=0.1)
    top = figures["range"].series[0]
    assert math.log10(top.y[-1]) == pytest.approx(5, abs=0.1)
    assert {len(s.x) for s in figures["layers"].series} == {20}


def test_a_table_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"tea has 20 training rows, .* batches of 32"):
        here(data=tea(20)).trials({})
