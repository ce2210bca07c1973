"""What holds of every claim: it states itself, it can tell nothing from too little, ids are found,
every number leads to trials, and a part of the curves is no crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS, EFFORTS
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.verdict import CANNOT_TELL, NotHere, Verdict
from support.curves import curve, probed, surveyed, tea
from support.studies import NEEDED, QUICK, keys_in, measured, own_data, study_of, trained
from support.worlds import World, start_of

RATES = (0.01, 0.1, 1.0)
ONLY_DRAWN = ("gradients", "regularization")
"""Some of their runs stand in figures and effects alone."""
DESCRIBED = [claim for claim in CLAIMS if claim != "speed"]
"""The claims that are described by blocks and effects; speed is a race."""


@lru_cache
def ran(claim: str, seeds: int = 5) -> tuple[Any, dict[str, Curve], list[Curve]]:
    """A claim's study, and what it measured in a world where all goes well."""
    data = own_data(claim)
    study = study_of(claim, data, seeds=seeds, rates=() if claim == "speed" else RATES)
    world = World(1, start_of(data), calm=True)
    curves = trained(study, world)
    return study, curves, [world.timed(trial) for trial in study.timing(curves)]


@lru_cache
def verdict_of(claim: str, seeds: int = 5) -> Verdict:
    study, curves, timed = ran(claim, seeds)
    found: Verdict = study.verdict(curves, timed)
    return found


# Before any result.


@pytest.mark.parametrize("claim", CLAIMS)
def test_it_states_everything_and_knows_nothing_yet(claim: str) -> None:
    study = study_of(claim)
    for field in fields(study.statement):
        assert getattr(study.statement, field.name), f"{claim} does not state {field.name}"
    wanted = study.trials({})
    assert wanted.trials
    assert wanted.phase == ("tuning" if wanted.later else "measuring")
    verdict = study.verdict({}, [])
    assert (verdict.answer, verdict.effects) == (CANNOT_TELL, ())
    assert "nothing is measured" in verdict.reason


@pytest.mark.parametrize("claim", CLAIMS)
def test_it_is_measured_on_two_data_sets_or_on_its_own(claim: str) -> None:
    found = CLAIMS[claim]
    assert len(found.data) >= 2 or found.alone is not None or found.absent
    assert found.id == claim == study_of(claim).experiment.claim
    assert found.phrase == study_of(claim).experiment.phrase


@pytest.mark.parametrize("claim", CLAIMS)
def test_more_effort_measures_more(claim: str) -> None:
    data = own_data(claim)
    sizes = []
    for effort in EFFORTS.values():
        study = study_of(claim, data, seeds=effort.seeds, effort=effort)
        asked = study.trials({})
        sizes.append(len(asked.trials) + asked.later)
    assert sizes == sorted(set(sizes))
    assert EFFORTS["quick"].seeds >= 5


def test_a_claim_that_is_not_about_some_data_says_so_in_a_sentence() -> None:
    for claim, found in CLAIMS.items():
        if claim in ("sequences", "yang-2019", "ioffe-2015"):
            with pytest.raises(NotHere, match=r"^It is about .*\.$"):
                found.on(tea(), QUICK)
        else:
            assert found.on(tea(), QUICK).datasets


# From too little.


@pytest.mark.parametrize("claim", CLAIMS)
def test_four_seeds_are_too_few(claim: str) -> None:
    assert verdict_of(claim).answer != CANNOT_TELL or NEEDED not in verdict_of(claim).reason
    few = verdict_of(claim, 4)
    assert (few.answer, NEEDED in few.reason) == (CANNOT_TELL, True), few.sentence


def attached(found: Curve) -> Curve:
    """A curve with the probes and surveys its trial asks for, in which nothing moves."""
    if found.trial.probe_every:
        read = ("input_mean", "input_std", "gradient_norm", "gamma_shift", "beta_shift")
        count = len(found.trial.probe_steps())
        found = probed(found, **{name: np.ones((count, 1)) for name in read})
    return surveyed(found, 1.0, 1.0) if found.trial.landscape_every else found


