"""Chapter 1's experiment: what goes into each layer while a network trains?

Two networks that differ in batch norm alone learn to sort cookies. The learner drags how much of an
ingredient goes in; the amounts reach the networks as they are, in cups, grams and degrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import asked
from evenbatch.data import Dataset
from evenbatch.engine import Session, Trial
from evenbatch.lesson.layers import ArmShown, Floats, Layers, histogram, layer_inputs
from evenbatch.protocol.study import ClaimStudy

SAMPLE = 400  # rows whose way through the network is shown
FRAMES = 40  # pictures of a run
STEPS = 400
PHRASE = "normalization keeps what a layer receives steady"
ARMS, FURTHEST = c.arms("none", "batch"), p.Measure("furthest")


def with_amounts(data: Dataset, amounts: Mapping[str, float]) -> p.Prepared:
    """The data with some columns multiplied, and all brought near 1 by fixed factors.

    The fixed factors are the powers of ten of each column's typical size: without them a column in
    grams would swamp all others before any learning starts.
    """
    size = 10.0 ** np.round(np.log10(np.abs(data.x_train).mean(axis=0) + 1e-12))
    factors = np.array([amounts.get(name, 1.0) for name in data.features])
    changed = {name: f for name, f in amounts.items() if f != 1.0}
    words = ", ".join(f"{factor:g} × {name}" for name, factor in sorted(changed.items()))
    return p.Prepared(data).rescaled(factors / size, words or "as they are")


def factory(prepared: p.Prepared, rate: float, seeds: int) -> ClaimStudy:
    """Both arms on the learner's amounts."""
    none, batch = (FURTHEST.of(arm=arm) for arm in ("none", "batch"))
    every = STEPS // 20
    experiment, _ = asked(
        prepared,
        claim="factory",
        phrase=PHRASE,
        states="What a layer receives keeps changing while the network learns, and normalization "
        "keeps it steady.",
        question="How far does the mean of what the layers receive move, with and without batch "
        "norm?",
        measure="Largest move of the mean input of a hidden layer during the run, in standard "
        "deviations at the start, mean over layers; ratio without / with, geometric mean over "
        "seeds.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167; Santurkar et al. 2018, arXiv:1805.11604.",
        blocks=(
            p.Block(
                id="layers",
                base=p.changes(
                    depth=3, width=32, steps=STEPS, learning_rate=rate,
                    probe_every=every, evaluate_every=every,
                ),
                axes=(ARMS,),
                seeds=seeds,
            ),
        ),
        effects=(
            p.Ratio("drift", "without / with", "times less drift", none, batch),
        ),
        rule=p.Rule(
            clauses=(
                p.holds(p.above("drift", 2), "less than half the drift is left"),
                p.in_part(p.beyond("drift", 1), "less drift, but not clearly less than half"),
                p.fails(p.below("drift", 2), "half the drift or less is ruled out"),
            ),
            names={"drift": "the ratio"},
            otherwise="the interval includes both no difference and half the drift",
        ),
        figures=(
            p.Ways(
                id="moved",
                path="moved",
                title="How far what the layers receive has moved",
                alt="Distance of the mean from where it started, in standard deviations at the "
                "start, mean over the layers; median and middle half of the seeds.",
                rows=c.ways(ARMS),
                y="standard deviations from the start",
                y_id="moved",
                percent=False,
            ),
        ),
        trained=False,
    )  # fmt: skip
    return ClaimStudy(experiment, {prepared.data.name: prepared.data}, p.Telling(_happened))


def _happened(reading: p.Reading) -> str:
    none, batch = (p.digits(reading.mean(FURTHEST.of(arm=arm))) for arm in ("none", "batch"))
    return (
        f"what the layers receive moved by {none} standard deviations without batch norm and "
        f"{batch} with it"
    )


def watched(study: ClaimStudy) -> Callable[[Session, Sequence[Trial]], Layers | None]:
    """Histograms of what goes into each layer's decision in the first pair, from the weights as
    they are, at most `FRAMES` times a run.
    """
    sample = study.datasets[study.experiment.data].x_train[:SAMPLE]
    first = study.experiment.block().first
    starts: dict[int, list[Floats]] = {}  # by the place of its network; what leaves it has drifted
    every = STEPS // FRAMES
    due = 0

    def look(session: Session, group: Sequence[Trial]) -> Layers | None:
        nonlocal due
        pair = [place for place, trial in enumerate(group) if trial.seed == first]
        step = max((session.points(place).ended_at for place in pair), default=0)
        if not pair or (step < due and not session.finished):
            return None
        due = step + every
        arms = []
        for place in pair:
            trial = group[place]
            _, inputs = layer_inputs(trial.network, session.weights(place), sample)
            start = starts.setdefault(place, inputs)
            shown = tuple(map(histogram, inputs, start))
            arms.append(ArmShown(trial.network.norm, shown))
        return Layers(step, tuple(arms))

    return look
