"""Claim "feature-scaling": batch norm evens out ingredients of different size."""

from __future__ import annotations

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
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
WITHOUT, WITH = "gain/arms/best/standardized/raw", "gain/arms/best/both/batch"
RULE = p.Rule(
    clauses=(
        p.undecided(
            ~p.above(WITHOUT, p.POINT),
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
PAIRS = p.Over(
    id="pairs", kind=p.DOTS, show="mean", title="What standardizing changes", x="input",
    alt="Average test {metric} with raw and with standardized input, without and with batch "
    "norm. Flat is even; steep is a network that needs its input scaled.",
    y="test {metric}, average of the run", y_id="average", x_id="input",
    places=tuple(p.Level(id, id) for id in ("raw", "standardized")),
    rows=(
        p.Row("none", "no normalization",
              each=(c.AVERAGE.of(arm="raw"), c.AVERAGE.of(arm="standardized"))),
        p.Row("batch", "batch norm", each=(c.AVERAGE.of(arm="batch"), c.AVERAGE.of(arm="both"))),
    ),
)  # fmt: skip


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
    arms, hosts = p.Axis("arm", "arm", levels), ("batch", "standardized")
    return Comparison(arms, effort, base, effort.rates(-5, 1), hosts)


def effects(arms: Comparison) -> p.EffectSpecs:
    """What standardizing gains with and without batch norm, and what of that batch norm saves."""
    for at in arms.kinds:
        without, with_norm = arms.gain("standardized", "raw", at), arms.gain("both", "batch", at)
        yield with_norm
        yield without
        label = "gain without minus gain with, {at}"
        yield c.in_points(f"saved/{at}", label, without.of - with_norm.of)
    yield arms.gain("batch", "standardized")
    yield arms.gain("input", "standardized")


def make(data: Dataset, effort: Effort) -> Made:
    """What standardizing is worth without batch norm and with it."""
    raw = uneven(p.Prepared(data).learnable())
    even, sizes = raw.standardized(), deviations(raw.data)
    arms = compared(raw, even, effort)
    apart = f"{float(f'{sizes[-1] / sizes[0]:.1g}'):,.0f}"
    return asked(
        raw,
        even,
        claim="feature-scaling",
        phrase=PHRASE,
        states="Batch norm makes ingredients of very different size even, as feature scaling does.",
        question=f"On {raw.data.name}, whose columns' standard deviations differ by factors of up "
        f"to {apart}: is standardizing the input still of use once the network has batch norm?",
        measure="Test {metric} averaged over the run, in {points}: what standardizing gains "
        "without batch norm, what it gains with it, and the difference of the two; paired by seed, "
        "mean with 95 % interval.",
        fairness="Means and deviations for standardizing come from the training rows only.",
        source="LeCun et al. 1998, “Efficient BackProp”, section 4.3; Ioffe & Szegedy 2015, "
        "arXiv:1502.03167, section 2.",
        change="Columns of one scale leave nothing to even out. Batch norm put on the input is "
        "itself feature scaling, batch by batch: the last arm shows what that is worth.",
        blocks=(arms.block,),
        effects=effects(arms),
        rule=RULE,
        figures=(arms.ways("Raw and standardized input"), PAIRS),
        tables=(arms.table("Test {metric} of each arm", "average"),),
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
    return p.ahead(found, "standardized input without")


def notes(reading: p.Reading) -> p.Notes:
    """What batch norm on the input alone is worth."""
    yield f"Batch norm on the raw input only was {ahead(reading, 'input')}."


CLAIM = Claim("feature-scaling", PHRASE, make, p.Telling(happened, notes))
