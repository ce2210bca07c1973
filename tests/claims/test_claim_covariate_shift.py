"""The covariate-shift claim on networks whose speed and drift are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve, luck, probed
from support.studies import NEEDED, by_id, concluded, study_of, trained

ARMS = ("none", "batch", "drift-1", "drift-2", "drift-3", "drift-4")
DRIFTS = (0.06, 0.01, 0.02, 0.04, 0.08, 0.16)  # of the arms, in their order
BUDGET = 500


def claim(seeds: int = 5) -> Any:
    return study_of("covariate-shift", seeds=seeds, rates=(0.01, 0.1))


def learning(steps: Sequence[float], drifts: Sequence[float] = DRIFTS, diverges: int = -1) -> Model:
    """Each arm reaches 90 % of its way in so many steps, and its inputs drift by so much."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        arm = ARMS.index(f"drift-{net.drift:g}" if net.drift else net.norm)
        slower = 1 if trial.learning_rate == 0.1 else 20
        at = steps[arm] / 0.9 * slower * (1 + 0.03 * luck(trial))
        found = curve(trial, 0.95, at, diverged=arm == diverges)
        if not trial.probe_every:
            return found
        moved = drifts[arm] * (1 + 0.02 * luck(trial))
        mean = moved * (np.arange(trial.steps) % 2)[:, None]
        return probed(found, input_mean=mean, input_std=np.ones((trial.steps, 1)))

    return model


@pytest.mark.parametrize(
    ("steps", "drifts", "answer"),
    [
        ((200, 20, 30, 100, 150, 180), DRIFTS, "holds"),
        ((200, 20, 20, 22, 24, 180), DRIFTS, "does not hold"),
        ((200, 20, 20, 21, 20, 200), DRIFTS, "does not hold"),
        ((200, 20, 20, 20, 20, 20), (0.01, 0.02, 0.04, 0.08, 0.1, 0.1), "does not hold"),
        ((200, 20, 20, 20, 20, 20), (0.5, 0.01, 0.02, 0.04, 0.08, 0.16), "cannot tell"),
        ((20, 20, 20, 20, 20, 20), DRIFTS, "cannot tell"),
        ((20, 200, 200, 200, 200, 200), DRIFTS, "cannot tell"),
    ],
    ids=["lost", "kept", "lost only with more drift", "drifts more", "never as much drift",
         "no gain", "a loss"],
)  # fmt: skip
def test_the_rule_says_whether_drift_takes_the_gain(
    steps: Sequence[float], drifts: Sequence[float], answer: str
) -> None:
    verdict = concluded(claim(), learning(steps, drifts))
    assert verdict.answer == answer, verdict.sentence


def test_seeds_that_disagree_about_the_loss_give_a_part_or_nothing() -> None:
    def model(trial: Trial, spread: float = 2.0) -> Curve:
        back = 63 * spread ** ((-1) ** trial.seed)  # half of the gain, on the log scale
        return learning((200, 20, 20, 20, back, 200))(trial)

    assert concluded(claim(6), model).answer == "holds in part"
    wide = concluded(claim(6), lambda trial: model(trial, 12.0))
    assert (wide.answer, "not settled" in wide.reason) == ("cannot tell", True)


def test_the_weakest_drift_that_suffices_is_looked_at() -> None:
    found = by_id(concluded(claim(), learning((200, 20, 20, 20, 60, 190))))
    assert "drift 3" in found["lost"].label
    lost = np.log(60 / 20) / np.log(200 / 20)
    assert found["lost"].value == pytest.approx(lost, abs=0.06)
    assert found["gain"].value == pytest.approx(10, rel=0.15)
    assert found["steadier"].value == pytest.approx(6, rel=0.1)
    assert found["restored"].value == pytest.approx(0.08 / 0.06, rel=0.1)
    assert found["lost/equal"].value == pytest.approx(lost, abs=0.06)


def test_the_search_is_not_probed() -> None:
    assert {trial.probe_every for trial in claim().trials({}).trials} == {0}
    curves = trained(claim(), learning((200, 20, 30, 100, 150, 180)))
    assert {c.trial.probe_every for c in curves.values() if c.trial.seed < 5} == {1}


@pytest.mark.parametrize("arm", [0, 1])
def test_diverged_arms_tell_nothing(arm: int) -> None:
    verdict = concluded(claim(), learning((200, 20, 20, 20, 20, 20), diverges=arm))
    assert verdict.answer == "cannot tell", verdict.sentence


def test_too_few_seeds_tell_nothing() -> None:
    few = concluded(claim(4), learning((200, 20, 30, 100, 150, 180)))
    assert (few.answer, NEEDED in few.reason) == ("cannot tell", True)


def test_an_arm_that_dies_under_drift_loses_the_gain() -> None:
    verdict = concluded(claim(), learning((200, 20, 5000, 5000, 5000, 5000)))
    assert verdict.answer == "holds", verdict.sentence
    assert any("drift 2" in n and f"counts as {BUDGET}" in n for n in verdict.notes)


def test_figures_show_every_arm() -> None:
    verdict = concluded(claim(), learning((200, 20, 20, 30, 40, 50)))
    figures = {figure.id: figure for figure in verdict.figures}
    assert {"ways", "steps", "drift"} <= set(figures)
    drift = figures["drift"].series
    assert [series.id for series in drift] == list(ARMS)
    assert drift[0].y[3] == pytest.approx(0.06, rel=0.1)
    assert figures["steps"].series[0].y[0] == pytest.approx(200, rel=0.1)
    assert len(verdict.tables[0].rows) == len(ARMS)
