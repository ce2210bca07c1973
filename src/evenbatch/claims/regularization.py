"""Claim "regularization": batch norm keeps a network from learning its examples by heart."""

from __future__ import annotations

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
from evenbatch.data.dataset import Dataset

PHRASE = "acts as a gentle regularizer"
DROPPED, FEW, NOISY_ROWS, NOISE, STEPS = 0.2, 200, 500, 0.3, 800
WHERE = {"little": "on little data", "noisy": "with noisy labels"}
SHARES = {"little": 0.1, "noisy": 0.5}
"""Training loss at which arms are compared, as a share of the loss of a guess that does not look at
the input. With 30 % of the labels wrong, a network that believes none of them ends near 0.5."""
TEST = {id: p.Measure("at-loss", share=share) for id, share in SHARES.items()}
GAP = {id: p.Measure("gap-at-loss", share=share) for id, share in SHARES.items()}
NONE, BATCH = c.arms("none", "batch").levels
DROPOUT = p.Level("dropout", "dropout of 20 %", p.changes(norm="none", dropout=DROPPED))
ARMS = p.Axis("arm", "arm", (NONE, DROPOUT, BATCH))
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


def conditions(data: Dataset) -> dict[str, p.Prepared]:
    """Data on which a network may learn by heart."""
    few = min(FEW, data.n_train // 3)
    third = "regularization is measured on a third of them, which must fill a batch of 32"
    c.need_rows(data, 3 * 32, f"{third}: give a table with at least 120 rows")
    plain = c.of_one_scale(data)
    some = plain if data.n_train <= NOISY_ROWS else plain.fewer_rows(NOISY_ROWS)
    return {"little": plain.fewer_rows(few), "noisy": some.shuffled_targets(NOISE)}


def compared(id: str, on: p.Prepared, effort: Effort) -> Comparison:
    """The three arms on one of them."""
    evaluated = {"evaluate_every": STEPS // 50, "evaluate_train": True, "statistics": "population"}
    base = p.changes(on.data.name, depth=3, width=64, steps=STEPS, **evaluated)
    return Comparison(ARMS, effort, base, effort.rates(-1.5, 0.5), ("none",), TEST[id], id)


def effects(both: list[Comparison]) -> p.EffectSpecs:
    """What batch norm gains over none and over dropout, and how much narrower the gap is."""
    yield from (one.gain("batch", "none") for one in both)
    for id, where in WHERE.items():
        none, batch = c.both(GAP[id].of(id))
        yield c.in_points(f"gap/{id}", f"narrower train–test gap, {where}", none - batch)
    yield from (one.gain("batch", "dropout") for one in both)
    yield from (one.gain("batch", "none", "at-none") for one in both)


def figure(id: str) -> p.Ways:
    """Test metric over training loss: what is learned by heart costs height on the way right."""
    return p.Ways(
        id=f"heart/{id}", path="by-loss", block=id,
        title=f"Learned against learned by heart, {WHERE[id]}",
        alt="A line for each arm: test {metric} over the training loss it has reached, at its "
        "best learning rate. Training goes from right to left; a line that is higher at the same "
        "training loss predicts unseen rows better.",
        x="training loss, as a share of a guess's", x_id="loss", y="test {metric}", log="x",
        rows=c.ways(ARMS),
        marks=(p.MarkSpec("compared here", SHARES[id], axis="x", id="compared"), p.CHANCE),
    )  # fmt: skip


def table(id: str, name: str) -> p.TableSpec:
    """All arms on one kind of data."""
    columns = (
        p.Column("learning rate", "rate"),
        p.Column("test {metric} there", of=TEST[id].of()),
        p.Column("train minus test", of=GAP[id].of()),
        p.Column("at the end"),
    )
    there = f"at {100 * SHARES[id]:.0f} % of a guess's training loss"
    wrong = "; training labels are partly wrong" if id == "noisy" else ""
    return p.TableSpec(f"{name}: test {{metric}} {there}{wrong}", columns, id)


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm, dropout and nothing, on little data and on data with wrong labels."""
    on = conditions(data)
    both = [compared(id, made, effort) for id, made in on.items()]
    names = {id: made.data.name for id, made in on.items()}
    levels = " and ".join(f"{100 * SHARES[id]:.0f} % ({name})" for id, name in names.items())
    return asked(
        *on.values(), claim="regularization", **WORDS,
        question="When the training examples are learned equally well, are unseen ones predicted "
        f"better with batch norm? Asked on {names['little']} and on {names['noisy']}.",
        measure="Test {metric} where the loss on the training set first falls to a share of what "
        f"a guess has: {levels}. Difference of batch norm and none in {{points}}, paired by seed, "
        "mean with 95 % interval; also the gap between train and test.",
        blocks=(one.block for one in both), effects=effects(both), rule=RULE,
        figures=map(figure, on), tables=(table(id, name) for id, name in names.items()),
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """At equal training loss, on both kinds of data."""
    said = []
    for block in reading.experiment.blocks:
        gain = reading.effects[f"gain/{block.id}/best/batch/none"]
        said.append(f"{p.compared(gain, 'higher', 'lower', 'about the same')} on {block.base.data}")
    metric = reading.experiment.metric
    return f"at equal training loss, test {metric} with batch norm was {' and '.join(said)}"


def notes(reading: p.Reading) -> p.Notes:
    """The gap between train and test, dropout, and runs that did not get so far."""
    metric = reading.experiment.metric
    for block in reading.experiment.blocks:
        gap = reading.effects[f"gap/{block.id}"]
        ahead = reading.effects[f"gain/{block.id}/best/batch/dropout"]
        wide = p.compared(gap, "narrower", "wider", "as wide", "with batch norm")
        yield (
            f"On {block.base.data}, the gap between train and test was {wide}; its test {metric} "
            f"was {p.ahead(ahead, 'that of dropout')}."
        )
        for level in ARMS.levels:
            values = reading.values(TEST[block.id].of(block.id, arm=level.id))
            if late := int(np.isnan(values).sum()):
                runs = f"{late} of {p.count(len(values), 'run')} of {level.name}"
                loss = f"the training loss on {block.base.data}"
                yield f"{runs} did not get down to {loss}: left out."


CLAIM = Claim("regularization", PHRASE, make, p.Telling(happened, notes))
