"""The gamma-beta claim's rule on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.gamma_beta import NARROW, GammaBeta, on, path
from evenbatch.data import load
from evenbatch.engine import Curve, Probes, Trial, train
from evenbatch.protocol.setup import QUICK, Effort


def probed(curve: Curve, gamma: float, beta: float) -> Curve:
    """The curve with knobs that move evenly to these distances, in the hidden layers."""
    step = np.array(curve.trial.probe_steps())
    layers = curve.trial.network.depth + 1
    part = np.linspace(0, 1, len(step))[:, None] * np.ones(layers)
    part[:, -1] = np.nan  # the output layer has no normalizer
    blank = np.zeros_like(part)
    both = (gamma * part, beta * part)
    return replace(curve, probes=Probes(step, blank, blank, blank, blank, blank, *both, blank))


def knobs(neither: float, gamma: float, beta: float, both: float, narrow: float = 0.0) -> Model:
    """Where each arm ends; in the narrow network, what learning both adds instead."""
    tops = {"none": neither, "gamma": gamma, "beta": beta, "both": both}

    def model(trial: Trial) -> Curve:
        learned = trial.network.affine
        top = tops[learned]
        if trial.network.hidden[0] == NARROW:
            top = 0.7 + (narrow if learned == "both" else 0.0)
        far = 0.5 if trial.network.hidden[0] == NARROW else 0.1
        return probed(invented(trial, top + noise(trial, 0.001)), far, 2 * far)

    return model


def here(effort: Effort = QUICK) -> GammaBeta:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (knobs(0.8, 0.85, 0.85, 0.9), "holds"),
        (knobs(0.8, 0.8, 0.8, 0.8), "does not hold"),
        (knobs(0.8, 0.8, 0.8, 0.805), "does not hold"),
        (knobs(0.9, 0.85, 0.85, 0.8), "does not hold"),
        (knobs(0.5, 0.5, 0.5, 0.5), "cannot tell"),
    ],
)
def test_the_rule_says_what_the_knobs_do(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_a_gain_about_as_large_as_a_point_is_in_part() -> None:
    def model(trial: Trial) -> Curve:
        luck = (0.003, 0.008, 0.013, 0.018, 0.023)[trial.seed % 5]
        return knobs(0.8, 0.8, 0.8, 0.8 + luck)(trial)

    assert concluded(here(), model).answer == "holds in part"


def test_too_few_seeds_tell_nothing() -> None:
    verdict = concluded(here(replace(QUICK, seeds=4)), knobs(0.8, 0.8, 0.8, 0.9))
    assert verdict.reason == "4 seeds measured and at least 5 are needed"


def test_frozen_knobs_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.affine == "none":
            return invented(trial, 0.9, diverged=True)
        return knobs(0.8, 0.8, 0.8, 0.8)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert [
        note
        for note in verdict.notes
        if "5 of 5 runs diverged at the best learning rate of “both frozen”" in note
    ]


def test_movement_is_read_from_the_hidden_layers_of_the_arm_with_both_learned() -> None:
    verdict = concluded(here(), knobs(0.8, 0.8, 0.8, 0.8))
    gamma, beta = verdict.effects[-2:]
    assert (gamma.value, beta.value) == pytest.approx((0.1, 0.2))
    assert "moved by 0.1 (gamma, from 1) and 0.2 (beta, from 0)" in verdict.sentence
    names = [series.name for series in verdict.figures[0].series]
    assert names == ["gamma, 64 units", "beta, 64 units", "gamma, 8 units", "beta, 8 units"]


def test_the_narrow_network_is_judged_by_itself() -> None:
    verdict = concluded(here(), knobs(0.8, 0.8, 0.8, 0.8, narrow=0.1))
    assert verdict.answer == "does not hold"
    (note,) = [n for n in verdict.notes if n.startswith("With 8 units a layer")]
    assert "“learned gamma and beta help” holds" in note
    assert "moved by 0.5 (gamma, from 1) and 1.0 (beta" in note


def test_frozen_knobs_do_not_move_in_real_trainings() -> None:
    meeting = on(load("digits"), QUICK).meeting
    trials = [meeting.tuned.cells[arm](0.1, 0) for arm in meeting.arms]
    short = [replace(trial, steps=30, probe_every=29) for trial in trials]
    moved = {c.trial.network.affine: path(c)[:, -1] > 0 for c in train(short, threads=1)}
    assert {name: tuple(m) for name, m in moved.items()} == {
        "none": (False, False),
        "gamma": (True, False),
        "beta": (False, True),
        "both": (True, True),
    }


def test_every_number_in_the_tables_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, knobs(0.8, 0.85, 0.85, 0.9))
    tables = experiment.verdict(curves, ()).tables
    measured = {key for table in tables for keys in table.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
