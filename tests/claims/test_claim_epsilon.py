"""The epsilon claim on curves whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import Curve, Trial, train
from support.curves import Model, curve
from support.studies import concluded, study_of

JUDGED = ("input", "before", "after")


def broken(where: Callable[[str], bool], blurs: float = 9.0) -> Model:
    """Runs with epsilon 0 diverge at these placements; above `blurs` they end lower."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        if net.eps == 0 and where(net.placement):
            return curve(trial, diverged=True)
        return curve(trial, 0.7 if net.eps > blurs else 0.9, noise=0.002)

    return model


def here(data: Any = None) -> Any:
    return study_of("epsilon", data, rates=(0.1, 1.0))


@pytest.mark.parametrize(
    ("where", "answer", "reason"),
    [
        (lambda _: True, "holds", "on the input, before the activation and after"),
        (lambda place: place == "input", "holds in part", "on the input, but not before"),
        (lambda _: False, "does not hold", "not break on the input, before"),
    ],
)
def test_the_rule_says_where_it_breaks(
    where: Callable[[str], bool], answer: str, reason: str
) -> None:
    verdict = concluded(here(), broken(where))
    assert verdict.answer == answer, verdict.sentence
    assert reason in verdict.reason


def test_an_epsilon_of_0_that_is_better_does_not_break() -> None:
    def model(trial: Trial) -> Curve:
        return curve(trial, 0.95 if trial.network.eps == 0 else 0.9, noise=0.002)

    assert concluded(here(), model).answer == "does not hold"


def test_runs_that_diverge_on_some_seeds_only_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        zero = trial.network.eps == 0
        return curve(trial, 0.92 if zero else 0.9, diverged=zero and trial.seed % 5 == 0)

    verdict = concluded(here(), model)
    assert verdict.answer == "cannot tell"
    assert "1 of 5 runs diverged" in verdict.sentence


def test_where_it_blurs_is_said_for_each_case() -> None:
    verdict = concluded(here(), broken(lambda _: True, blurs=0.05))
    assert sum("0.1 or more costs at least 1 point" in note for note in verdict.notes) == 5
    strips = {figure.id: figure for figure in verdict.figures}["eps"]
    assert [series.id for series in strips.series][:3] == list(JUDGED)


def test_every_case_has_a_feature_that_does_not_vary() -> None:
    study = study_of("epsilon", load("digits"))
    for data in study.datasets.values():
        assert np.unique(data.x_train[:, -1]).size == 1
    levels = study.experiment.block().axis("place").levels
    assert {level.id for level in levels} > set(JUDGED)
    cells = study.cells["eps"]
    usual, small = (cells.data((place, "0")).x_train[:, :-1] for place in ("input", "small"))
    assert usual.max() / small.max() == pytest.approx(100, rel=1e-4)


def test_real_runs_break_on_the_input_without_epsilon_and_not_with_it() -> None:
    study = study_of("epsilon", load("cookies"))
    cells = study.cells["eps"]
    sizes = [level.id for level in study.experiment.block().axis("eps").levels]
    trials = [replace(cells.trials(("input", size), 0.1)[0], steps=20) for size in sizes]
    curves = train(trials, study.datasets, threads=1)
    assert [found.diverged for found in curves] == [True] + [False] * (len(sizes) - 1)
