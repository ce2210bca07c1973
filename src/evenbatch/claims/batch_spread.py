"""How much a minibatch's mean and spread differ from those of all data: measured, against 1/√N."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, initial_weights, minibatches
from evenbatch.kernels.engine.convolution import reference_patches
from evenbatch.protocol.verdict import MIN_SEEDS

BATCHES = 100
UNITS = 16  # of the first layer; the median over them hardly changes with more
START = c.LEVEL.of("updates", arm="batch")
MEANS, SPREADS = p.Computed("means", START), p.Computed("spreads", START)
EXPONENT = p.Mean(id="exponent", label="scatter of batch means over batch size",
                  unit="as power of N", of=p.Computed("exponent", START))  # fmt: skip


def law(rows: int, sizes: Iterable[int]) -> tuple[float, ...]:
    """1/√N for batches drawn from `rows` rows without repetition."""
    return tuple(drawn_without_repeats(rows, size) / math.sqrt(size) for size in sizes)


def drawn_without_repeats(rows: int, size: int) -> float:
    """By how much batches drawn from `rows` rows without repetition vary less than 1/√N says.

    √((n − N) / (n − 1)): a batch of all rows would not vary at all.

    >>> drawn_without_repeats(101, 2) > 0.99, drawn_without_repeats(100, 100)
    (True, 0.0)
    """
    return math.sqrt((rows - size) / max(rows - 1, 1))


def means(reading: p.Reading, of: p.Value) -> p.Floats:
    """(seeds,) standard deviation of the batch means of the first layer's sums, under the initial
    weights and in the minibatches of a cell's first trials, in units of the standard deviation over
    all rows; median over the layer's units.
    """
    return _scatter(reading, of.block, of.cell["size"])[0]


def spreads(reading: p.Reading, of: p.Value) -> p.Floats:
    """(seeds,) the same of the batch standard deviations."""
    return _scatter(reading, of.block, of.cell["size"])[1]


def exponents(reading: p.Reading, of: p.Value) -> p.Floats:
    """(seeds,) the power of N with which the scatter of batch means falls; 1/√N is −0.5.

    Fitted on logarithms, after taking out what drawing without repetition does.
    """
    levels, rows = reading.block(of.block).axis("size").levels, reading.data.n_train
    found = np.array([_scatter(reading, of.block, level.id)[0] for level in levels])
    sizes = [int(level.at or 0) for level in levels]
    found /= np.array([[drawn_without_repeats(rows, size)] for size in sizes])
    return np.asarray(np.polyfit(np.log(sizes), np.log(found), 1)[0])


@lru_cache(maxsize=64)
def _scatter(reading: p.Reading, block: str, level: str) -> tuple[p.Floats, p.Floats]:
    cells, cell = reading.cells[block], (level, "batch")
    found = []
    for trial in cells.trials(cell, reading.rates(block)[cell])[:MIN_SEEDS]:
        sums = _sums(reading.data, trial.network, trial.seed)
        whole = sums.std(axis=(0, 1))
        sums, whole = sums[..., whole > 0], whole[whole > 0]
        batches = sums[minibatches(len(sums), trial.batch_size, BATCHES, trial.seed)]
        batches = batches.reshape(BATCHES, -1, len(whole))
        rows = batches.shape[1]
        mean = batches.sum(axis=1) / rows  # of (batches, rows and positions, units)
        square = np.einsum("bru,bru->bu", batches, batches) / rows
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        found.append([np.median(part.std(axis=0) / whole) for part in (mean, spread)])
    scatter = np.array(found)
    return scatter[:, 0], scatter[:, 1]


@lru_cache(maxsize=MIN_SEEDS)
def _sums(data: Dataset, network: Network, seed: int) -> p.Floats:
    """(rows, positions, units) what the first layer's units sum up, around 0, so that a square less
    a square loses no digits; one position where there is no convolution."""
    weight = initial_weights(network, seed).linears[0].weight[:UNITS]
    x = data.x_train.astype(np.float64)
    for stage in network.stages[:1]:  # PyTorch's layout: a channel at all places, then the next
        patches = reference_patches(x.reshape(len(x), -1, stage.channels), stage.window)
        x = patches.swapaxes(2, 3).reshape(-1, stage.inputs)
    sums = x @ weight.reshape(len(weight), -1).T.astype(np.float64)
    return np.asarray(sums - sums.mean(axis=0)).reshape(data.n_train, -1, len(weight))


COMPUTED = {"exponent": exponents, "means": means, "spreads": spreads}


def figure(law: tuple[float, ...]) -> p.Over:
    """Both over the batch size, beside the law."""
    return p.Over(
        id="spread", kind=p.LINES, axis="size", show="range", block="updates",
        title="How much batch statistics vary", x="batch size N", log="xy", percent=False,
        alt="Spread of the batch means and of the batch standard deviations of the first layer's "
        "sums over the batch size, in units of the spread over all rows, beside 1/√N.",
        y="spread between batches, in standard deviations", y_id="scatter",
        rows=(
            p.Row("law", "1/√N, drawn without repeats", given=law),
            p.Row("means", "batch means", MEANS),
            p.Row("spreads", "batch standard deviations", SPREADS),
        ),
    )  # fmt: skip


def table(sizes: tuple[int, ...], law: tuple[float, ...]) -> p.TableSpec:
    """The same in numbers."""
    roots = tuple(1 / math.sqrt(size) for size in sizes)
    columns = (
        p.Column("1/√N", "given", words=".3f", given=roots),
        p.Column("1/√N, drawn without repeats", "given", words=".3f", given=law),
        p.Column("spread of batch means", of=MEANS, words=".3f"),
        p.Column("spread of batch standard deviations", of=SPREADS, words=".3f"),
    )
    title = "Batch statistics of the first layer at the start over the batch size N, in standard "
    return p.TableSpec(f"{title}deviations over all rows", columns, rows=("size",))
