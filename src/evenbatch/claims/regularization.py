"""Claim "regularization": batch norm keeps a network from learning its examples by heart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, Claim, Effort, Made, asked, points, ways
from evenbatch.claims.comparison import LEVEL, Comparison
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import mean, of_cells, rate
from evenbatch.protocol.verdict import ExperimentError

PHRASE = "acts as a gentle regularizer"
DROPPED, FEW, NOISY_ROWS, NOISE, STEPS = 0.2, 200, 500, 0.3, 800
WHERE = {"little": "on little data", "noisy": "with noisy labels"}
SHARES = {"little": 0.1, "noisy": 0.5}
"""Training loss at which arms are compared, as a share of the loss of a guess that does not look at
the input. With 30 % of the labels wrong, a network that believes none of them ends near 0.5."""
TEST = {id: p.Measure("at-loss", share=share) for id, share in SHARES.items()}
GAP = {id: p.Measure("gap-at-loss", share=share) for id, share in SHARES.items()}
ARMS = p.Axis(
    "arm",
    "arm",
    (
        p.Level("none", ARM_NAMES["none"], p.changes(norm="none")),
        p.Level("dropout", "dropout of 20 %", p.changes(norm="none", dropout=DROPPED)),
        p.Level("batch", ARM_NAMES["batch"], p.changes(norm="batch")),
    ),
)

RULE = p.PerPart(
    parts=tuple(p.OnePart(f"gain/{id}/best/batch/none", where) for id, where in WHERE.items()),
    gain="the gain over no normalization, in points,",
    because={
        p.HOLDS: "it gained at least 1 point {where}",
        p.IN_PART: "it gained, but not clearly 1 point, {where}",
        p.FAILS: "it did not gain as much as 1 point {where}",
        p.CANNOT_TELL: "it is not settled {where}",
    },
    where="best against best",
)
WORDS = {
    "phrase": PHRASE,
    "states": "Batch norm acts like a gentle regularizer: it keeps a network from learning quirks "
    "of its examples by heart.",
    "fairness": "Arms are compared at equal training loss, so that none is praised for having "
    "learned less. Batch norm is evaluated with exact statistics of the training set, so that "
    "running ones that lag behind are no part of it.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.4; Luo et al. 2019, "
    "arXiv:1809.00846; Zhang et al. 2017, arXiv:1611.03530 (shuffled labels).",
    "change": "How far training goes: the figures show the test metric at every training loss. "
    "Smaller batches make batch norm's statistics noisier.",
}


def conditions(data: Dataset, effort: Effort) -> dict[str, tuple[p.Prepared, Comparison]]:
    """Data on which a network may learn by heart, and the three arms on them.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    few = min(FEW, data.n_train // 3)
    if few < 32:
        raise ExperimentError(
            f"{data.name} has {data.n_train} training rows; regularization is measured on a third "
            "of them, which must fill a batch of 32: give a table with at least 120 rows"
        )
    plain = p.Prepared(data).learnable().of_one_scale()
    some = plain if data.n_train <= NOISY_ROWS else plain.fewer_rows(NOISY_ROWS)
    on = {"little": plain.fewer_rows(few), "noisy": some.shuffled_targets(NOISE)}
    rates = p.rates_between(-1.5, 0.5, 0.5 if effort.quick else 0.25)
    evaluated = {"evaluate_every": STEPS // 50, "evaluate_train": True, "statistics": "population"}
    found = {}
    for id, made in on.items():
        base = p.changes(made.data.name, depth=3, width=64, steps=STEPS, **evaluated)
        seeds, hosts = (effort.seeds, effort.tuning), ("none",)
        compared = Comparison(made.data, ARMS, base, rates, *seeds, hosts, TEST[id], id)
        found[id] = (made, compared)
    return found


def narrower(data: Dataset, block: str) -> p.Mean:
    """How much smaller the gap between train and test is with batch norm."""
    gap = GAP[block].of(block, arm="none") - GAP[block].of(block, arm="batch")
    label = f"narrower train–test gap, {WHERE[block]}"
    return p.Mean(id=f"gap/{block}", label=label, unit=points(data), of=gap, times=100)


def figure(compared: Comparison) -> p.Ways:
    """Test metric over training loss: what is learned by heart costs height on the way right."""
    metric = p.metric_name(compared.data)
    return p.Ways(
        id=f"heart/{compared.id}",
        path="by-loss",
        title=f"Learned against learned by heart, {WHERE[compared.id]}",
        alt=f"A line for each arm: test {metric} over the training loss it has reached, at its "
        "best learning rate. Training goes from right to left; a line that is higher at the same "
        "training loss predicts unseen rows better.",
        rows=ways(ARMS),
        x="training loss, as a share of a guess's",
        x_id="loss",
        y=f"test {metric}",
        log="x",
        marks=(p.MarkSpec("compared here", SHARES[compared.id], axis="x", id="compared"), p.CHANCE),
        block=compared.id,
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm, dropout and nothing, on little data and on data with wrong labels."""
    found, metric = conditions(data, effort), p.metric_name(data)
    both = [compared for _, compared in found.values()]
    names = {id: made.data.name for id, (made, _) in found.items()}
    levels = " and ".join(f"{100 * SHARES[id]:.0f} % ({names[id]})" for id in WHERE)
    return asked(
        tuple(made for made, _ in found.values()),
        claim="regularization",
        **WORDS,
        question="When the training examples are learned equally well, are unseen ones predicted "
        f"better with batch norm? Asked on {names['little']} and on {names['noisy']}.",
        measure=f"Test {metric} where the loss on the training set first falls to a share of what "
        f"a guess has: {levels}. Difference of batch norm and none in {points(data)}, paired by "
        "seed, mean with 95 % interval; also the gap between train and test.",
        blocks=tuple(compared.block for compared in both),
        effects=(
            *(compared.gain("batch", "none") for compared in both),
            *(narrower(data, id) for id in WHERE),
            *(compared.gain("batch", "dropout") for compared in both),
            *(compared.gain("batch", "none", "at-none") for compared in both),
        ),
        rule=RULE,
        figures=tuple(map(figure, both)),
    )


def happened(reading: p.Reading) -> str:
    """At equal training loss, on both kinds of data."""
    said = []
    for block in reading.experiment.blocks:
        gain = reading.effects[f"gain/{block.id}/best/batch/none"]
        said.append(f"{p.compared(gain, 'higher', 'lower', 'about the same')} on {block.base.data}")
    metric = reading.experiment.metric
    return f"at equal training loss, test {metric} with batch norm was {' and '.join(said)}"


def notes(reading: p.Reading) -> Iterable[str]:
    """The gap between train and test, dropout, and runs that did not get so far."""
    metric = reading.experiment.metric
    for block in reading.experiment.blocks:
        gap = reading.effects[f"gap/{block.id}"]
        ahead = reading.effects[f"gain/{block.id}/best/batch/dropout"]
        wide = p.compared(gap, "narrower", "wider", "as wide", "with batch norm")
        yield (
            f"On {block.base.data}, the gap between train and test was {wide}; its test {metric} "
            f"was {p.compared(ahead, 'ahead of', 'behind', 'level with', 'that of dropout')}."
        )
        for level in ARMS.levels:
            values = reading.values(TEST[block.id].of(block.id, arm=level.id))
            late, runs = int(np.isnan(values).sum()), p.count(len(values), "run")
            if late:
                yield (
                    f"{late} of {runs} of {level.name} did not get down to the training loss on "
                    f"{block.base.data}: left out."
                )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """All arms on both kinds of data."""
    metric = reading.experiment.metric
    for block in reading.experiment.blocks:
        columns = {
            "learning rate": rate(),
            f"test {metric} there": mean(TEST[block.id]),
            "train minus test": mean(GAP[block.id]),
            "at the end": mean(LEVEL),
        }
        there = f"at {100 * SHARES[block.id]:.0f} % of a guess's training loss"
        wrong = "; training labels are partly wrong" if block.id == "noisy" else ""
        title = f"{block.base.data}: test {metric} {there}{wrong}"
        yield of_cells(reading, title, columns, block=block.id, at=(p.BEST,))


CLAIM = Claim("regularization", PHRASE, make, p.Telling(happened, notes, tables))
