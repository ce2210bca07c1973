"""How much a minibatch's mean and spread differ from those of all data: measured, against 1/√N."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, initial_weights, minibatches
from evenbatch.protocol.reading import Reading
from evenbatch.protocol.values import Value
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


def means(reading: Reading, of: Value) -> Floats:
    """(seeds,) standard deviation of the batch means of the first layer's sums, under the initial
    weights and in the minibatches of a cell's first trials, in units of the standard deviation over
    all rows; median over the layer's units.
    """
    return _scatter(reading, of.block, of.cell["size"])[0]


def spreads(reading: Reading, of: Value) -> Floats:
    """(seeds,) the same of the batch standard deviations."""
    return _scatter(reading, of.block, of.cell["size"])[1]


def exponents(reading: Reading, of: Value) -> Floats:
    """(seeds,) the power of N with which the scatter of batch means falls; 1/√N is −0.5.

    Fitted on logarithms, after taking out what drawing without repetition does.
    """
    levels, rows = reading.block(of.block).axis("size").levels, reading.data.n_train
    found = np.array([_scatter(reading, of.block, level.id)[0] for level in levels])
    sizes = [int(level.at or 0) for level in levels]
    found /= np.array([[drawn_without_repeats(rows, size)] for size in sizes])
    return np.asarray(np.polyfit(np.log(sizes), np.log(found), 1)[0])


@lru_cache(maxsize=64)
def _scatter(reading: Reading, block: str, level: str) -> tuple[Floats, Floats]:
    cells, cell = reading.cells[block], (level, "batch")
    found = []
    for trial in cells.trials(cell, reading.rates(block)[cell])[:MIN_SEEDS]:
        sums = _sums(reading.data, trial.network, trial.seed)
        whole = sums.std(axis=0)
        sums, whole = sums[:, whole > 0], whole[whole > 0]
        batches = sums[minibatches(len(sums), trial.batch_size, BATCHES, trial.seed)]
        mean = batches.sum(axis=1) / trial.batch_size  # of (batches, size, units)
        square = np.einsum("bru,bru->bu", batches, batches) / trial.batch_size
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        found.append([np.median(part.std(axis=0) / whole) for part in (mean, spread)])
    scatter = np.array(found)
    return scatter[:, 0], scatter[:, 1]


@lru_cache(maxsize=MIN_SEEDS)
def _sums(data: Dataset, network: Network, seed: int) -> Floats:
    """(rows, units) what the first layer's units sum up, around 0, so that a square less a square
    loses no digits."""
    weight = initial_weights(network, seed).linears[0].weight[:UNITS]
    sums = data.x_train.astype(np.float64) @ weight.T.astype(np.float64)
    return np.asarray(sums - sums.mean(axis=0))
