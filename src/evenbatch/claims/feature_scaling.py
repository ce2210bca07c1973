"""Claim "feature-scaling": batch norm evens out ingredients of different size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, asked, points
from evenbatch.claims.comparison import AVERAGE, Comparison, arms_table
from evenbatch.data.dataset import Dataset
from evenbatch.data.split import random_order
from evenbatch.protocol.recipes import alike, deviations

PHRASE = "makes feature scaling needless"
NAMES = {
    "raw": "raw input",
    "standardized": "standardized input",
    "batch": "raw input, batch norm",
    "both": "standardized input, batch norm",
    "input": "raw input, batch norm on the input only",
}
PAIRS = {"none": ("raw", "standardized"), "batch": ("batch", "both")}
MIXED = 1.5  # decades up and down that alike columns are rescaled by
STEPS = 500  # the same at every effort: the average over the run depends on it
WITHOUT, WITH = "gain/arms/best/standardized/raw", "gain/arms/best/both/batch"
RULE = p.Rule(
    clauses=(
        p.undecided(
            p.Interval(WITHOUT, "low", "<", p.POINT),
            "it is not clear that scaling gains a point here without batch norm",
        ),
        p.holds(p.below(WITH, 1), "with batch norm scaling gained less than 1 point"),
        p.in_part(
            p.beyond("saved/best"),
            "with batch norm scaling gained less than without, but not nothing",
        ),
        p.fails(p.beyond(WITH), "with batch norm scaling gained about as much as without"),
    ),
    names={
        WITHOUT: "the points gained without batch norm",
        WITH: "those gained with it",
        "saved/best": "their difference",
    },
    otherwise="what scaling gained with batch norm is not settled",
    where="best against best",
)


def uneven(plain: p.Prepared) -> p.Prepared:
    """The data set itself if its columns differ in scale; else with columns in mixed units.

    >>> from evenbatch.data import load
    >>> [uneven(p.Prepared(load(name))).data.name for name in ("cookies", "digits")]
    ['cookies', 'digits, columns in mixed units']
    """
    if not alike(plain.data):
        return plain
    n = plain.data.n_features
    factors = 10 ** np.linspace(-MIXED, MIXED, n)[random_order(n, 0)]
    return plain.rescaled(factors, "columns in mixed units")


def compared(raw: p.Prepared, even: p.Prepared, effort: Effort) -> Comparison:
    """Raw and standardized input, with and without batch norm."""
    norms = {"raw": {"norm": "none"}, "batch": {"norm": "batch"}}
    norms |= {"standardized": norms["raw"], "both": norms["batch"]}
    norms["input"] = {"norm": "batch", "placement": "input"}
    on = {id: (even if id in ("standardized", "both") else raw).data.name for id in NAMES}
    levels = tuple(p.Level(id, NAMES[id], p.changes(on[id], **norms[id])) for id in NAMES)
    base = p.changes(depth=3, width=64, steps=STEPS, evaluate_every=STEPS // 20)
    rates = p.rates_between(-5, 1, 0.5 if effort.quick else 0.25)
    seeds, hosts = (effort.seeds, effort.tuning), ("batch", "standardized")
    return Comparison(raw.data, p.Axis("arm", "arm", levels), base, rates, *seeds, hosts)


def effects(arms: Comparison) -> Iterable[p.Mean]:
    """What standardizing gains with and without batch norm, and what of that batch norm saves."""
    for at in arms.kinds:
        without, with_norm = arms.gain("standardized", "raw", at), arms.gain("both", "batch", at)
        saved, label = without.of - with_norm.of, "gain without minus gain with, {at}"
        yield with_norm
        yield without
        yield p.Mean(id=f"saved/{at}", label=label, unit=points(arms.data), of=saved, times=100)
    yield arms.gain("batch", "standardized")
    yield arms.gain("input", "standardized")


def make(data: Dataset, effort: Effort) -> Made:
    """What standardizing is worth without batch norm and with it."""
    raw = uneven(p.Prepared(data).learnable())
    even, metric, sizes = raw.standardized(), p.metric_name(data), deviations(raw.data)
    arms = compared(raw, even, effort)
    apart = f"{float(f'{sizes[-1] / sizes[0]:.1g}'):,.0f}"
    pairs = p.Over(
        id="pairs", kind=p.DOTS, show="mean", title="What standardizing changes", x="input",
        alt=f"Average test {metric} with raw and with standardized input, without and with batch "
        "norm. Flat is even; steep is a network that needs its input scaled.",
        y=f"test {metric}, average of the run", y_id="average", x_id="input",
        places=tuple(p.Level(id, id) for id in ("raw", "standardized")),
        rows=tuple(
            p.Row(id, name, each=tuple(AVERAGE.of(arm=arm) for arm in PAIRS[id]))
            for id, name in (("none", "no normalization"), ("batch", "batch norm"))
        ),
    )  # fmt: skip
    return asked(
        (raw, even),
        claim="feature-scaling",
        phrase=PHRASE,
        states="Batch norm makes ingredients of very different size even, as feature scaling does.",
        question=f"On {raw.data.name}, whose columns' standard deviations differ by factors of up "
        f"to {apart}: is standardizing the input still of use once the network has batch norm?",
        measure=f"Test {metric} averaged over the run, in {points(data)}: what standardizing gains "
        "without batch norm, what it gains with it, and the difference of the two; paired by seed, "
        "mean with 95 % interval.",
        fairness="Means and deviations for standardizing come from the training rows only.",
        source="LeCun et al. 1998, “Efficient BackProp”, section 4.3; Ioffe & Szegedy 2015, "
        "arXiv:1502.03167, section 2.",
        change="Columns of one scale leave nothing to even out. Batch norm put on the input is "
        "itself feature scaling, batch by batch: the last arm shows what that is worth.",
        blocks=(arms.block,),
        effects=tuple(effects(arms)),
        rule=RULE,
        figures=(arms.ways("Raw and standardized input"), pairs),
    )


def happened(reading: p.Reading) -> str:
    """What standardizing gains with and without batch norm, and batch norm against it."""
    without, with_norm = (p.gain(reading.effects[id]) for id in (WITHOUT, WITH))
    return (
        f"standardizing the input gained {without} without batch norm and {with_norm} with it, on "
        f"average over the run; raw input with batch norm was {ahead(reading, 'batch')}"
    )


def ahead(reading: p.Reading, arm: str) -> str:
    """An arm against standardized input alone."""
    found = reading.effects[f"gain/arms/best/{arm}/standardized"]
    return p.compared(found, "ahead of", "behind", "level with", "standardized input without")


def notes(reading: p.Reading) -> Iterable[str]:
    """What batch norm on the input alone is worth."""
    yield f"Batch norm on the raw input only was {ahead(reading, 'input')}."


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """All arms."""
    yield arms_table(reading, "arms", f"Test {reading.experiment.metric} of each arm", "average")


CLAIM = Claim("feature-scaling", PHRASE, make, p.Telling(happened, notes, tables))
