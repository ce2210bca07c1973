"""The covariate-shift claim's rule on networks whose speed and drift are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, probed, trained
from race_models import tea

from evenbatch.claims.covariate_shift import CovariateShift, drift, on
from evenbatch.claims.covariate_shift_shown import ARMS
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK

DRIFTS = (0.06, 0.01, 0.02, 0.04, 0.08, 0.16)  # of the arms, in their order


def claim(seeds: int = 5) -> CovariateShift:
    """The claim with fewer learning rates."""
    return replace(on(tea(), replace(QUICK, seeds=seeds)), rates=(0.01, 0.1, 1.0))


def learning(steps: Sequence[float], drifts: Sequence[float] = DRIFTS, diverges: int = -1) -> Model:
    """Each arm reaches 90 % of its way in so many steps, and its inputs drift by so much."""

    def model(trial: Trial) -> Curve:
        arm = ARMS.index((trial.network.norm, trial.network.drift))
        slower = 1 if trial.learning_rate == 0.1 else 20
        tau = steps[arm] / trial.steps / np.log(10) * slower * (1 + noise(trial, 0.03))
        curve = invented(trial, 0.95, tau=tau, diverged=arm == diverges)
        if not trial.probe_every:
            return curve
        moved = drifts[arm] * (1 + noise(trial, 0.02))
        mean = moved * (np.arange(trial.steps) % 2)[:, None]
        return probed(curve, input_mean=mean, input_std=np.ones((trial.steps, 1)))

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
)
def test_the_rule_says_whether_drift_takes_the_gain(
    steps: Sequence[float], drifts: Sequence[float], answer: str
) -> None:
    verdict = concluded(claim(), learning(steps, drifts))
    assert verdict.answer == answer, verdict.sentence


def test_seeds_that_disagree_about_the_loss_give_a_part_or_nothing() -> None:
    def model(trial: Trial, spread: float = 3.0) -> Curve:
        back = 63 * spread ** ((-1) ** trial.seed)  # half of the gain, on the log scale
        return learning((200, 20, 20, 20, back, 200))(trial)

    assert concluded(claim(6), model).answer == "holds in part"
    wide = concluded(claim(6), lambda trial: model(trial, 12.0))
    assert wide.reason == "how much of the gain the drift takes away is not settled"


def test_the_weakest_drift_that_suffices_is_looked_at() -> None:
    verdict = concluded(claim(), learning((200, 20, 20, 20, 60, 190)))
    assert "drift 3" in verdict.effects[0].label
    lost, gain, steadier, restored = verdict.effects[:4]
    assert lost.value == pytest.approx(np.log(60 / 20) / np.log(200 / 20), abs=0.06)
    assert gain.value == pytest.approx(10, rel=0.15)
    assert steadier.value == pytest.approx(6, rel=0.1)
    assert restored.value == pytest.approx(0.08 / 0.06, rel=0.1)


def test_drift_is_counted_in_standard_deviations() -> None:
    trial = claim().grids(trained(claim(), learning((200, 20, 20, 20, 20, 20))))
    (some, *_) = trial["best learning rates"].trials(ARMS[1])
    curve = invented(some, 0.9)
    rising = np.arange(some.steps)[:, None] * np.ones(4)
    assert drift(probed(curve, input_mean=rising, input_std=2 + 0 * rising)) == pytest.approx(0.5)
    doubling = 2.0 ** (rising % 2)
    still = probed(curve, input_mean=0 * rising, input_std=doubling)
    assert drift(still) == pytest.approx(np.log(2))
    assert np.isnan(drift(probed(curve, input_mean=rising, input_std=0 * rising)))


def test_diverged_arms_and_few_seeds_tell_nothing() -> None:
    none = concluded(claim(), learning((200, 20, 20, 20, 20, 20), diverges=0))
    assert none.answer == "cannot tell", none.sentence
    batch = concluded(claim(), learning((200, 20, 20, 20, 20, 20), diverges=1))
    assert batch.answer == "cannot tell", batch.sentence
    few = concluded(claim(4), learning((200, 20, 30, 100, 150, 180)))
    assert few.reason == "4 seeds measured and at least 5 are needed"


def test_an_arm_that_dies_under_drift_loses_the_gain() -> None:
    verdict = concluded(claim(), learning((200, 20, 5000, 5000, 5000, 5000)))
    assert verdict.answer == "holds", verdict.sentence
    assert any("count as 500" in note for note in verdict.notes)


def test_figures_show_every_arm_and_tables_lead_to_trials() -> None:
    experiment = claim()
    curves = trained(experiment, learning((200, 20, 20, 30, 40, 50)))
    verdict = experiment.verdict(curves, ())
    lines, dots, moved = verdict.figures
    assert len(moved.series) == len(dots.series[0].x) == len(ARMS)
    assert [series.name for series in lines.series] == [
        "no normalization",
        "batch norm",
        "drift 3 put back",
        "drift 4 put back",
    ]
    assert dots.series[0].y[0] == pytest.approx(200, rel=0.1)
    assert moved.series[0].y[3] == pytest.approx(0.06, rel=0.1)
    (table,) = verdict.tables
    assert len(table.rows) == 2 * len(ARMS)
    assert {key for keys in table.keys for key in keys} <= set(curves)
    some = dict(list(curves.items())[:-4])
    assert experiment.verdict(some, ()).answer == "cannot tell"
    assert experiment.verdict({}, ()).reason == "nothing is measured yet"
