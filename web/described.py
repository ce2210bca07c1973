"""The page's experiments as data, so that a page without a server carries them out.

Each stands as it is with its chapter's first settings; for each setting that changes more than a
number, there is a patch (JSON merge patch, RFC 7386, that reaches into lists by place) for each of
its values. Patches of different settings change different parts. Data sets are named; what a page
must know of one stands once for all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from evenbatch.data import Dataset, load
from evenbatch.data.split import random_order
from evenbatch.lesson import bench, chapters, factory, layers
from evenbatch.lesson.recorded import EXPERIMENTS
from evenbatch.protocol import (
    cells,
    effects,
    goals,
    intervals,
    measures,
    networks,
    phrases,
    race,
    race_shown,
    rule,
    study,
    tuning,
)
from evenbatch.protocol import statement as statements
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.recipes import Recipe
from evenbatch.protocol.verdict import Statement

TAKEN = {
    bench: ("POINTS",),
    cells: ("TUNING_SEED",),
    effects: ("PENALTY",),
    factory: ("FRAMES", "SAMPLE"),
    goals: ("SHARE", "NOTHING"),
    intervals: ("RESAMPLES",),
    layers: ("BINS", "REACH"),
    measures: ("FALL", "CAP"),
    networks: ("GROWTHS", "TIMED_PAIRS"),
    race: ("RESOLUTION",),
    race_shown: ("AHEAD",),
    rule: ("POINT", "MIN_SEEDS"),
    statements: ("INIT_NAMES",),
    study: ("FEW",),
    tuning: ("LOWEST", "HIGHEST", "BELOW"),
}
"""Numbers of the protocol that a page computes with, by the files that say what they are."""
HEAD = "// Made from Python's protocol by web/made.py; it says what each of them is.\n\n"
MOST_VALUES = 20  # over which a page takes an interval: more than it may ask for seeds
MOST_PAIRS = 100  # of a class without a server, over which the teacher's page takes one
LENGTHS = [500]  # of training rows of which some have their targets shuffled
BENCH: Mapping[str, tuple[str, dict[str, Any]]] = {"bench": ("bench", {})}


class Facts(msgspec.Struct, frozen=True):
    """What is to be known of a data set besides its rows: `chance` and `noise` of its metric, and
    the loss of a guess (`protocol.goals`)."""

    name: str
    task: str
    inputs: int
    outputs: int
    time_steps: int
    train: int
    test: int
    chance: float
    noise: float
    guess_loss: float


class Made(msgspec.Struct, frozen=True):
    """A data set of an experiment: how it is made, and what is to be known of it. Chosen rows are
    written by how they were chosen (`packed`)."""

    recipe: Recipe
    facts: Facts


class Named(msgspec.Struct, frozen=True):
    """An experiment without its recipes, what it states before any result, and its data sets."""

    experiment: Experiment
    statement: Statement
    sets: tuple[str, ...]


class Family(msgspec.Struct, frozen=True):
    """An experiment with its chapter's first settings, and what other settings change: by the
    setting's name and its value, a patch; and the columns of its data, if a setting names them."""

    chapter: str
    described: Named
    patches: dict[str, dict[str, dict[str, Any]]]
    columns: tuple[str, ...] = ()


KINDS = (Facts, Made, Named, Family)
IMPORTED = {"Experiment": "./experiment", "Recipe": "./experiment", "Statement": "./messages"}
"""Types of the page's own, and where those are that they are made of."""


def facts(data: Dataset) -> Facts:
    """Of a data set."""
    return Facts(
        name=data.name,
        task=data.task,
        inputs=data.n_features,
        outputs=data.n_outputs,
        time_steps=data.time_steps,
        train=data.n_train,
        test=data.n_test,
        chance=goals.chance(data),
        noise=goals.noise(data),
        guess_loss=goals.guess_loss(data),
    )


def packed(step: dict[str, Any]) -> dict[str, Any]:
    """A step with its chosen rows in few digits: a random order as how many it orders and how many
    of them are taken, rows in ascending order by how far each is from the one before.

    >>> packed({"type": "take-rows", "rows": [2, 3, 11], "suffix": "3 rows"})["rows"]
    [2, 1, 8]
    """
    if step["type"] == "take-rows":
        return step | {"rows": np.diff(step["rows"], prepend=0).tolist()}
    if step["type"] == "order-tests":
        return step | {"order": drawn(step["order"], [len(step["order"])])}
    if step["type"] == "take-targets":
        assert step["targets"] == np.roll(step["rows"], 1).tolist()
        return step | {"rows": drawn(step["rows"], LENGTHS), "targets": []}
    return step


