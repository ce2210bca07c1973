"""Ids: the page's words and looks hang on them, and on nothing that is prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.harness import script

from evenbatch import protocol as p
from evenbatch.claims import CLAIMS
from evenbatch.claims.claim import QUICK
from evenbatch.data import DataError, load
from evenbatch.engine import train
from evenbatch.lesson import chapters
from evenbatch.lesson.recorded import EXPERIMENTS
from evenbatch.lesson.trials import Study
from evenbatch.protocol.drawn import FigureSpec
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.rule import Clause
from evenbatch.protocol.verdict import Verdict

WEB = Path(__file__).resolve().parents[2] / "web"
LANGUAGES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (WEB / "src/words").glob("*.json")
}


def settings_of(name: str) -> Iterator[dict[str, Any]]:
    """An experiment of the page on every data set that the page offers for it."""
    chapter, first = EXPERIMENTS[name]
    source = "".join(path.read_text("utf-8") for path in (WEB / "src/chapters").glob("*.tsx"))
    listed = re.search(rf'name: "{re.escape(name)}",\s+data: (\[[^\]]*\])', source)
    offered = json.loads(listed.group(1)) if listed else ["digits", "cookies", "mnist1d"]
    if chapter == "factory":
        yield {}
        return
    assert first.get("data", "digits") in offered
    yield from (first | {"data": data} for data in offered)


def study_of(name: str, settings: dict[str, Any]) -> Study:
    chapter = EXPERIMENTS[name][0]
    return chapters.study(chapter, chapters.normal(chapter, json.dumps(settings).encode()))


def ids_of(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Kind and id of everything in an experiment's figures that the page has words for."""
    for figure in experiment.figures:
        yield "figure", figure.id
        yield "axis", figure.y_id
        yield "axis", figure.x_id or axis_of(experiment, figure)
        for row in figure.rows:
            yield from (("name", part) for part in row.id.split("/"))
        for mark in figure.marks:
            yield "mark", mark.id
        if isinstance(figure, p.Over):
            axis = figure.axis and experiment.block(figure.block).axis(figure.axis)
            levels = figure.places or (axis.levels if axis else ())
            if all(level.at is None for level in levels):
                yield from (("name", level.id) for level in levels)
    if experiment.race is not None:
        yield from (("name", level.id) for level in experiment.race.arms.levels)
        yield from (("figure", id) for id in ("curves/steps", "curves/ms", "rates"))
        yield from (("axis", id) for id in ("steps", "ms", "rate", "metric"))
        yield from (("mark", id) for id in ("goal", "steps", "ms"))


def axis_of(experiment: Experiment, figure: FigureSpec) -> str:
    if isinstance(figure, p.Over):
        return figure.axis
    return "steps" if isinstance(figure, p.Ways) else "rate"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_whatever_a_figure_may_name_has_words_in_every_language(name: str) -> None:
    for settings in settings_of(name):
        experiment = study_of(name, settings).experiment
        found = set(ids_of(experiment))
        assert found
        for words in LANGUAGES.values():
            for kind, id in found:
                word = id.partition("=")[0]
                keys = [f"{kind}.{experiment.claim}.{word}", f"{kind}.{word}"]
                number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", id)
                assert number or any(key in words for key in keys), (settings, keys)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_the_page_quotes_is_measured_on_every_data_set(name: str) -> None:
    source = (WEB / "src/parts/happened.ts").read_text("utf-8")
    line = re.search(rf'^  "?{re.escape(name)}"?: (\[\[.*\]\]),$', source, re.M)
    assert line, name
    quoted = {id for ids in json.loads(line.group(1)) for id in ids}
    for settings in settings_of(name):
        experiment = study_of(name, settings).experiment
        measured = {effect.id for effect in experiment.effects}
        if experiment.race is not None:
            measured |= {"steps/best", "time/best"}
        assert quoted <= measured, settings


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_two_things_of_a_claim_have_one_id(claim: str) -> None:
    found = CLAIMS[claim]
    for data in found.data:
        try:
            experiment, _ = found.make(load(data), QUICK)
        except DataError:
            continue  # files that are not on this machine
        lists = [experiment.blocks, experiment.effects, experiment.figures]
        lists += [axis.levels for block in experiment.blocks for axis in block.axes]
        lists += [figure.rows for figure in experiment.figures]
        lists += [figure.marks for figure in experiment.figures]
        for things in lists:
            ids = [thing.id for thing in things]
            assert all(ids), ids
            assert len(set(ids)) == len(ids), ids


PROSE = {
    "name": (p.Level, p.Axis, p.Row, p.Best, p.Equal, p.Among),
    "label": (p.Mean, p.Ratio, p.Part, p.Fewer, p.MarkSpec),
    "unit": (p.Mean, p.Ratio, p.Part, p.Fewer),
    "title": (p.Ways, p.Over, p.Rates),
    "alt": (p.Ways, p.Over, p.Rates),
    "x": (p.Ways, p.Over),
    "y": (p.Ways, p.Over, p.Rates),
    "because": (Clause,),
    "otherwise": (p.Rule,),
    **dict.fromkeys(("phrase", "states", "question", "measure", "source"), (Experiment,)),
}
"""What is prose in a description, by field."""


def reworded(found: Any) -> Any:
    """A description whose every sentence is another."""
    if isinstance(found, (tuple, list)):
        return type(found)(reworded(item) for item in found)
    if not isinstance(found, msgspec.Struct):
        return found
    changed = {name: reworded(getattr(found, name)) for name in found.__struct_fields__}
    for name, kinds in PROSE.items():
        if isinstance(found, kinds) and changed[name]:
            changed[name] = "times fewer zebras, layer 7: 1e-05"
    return msgspec.structs.replace(found, **changed)


def without_prose(verdict: Verdict) -> Any:
    """All of a verdict that the page may look at: no text but ids and values out of a few."""
    kept = {"id", "ids", "kind", "answer", "bound", "axis", "series"}

    def only(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: only(item, name) for name, item in value.items()}
        if isinstance(value, (tuple, list)):
            return [only(item, key) for item in value]
        return value if not isinstance(value, str) or key in kept else ""

    found = only(asdict(verdict), "")
    return msgspec.json.encode({name: found[name] for name in ("answer", "effects", "figures")})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("factory", {"seeds": 1}),
        ("rates", {"data": "cookies", "seeds": 1}),
        ("race", {"data": "cookies", "seeds": 1, "depth": 1}),
    ],
)
def test_what_the_page_looks_at_does_not_hang_on_prose(name: str, settings: dict[str, Any]) -> None:
    study = study_of(name, settings)
    other = replace(study, experiment=reworded(study.experiment))
    curves: Any = {}
    while wanted := study.trials(curves).trials:
        curves |= {curve.trial.key: curve for curve in train(wanted, study.datasets)}
    said, anew = study.verdict(curves, ()), other.verdict(curves, ())
    assert said.figures
    assert said.figures != anew.figures
    assert without_prose(said) == without_prose(anew)


def test_the_page_has_the_types_and_looks_that_python_has() -> None:
    for name, text in script("made").files().items():
        assert (WEB / name).read_text("utf-8") == text, f"{name}: run `python web/made.py`"
