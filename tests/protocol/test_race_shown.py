"""What people get to see of a race: tables, figures and sentences."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.protocol.exhibits import Figure, Table
from evenbatch.protocol.phrases import ratio, times
from evenbatch.protocol.verdict import Effect, Verdict
from evenbatch.report import figures
from support.curves import tea
from support.prose import faults
from support.races import LOST, Arm, arms, race_of, raced

PAIR = arms(Arm(420, best=0.3), Arm(60, best=0.1))


def shown(both: Any = PAIR, timed: bool = True, **settings: Any) -> Verdict:
    return raced(race_of(**settings), both, timed)[1]


def table(verdict: Verdict, start: str) -> Table:
    """The table whose title begins so."""
    (found,) = [each for each in verdict.tables if each.title.startswith(start)]
    return found


def figure(verdict: Verdict, name: str) -> Figure:
    (found,) = [each for each in verdict.figures if each.id == name]
    return found


def test_a_ratio_below_one_is_turned_round_with_its_bound() -> None:
    slower = Effect("", 0.25, 0.2, 0.5, "times fewer steps", "at most")
    assert times(slower) == "at least 4.0 times more steps (95 % interval from 2.0)"
    assert times(replace(slower, bound=""), brief=True) == "4.0 times more steps (2.0 to 5.0)"
    assert ratio(slower) == "≤ 0.25× [0–0.5]"


# Tables.


def test_both_arms_are_shown_at_their_best_rates() -> None:
    found = table(shown(), "Each arm at its best")
    rates = [row[found.columns.index("learning rate")] for row in found.rows]
    steps = [str(row[found.columns.index("steps to goal")]) for row in found.rows]
    assert rates == ["0.316", "0.1"]
    assert 380 < float(steps[0].split()[0]) < 470
    assert 54 < float(steps[1].split()[0]) < 66
    assert [row[0] for row in found.rows] == ["no normalization", "batch norm"]
    assert all("50 µs" in row and "10 of 10" in row for row in found.rows)


def test_equal_settings_are_shown_beside_best_against_best() -> None:
    verdict = shown()
    ratios = table(verdict, "no normalization ÷ batch norm")
    assert [row[1] for row in ratios.rows] == ["0.316 / 0.1", "0.316", "0.1"]
    equal = table(verdict, "Both arms at each other's")
    assert [row[1] for row in equal.rows] == ["0.316", "0.316", "0.1", "0.1"]
    with pytest.raises(ValueError, match="unpack"):
        table(shown(arms(Arm(420), Arm(60))), "Both arms at each other's")


def test_an_arm_that_never_got_there_is_shown_as_such() -> None:
    verdict = shown(arms(LOST, Arm(60)), rates=(0.1, 1))
    lost = table(verdict, "Each arm at its best").rows[0]
    assert lost[2:6] == ("never", "50 µs", "–", "0 of 10")
    steps = table(verdict, "no normalization ÷ batch norm").rows[0][2]
    assert str(steps).startswith("≥ ")
    assert str(steps).endswith("–∞]")


def test_without_timing_the_time_is_left_open() -> None:
    verdict = shown(timed=False)
    for row in table(verdict, "Each arm at its best").rows:
        assert row[3:5] == ("–", "–")
    assert {row[3] for row in table(verdict, "no normalization ÷").rows} == {"–"}
    assert [f.id for f in verdict.figures] == ["curves/steps", "rates"]


def test_every_learning_rate_that_was_tried_is_shown_with_the_best() -> None:
    study = race_of()
    found, verdict = raced(study, PAIR)
    rows = {str(row[0]): row for row in table(verdict, "Learning rates tried").rows}
    tried = {f"{row.rate:g}" for own in found.search.tried.values() for row in own}
    assert set(rows) == tried
    assert "(best)" in str(rows["0.316"][2])
    assert "(best)" in str(rows["0.1"][4])
    assert sum("(best)" in str(cell) for row in rows.values() for cell in row) == 2


def test_each_seed_has_a_row_of_its_own() -> None:
    late = Arm(300, diverges=lambda seed: seed == 2)
    rows = table(shown(arms(late, Arm(60)), seeds=5), "Steps to the goal, seed by seed").rows
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[2][1] == "never"
    assert 40 < float(rows[2][2]) < 80


# Figures.


def test_curves_are_medians_with_their_middle_half() -> None:
    found, verdict = raced(race_of(), PAIR)
    drawn = figure(verdict, "curves/steps")
    assert [series.id for series in drawn.series] == ["none", "batch"]
    for place, series in enumerate(drawn.series):
        runs = np.array([pair[place].metric for pair in found.meetings[0].curves])
        low, middle, high = np.quantile(runs, [0.25, 0.5, 0.75], axis=0)[:, : len(series.x)]
        assert series.y == pytest.approx(middle)
        assert series.low == pytest.approx(low)
        assert series.high == pytest.approx(high)
        assert np.array_equal(series.x, found.meetings[0].curves[0][place].step[: len(series.x)])


def test_over_time_a_step_counts_what_it_cost() -> None:
    both = arms(Arm(420), Arm(60, second=100))
    found, verdict = raced(race_of(), both)
    steps, ms = figure(verdict, "curves/steps"), figure(verdict, "curves/ms")
    for place, each in ((0, 0.05), (1, 0.1)):
        shortest = min(len(steps.series[place].x), len(ms.series[place].x))
        want = [each * x for x in steps.series[place].x[:shortest]]
        assert ms.series[place].x[:shortest] == pytest.approx(want)
    marks = {mark.series: mark.value for mark in ms.marks if mark.series}
    median = float(np.median(found.meetings[0].steps.with_norm))
    assert marks["batch"] == pytest.approx(0.1 * median)


def test_a_run_that_diverged_counts_as_guessing_in_the_curves() -> None:
    half = Arm(300, diverges=lambda seed: seed < 1000)
    drawn = figure(shown(arms(half, Arm(60)), rates=(0.1, 1)), "curves/steps")
    assert set(drawn.series[0].y) == {0.5}


@pytest.mark.parametrize(
    ("both", "timed"),
    [
        (arms(LOST, Arm(60)), True),
        (arms(Arm(60), LOST), True),
        (arms(Arm(60), Arm(300)), True),
        (arms(Arm(100), Arm(99)), True),
        (arms(Arm(300), Arm(60)), False),
        (arms(Arm(300, diverges=lambda seed: seed == 2), Arm(60)), True),
    ],
    ids=["never without", "never with", "reversed", "equal", "not timed", "one diverged"],
)
def test_every_outcome_can_be_drawn_and_told(both: Any, timed: bool) -> None:
    verdict = shown(both, timed, seeds=5, rates=(0.1, 1))
    for each in verdict.figures:
        assert "nan" not in figures.draw(each, 560).lower()
        assert faults(each.alt) == faults(each.title) == []
        assert all(math.isfinite(value) for series in each.series for value in series.x)
    for text in (verdict.sentence, *verdict.notes):
        assert faults(text) == [], text


def test_odd_names_are_kept_as_they_are() -> None:
    odd = replace(tea(), name="table:$x_1$ 日本 <b>&[bold]")
    verdict = raced(race_of(odd, seeds=5), PAIR)[1]
    assert verdict.sentence.startswith("table:$x_1$ 日本 <b>&[bold]: ")
    assert all("<b>" not in figures.draw(each, 560) for each in verdict.figures)
