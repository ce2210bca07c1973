"""A claim's experiment as JSON: the same when read again, with the same data and verdict."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
import pytest

from evenbatch.claims import CLAIMS, EFFORTS
from evenbatch.data import Dataset
from evenbatch.protocol.experiment import Experiment, read, written
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.recipes import Recipe, made
from evenbatch.protocol.study import ClaimStudy
from evenbatch.protocol.verdict import Verdict
from evenbatch.report.record import finite
from support.studies import data_of, own_data, study_of, trained
from support.worlds import World, start_of

PAIRS = [(claim, place) for claim in CLAIMS for place in range(max(len(CLAIMS[claim].data), 1))]


def study_on(claim: str, data: Dataset, effort: str) -> Any:
    return CLAIMS[claim].on(data, EFFORTS[effort])


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(("claim", "place"), PAIRS)
def test_what_is_written_is_what_is_read(claim: str, place: int, effort: str) -> None:
    found = CLAIMS[claim]
    data = found.alone(EFFORTS[effort]) if found.alone else data_of(claim)[place]
    study = study_on(claim, data, effort)
    again = read(written(study.experiment))
    assert again == study.experiment
    assert_same_data(study, data, again)


def assert_same_data(study: Any, data: Dataset, experiment: Experiment) -> None:
    """The recipes that were read make the data of the study, to the bit."""
    assert set(study.datasets) == set(experiment.recipes)
    assert experiment.data in experiment.recipes
    for name, own in study.datasets.items():
        recipe = experiment.recipes[name]
        assert recipe.of == data.name
        built = made(data, recipe)
        assert built.name == own.name == name
        assert built.fingerprint == own.fingerprint
        for part in ("x_train", "y_train", "x_test", "y_test"):
            one, other = getattr(built, part), getattr(own, part)
            assert one.dtype == other.dtype
            assert np.array_equal(one, other)
        assert built.features == own.features


def plain(verdict: Verdict) -> Any:
    """A verdict as JSON has it, where no number differs from itself."""
    return json.loads(json.dumps(finite(asdict(verdict))))


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_experiment_that_was_read_gives_the_same_verdict(claim: str) -> None:
    """Carried out from its JSON alone: the rounds, and what follows from the curves."""
    data = own_data(claim)
    study = study_of(claim, data, rates=() if claim == "speed" else (0.01, 0.1))
    again = read(written(study.experiment))
    other: Any
    datasets = {name: made(data, recipe) for name, recipe in again.recipes.items()}
    if isinstance(study, RaceStudy):
        other = RaceStudy(again, datasets[again.data])
    else:
        other = ClaimStudy(again, datasets, study.telling)
    world = World(5, start_of(data))
    curves = trained(study, world)
    assert trained(other, world).keys() == curves.keys()
    timed = [world.timed(trial) for trial in study.timing(curves)]
    assert plain(other.verdict(curves, timed)) == plain(study.verdict(curves, timed))
    assert asdict(other.statement) == asdict(study.statement)


def test_what_is_no_experiment_is_refused_with_the_place() -> None:
    text = json.loads(written(study_of("epsilon").experiment))
    text["rule"]["parts"][0]["least"] = "a lot"
    with pytest.raises(msgspec.ValidationError, match=r"float.*str.*parts"):
        read(json.dumps(text).encode())


def test_a_recipe_keeps_every_digit() -> None:
    """Means and factors are no round numbers."""
    study = study_of("feature-scaling", data_of("feature-scaling")[1])
    recipes = study.experiment.recipes
    assert any(recipe.steps for recipe in recipes.values())
    for recipe in recipes.values():
        assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


def test_another_seed_in_a_recipe_would_be_noticed() -> None:
    data = data_of("regularization")[0]
    study = study_on("regularization", data, "quick")
    experiment = study.experiment
    name, recipe = next((n, r) for n, r in experiment.recipes.items() if r.steps)
    rows = recipe.steps[-1]
    other = msgspec.structs.replace(rows, rows=[*rows.rows[:-1], 0])
    wrong = Recipe(recipe.of, (*recipe.steps[:-1], other))
    recipes = {**experiment.recipes, name: wrong}
    with pytest.raises(AssertionError):
        assert_same_data(study, data, msgspec.structs.replace(experiment, recipes=recipes))
