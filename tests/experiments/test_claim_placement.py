"""The placement claim's rule on curves whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.placement import Placement, on
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK, Effort

BEST = {"none": 0.1, "input": 0.1, "after": 0.316, "before": 0.316}


def place(trial: Trial) -> str:
    return "none" if trial.network.norm == "none" else trial.network.placement


def ends(none: float, on_input: float, after: float, before: float) -> Model:
    """Each placement ends there at its best learning rate, a fifth lower at any other."""
    tops = {"none": none, "input": on_input, "after": after, "before": before}

    def model(trial: Trial) -> Curve:
        where = place(trial)
        top = tops[where] + noise(trial, 0.002)
        return invented(trial, top if trial.learning_rate == BEST[where] else 0.8 * top)

    return model


def here(effort: Effort = QUICK) -> Placement:
    return on(tea(4000), effort)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (ends(0.7, 0.8, 0.85, 0.95), "holds"),
        (ends(0.7, 0.8, 0.95, 0.95), "holds in part"),
        (ends(0.95, 0.95, 0.95, 0.95), "does not hold"),
        (ends(0.95, 0.8, 0.8, 0.7), "does not hold"),
        (ends(0.7, 0.95, 0.8, 0.9), "does not hold"),
        (ends(0.5, 0.5, 0.5, 0.5), "cannot tell"),
    ],
)
def test_the_rule_says_what_the_placements_are(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_a_rival_that_is_ahead_is_named() -> None:
    verdict = concluded(here(), ends(0.7, 0.95, 0.8, 0.9))
    assert verdict.reason == "on the input only did better"
    assert "does not hold" in verdict.sentence


def test_too_few_seeds_tell_nothing() -> None:
    verdict = concluded(here(replace(QUICK, seeds=4)), ends(0.7, 0.8, 0.85, 0.95))
    assert (verdict.answer, verdict.reason) == (
        "cannot tell",
        "4 seeds measured and at least 5 are needed",
    )


def test_a_noisy_gain_cannot_be_told() -> None:
    def noisy(trial: Trial) -> Curve:
        luck = (-0.03, 0.03, -0.03, 0.03, 0.04)[trial.seed % 5] if place(trial) == "before" else 0
        return ends(0.7, 0.7, 0.7, 0.7 + luck)(trial)

    assert concluded(here(), noisy).answer == "cannot tell"


def test_an_arm_that_diverges_counts_as_chance_and_is_noted() -> None:
    def model(trial: Trial) -> Curve:
        if place(trial) == "after":
            return invented(trial, 0.9, diverged=True)
        return ends(0.7, 0.8, 0.9, 0.95)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert [
        note
        for note in verdict.notes
        if "5 of 5 runs diverged at the best learning rate of “after" in note
    ]


def test_each_arm_runs_at_its_own_best_rate_and_all_at_two_common_ones() -> None:
    experiment = here()
    curves = trained(experiment, ends(0.7, 0.8, 0.85, 0.95))
    assert experiment.meeting.tuned.best(curves) == BEST
    labels = list(experiment.meeting.met(curves).grids)
    assert labels == [
        "best against best",
        "all at learning rate 0.316",
        "all at learning rate 0.1",
    ]
    verdict = experiment.verdict(curves, ())
    assert [e.label.partition(", ")[2] for e in verdict.effects[2:]] == labels
    assert {e.unit for e in verdict.effects} == {"points of accuracy"}


def test_the_gain_is_paired_and_counted_in_points() -> None:
    def model(trial: Trial) -> Curve:
        shared = 0.05 * (trial.seed % 5)  # large between seeds, the same in all arms
        top = {"none": 0.6, "input": 0.62, "after": 0.62, "before": 0.64}[place(trial)]
        curve = invented(trial, 0.9)
        return replace(curve, metric=0 * curve.metric + top + shared)

    effect = concluded(here(), model).effects[2]
    assert effect.value == pytest.approx(4.0)
    assert effect.high - effect.low < 1e-6


def test_standardized_input_is_judged_by_itself() -> None:
    def model(trial: Trial) -> Curve:
        if trial.data.endswith("standardized"):
            return ends(0.95, 0.5, 0.95, 0.95)(trial)
        return ends(0.7, 0.8, 0.85, 0.95)(trial)

    verdict = concluded(here(), model)
    assert verdict.answer == "holds"
    assert [n for n in verdict.notes if n.startswith("With standardized input") and "not hold" in n]


def test_a_part_of_the_curves_gives_a_verdict_on_whole_seeds_only() -> None:
    experiment = here()
    assert experiment.verdict({}, ()).reason == "nothing is measured yet"
    curves = trained(experiment, ends(0.7, 0.8, 0.85, 0.95))
    missing = next(k for k, c in curves.items() if c.trial.seed == 3 and place(c.trial) == "after")
    del curves[missing]
    verdict = experiment.verdict(curves, ())
    assert verdict.answer == "cannot tell"
    assert "4 seeds" in verdict.measured_on


def test_every_number_in_the_tables_leads_to_trials() -> None:
    experiment = here()
    curves = trained(experiment, ends(0.7, 0.8, 0.85, 0.95))
    verdict = experiment.verdict(curves, ())
    measured = {key for table in verdict.tables for keys in table.keys for key in keys}
    assert measured == {key for key, curve in curves.items() if curve.trial.seed < QUICK.seeds}
