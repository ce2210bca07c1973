"""What the page is told of a trial: its settings, what it is for, and its places in the experiment.

The same trial may stand in several cells: two arms that were dialled alike, or a trained network
that is tested in many ways. It is trained once, and every chart that shows one of its places finds
it by the ids of blocks, levels and learning rates, which are the experiment's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from evenbatch.engine import Curve, Trial
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.study import ClaimStudy
from evenbatch.protocol.values import BEST
from evenbatch.protocol.verdict import Phase

RACE = "race"
"""What stands for a block's id in a race, which has none."""

Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
"""A number that is one: never NaN, which JSON does not know."""

Study = ClaimStudy | RaceStudy


class Place(msgspec.Struct, frozen=True):
    """Where a trial stands in its experiment.

    Attributes:
        block: id of the block.
        cell: a level of each of its axes, by their ids.
        at: ids of the learning rates at which it was measured: "best", "equal", "at-batch"; none
            while it only looks for one.
    """

    block: str
    cell: dict[str, str]
    at: tuple[str, ...] = ()


class TrialShown(msgspec.Struct, frozen=True, kw_only=True):
    """A trial as the page knows it. `tested` is the batch size it is tested with, 0 for all rows at
    once; the rest is named as in `Network` and `Trial`, in short.
    """

    key: str
    seed: int
    phase: Phase
    places: tuple[Place, ...]
    norm: str
    placement: str
    depth: int
    width: int
    init: str
    residual: int
    rate: Finite
    batch: int
    steps: int
    data: str
    eps: Finite
    affine: str
    dropout: Finite
    statistics: str
    tested: int


def described(
    study: Study, curves: Mapping[str, Curve], trials: Sequence[Trial]
) -> tuple[TrialShown, ...]:
    """Trials for the page.

    Args:
        study: whose trials they are.
        curves: those there are; the learning rates of what is measured follow from them.
        trials: of the study, of rounds that these curves lead to.
    """
    if isinstance(study, RaceStudy):
        return tuple(_racing(study, curves, trials))
    standing = _standing(study, curves)
    return tuple(_shown(trial, *standing[trial.key]) for trial in trials)


def _shown(trial: Trial, phase: Phase, places: Sequence[Place]) -> TrialShown:
    network = trial.network
    return TrialShown(
        key=trial.key,
        seed=trial.seed,
        phase=phase,
        places=tuple(places),
        norm=network.norm,
        placement=network.placement,
        depth=network.depth,
        width=network.hidden[0],
        init=network.init,
        residual=network.residual,
        rate=trial.learning_rate,
        batch=trial.batch_size,
        steps=trial.steps,
        data=trial.data,
        eps=network.eps,
        affine=network.affine,
        dropout=network.dropout,
        statistics=trial.statistics,
        tested=trial.evaluation_batch,
    )


def _standing(
    study: ClaimStudy, curves: Mapping[str, Curve]
) -> dict[str, tuple[Phase, list[Place]]]:
    """What each trial of a claim is for and where it stands, by its key."""
    found: dict[str, tuple[Phase, list[Place]]] = {}
    reading = study.reading(curves)
    ready = all(cells.ready(curves) for cells in study.cells.values())
    for name, cells in study.cells.items():
        axes = [axis.id for axis in cells.block.axes]
        every = [(at.id, reading.rates(name, at.id)) for at in cells.block.at] if ready else []
        for cell in cells.settings:
            named = dict(zip(axes, cell, strict=True))
            for rate in cells.block.rates:
                for key in cells.keys(cell, rate, search=True):
                    found.setdefault(key, ("tuning", []))[1].append(Place(name, named))
            at: dict[str, list[str]] = {}
            for id, rates in every:
                for key in cells.keys(cell, rates[cell]):
                    at.setdefault(key, []).append(id)
            for key, ids in at.items():
                place = Place(name, named, tuple(ids))
                found.setdefault(key, ("measuring", []))[1].append(place)
    return found


def _racing(
    study: RaceStudy, curves: Mapping[str, Curve], trials: Sequence[Trial]
) -> Iterator[TrialShown]:
    plan, best = study.plan, study.race.search(curves).best  # {} while it is searched
    norms = {study.networks.trial(arm, 0.1, 0, 0).network: arm for arm in study.networks.arms}
    hosts = best if len(set(best.values())) > 1 else {}
    for trial in trials:
        arm, rate = norms[trial.network], trial.learning_rate
        if trial.seed not in range(plan.first, plan.first + plan.seeds):
            yield _shown(trial, "tuning", [Place(RACE, {"arm": arm})])
            continue
        at = [BEST] if best[arm] == rate else []
        at += [f"at-{host}" for host, shared in hosts.items() if shared == rate]
        yield _shown(trial, "measuring", [Place(RACE, {"arm": arm}, tuple(at))])
