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
MIXED = 1.5  # decades up and down that alike columns are rescaled by
STEPS = 500  # the same at every effort: the average over the run depends on it


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


def make(data: Dataset, effort: Effort) -> Made:
    """Raw and standardized input, with and without batch norm."""
    raw = uneven(p.Prepared(data).learnable())
    even, metric, sizes = raw.standardized(), p.metric_name(data), deviations(raw.data)
    norms = {"raw": {"norm": "none"}, "batch": {"norm": "batch"}}
    norms |= {"standardized": norms["raw"], "both": norms["batch"]}
    norms["input"] = {"norm": "batch", "placement": "input"}
    on = {id: (even if id in ("standardized", "both") else raw).data.name for id in NAMES}
    levels = tuple(p.Level(id, NAMES[id], p.changes(on[id], **norms[id])) for id in NAMES)
    base = p.changes(depth=3, width=64, steps=STEPS, evaluate_every=STEPS // 20)
    rates = p.rates_between(-5, 1, 0.5 if effort.quick else 0.25)
    seeds, hosts = (effort.seeds, effort.tuning), ("batch", "standardized")
    arms = Comparison(raw.data, p.Axis("arm", "arm", levels), base, rates, *seeds, hosts)

    def saved(at: str) -> p.Mean:
        without, with_norm = arms.gain("standardized", "raw", at), arms.gain("both", "batch", at)
        label = "gain without minus gain with, {at}"
        of = without.of - with_norm.of
        return p.Mean(id=f"saved/{at}", label=label, unit=points(data), of=of, times=100)

    without, with_norm = "gain/arms/best/standardized/raw", "gain/arms/best/both/batch"
    return asked(
        (raw, even),
        claim="feature-scaling",
        phrase=PHRASE,
        states="Batch norm makes ingredients of very different size even, as feature scaling does.",
        question=f"On {raw.data.name}, whose columns' standard deviations differ by factors of up "
        f"to {float(f'{sizes[-1] / sizes[0]:.1g}'):,.0f}: is standardizing the input still of use "
        "once the network has batch norm?",
        measure=f"Test {metric} averaged over the run, in {points(data)}: what standardizing gains "
        "without batch norm, what it gains with it, and the difference of the two; paired by seed, "
        "mean with 95 % interval.",
        fairness="Means and deviations for standardizing come from the training rows only.",
        source="LeCun et al. 1998, “Efficient BackProp”, section 4.3; Ioffe & Szegedy 2015, "
        "arXiv:1502.03167, section 2.",
        change="Columns of one scale leave nothing to even out. Batch norm put on the input is "
        "itself feature scaling, batch by batch: the last arm shows what that is worth.",
        blocks=(arms.block,),
        effects=(
            *(
                effect
                for at in arms.kinds
                for effect in (
                    arms.gain("both", "batch", at),
                    arms.gain("standardized", "raw", at),
                    saved(at),
                )
            ),
            arms.gain("batch", "standardized"),
            arms.gain("input", "standardized"),
        ),
        rule=p.Rule(
            clauses=(
                p.undecided(
                    p.Interval(without, "low", "<", p.POINT),
                    "it is not clear that scaling gains a point here without batch norm",
                ),
                p.holds(p.below(with_norm, 1), "with batch norm scaling gained less than 1 point"),
                p.in_part(
                    p.beyond("saved/best"),
                    "with batch norm scaling gained less than without, but not nothing",
                ),
                p.fails(
                    p.beyond(with_norm), "with batch norm scaling gained about as much as without"
                ),
            ),
            names={
                without: "the points gained without batch norm",
                with_norm: "those gained with it",
                "saved/best": "their difference",
            },
            otherwise="what scaling gained with batch norm is not settled",
            where="best against best",
        ),
        figures=(arms.ways("Raw and standardized input"),),
    )


def happened(reading: p.Reading) -> str:
    """What standardizing gains with and without batch norm, and batch norm against it."""
    effects = reading.effects
    without, with_norm = (
        p.gain(effects[f"gain/arms/best/{pair}"]) for pair in ("standardized/raw", "both/batch")
    )
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


def figures(reading: p.Reading) -> Iterable[p.Figure]:
    """The four arms as two pairs."""
    pairs = {"none": ("raw", "standardized"), "batch": ("batch", "both")}
    series = [
        p.means(id, name, [reading.values(AVERAGE.of(arm=arm)) for arm in pairs[id]])
        for id, name in (("none", "no normalization"), ("batch", "batch norm"))
    ]
    metric = reading.experiment.metric
    yield p.Figure(
        p.DOTS,
        f"What standardizing changes: {reading.data.name}",
        f"Average test {metric} with raw and with standardized input, without and with batch norm. "
        "Flat is even; steep is a network that needs its input scaled.",
        p.FigureAxis("input", names=("raw", "standardized")),
        p.FigureAxis(f"test {metric}, average of the run", percent=metric == "accuracy"),
        tuple(series),
        id="pairs",
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """All arms."""
    yield arms_table(reading, "arms", f"Test {reading.experiment.metric} of each arm", "average")


CLAIM = Claim("feature-scaling", PHRASE, make, p.Telling(happened, notes, figures, tables))
