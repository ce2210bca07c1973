"""Claim "yang-2019": at initialization batch norm makes gradients grow by a known factor a layer.

An exact result, checked on random data of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, asked, ways
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import of_values

PHRASE = "gradients grow by the factor theory gives"
CLOSE = 0.03  # by which share a measured factor may be off: what widths of 500 to 1000 allow
ACTIVATIONS, BATCHES = ("identity", "relu"), (8, 16, 64)
ROWS, CLASSES = 512, 10
EPS = 1e-12  # the theory has none
GROWTH = p.Measure("gradient-growth")
WITHOUT = "relu, no normalization"
CASES = {f"{name}-{batch}": (name, batch) for name, batch in product(ACTIVATIONS, BATCHES)}

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


def exact_growth(activation: str, batch: int) -> float:
    """Factor by which the squared gradient norm grows with each layer, counted from the output.

    For layers of infinite width with batch norm of `batch` examples (B), at initialization:

        identity:  (B − 2) / (B − 3)
        relu:      B/((½ − c)(B − 3)) · [(B − 2)/2 + (½ + (B − 1)q)/B − (B − 1)(½ − c)/B] / (B − 1)

    with ρ = −1/(B − 1), c = (√(1 − ρ²) + ρ(π − arccos ρ)) / 2π the mean product of two examples'
    activations and q = ¼ + arcsin(ρ)/2π the chance that both are positive. Why: a unit's normalized
    batch is a random direction in the B − 1 dimensions orthogonal to (1, …, 1), divided by its
    length. The mean of 1/length² is 1/((½ − c)(B − 3)), or (B − 1)/(B(B − 3)) for the identity; the
    rest is the mean over directions of what the backward pass lets through. As B grows, relu tends
    to π/(π − 1) = 1.467.

    Args:
        activation: "identity" or "relu".
        batch: examples in a batch, more than 3.

    Source: Yang et al. 2019, arXiv:1902.08129.

    >>> exact_growth("identity", 8), round(exact_growth("relu", 8), 3)
    (1.2, 1.788)
    >>> round(exact_growth("relu", 1_000_000), 3), round(math.pi / (math.pi - 1), 3)
    (1.467, 1.467)
    """
    if batch <= 3:
        raise ValueError(f"batch is {batch}; for 3 and fewer the mean is infinite")
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    rho = -1 / (batch - 1)
    c = (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)
    q = 0.25 + math.asin(rho) / (2 * math.pi)
    half = 0.5 - c
    through = (batch - 2) / 2 + (0.5 + (batch - 1) * q) / batch - (batch - 1) * half / batch
    return batch / (half * (batch - 3)) * through / (batch - 1)


@lru_cache(maxsize=4)
def random_data(features: int) -> Dataset:
    """Normal inputs and classes drawn at random: there is nothing to learn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, features)).astype(np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    names = tuple(f"x{i}" for i in range(features))
    classes = tuple(str(i) for i in range(CLASSES))
    return Dataset("random", "classification", x, y, x[:8], y[:8], names, classes)


def alone(effort: Effort) -> Dataset:
    """The data it brings; their width is the network's."""
    return random_data(512 if effort.quick else 1000)


def effects() -> Iterable[p.Mean | p.Ratio]:
    """The factors, and how far they are off."""
    label, unit = "mean of all cases", "% off the exact factor"
    miss = p.Computed("miss", GROWTH.of(case="$"))
    yield p.Mean(id="miss", label=label, unit=unit, of=miss, times=100)
    for id, (name, batch) in CASES.items():
        label, of, exact = (
            f"{name}, batches of {batch}",
            GROWTH.of(case=id),
            exact_growth(name, batch),
        )
        times = "times the exact factor"
        yield p.Ratio(id=f"off/{id}", label=label, unit=times, above=of, by=exact)
        yield p.Ratio(id=f"factor/{id}", label=label, unit="times a layer", above=of)
    label, of = WITHOUT, GROWTH.of(case="none")
    yield p.Ratio(id="factor/none", label=label, unit="times a layer", above=of)


def networks() -> p.Axis:
    """Both activations with each batch size; and no normalization."""
    levels = [
        p.Level(id, f"{name}, batches of {batch}",
                p.changes(norm="batch", activation=name, batch_size=batch))
        for id, (name, batch) in CASES.items()
    ]  # fmt: skip
    without = p.changes(norm="none", activation="relu", batch_size=BATCHES[-1])
    return p.Axis("case", "network", (*levels, p.Level("none", WITHOUT, without)))


def rule() -> p.Rule:
    """From the measured factor as a multiple of the exact one."""
    close = p.Both((p.above("off/$", 1 - CLOSE), p.up_to("off/$", 1 + CLOSE)))
    outside = p.Either((p.below("off/$", 1 - CLOSE), p.beyond("off/$", 1 + CLOSE)))
    named = {id: f"{name}, {batch}" for id, (name, batch) in CASES.items()}
    within = f"to {100 * CLOSE:.0f} %"
    none_close = p.Both((p.Each(named, outside, "any"), p.Each(named, _not(close))))
    return p.Rule(
        clauses=(
            p.holds(p.Each(named, close), f"measured and exact agree {within} in all cases"),
            p.fails(none_close, "measured and exact differ"),
            p.in_part(p.Each(named, close, "any"),
                      f"measured and exact agree {within} in some cases only"),
        ),
        names={"off/$": "the measured factor, as a multiple of the exact one,"},
        otherwise=f"the intervals are too wide to tell agreement {within}",
    )  # fmt: skip


def _not(close: p.Both) -> p.Either:
    """The condition turned round."""
    low, high = close.of
    assert isinstance(low, p.Interval)
    assert isinstance(high, p.Interval)
    below = p.Interval(low.effects, "low", "<", low.bound)
    return p.Either((below, p.Interval(high.effects, "high", ">", high.bound)))


def figures() -> tuple[p.Over, p.Ways]:
    """Measured and exact factors; and the gradients layer by layer."""
    rows = []
    for name in ACTIVATIONS:
        measured = tuple(GROWTH.of(case=f"{name}-{batch}") for batch in BATCHES)
        exact = tuple(exact_growth(name, batch) for batch in BATCHES)
        rows.append(p.Row(name, f"{name}, measured", each=measured))
        rows.append(p.Row(f"{name}/exact", f"{name}, exact", given=exact))
    return (
        p.Over(id="factors", kind=p.DOTS, show="geometric", x_id="batch",
               places=tuple(p.Level(str(size), str(size)) for size in BATCHES),
               title="Growth of the squared gradient norm with each layer", rows=tuple(rows),
               alt="For each batch size and activation the measured factor with its interval, "
               "beside it the exact one.",
               x="examples in a batch", y="factor a layer", y_id="growth", percent=False),
        p.Ways(id="layers", path="by-layer", title="Gradients explode on the way back",
               alt="The squared gradient norm of each layer as a multiple of the last one's, a "
               "line for each activation and batch size. With batch norm all rise towards the "
               "input, on the left; without it they do not.",
               rows=ways(networks()), x="layer", x_id="layer", log="y", percent=False,
               y_id="squared-gradient",
               y="squared gradient norm ÷ that of the last layer"),
    )  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """Growth of the squared gradient norm over the layers of a wide network at initialization: one
    step that learns nothing, in float64."""
    if data.name != "random":
        raise p.NotHere(f"It is about random data of its own, not about {data.name}.")
    width, depth = data.n_features, 20 if effort.quick else 16
    once = {"steps": 1, "probe_every": 1, "learning_rate": 0.0, "dtype": "float64"}
    base = p.changes(depth=depth, width=width, init="he", eps=EPS, **once)
    return asked(
        (p.Prepared(data),),
        claim="yang-2019",
        **WORDS,
        fairness="Nothing is tuned or trained: one backward pass of a fresh network on random "
        f"inputs and labels, {depth} hidden layers of {width} units, He initialization, eps "
        f"{EPS:g}, float64. Each seed draws another network and another batch.",
        blocks=(p.Block(id="fresh", base=base, axes=(networks(),), seeds=effort.seeds),),
        effects=tuple(effects()),
        rule=rule(),
        figures=figures(),
        trained=False,
    )


def happened(reading: p.Reading) -> str:
    """The first and the last case, and no normalization."""
    said = "; ".join(
        f"{CASES[id][0]} {reading.effects[f'factor/{id}'].value:.3f} (exact "
        f"{exact_growth(*CASES[id]):.3f}) for batches of {CASES[id][1]}"
        for id in ("identity-8", "relu-64")
    )
    none = reading.effects["factor/none"].value
    return (
        f"with batch norm the squared gradient norm grows with each layer, times {said}; without, "
        f"times {none:.3f}"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """What that makes of the gradient itself."""
    depth = len(reading.block().base.network["hidden"])
    factor = reading.effects["factor/relu-64"].value
    yield (
        f"Over {depth} layers of relu, {factor:.2f} a layer in the square makes the gradient "
        f"itself {factor ** (depth / 2):.0f} times as large."
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every case."""
    exact = {id: f"{exact_growth(*case):.4f}" for id, case in CASES.items()} | {"none": "–"}
    yield of_values(
        reading,
        "Factor by which the squared gradient norm grows with each layer",
        ("network", "exact"),
        {
            (level.name, exact[level.id]): [GROWTH.of(case=level.id)]
            for level in reading.block().axis("case").levels
        },
        ["measured"],
        lambda values: f"{np.exp(np.log(values).mean()):.4f}",
    )


def miss(reading: p.Reading, _of: p.Value) -> p.Floats:
    """(seeds,) by which share the measured factor misses the exact one, mean over cases."""
    found = [reading.values(GROWTH.of(case=id)) / exact_growth(*CASES[id]) for id in CASES]
    return np.asarray(np.mean(found, axis=0) - 1)


TELLING = p.Telling(happened, notes, tables, {"miss": miss})
CLAIM = Claim("yang-2019", PHRASE, make, TELLING, data=(), alone=alone)
