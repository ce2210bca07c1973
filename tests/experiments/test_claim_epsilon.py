"""The epsilon claim's rule on curves whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.epsilon import INPUT, PLACES, SIZES, SMALL, Epsilon, on
from evenbatch.data import load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK, Effort


def broken(where: Callable[[str], bool], blurs: float = 9.0) -> Model:
    """Runs with epsilon 0 diverge at these placements; above `blurs` they end lower."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        if net.eps == 0 and where(net.placement):
            return invented(trial, 0.9, diverged=True)
        return invented(trial, (0.7 if net.eps > blurs else 0.9) + noise(trial, 0.002))

    return model


def here(effort: Effort = QUICK) -> Epsilon:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("where", "answer", "reason"),
    [
        (lambda _: True, "holds", "it broke on the input, before the activation and after"),
        (lambda place: place == "input", "holds in part", "it broke on the input, but not before"),
        (lambda _: False, "does not hold", "it did not break on the input, before"),
    ],
)
def test_the_rule_says_where_it_breaks(
    where: Callable[[str], bool], answer: str, reason: str
) -> None:
    verdict = concluded(here(), broken(where))
    assert verdict.answer == answer, verdict.sentence
    assert verdict.reason.startswith(reason)


def test_an_epsilon_of_0_that_is_better_does_not_break() -> None:
    def model(trial: Trial) -> Curve:
        return invented(trial, (0.95 if trial.network.eps == 0 else 0.9) + noise(trial, 0.002))

    assert concluded(here(), model).answer == "does not hold"


def test_runs_that_diverge_on_some_seeds_only_cannot_be_told() -> None:
    def model(trial: Trial) -> Curve:
        return broken(lambda _: trial.seed % 5 == 0)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "cannot tell"
    assert "1 of 5 runs diverged" in verdict.sentence


def test_too_few_seeds_and_no_learning_tell_nothing() -> None:
    few = concluded(here(replace(QUICK, seeds=4)), broken(lambda _: True))
    assert (few.answer, few.reason) == (
        "cannot tell",
        "4 seeds measured and at least 5 are needed",
    )
    nothing = concluded(here(), lambda trial: invented(trial, 0.9, diverged=True))
    assert (nothing.answer, nothing.reason) == ("cannot tell", "no arm learned anything")


def test_where_it_blurs_is_said_for_each_case() -> None:
    verdict = concluded(here(), broken(lambda _: True, blurs=0.05))
    notes = [
        note for note in verdict.notes if "0.1 or more costs at least 1 point for sure" in note
    ]
    assert len(notes) == 5
    assert all("no run diverges with 1e-12" in note for note in notes)


def test_every_case_has_a_feature_that_does_not_vary() -> None:
    cases = on(load("digits"), QUICK).cases
    assert set(PLACES) < set(cases)
    for case in cases.values():
        column = case.setup.data.x_train[:, -1]
        assert np.unique(column).size == 1
    ratio = cases[INPUT].setup.data.x_train.max() / cases[SMALL].setup.data.x_train[:, :-1].max()
    assert ratio == pytest.approx(100, rel=1e-4)


def test_real_runs_break_on_the_input_without_epsilon_and_not_with_it() -> None:
    from evenbatch.engine import train

    case = on(load("cookies"), QUICK).cases[INPUT]
    trials = [
        case.setup.trial(0, norm="batch", placement="input", eps=size, steps=20) for size in SIZES
    ]
    curves = train(trials, {case.setup.data.name: case.setup.data}, threads=1)
    assert [curve.diverged for curve in curves] == [True] + [False] * (len(SIZES) - 1)


def test_every_number_in_the_table_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, broken(lambda _: True))
    (table,) = experiment.verdict(curves, ()).tables
    assert len(table.rows) == 5 * len(SIZES)
    measured = {key for keys in table.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