def drawn(rows: list[int], lengths: Sequence[int]) -> list[int]:
    """Of which of these lengths a random order begins with these rows, and how many they are."""
    found = (n for n in lengths if random_order(n, 0)[: len(rows)].tolist() == rows)
    return [next(found), len(rows)]


def described(chapter: str, settings: Mapping[str, Any], sets: dict[str, Any]) -> Any:
    """A chapter's experiment with these settings, as plain values; its data sets go to `sets`."""
    made = chapters.study(chapter, chapters.normal(chapter, json.dumps(settings).encode()))
    experiment = msgspec.to_builtins(made.experiment)
    for name, recipe in experiment.pop("recipes").items():
        recipe["steps"] = [packed(step) for step in recipe["steps"]]
        sets[name] = {"recipe": recipe, "facts": msgspec.to_builtins(facts(made.datasets[name]))}
    statement = msgspec.to_builtins(made.statement)
    return {"experiment": experiment, "statement": statement, "sets": list(made.datasets)}


def patch(old: Any, new: Any) -> Any:
    """What turns one into the other: of lists, their changed places, unless all are shorter.

    >>> patch({"a": 1, "b": {"c": [1], "d": 2}}, {"b": {"c": [2], "d": 2}})
    {'a': None, 'b': {'c': [2]}}
    >>> patch([{"a": "tea", "b": 1}, {"c": 2}], [{"a": "tea", "b": 3}])
    {0: {'b': 3}, 1: None}
    """
    if isinstance(old, list) and isinstance(new, list):
        found = patch(dict(enumerate(old)), dict(enumerate(new)))
        return min(found, new, key=lambda one: len(json.dumps(one)))
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    found = {name: None for name in old if name not in new}
    return found | {
        name: patch(old[name], value) if name in old else value
        for name, value in new.items()
        if name not in old or old[name] != value
    }


ONLY = {"factory": (), "layer.stories": ("stories",)}
"""Data sets of experiments that are not about any of the usual ones."""


def choices(name: str, chapter: str) -> Iterator[tuple[str, list[Any]]]:
    """The settings that a page may change, and their values."""
    yield "data", list(ONLY.get(name, get_args(chapters.Data)))
    if chapter == "race":
        hints = get_type_hints(chapters.RaceSettings)
        for setting in ("norm", "init", "optimizer"):
            yield setting, list(get_args(hints[setting]))
        yield "depth", list(range(1, 13))
    if chapter == "bench":
        arm = msgspec.to_builtins(chapters.Arm())
        yield "arms", [[arm] * count for count in range(1, 7)]


def family(name: str, sets: dict[str, Any]) -> Any:
    """One of the page's experiments with all its patches; its data sets go to `sets`."""
    chapter, settings = {**EXPERIMENTS, **BENCH}[name]
    first = described(chapter, settings, sets)
    patches: dict[str, dict[str, Any]] = {}
    for setting, values in choices(name, chapter):
        patches[setting] = {
            f"{len(value) if isinstance(value, list) else value}": patch(
                first, described(chapter, settings | {setting: value}, sets)
            )
            for value in values
        }
    columns = load("cookies").features if chapter == "factory" else ()
    return {"chapter": chapter, "described": first, "patches": patches, "columns": columns}


def constants() -> dict[str, Any]:
    """The numbers and words of the protocol, and what a page needs for Python's intervals: where
    resampling starts, and the share of the resamples below an interval, by the number of values."""
    state = np.random.default_rng(0).bit_generator.state["state"]
    found = {name: getattr(home, name) for home, names in TAKEN.items() for name in names}
    return {
        **found,
        "OPPOSITE": phrases._OPPOSITE,
        "STATE": str(state["state"]),
        "INCREMENT": str(state["inc"]),
        "TAILS": tails(MOST_VALUES),
    }


def tails(most: int) -> list[float]:
    """The share of the resamples below an interval, by the number of values."""
    found = [0.0, 0.0]
    for n in range(2, most + 1):
        t = intervals.student_t(0.95, n - 1)
        found.append(intervals._normal.cdf(-math.sqrt(n / (n - 1)) * t))
    return found


def files() -> dict[str, str]:
    """What the files should say, by their places below web/."""
    sets: dict[str, Any] = {}
    families = {name: family(name, sets) for name in (*EXPERIMENTS, *BENCH)}
    experiments = json.dumps({"families": families, "sets": sets}, ensure_ascii=False)
    named = (
        f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
        for name, value in constants().items()
    )
    return {
        "src/made/tails.json": f"{json.dumps(tails(MOST_PAIRS))}\n",
        "src/made/experiments.json": f"{experiments}\n",
        "src/made/protocol.ts": "// Made from Python's protocol by web/made.py.\n\n"
        + "".join(named),
    }
