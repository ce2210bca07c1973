"""What people and programs get to see: tables, sentences, pictures, records, progress."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from race_models import Model, curves_of, tea

from evenbatch.claims.speed import Speed
from evenbatch.engine import Trial
from evenbatch.protocol.phrases import ratio, times
from evenbatch.protocol.race import Race
from evenbatch.protocol.verdict import Effect
from evenbatch.report import picture, record, terminal
from evenbatch.report.results import overlaid

if TYPE_CHECKING:
    from conftest import Ran

LOST = Model(100, diverges=lambda _seed: True)


def shown(race: Race, models: dict[str, Model], timed: bool = True) -> str:
    """The text of the whole report on a terminal of 80 columns."""
    speed = Speed(race)
    curves = curves_of(race, models)
    times_ = [models[t.network.norm].curve(t) for t in race.timing(curves)] if timed else []
    found = race.finding(curves, times_)
    console = terminal.plain_console(file=io.StringIO(), width=80)
    terminal.show_race(console, race, found, speed.conclude(found))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


# Words.


def test_a_ratio_below_one_is_turned_round_with_its_bound() -> None:
    slower = Effect("", 0.25, 0.2, 0.5, "times fewer steps", "at most")
    assert times(slower) == "at least 4.0 times more steps (95 % interval from 2.0)"
    assert times(replace(slower, bound=""), brief=True) == "4.0 times more steps (2.0 to 5.0)"
    assert ratio(slower) == "≤ 0.25× [0–0.5]"


# Terminal.


def test_the_report_fits_80_columns_and_says_it_all() -> None:
    text = shown(Race(tea()), {"none": Model(420, best=0.3), "batch": Model(60, best=0.1)})
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "…" not in text
    for part in (
        "tea: batch norm against no normalization",
        "Goal: accuracy",
        "without          0.316",
        "batch norm         0.1",
        "best against best      0.316 / 0.1",
        "at equal settings            0.316",
        "10 of 10",
        "✓ holds",
        "50 µs",
    ):
        assert part in text, f"{part!r} is not in\n{text}"


def test_an_arm_that_never_got_there_is_shown_as_such() -> None:
    text = shown(Race(tea()), {"none": LOST, "batch": Model(60)})
    assert re.search(r"without +\S+ +never +50 µs +– +0 of 10", text), text
    assert re.search(r"best against best .*≥ \d+\.\d× \[\d+\.\d–∞\]", text), text


def test_without_timing_the_time_is_left_open() -> None:
    text = shown(Race(tea()), {"none": Model(300), "batch": Model(60)}, timed=False)
    assert re.search(r"batch norm +0.1 +\S+ \(\S+\) +– +– ", text), text
    assert "? cannot tell" in text


def test_a_race_without_a_goal_is_told_in_a_sentence() -> None:
    text = " ".join(shown(Race(tea()), {"none": LOST, "batch": LOST}).split())
    assert "neither arm learned anything in 1000 steps" in text


def test_names_with_brackets_are_not_read_as_styles() -> None:
    odd = replace(tea(), name="table:a[bold]b[/bold]")
    text = shown(Race(odd), {"none": Model(300), "batch": Model(60)})
    assert "table:a[bold]b[/bold]: batch norm against" in text


# Pictures.


def drawn(race: Race, models: dict[str, Model], timed: bool = True) -> object:
    curves = curves_of(race, models)
    times_ = [models[t.network.norm].curve(t) for t in race.timing(curves)] if timed else []
    found = race.finding(curves, times_)
    assert found is not None
    return picture.draw(race, found, Speed(race).conclude(found))


def test_the_picture_says_what_was_measured(ran: Ran, tmp_path: Path) -> None:
    figure = picture.draw(ran.race, ran.found, ran.verdict)
    assert len(figure.axes) == 2
    paths = picture.save(figure, tmp_path / "new" / "folder", "race")
    assert [p.name for p in paths] == ["race.png", "race.svg"]
    assert paths[0].read_bytes()[:4] == b"\x89PNG"
    text = " ".join(t.get_text() for t in figure.texts)
    assert "digits: " in text
    assert ran.verdict.answer in text
    assert "median of 5 seeds" in text


def test_the_same_finding_gives_the_same_svg(ran: Ran, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        figure = picture.draw(ran.race, ran.found, ran.verdict)
        texts.append(picture.save(figure, tmp_path / name, "race")[1].read_bytes())
    assert texts[0] == texts[1]


def test_curves_in_the_picture_are_the_medians(ran: Ran) -> None:
    figure = picture.draw(ran.race, ran.found, ran.verdict)
    best = ran.found.comparisons[0]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    for place, name in enumerate(("without normalization", "with batch norm")):
        metric = np.array([pair[place].metric for pair in best.curves])
        step = best.curves[0][place].step
        np.testing.assert_allclose(lines[name].get_xdata(), step)
        np.testing.assert_allclose(
            np.asarray(lines[name].get_ydata(), float),
            np.maximum(np.median(metric, axis=0), 0),
        )


def test_arms_differ_in_more_than_colour(ran: Ran) -> None:
    figure = picture.draw(ran.race, ran.found, ran.verdict)
    lines = [ln for ln in figure.axes[0].lines if str(ln.get_label()).startswith("with")]
    assert len({str(line.get_linestyle()) for line in lines}) == 2
    assert len({line.get_color() for line in lines}) == 2


@pytest.mark.parametrize(
    ("without", "with_norm", "timed"),
    [
        (LOST, Model(60), True),
        (Model(60), LOST, True),
        (Model(60), Model(300), True),
        (Model(100), Model(99), True),
        (Model(300), Model(60), False),
        (Model(300, diverges=lambda seed: seed == 2), Model(60), True),
    ],
    ids=["never without", "never with", "reversed", "equal", "not timed", "one diverged"],
)
def test_every_outcome_can_be_drawn(
    without: Model, with_norm: Model, timed: bool, tmp_path: Path
) -> None:
    figure = drawn(Race(tea(), seeds=5), {"none": without, "batch": with_norm}, timed)
    assert all(path.stat().st_size > 1000 for path in picture.save(figure, tmp_path, "p"))  # type: ignore[arg-type]


def test_odd_names_can_be_drawn(tmp_path: Path) -> None:
    odd = replace(tea(), name="table:$x_1$ 日本 <b>&")
    figure = drawn(Race(odd, seeds=5), {"none": Model(300), "batch": Model(60)})
    svg = picture.save(figure, tmp_path, "p")[1].read_text(encoding="utf-8")  # type: ignore[arg-type]
    assert "<b>" not in svg


# Records.


def test_the_record_is_strict_json_and_complete(ran: Ran) -> None:
    part = record.part("speed", ran.speed, ran.outcome, ran.verdict)
    whole = record.record([part], "evenbatch race", "A sentence.", complete=True)
    back = json.loads(record.dumps(whole))
    assert set(back) == {
        "format", "created", "command", "request", "complete", "versions", "machine", "code",
        "sentence", "experiments",
    }  # fmt: skip
    (one,) = back["experiments"]
    assert one["claim"] == "speed"
    assert one["data"]["fingerprint"] == ran.race.data.fingerprint
    assert one["settings"]["width"] == 16
    assert one["statement"]["rule"] == ran.speed.statement.rule
    assert one["verdict"]["answer"] == ran.verdict.answer
    assert set(one["seconds_per_step"]) == {"none", "batch"}
    assert len(one["learning_rates"]["none"]) == 2


def test_every_number_leads_to_a_trial_that_can_be_trained_again(ran: Ran) -> None:
    part = record.part("speed", ran.speed, ran.outcome, ran.verdict)
    timed = {curve.trial.key for curve in ran.outcome.timed}
    assert set(part["trials"]) == set(ran.outcome.curves) | timed
    trials = {key: overlaid(part["shared"], own) for key, own in part["trials"].items()}
    for key, settings in trials.items():
        settings = {k: v for k, v in settings.items() if k not in ("ended", "ended_at")}
        assert Trial.from_dict(settings).key == key
    for comparison in part["comparisons"]:
        assert [s["seed"] for s in comparison["seeds"]] == [0, 1, 2, 3, 4]
        for seed in comparison["seeds"]:
            for arm in ("none", "batch"):
                settings = trials[seed[arm]["trial"]]
                assert settings["network"]["norm"] == arm
                assert settings["seed"] == seed["seed"]
                assert settings["learning_rate"] == comparison["learning_rates"][arm]


def test_what_was_never_reached_is_null() -> None:
    race = Race(tea(), seeds=5)
    speed = Speed(race)
    curves = curves_of(race, {"none": LOST, "batch": Model(60)})
    outcome = record.Outcome(curves)
    part = record.part("speed", speed, outcome, outcome.verdict(speed))
    text = record.dumps(part)
    assert "Infinity" not in text
    assert "NaN" not in text
    seed = part["comparisons"][0]["seeds"][0]
    assert seed["none"]["steps_to_goal"] is None
    assert seed["none"]["ended"] == "diverged"
    assert seed["batch"]["steps_to_goal"] > 0
