"""The gamma-beta claim on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import Curve, Trial, train
from evenbatch.protocol.measures import affine_path
from support.curves import Model, curve, probed
from support.studies import by_id, concluded, study_of

NARROW = 8


def knobs(neither: float, gamma: float, beta: float, both: float, narrow: float = 0.0) -> Model:
    """Where each arm ends; in the narrow network, what learning both adds instead. Both parameters
    move evenly to their distance, in the hidden layers."""
    tops = {"none": neither, "gamma": gamma, "beta": beta, "both": both}

    def model(trial: Trial) -> Curve:
        learned, slim = trial.network.affine, trial.network.hidden[0] == NARROW
        top = tops[learned]
        if slim:
            top = 0.7 + (narrow if learned == "both" else 0.0)
        far = 0.5 if slim else 0.1
        layers = np.ones(trial.network.depth + 1)
        layers[-1] = np.nan  # the output layer has no normalizer
        part = np.linspace(0, 1, len(trial.probe_steps()))[:, None] * layers
        found = curve(trial, top, noise=0.001)
        return probed(found, gamma_shift=far * part, beta_shift=2 * far * part)

    return model


def here(data: Any = None) -> Any:
    return study_of("gamma-beta", data, rates=(0.1, 1.0))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (knobs(0.8, 0.85, 0.85, 0.9), "holds"),
        (knobs(0.8, 0.8, 0.8, 0.8), "does not hold"),
        (knobs(0.8, 0.8, 0.8, 0.805), "does not hold"),
        (knobs(0.9, 0.85, 0.85, 0.8), "does not hold"),
    ],
    ids=["both help", "no gain", "too small a gain", "a loss"],
)
def test_the_rule_says_what_the_parameters_do(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_a_gain_about_as_large_as_a_point_is_in_part() -> None:
    def model(trial: Trial) -> Curve:
        luck = (0.003, 0.009, 0.015, 0.021, 0.027)[trial.seed % 5]
        return knobs(0.8, 0.8, 0.8, 0.8 + luck)(trial)

    assert concluded(here(), model).answer == "holds in part"


def test_frozen_arms_that_diverge_count_as_chance() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.affine == "none":
            return curve(trial, diverged=True)
        return knobs(0.8, 0.8, 0.8, 0.8)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert any("5 of 5 runs of “both frozen” diverged" in note for note in verdict.notes)


def test_movement_is_read_from_the_hidden_layers_of_the_arm_with_both_learned() -> None:
    verdict = concluded(here(), knobs(0.8, 0.8, 0.8, 0.8))
    found = by_id(verdict)
    for name, value in (("gamma/wide", 0.1), ("beta/wide", 0.2), ("gamma/narrow", 0.5)):
        assert found[name].value == pytest.approx(value)
    moved = {figure.id: figure for figure in verdict.figures}["moved"]
    assert [s.id for s in moved.series] == [
        "gamma/wide", "beta/wide", "gamma/narrow", "beta/narrow",
    ]  # fmt: skip
    assert [s.y[-1] for s in moved.series] == pytest.approx([0.1, 0.2, 0.5, 1.0])


def test_the_narrow_network_is_judged_by_itself() -> None:
    verdict = concluded(here(), knobs(0.8, 0.8, 0.8, 0.8, narrow=0.1))
    assert verdict.answer == "does not hold"
    (note,) = [n for n in verdict.notes if n.startswith(f"With {NARROW} units a layer")]
    assert "” holds: " in note
    assert by_id(verdict)["gain/narrow/best/both/none"].value == pytest.approx(8.75, abs=0.3)


def test_frozen_parameters_do_not_move_in_real_runs() -> None:
    study = study_of("gamma-beta", load("digits"))
    cells = study.cells["wide"]
    trials = [cells.trials(cell, 0.1)[0] for cell in cells.settings]
    short = [replace(trial, steps=30, probe_every=29) for trial in trials]
    moved = {c.trial.network.affine: affine_path(c)[:, -1] > 0 for c in train(short, threads=1)}
    assert {name: tuple(m) for name, m in moved.items()} == {
        "none": (False, False),
        "gamma": (True, False),
        "beta": (False, True),
        "both": (True, True),
    }
