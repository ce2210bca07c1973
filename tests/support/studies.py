"""Claims' experiments carried out on invented curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from evenbatch.claims import CLAIMS, EFFORTS, Effort
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve
from evenbatch.protocol.verdict import Effect, Study, Verdict
from support.curves import Model, tea

QUICK = EFFORTS["quick"]
NEEDED = "at least 5 are needed"
"""Ends the reason where there are too few seeds."""


@lru_cache
def data_of(claim: str) -> tuple[Dataset, ...]:
    """The data sets a claim is measured on; MNIST, which is not here, is played by digits."""
    found = CLAIMS[claim]
    if found.alone is not None:
        return (found.alone(QUICK),)
    names = {"mnist": lambda: replace(load("digits"), name="mnist")}
    return tuple(names.get(name, lambda name=name: load(name))() for name in found.data)


def own_data(claim: str) -> Dataset:
    """Data this claim accepts: `tea` where it takes any."""
    names = {"ioffe-2015": lambda: tea(4000, "mnist"), "sequences": lambda: load("stories:n=200")}
    if CLAIMS[claim].alone is not None:
        return data_of(claim)[0]
    return names.get(claim, lambda: tea(4000))()


def study_of(
    claim: str,
    data: Dataset | None = None,
    *,
    seeds: int = 5,
    rates: Sequence[float] = (),
    effort: Effort = QUICK,
) -> Any:
    """A claim's experiment, with fewer learning rates if some are named."""
    made = CLAIMS[claim].on(data or own_data(claim), replace(effort, seeds=seeds))
    if not rates:
        return made
    blocks = tuple(
        msgspec.structs.replace(block, rates=tuple(rates)) if block.rates else block
        for block in made.experiment.blocks
    )
    return replace(made, experiment=msgspec.structs.replace(made.experiment, blocks=blocks))


def trained(study: Study, model: Model, rounds: int = 30) -> dict[str, Curve]:
    """Every curve the study asks for, round after round."""
    curves: dict[str, Curve] = {}
    for _ in range(rounds):
        wanted = study.trials(curves).trials
        if not wanted:
            return curves
        curves |= {trial.key: model(trial) for trial in wanted}
    raise AssertionError(f"still wants {len(wanted)} trials after {rounds} rounds")


def concluded(study: Study, model: Model) -> Verdict:
    """What the study says when its trials end by this model (and are timed by its `timed`)."""
    curves, timed = trained(study, model), getattr(model, "timed", model)
    return study.verdict(curves, [timed(trial) for trial in study.timing(curves)])


def by_id(verdict: Verdict) -> dict[str, Effect]:
    """The effects by their ids, which are all different."""
    found = {effect.id: effect for effect in verdict.effects}
    assert len(found) == len(verdict.effects)
    return found


def measured(curves: dict[str, Curve], seeds: int = 5) -> set[str]:
    """Keys of the curves that were measured, not those of the search."""
    return {key for key, found in curves.items() if found.trial.seed < seeds}


def keys_in(tables: Iterable[Any]) -> set[str]:
    """Keys of all trials that tables lead to."""
    return {key for table in tables for keys in table.keys for key in keys}
