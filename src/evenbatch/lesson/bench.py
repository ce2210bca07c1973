"""The workbench's experiment: up to six arms of the learner's own, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import asked
from evenbatch.data import Dataset
from evenbatch.protocol.study import ClaimStudy

POINTS = 50  # of a curve
LAST = p.Measure("finished")
PHRASE = "the last arm ends higher than the first"


def bench(data: Dataset, arms: Sequence[Mapping[str, Any]], steps: int, seeds: int) -> ClaimStudy:
    """Arms as they were dialled in, on the same seeds.

    Args:
        data: the data set.
        arms: settings of each, fields of `Network` and `Trial`, and depth and width.
        steps: of every run.
        seeds: how many.
    """
    levels = tuple(
        p.Level(str(place), f"arm {place}", p.changes(**given))
        for place, given in enumerate(arms, 1)
    )
    ahead = LAST.of() - LAST.of(arm="1")
    effects = (
        c.in_points(f"ahead/{level.id}", f"{level.name} − arm 1", ahead.where(arm=level.id))
        for level in levels[1:]
    )
    columns = (
        p.Column("mean", of=LAST.of()),
        p.Column("against arm 1", "points", ahead),
        p.Column("diverged", "diverged"),
    )
    last = f"ahead/{len(levels)}"
    experiment, _ = asked(
        p.Prepared(data),
        claim="bench",
        phrase=PHRASE,
        states="The last arm ends higher than the first.",
        question=f"How much higher does each arm end than the first on {data.name}?",
        measure="Test metric at the end, each arm minus the first, paired by seed, mean with 95 % "
        "interval. The learning rates are the learner's: this is no comparison at each arm's best.",
        source="the learner's own question",
        blocks=(
            p.Block(
                id="arms",
                base=p.changes(steps=steps, evaluate_every=max(1, steps // POINTS)),
                axes=(p.Axis("arm", "arm", levels),),
                seeds=seeds,
            ),
        ),
        effects=effects,
        rule=p.Rule(
            clauses=(
                p.holds(p.beyond(last), "the interval lies above zero"),
                p.fails(p.below(last, 0), "the first arm ended higher"),
            ),
            names={last: "the difference of the last arm and the first"},
            otherwise="the interval includes zero",
            needs={last: "there is one arm alone"},
        ),
        tables=(p.TableSpec("Test metric at the end", columns),),
        trained=False,
    )
    return ClaimStudy(experiment, {data.name: data}, p.Telling(_happened))


def _happened(reading: p.Reading) -> str:
    said = (
        f"{level.name} {reading.shown(LAST.of(arm=level.id))}"
        for level in reading.block().axis("arm").levels
    )
    return f"at the end: {'; '.join(said)}"
