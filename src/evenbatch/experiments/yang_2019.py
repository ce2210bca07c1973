"""Claim "yang-2019": at initialization batch norm makes gradients grow by a known factor a layer.

An exact result, checked on random data of its own.

evenbatch prove yang-2019
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments.effects import mean_effect, ratio_effect
from evenbatch.experiments.exhibits import (
    DOTS,
    LINES,
    Axis,
    Figure,
    Series,
    Table,
    band,
    numbers,
)
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    NotHere,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Floats, Grid
from evenbatch.experiments.wording import count

CLAIM = "gradients grow by the factor theory gives"
CLOSE = 0.03  # share of the exact factor by which a measured one may be off
ACTIVATIONS = ("identity", "relu")
ROWS, CLASSES = 512, 10
EPS = 1e-12  # the theory has none
WITHOUT = "relu, no normalization"


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
    spread = 0.5 - c
    through = ((batch - 2) / 2 + (0.5 + (batch - 1) * q) / batch - (batch - 1) * spread / batch) / (
        batch - 1
    )
    return batch / (spread * (batch - 3)) * through


def judge(measured: Sequence[Effect], exact: Sequence[float], seeds: int) -> tuple[str, str]:
    """The rule: where the intervals of the measured factors lie about the exact ones.

    >>> near, far = Effect("", 1.2, 1.19, 1.21, ""), Effect("", 1.0, 0.99, 1.01, "")
    >>> judge([near, near], [1.2, 1.2], 5)[0], judge([near, far], [1.2, 1.2], 5)[0]
    ('holds', 'holds in part')
    >>> judge([far, far], [1.2, 1.2], 5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    pairs = list(zip(measured, exact, strict=True))
    same = [e.low >= x * (1 - CLOSE) and e.high <= x * (1 + CLOSE) for e, x in pairs]
    other = [e.high < x * (1 - CLOSE) or e.low > x * (1 + CLOSE) for e, x in pairs]
    within = f"to {100 * CLOSE:.0f} %"
    if all(same):
        return HOLDS, f"measured and exact agree {within} in all {len(same)} cases"
    if any(other) and not any(same):
        return FAILS, f"measured and exact differ in {sum(other)} of {len(same)} cases"
    if any(same):
        what = f"differ in {sum(other)}" if any(other) else "the others are not settled"
        return (
            IN_PART,
            f"measured and exact agree {within} in {sum(same)} cases of {len(same)}, {what}",
        )
    return CANNOT_TELL, f"the intervals are too wide to tell agreement {within}"


@lru_cache(maxsize=4)
def random_data(features: int) -> Dataset:
    """Normal inputs and classes drawn at random: there is nothing to learn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, features)).astype(np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    names = tuple(f"x{i}" for i in range(features))
    classes = tuple(str(i) for i in range(CLASSES))
    return Dataset("random", "classification", x, y, x[:8], y[:8], names, classes)


def squared_norms(curve: Curve) -> Floats:
    """(layers,) squared gradient norm of each linear layer between two hidden layers."""
    if curve.probes is None or not len(curve.probes.step):
        return np.full(curve.trial.network.depth - 1, np.nan)
    norms = curve.probes.gradient_norm[0, 1:-1].astype(np.float64)
    return np.asarray(norms**2)


def growth(curve: Curve) -> float:
    """Factor a layer towards the input: the slope of the squared norms' logarithm; NaN if there is
    none."""
    with np.errstate(all="ignore"):
        logs = np.log(squared_norms(curve))
    if not np.isfinite(logs).all():
        return math.nan
    return float(np.exp(-np.polyfit(np.arange(len(logs)), logs, 1)[0]))


@dataclass(frozen=True, eq=False)
class Yang2019(Untimed):
    """Growth of the squared gradient norm over the layers of a wide network at initialization.

    Args:
        width, depth: of the network.
        batches: batch sizes.
        seeds: networks for each case.
    """

    width: int
    depth: int
    batches: tuple[int, ...]
    seeds: int

    @property
    def data(self) -> Dataset:
        return random_data(self.width)

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.data.name: self.data}

    @property
    def cases(self) -> tuple[tuple[str, int], ...]:
        """Activations and batch sizes."""
        return tuple(product(ACTIVATIONS, self.batches))

    @property
    def setup(self) -> Setup:
        """One step that learns nothing, in float64."""
        settings = {"init": "he", "eps": EPS, "dtype": "float64", "steps": 1, "probe_every": 1}
        return Setup(self.data, self.depth, self.width, {**settings, "learning_rate": 0.0})

    @cached_property
    def grid(self) -> Grid:
        cells = {
            case: self.setup.cell(norm="batch", activation=case[0], batch_size=case[1])
            for case in self.cases
        }
        without = self.setup.cell(norm="none", activation="relu", batch_size=self.batches[-1])
        return Grid({**cells, WITHOUT: without}, self.seeds)

    @property
    def statement(self) -> Statement:
        return Statement(
            claim="Against the lesson: at initialization batch norm itself makes gradients "
            "explode, by an exactly known factor with each layer.",
            question="By which factor does the squared gradient norm grow from layer to layer, and "
            "is it the one that theory gives for infinitely wide networks?",
            arms=(
                ("identity", "batch norm, no activation function"),
                ("relu", "batch norm and relu"),
                ("none", "relu without normalization, for comparison"),
            ),
            grid=f"batches of {', '.join(map(str, self.batches))}; {self.depth} hidden layers of "
            f"{self.width} units, He initialization, eps {EPS:g}, float64",
            fairness="Nothing is tuned or trained: one backward pass of a fresh network on random "
            "inputs and labels. Each seed draws another network and another batch.",
            measure="Slope of the logarithm of the squared gradient norm by the weights, over the "
            "layers between two hidden layers, as a factor a layer towards the input: geometric "
            "mean over seeds with 95 % interval.",
            rule=f"Holds: the intervals of all cases lie within {100 * CLOSE:.0f} % of the exact "
            "factors. In part: of some. Does not hold: of none, and some lie surely outside. "
            f"Cannot tell: else, or fewer than {MIN_SEEDS} seeds.",
            source="Yang et al. 2019, arXiv:1902.08129: (B − 2)/(B − 3) without activation, "
            "π/(π − 1) for relu as the batch size B grows; for finite B see `exact_growth`.",
        )

    def trials(self, curves: Curves) -> Round:
        return Round("fresh networks", tuple(self.grid.wanted(curves)))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        seeds = self.grid.complete(curves)
        setting = (
            f"random inputs and labels, {self.depth} hidden layers of {self.width} units, He "
            f"initialization, float64, not trained, {count(seeds, 'seed')}"
        )
        if not seeds:
            reason = "nothing is measured yet"
            return Verdict(CANNOT_TELL, reason, f"random: {reason}.", (), setting)
        found = {cell: self._effect(cell, curves, seeds) for cell in self.grid.cells}
        exact = [exact_growth(*case) for case in self.cases]
        answer, reason = judge([found[case] for case in self.cases], exact, seeds)
        said = "; ".join(
            f"{activation} {found[activation, batch].value:.3f} "
            f"(exact {exact_growth(activation, batch):.3f})"
            for activation, batch in (("identity", self.batches[0]), ("relu", self.batches[-1]))
        )
        return Verdict(
            answer=answer,
            reason=reason,
            sentence="random: with batch norm the squared gradient norm grows with each layer, "
            f"times {said}, for batches of {self.batches[0]} and {self.batches[-1]}; without, "
            f"times {found[WITHOUT].value:.3f}. “{CLAIM}” {answer}: {reason}.",
            effects=(self._off(curves, seeds), *found.values()),
            measured_on=setting,
            notes=self._notes(found),
            figures=(self._factors(found), self._layers(curves)),
            tables=(self._table(found),),
            change="Narrower networks: the factors are exact for infinite width. Training changes "
            "it within a few steps (see the claim “gradients”), and so do residual connections.",
        )

    def _effect(self, cell: tuple[str, int] | str, curves: Curves, seeds: int) -> Effect:
        values = self.grid.read(cell, curves, growth)[:seeds]
        label = cell if isinstance(cell, str) else f"{cell[0]}, batches of {cell[1]}"
        return ratio_effect(label, values, np.ones(seeds), "times a layer")

    def _off(self, curves: Curves, seeds: int) -> Effect:
        """By how many percent the measured factor misses the exact one, mean over the cases."""
        off = [
            100 * (self.grid.read(case, curves, growth)[:seeds] / exact_growth(*case) - 1)
            for case in self.cases
        ]
        return mean_effect("mean of all cases", np.mean(off, axis=0), "% off the exact factor")

    def _notes(self, found: Mapping[object, Effect]) -> tuple[str, ...]:
        deep = found["relu", self.batches[-1]].value ** (self.depth / 2)
        return (
            f"Over {self.depth} layers of relu, {found['relu', self.batches[-1]].value:.2f} a "
            f"layer in the square makes the gradient itself {deep:.0f} times as large.",
        )

    def _factors(self, found: Mapping[object, Effect]) -> Figure:
        places = numbers(range(len(self.batches)))
        rows = []
        for activation in ACTIVATIONS:
            effects = [found[activation, batch] for batch in self.batches]
            exact = numbers([exact_growth(activation, batch) for batch in self.batches])
            rows.append(
                Series(
                    f"{activation}, measured",
                    places,
                    *(
                        numbers([getattr(e, part) for e in effects])
                        for part in ("value", "low", "high")
                    ),
                )
            )
            rows.append(Series(f"{activation}, exact", places, exact))
        return Figure(
            DOTS,
            "Growth of the squared gradient norm with each layer",
            "For each batch size and activation the measured factor with its interval, beside it "
            "the exact one.",
            Axis("examples in a batch", names=tuple(map(str, self.batches))),
            Axis("factor a layer"),
            tuple(rows),
        )

    def _layers(self, curves: Curves) -> Figure:
        series = []
        for cell in self.grid.cells:
            runs = [squared_norms(c) for c in self.grid.curves(cell, curves) if c is not None]
            with np.errstate(all="ignore"):
                relative = np.array([run / run[-1] for run in runs])
            label = cell if isinstance(cell, str) else f"{cell[0]}, batches of {cell[1]}"
            series.append(band(label, range(2, self.depth + 1), relative))
        return Figure(
            LINES,
            "Gradients explode on the way back",
            "The squared gradient norm of each layer as a multiple of the last one's, a line for "
            "each activation and batch size. With batch norm all rise towards the input, on the "
            "left; without it they do not.",
            Axis("layer"),
            Axis("squared gradient norm ÷ that of the last layer", log=True),
            tuple(series),
        )

    def _table(self, found: Mapping[object, Effect]) -> Table:
        rows, keys = [], []
        for cell in self.grid.cells:
            effect = found[cell]
            between = f"{effect.low:.4f} to {effect.high:.4f}"
            if isinstance(cell, str):
                batch, theory, off = self.batches[-1], "–", "–"
            else:
                batch, exact = cell[1], exact_growth(*cell)
                theory, off = f"{exact:.4f}", f"{100 * (effect.value / exact - 1):+.1f} %"
            label = cell if isinstance(cell, str) else cell[0]
            rows.append((label, str(batch), theory, f"{effect.value:.4f}", between, off))
            keys.append(self.grid.keys(cell))
        return Table(
            "Factor by which the squared gradient norm grows with each layer",
            ("network", "batch", "exact", "measured", "95 % interval", "off by"),
            tuple(rows),
            tuple(keys),
        )


def alone(effort: Effort = DEFAULT) -> Yang2019:
    """The experiment, as `evenbatch prove` runs it."""
    width, depth = (512, 20) if effort.quick else (1000, 16)
    return Yang2019(width, depth, (8, 16, 64), effort.seeds)


def on(data: Dataset, _effort: Effort = DEFAULT) -> Yang2019:
    """There is no such experiment on other data.

    Raises:
        NotHere: always.
    """
    raise NotHere(f"It is about random data of its own, not about {data.name}.")
