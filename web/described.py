"""The page's experiments as data, so that a page without a server carries them out.

Each stands as it is with its chapter's first settings, with what a page must know of its data sets;
for each setting that changes more than a number, there is a patch (JSON merge patch, RFC 7386) for
each of its values. Patches of different settings change different parts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from evenbatch.data import Dataset, load
from evenbatch.lesson import bench, chapters, factory
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
from evenbatch.protocol.verdict import Statement

TAKEN = {
    bench: ("POINTS",),
    cells: ("TUNING_SEED",),
    effects: ("PENALTY",),
    factory: ("FRAMES", "SAMPLE"),
    goals: ("SHARE", "NOTHING"),
    intervals: ("RESAMPLES",),
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


class Described(msgspec.Struct, frozen=True):
    """An experiment, what it states before any result, and its data sets by name."""

    experiment: Experiment
    statement: Statement
    data: dict[str, Facts]


class Family(msgspec.Struct, frozen=True):
    """An experiment with its chapter's first settings, and what other settings change: by the
    setting's name and its value, a patch; and the columns of its data, if a setting names them."""

    chapter: str
    described: Described
    patches: dict[str, dict[str, dict[str, Any]]]
    columns: tuple[str, ...] = ()


KINDS = (Facts, Described, Family)
IMPORTED = {"Experiment": "./experiment", "Statement": "./messages"}
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


def described(chapter: str, settings: Mapping[str, Any]) -> Any:
    """A chapter's experiment with these settings, as plain values."""
    made = chapters.study(chapter, chapters.normal(chapter, json.dumps(settings).encode()))
    data = {name: facts(one) for name, one in made.datasets.items()}
    return msgspec.to_builtins(Described(made.experiment, made.statement, data))


def patch(old: Any, new: Any) -> Any:
    """What turns one into the other.

    >>> patch({"a": 1, "b": {"c": [1], "d": 2}}, {"b": {"c": [2], "d": 2}})
    {'a': None, 'b': {'c': [2]}}
    """
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


def family(name: str) -> Any:
    """One of the page's experiments with all its patches."""
    chapter, settings = {**EXPERIMENTS, **BENCH}[name]
    first = described(chapter, settings)
    patches: dict[str, dict[str, Any]] = {}
    for setting, values in choices(name, chapter):
        patches[setting] = {
            f"{len(value) if isinstance(value, list) else value}": patch(
                first, described(chapter, settings | {setting: value})
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
    families = {name: family(name) for name in (*EXPERIMENTS, *BENCH)}
    named = (
        f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
        for name, value in constants().items()
    )
    return {
        "src/made/tails.json": f"{json.dumps(tails(MOST_PAIRS))}\n",
        "src/made/experiments.json": json.dumps(families, ensure_ascii=False) + "\n",
        "src/made/protocol.ts": "// Made from Python's protocol by web/made.py.\n\n"
        + "".join(named),
    }
