"""How much a minibatch's mean and spread differ from those of all data: measured, against 1/√N."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Trial, initial_weights, minibatches
from evenbatch.protocol.cells import key
from evenbatch.protocol.exhibits import LINES, Axis, Figure, Series, Table, numbers
from evenbatch.protocol.reading import Reading
from evenbatch.protocol.verdict import MIN_SEEDS

BATCHES = 100
UNITS = 16  # of the first layer; the median over them hardly changes with more

Floats = NDArray[np.float64]


def drawn_without_repeats(rows: int, size: int) -> float:
    """By how much batches drawn from `rows` rows without repetition vary less than 1/√N says.

    √((n − N) / (n − 1)): a batch of all rows would not vary at all.

    >>> drawn_without_repeats(101, 2) > 0.99, drawn_without_repeats(100, 100)
    (True, 0.0)
    """
    return math.sqrt((rows - size) / max(rows - 1, 1))


@dataclass(frozen=True, eq=False)
class Spread:
    """What minibatches of each size say of the first layer's sums.

    Attributes:
        sizes: batch sizes N.
        means: (seeds, sizes) standard deviation of the batch means, in units of the standard
            deviation over all rows; median over the layer's units.
        spreads: (seeds, sizes) the same of the batch standard deviations.
        keys: for each size the keys of the trials whose initial weights and minibatches these are.
        rows: training rows.
    """

    sizes: tuple[int, ...]
    means: Floats
    spreads: Floats
    keys: tuple[tuple[str, ...], ...]
    rows: int

    @property
    def correction(self) -> Floats:
        """(sizes,) `drawn_without_repeats` of each size."""
        return np.array([drawn_without_repeats(self.rows, size) for size in self.sizes])

    def exponents(self) -> Floats:
        """(seeds,) the power of N with which the scatter of batch means falls; 1/√N is −0.5.

        Fitted on logarithms, after taking out what drawing without repetition does.
        """
        x = np.log(self.sizes)
        return np.array([np.polyfit(x, np.log(row / self.correction), 1)[0] for row in self.means])

    def figure(self, name: str) -> Figure:
        sizes = numbers(self.sizes)
        law = self.correction / np.sqrt(self.sizes)
        series = (
            Series("1/√N, drawn without repeats", sizes, numbers(law)),
            _series("batch means", sizes, self.means),
            _series("batch standard deviations", sizes, self.spreads),
        )
        return Figure(
            LINES,
            f"How much batch statistics vary: {name}",
            "Spread of the batch means and of the batch standard deviations of the first layer's "
            "sums over the batch size, in units of the spread over all rows, beside 1/√N.",
            Axis("batch size N", log=True),
            Axis("spread between batches, in standard deviations", log=True),
            series,
        )

    def table(self) -> Table:
        rows = tuple(
            (
                str(size),
                f"{self.means[:, i].mean():.3f}",
                f"{1 / math.sqrt(size):.3f}",
                f"{self.correction[i] / math.sqrt(size):.3f}",
                f"{self.spreads[:, i].mean():.3f}",
            )
            for i, size in enumerate(self.sizes)
        )
        return Table(
            "Batch statistics of the first layer at the start, in standard deviations over all "
            "rows",
            (
                "batch size N",
                "spread of batch means",
                "1/√N",
                "1/√N, drawn without repeats",
                "spread of batch standard deviations",
            ),
            rows,
            self.keys,
        )


def _series(name: str, x: tuple[float, ...], values: Floats) -> Series:
    low, middle, high = np.quantile(values, [0.0, 0.5, 1.0], axis=0)
    return Series(name, x, numbers(middle), numbers(low), numbers(high))


def spread(reading: Reading) -> Spread:
    """Of the batch statistics where the measured trials with batch norm start."""
    block, cells = reading.block("updates"), reading.cells["updates"]
    rates = reading.rates("updates")
    trials = {
        int(level.at or 0): cells.trials((level.id, "batch"), rates[level.id, "batch"])[:MIN_SEEDS]
        for level in block.axis("size").levels
    }
    return measure(reading.data, trials)


def exponents(reading: Reading) -> Floats:
    """(seeds,) the power of N."""
    return spread(reading).exponents()


def measure(data: Dataset, trials: Mapping[int, Sequence[Trial]]) -> Spread:
    """The spread of batch statistics under the initial weights and in the minibatches of trials.

    Args:
        data: what the trials train on.
        trials: for each batch size its trials, seed by seed; sizes above half of the training rows
            are left out.
    """
    fit = tuple(size for size in trials if 2 * size <= data.n_train)
    means, spreads = [], []
    for trial in trials[fit[0]]:
        weight = initial_weights(trial.network, trial.seed).linears[0].weight[:UNITS]
        sums = data.x_train.astype(np.float64) @ weight.T.astype(np.float64)
        sums -= sums.mean(axis=0)  # so that a square less a square loses no digits below
        whole = sums.std(axis=0)
        sums, whole = sums[:, whole > 0], whole[whole > 0]
        at = [_one(sums, whole, size, trial.seed) for size in fit]
        means.append([mean for mean, _ in at])
        spreads.append([spread for _, spread in at])
    keys = tuple(tuple(key(trial) for trial in trials[size]) for size in fit)
    return Spread(fit, np.array(means), np.array(spreads), keys, data.n_train)


def _one(sums: Floats, whole: Floats, size: int, seed: int) -> tuple[float, float]:
    batches = sums[minibatches(len(sums), size, BATCHES, seed)]  # (batches, size, units)
    mean = batches.sum(axis=1) / size
    square = np.einsum("bru,bru->bu", batches, batches) / size
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    return (
        float(np.median(mean.std(axis=0) / whole)),
        float(np.median(spread.std(axis=0) / whole)),
    )
