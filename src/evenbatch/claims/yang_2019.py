"""Claim "yang-2019": at initialization batch norm makes gradients grow by a known factor a layer.

An exact result, checked on random data of its own.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.exact_growth import exact_growth, random_data
from evenbatch.data.dataset import Dataset

PHRASE = "gradients grow by the factor theory gives"
CLOSE = 0.03  # by which share a measured factor may be off: what widths of 500 to 1000 allow
ACTIVATIONS, BATCHES = ("identity", "relu"), (8, 16, 64)
EPS = 1e-12  # the theory has none
GROWTH = p.Measure("gradient-growth")
CASES = {f"{name}-{batch}": (name, batch) for name, batch in product(ACTIVATIONS, BATCHES)}
EXACT = {id: exact_growth(*case) for id, case in CASES.items()}
LEVELS = (
    p.Level(id, f"{name}, batches of {n}", p.changes(norm="batch", activation=name, batch_size=n))
    for id, (name, n) in CASES.items()
)
LAST = p.changes(norm="none", activation="relu", batch_size=BATCHES[-1])
NETWORKS = p.Axis("case", "network", (*LEVELS, p.Level("none", "relu, no normalization", LAST)))
WORDS = {
    "phrase": PHRASE,
    "states": "Against the lesson: at initialization batch norm itself makes gradients explode, by "
    "an exactly known factor with each layer.",
    "question": "By which factor does the squared gradient norm grow from layer to layer, and is "
    "it the one that theory gives for infinitely wide networks?",
    "measure": "Slope of the logarithm of the squared gradient norm by the weights, over the "
    "layers between two hidden layers, as a factor a layer towards the input: geometric mean over "
    "seeds with 95 % interval.",
    "source": "Yang et al. 2019, arXiv:1902.08129: (B − 2)/(B − 3) without activation, π/(π − 1) "
    "for relu as the batch size B grows.",
    "change": "Narrower networks: the factors are exact for infinite width. Training changes it "
    "within a few steps (see the claim “gradients”), and so do residual connections.",
}
NAMED = {id: f"{name}, {batch}" for id, (name, batch) in CASES.items()}
INSIDE = p.above("off/$", 1 - CLOSE) & p.up_to("off/$", 1 + CLOSE)
OUTSIDE = p.below("off/$", 1 - CLOSE) | p.beyond("off/$", 1 + CLOSE)
AGREE = f"measured and exact agree to {100 * CLOSE:.0f} %"
RULE = p.Rule(
    clauses=(
        p.holds(p.Each(NAMED, INSIDE), f"{AGREE} in all cases"),
        p.fails(p.Each(NAMED, OUTSIDE, "any") & p.Each(NAMED, ~INSIDE),
                "measured and exact differ"),
        p.in_part(p.Each(NAMED, INSIDE, "any"), f"{AGREE} in some cases only"),
    ),
    names={"off/$": "the measured factor, as a multiple of the exact one,"},
    otherwise=f"the intervals are too wide to tell agreement to {100 * CLOSE:.0f} %",
)  # fmt: skip


def effects() -> p.EffectSpecs:
    """The factors, and how far they are off."""
    miss = p.Computed("miss", GROWTH.of())
    yield p.Mean("miss", "mean of all cases", "% off the exact factor", miss, times=100)
    for level in NETWORKS.levels:
        id, of = level.id, GROWTH.of(case=level.id)
        if id in EXACT:
            yield p.Ratio(f"off/{id}", level.name, "times the exact factor", of, by=EXACT[id])
        yield p.Ratio(f"factor/{id}", level.name, "times a layer", of)


CURVES = {name: [f"{name}-{batch}" for batch in BATCHES] for name in ACTIVATIONS}
FACTORS = (
    row
    for name, cases in CURVES.items()
    for row in (
        p.Row(name, f"{name}, measured", each=tuple(GROWTH.of(case=id) for id in cases)),
        p.Row(f"{name}/exact", f"{name}, exact", given=tuple(EXACT[id] for id in cases)),
    )
)
FIGURES = (
    p.Over(id="factors", kind=p.DOTS, show="geometric",
           places=tuple(p.Level(str(size), str(size)) for size in BATCHES),
           title="Growth of the squared gradient norm with each layer", x_id="batch", percent=False,
           alt="For each batch size and activation the measured factor with its interval, beside "
           "it the exact one.",
           x="examples in a batch", y="factor a layer", y_id="growth", rows=tuple(FACTORS)),
    p.Ways(id="layers", path="by-layer", title="Gradients explode on the way back",
           alt="The squared gradient norm of each layer as a multiple of the last one's, a line "
           "for each activation and batch size. With batch norm all rise towards the input, on the "
           "left; without it they do not.",
           x="layer", x_id="layer", y="squared gradient norm ÷ that of the last layer",
           y_id="squared-gradient", log="y", percent=False, rows=c.ways(NETWORKS)),
)  # fmt: skip
COLUMNS = (
    p.Column("exact", "given", words=".4f", given=(*EXACT.values(), None)),
    p.Column("measured", "geometric", GROWTH.of(), ".4f"),
)
TABLE = p.TableSpec("Factor by which the squared gradient norm grows with each layer", COLUMNS)


def make(data: Dataset, effort: Effort) -> Made:
    """Growth of the squared gradient norm over the layers of a wide network at initialization: one
    step that learns nothing, in float64."""
    if data.name != "random":
        raise p.NotHere(f"It is about random data of its own, not about {data.name}.")
    width, depth = data.n_features, 20 if effort.quick else 16
    once = {"steps": 1, "probe_every": 1, "learning_rate": 0.0, "dtype": "float64"}
    base = p.changes(depth=depth, width=width, init="he", eps=EPS, **once)
    return asked(
        p.Prepared(data), claim="yang-2019", **WORDS,
        fairness="Nothing is tuned or trained: one backward pass of a fresh network on random "
        f"inputs and labels, {depth} hidden layers of {width} units, He initialization, eps "
        f"{EPS:g}, float64. Each seed draws another network and another batch.",
        blocks=(p.Block(id="fresh", base=base, axes=(NETWORKS,), seeds=effort.seeds),),
        effects=effects(), rule=RULE, figures=FIGURES, tables=(TABLE,), trained=False,
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """The first and the last case, and no normalization."""
    factor = {id: reading.effects[f"factor/{id}"].value for id in (*CASES, "none")}
    return (
        "with batch norm the squared gradient norm grows with each layer, times identity "
        f"{factor['identity-8']:.3f} (exact {EXACT['identity-8']:.3f}) for batches of 8; relu "
        f"{factor['relu-64']:.3f} (exact {EXACT['relu-64']:.3f}) for batches of 64; without, times "
        f"{factor['none']:.3f}"
    )


def notes(reading: p.Reading) -> p.Notes:
    """What that makes of the gradient itself."""
    depth = len(reading.block().base.network["hidden"])
    factor = reading.effects["factor/relu-64"].value
    yield (
        f"Over {depth} layers of relu, {factor:.2f} a layer in the square makes the gradient "
        f"itself {factor ** (depth / 2):.0f} times as large."
    )


def miss(reading: p.Reading, _of: p.Value) -> p.Floats:
    """(seeds,) by which share the measured factor misses the exact one, mean over cases."""
    found = [reading.values(GROWTH.of(case=id)) / exact for id, exact in EXACT.items()]
    return np.asarray(np.mean(found, axis=0) - 1)


CLAIM = Claim(
    "yang-2019", PHRASE, make, p.Telling(happened, notes, {"miss": miss}), data=(),
    alone=lambda effort: random_data(512 if effort.quick else 1000),  # as wide as the network
)  # fmt: skip