@pytest.mark.parametrize("diverged", [False, True])
@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim != "yang-2019"])
def test_where_nothing_is_learned_nothing_is_told(claim: str, diverged: bool) -> None:
    data = own_data(claim)
    start = start_of(data)

    def model(trial: Trial) -> Curve:
        return attached(curve(trial, start, start=start, diverged=diverged))

    study = study_of(claim, data, rates=() if claim == "speed" else (0.1,))
    verdict = study.verdict(trained(study, model), [])
    assert (verdict.answer, verdict.effects) == (CANNOT_TELL, ())
    lost = "diverged at learning rates" if claim == "speed" and diverged else "learned anything"
    assert lost in verdict.reason
    assert "0 seeds" not in verdict.measured_on


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_part_of_the_curves_tells_what_whole_seeds_say(claim: str) -> None:
    """In the order in which they are trained: so it is after Ctrl-C."""
    study, curves, _ = ran(claim)
    keys = list(curves)
    for share in (0.3, 0.9):
        some = {key: curves[key] for key in keys[: int(share * len(keys))]}
        verdict = study.verdict(some, [])
        assert verdict.answer == CANNOT_TELL
        if verdict.effects:
            assert "of 5 seeds" in " ".join(verdict.notes)
    whole = verdict_of(claim)
    assert not any("of 5 seeds were measured" in note for note in whole.notes)


@pytest.mark.parametrize("claim", DESCRIBED)
def test_a_seed_that_lacks_one_run_counts_nowhere(claim: str) -> None:
    """All numbers rest on the same seeds, as if the others had never been asked for."""
    study, curves, _ = ran(claim)
    alone = {key: found for key, found in curves.items() if found.trial.seed not in (2, 4)}
    lacking = dict(alone)
    for seed in (2, 4):
        own = [key for key, found in curves.items() if found.trial.seed == seed]
        lacking |= {key: curves[key] for key in own[1:]}
    one, other = study.verdict(alone), study.verdict(lacking)
    assert one.effects == other.effects
    assert one.sentence == other.sentence
    assert [table.rows for table in one.tables] == [table.rows for table in other.tables]


# Ids.


def ids_in(found: Any) -> Iterator[tuple[str, str]]:
    """Ids of structs with their kinds, wherever they stand in it."""
    if isinstance(found, tuple):
        for one in found:
            yield from ids_in(one)
    for name in getattr(found, "__struct_fields__", ()):
        if name == "id":
            yield type(found).__name__, found.id
        yield from ids_in(getattr(found, name))


@pytest.mark.parametrize("claim", CLAIMS)
def test_ids_are_unique_and_everything_shown_has_one(claim: str) -> None:
    experiment, verdict = ran(claim)[0].experiment, verdict_of(claim)
    for group in (experiment.blocks, experiment.goals, experiment.picks, experiment.effects):
        names = [one.id for one in group]
        assert len(names) == len(set(names))
    for axis in (axis for block in experiment.blocks for axis in block.axes):
        levels = [level.id for level in axis.levels]
        assert len(levels) == len(set(levels)), axis.id
    assert all(name for _, name in ids_in(experiment.blocks)), "an id is empty"
    effects = [effect.id for effect in verdict.effects]
    figures = [figure.id for figure in verdict.figures]
    for names in (effects, figures):
        assert len(names) == len(set(names))
        assert all(names)
    assert all(series.id for figure in verdict.figures for series in figure.series)


@pytest.mark.parametrize("claim", DESCRIBED)
def test_every_described_effect_and_figure_is_there(claim: str) -> None:
    experiment, verdict = ran(claim)[0].experiment, verdict_of(claim)
    described = {spec.id for spec in experiment.effects}
    found = {effect.id for effect in verdict.effects}
    assert found <= described
    # Hosts with the same best rate are one comparison.
    assert all("at-" in name for name in described - found), described - found
    assert {f.id for f in experiment.figures} == {f.id for f in verdict.figures}
    for effect in verdict.effects:
        assert effect.seeds == 5, effect.id
        assert effect.low <= effect.value <= effect.high, effect.id


@pytest.mark.parametrize("claim", CLAIMS)
def test_figures_show_numbers(claim: str) -> None:
    """In a world where nothing diverges no series is empty."""
    for figure in verdict_of(claim).figures:
        assert figure.series, figure.id
        for series in figure.series:
            assert np.isfinite(series.y).any(), f"{figure.id}: {series.id}"
            assert len(series.x) == len(series.y)


# Every number leads to trials.


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_row_of_a_table_leads_to_its_trials(claim: str) -> None:
    study, curves, _ = ran(claim)
    verdict = verdict_of(claim)
    assert verdict.tables
    for table in verdict.tables:
        assert table.rows
        assert len(table.keys) == len(table.rows)
        assert all(table.keys), table.title
    assert keys_in(verdict.tables) <= set(curves)
    if claim not in ONLY_DRAWN:
        assert measured(curves) <= keys_in(verdict.tables)
    if isinstance(study, RaceStudy):
        assert set(curves) == keys_in(verdict.tables)
