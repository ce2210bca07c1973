"""Claim "layer-norm": layer norm is the one to take when batch sizes vary.

    evenbatch prove layer-norm

Batch norm's statistics come from the batch, so what it does depends on the batch's size: in
training, and in testing too if it is left in training mode. Layer and group norm look at one
example at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import LINES, Axis, Figure, Series, Table, band, numbers
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid, Tuned
from evenbatch.experiments.wording import amount, count, points, points_unit

CLAIM = "layer norm suits changing batch sizes better"
ARMS = ("batch", "layer", "group")
ENOUGH = 2.0  # points of the metric
RATES = tuple(selection.rate_at(k / 2) for k in range(-5, 2))
TRAINED_AT = 64  # largest batch size of the networks that are tested in batches


def judge(training: Effect, testing: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from what changing batch sizes cost batch norm more than layer norm.

    >>> much, none = Effect("", 10.0, 8.0, 12.0, ""), Effect("", 0.0, -1.0, 1.0, "")
    >>> [judge(a, b, seeds=5)[0] for a, b in ((much, much), (much, none), (none, none))]
    ['holds', 'holds in part', 'does not hold']
    >>> judge(much, much, seeds=4)[0]
    'cannot tell'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    if training.low >= ENOUGH and testing.low >= ENOUGH:
        return HOLDS, "in training and in testing"
    if training.low >= ENOUGH:
        return IN_PART, "in training, but not surely in testing"
    if testing.low >= ENOUGH:
        return IN_PART, "in testing by the batch's own statistics, but not surely in training"
    if training.high < ENOUGH and testing.high < ENOUGH:
        return FAILS, "changing sizes cost both about the same"
    return CANNOT_TELL, "the intervals hold both no difference and one that matters"


@dataclass(frozen=True, eq=False)
class LayerNorm(Untimed):
    """What changing batch sizes cost each normalizer.

    Args:
        setup: data, network and training.
        effort: seeds.
        sizes: batch sizes trained with; the last is what the others are compared with.
        tested: batch sizes tested with.
    """

    setup: Setup
    effort: Effort
    sizes: tuple[int, ...]
    tested: tuple[int, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def floor(self) -> float:
        return selection.chance(self.setup.data)

    def level(self, curve: Curve) -> float:
        """The metric at the end; chance if it diverged."""
        if curve.diverged or not np.isfinite(curve.metric[-1]):
            return self.floor
        return max(float(curve.metric[-1]), self.floor)

    @property
    def training(self) -> Tuned:
        """Every arm at every batch size, at its own best learning rate."""
        cells = {
            (arm, size): self.setup.rated(norm=arm, batch_size=size)
            for size in self.sizes
            for arm in ARMS
        }
        return Tuned(cells, RATES, self.effort.seeds, self.effort.tuning, self.level)

    def testing(self, curves: Curves) -> Grid:
        """Networks trained at one batch size, tested in batches of several: batch norm uses the
        statistics of each test batch.
        """
        best = self.training.best(curves)
        cells = {
            (arm, size): self.setup.cell(
                norm=arm,
                batch_size=self.trained_at,
                learning_rate=best[arm, self.trained_at],
                statistics="batch",
                evaluation_batch=size,
            )
            for size in self.tested
            for arm in ARMS
        }
        return Grid(cells, self.effort.seeds)

    @property
    def trained_at(self) -> int:
        return max(size for size in self.sizes if size <= TRAINED_AT)

    @property
    def statement(self) -> Statement:
        sizes = ", ".join(map(str, self.sizes))
        return Statement(
            claim="When batch sizes vary, layer norm is the better choice.",
            question="How much more of the test metric does batch norm lose than layer norm when "
            "the batches are small, in training, and in testing by the batch's own statistics?",
            arms=tuple((arm, f"with {ARM_NAMES[arm]}") for arm in ARMS),
            grid=f"training with batches of {sizes}; networks trained with batches of "
            f"{self.trained_at} and tested in batches of {', '.join(map(str, self.tested))}; "
            f"learning rates {', '.join(f'{rate:g}' for rate in RATES)}",
            fairness="Each arm at each batch size has its own best learning rate, chosen on seeds "
            "that the measurement does not use. Same initial weights and minibatches in all arms, "
            "and the same number of updates for all batch sizes.",
            measure=f"Fall of the test {self.setup.metric} from the largest batch to the smallest, "
            "batch norm's minus layer norm's, paired by seed, mean with 95 % interval: once for "
            "the batches trained with, once for those tested with.",
            rule=f"Holds: both intervals at or above {ENOUGH:g} points. In part: one of them. Does "
            f"not hold: both below {ENOUGH:g}. Cannot tell: else, or fewer than {MIN_SEEDS} seeds.",
            source="Ba, Kiros & Hinton 2016, arXiv:1607.06450; Wu & He 2018, arXiv:1803.08494 "
            "(group norm, small batches).",
        )

    def trials(self, curves: Curves) -> Round:
        first = self.training.trials(curves)
        if not self.training.ready(curves):
            return first
        after = tuple(self.testing(curves).wanted(curves))
        return Round("measuring on fresh seeds", (*first.trials, *after))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        name = self.setup.data.name
        setting = self.setup.words(0)
        if not self.training.ready(curves):
            reason = "the learning rates are not chosen yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        grids = (self.training.measured(curves), self.testing(curves))
        seeds = min(grid.complete(curves) for grid in grids)
        setting = self.setup.words(seeds)
        trained, tested = (
            self._levels(grid, sizes, curves, seeds)
            for grid, sizes in zip(grids, (self.sizes, self.tested), strict=True)
        )
        if not seeds or trained.max() - self.floor < selection.noise(self.setup.data):
            reason = "no arm learned anything" if seeds else "no seed is complete yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        effects = (
            self._cost("training with small batches", trained),
            self._cost("testing in small batches, by their own statistics", tested),
        )
        answer, reason = judge(*effects, seeds)
        edge = [cell for cell in self.training.at_edge(curves) if cell[0] != "group"]
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}: {self._happened(trained, tested)}; “{CLAIM}” {answer}: {reason}.",
            effects=effects,
            measured_on=setting,
            notes=tuple(
                f"The best learning rate of {ARM_NAMES[arm]} with batches of {size} is the lowest "
                "or highest tried: a better one may lie beyond."
                for arm, size in edge
            ),
            figures=(
                self._figure("Trained with small batches", self.sizes, trained),
                self._figure("Tested in batches, by their own statistics", self.tested, tested),
            ),
            tables=(
                self._table("Test metric by the batch size trained with", trained, grids[0]),
                self._table("Test metric by the batch size tested with", tested, grids[1]),
            ),
            change="Batch norm tested by its running statistics, as eval mode does, does not "
            "depend on the test batch at all. Momentum below 0.1 helps small training batches.",
        )

    def _levels(
        self, grid: Grid, sizes: tuple[int, ...], curves: Curves, seeds: int
    ) -> NDArray[np.float64]:
        """(arms, sizes, seeds) the metric at the end."""
        return np.array(
            [[grid.read((arm, size), curves, self.level) for size in sizes] for arm in ARMS]
        )[:, :, :seeds]

    def _cost(self, label: str, levels: NDArray[np.float64]) -> Effect:
        fall = levels[:, -1] - levels[:, 0]
        unit = points_unit(self.setup.data)
        return mean_effect(f"more lost than layer norm, {label}", 100 * (fall[0] - fall[1]), unit)

    def _happened(self, trained: NDArray[np.float64], tested: NDArray[np.float64]) -> str:
        def each(levels: NDArray[np.float64], place: int) -> str:
            shown = [amount(self.setup.data, float(levels[arm, place].mean())) for arm in (0, 1)]
            return f"{shown[0]} with batch norm and {shown[1]} with layer norm"

        return (
            f"trained with batches of {self.sizes[0]}, {each(trained, 0)} (with batches of "
            f"{self.sizes[-1]}, {each(trained, -1)}); tested in batches of {self.tested[0]} by "
            f"their own statistics, {each(tested, 0)}"
        )

    def _figure(self, title: str, sizes: tuple[int, ...], levels: NDArray[np.float64]) -> Figure:
        series: tuple[Series, ...] = tuple(
            band(ARM_NAMES[arm], numbers(sizes), values.T)
            for arm, values in zip(ARMS, levels, strict=True)
        )
        falls = ", ".join(
            f"{ARM_NAMES[arm]} {points(float((values[-1] - values[0]).mean()), self.setup.data)}"
            for arm, values in zip(ARMS, levels, strict=True)
        )
        return Figure(
            LINES,
            f"{title}: {self.setup.data.name}",
            f"Test metric over the batch size, median and middle half of the seeds. Fall from the "
            f"largest batch to the smallest: {falls}.",
            Axis("batch size", log=True),
            Axis(f"test {self.setup.metric}", percent=self.setup.metric == "accuracy"),
            series,
        )

    def _table(self, title: str, levels: NDArray[np.float64], grid: Grid) -> Table:
        sizes = list(dict.fromkeys(size for _, size in grid.cells))
        rows = tuple(
            (
                str(size),
                *(amount(self.setup.data, float(levels[arm, i].mean())) for arm in range(3)),
            )
            for i, size in enumerate(sizes)
        )
        keys = tuple(grid.keys(*((arm, size) for arm in ARMS)) for size in sizes)
        return Table(title, ("batch size", *(ARM_NAMES[arm] for arm in ARMS)), rows, keys)


def _trial_rows(data: Dataset) -> int:
    return min(data.n_train, data.n_test)


def on(data: Dataset, effort: Effort = DEFAULT) -> LayerNorm:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    steps = 300 if effort.quick else 800
    sizes = (2, 8, 64) if effort.quick else (2, 4, 8, 16, 32, 64, 128)
    fit = tuple(size for size in sizes if size <= _trial_rows(data)) or (2,)
    largest = (4, 32) if effort.quick else (2, 4, 8, 32, 128)
    tested = (1, *(size for size in largest if size <= _trial_rows(data)))
    return LayerNorm(Setup(data, settings={"steps": steps}), effort, fit, tested)
