"""The initialization claim on networks of which it is known what weights they train from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve
from support.studies import by_id, concluded, study_of

Range = tuple[float, float]


def claim(seeds: int = 5) -> Any:
    return study_of("initialization", seeds=seeds, rates=(0.1, 1.0))


def training_from(ranges: Mapping[str, Range]) -> Model:
    """Each arm trains from scales in its range (decades), and diverges above it."""

    def model(trial: Trial) -> Curve:
        scale = math.log10(trial.network.sigma)
        low, high = ranges.get(trial.network.norm, (-1.0, 0.0))
        if scale > high + 0.01:
            return curve(trial, diverged=True)
        trains = scale >= low - 0.01 and trial.learning_rate == 0.1
        return curve(trial, 0.95 if trains else 0.55, noise=0.01)

    return model


@pytest.mark.parametrize(
    ("none", "batch", "answer"),
    [
        ((-1, 0), (-3, 1), "holds"),
        ((-1, 0), (-1.5, 0), "holds in part"),
        ((-1, 0), (-1, 0), "does not hold"),
        ((-3, 1), (-1, 0), "does not hold"),
    ],
)
def test_the_rule_says_what_the_ranges_are(none: Range, batch: Range, answer: str) -> None:
    verdict = concluded(claim(), training_from({"none": none, "batch": batch}))
    assert verdict.answer == answer, verdict.sentence


def test_widths_are_counted_in_decades_and_told_as_ranges() -> None:
    verdict = concluded(claim(), training_from({"none": (-1, 0), "batch": (-3, 1)}))
    found = by_id(verdict)
    for name in ("wider", "wider-equal", "wider-own"):
        assert found[name].value == pytest.approx(3.0)
    assert found["wider-layer"].value == pytest.approx(0.0)
    assert "no normalization 0.1 to 1 (1.5 decades)" in verdict.sentence
    assert "batch norm 0.001 to 10" in verdict.sentence
    strips = verdict.figures[0]
    assert [len(series.x) for series in strips.series] == [13, 13, 13]


def test_one_goal_for_both_and_beside_it_each_arms_own() -> None:
    def model(trial: Trial) -> Curve:
        scale, batch = math.log10(trial.network.sigma), trial.network.norm == "batch"
        top = 0.95 if batch and -1.1 < scale < 0.1 else 0.75
        return curve(trial, top if -3.1 < scale < 1.1 or batch else 0.55)

    found = by_id(concluded(claim(), model))
    assert found["wider"].value == pytest.approx(6.5 - 4.5)
    assert found["wider-own"].value == pytest.approx(1.5 - 4.5)


def test_seeds_that_disagree_tell_nothing() -> None:
    def model(trial: Trial) -> Curve:
        away = 2.0 * (-1) ** trial.seed
        return training_from({"none": (-1, 0), "batch": (-1, 0 + away)})(trial)

    assert concluded(claim(seeds=6), model).answer == "cannot tell"


def test_an_arm_that_always_diverges_loses() -> None:
    verdict = concluded(claim(), training_from({"none": (-1, 0), "batch": (-9, -8)}))
    assert verdict.answer == "does not hold"
    assert "batch norm at none" in verdict.sentence


def test_open_ends_are_said() -> None:
    notes = concluded(claim(), training_from({"none": (-1, 0), "batch": (-9, 9)})).notes
    for end in ("lowest", "highest"):
        assert any("range of batch norm" in note and end in note for note in notes)
    assert not any("range of no normalization" in note for note in notes)
