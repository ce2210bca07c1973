"""An experiment's curves by block, cell and learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.protocol import goals
from evenbatch.protocol.block import Block, Cell, HostRate, RateOf
from evenbatch.protocol.cells import Cells
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.values import BEST
from evenbatch.protocol.verdict import Curves


class Measured:
    """An experiment's trials and curves, by block, cell and learning rates.

    Args:
        experiment: the description.
        datasets: data sets by name.
        cells: the trials of each block, by its id.
        curves: what there is.
    """

    def __init__(
        self,
        experiment: Experiment,
        datasets: Mapping[str, Dataset],
        cells: Mapping[str, Cells],
        curves: Curves,
    ) -> None:
        self.experiment, self.datasets, self.cells = experiment, datasets, cells
        self.curves = curves
        self._rates: dict[tuple[str, str], dict[Cell, float | None]] = {}

    @property
    def data(self) -> Dataset:
        """The data set the experiment is about."""
        return self.datasets[self.experiment.data]

    @cached_property
    def floor(self) -> float:
        """Chance."""
        return goals.chance(self.data)

    @cached_property
    def least(self) -> float:
        """The metric of a network that has learned something."""
        return self.floor + goals.noise(self.data)

    # ---- cells ----

    def block(self, name: str = "") -> Block:
        """A block by its id; the first if none is named."""
        return self.experiment.block(name)

    def cell(self, block: str, levels: Mapping[str, str]) -> Cell:
        """A cell from a level of each axis."""
        return tuple(levels[axis.id] for axis in self.block(block).axes)

    def rates(self, block: str = "", at: str = BEST) -> dict[Cell, float | None]:
        """The learning rate of each cell."""
        found = self.block(block)
        if (found.id, at) not in self._rates:
            how = next(each for each in found.at if each.id == at)
            cells = self.cells[found.id]
            self._rates[found.id, at] = cells.rates(how, self.curves, self.least, self._rate_of)
        return self._rates[found.id, at]

    def _rate_of(self, at: RateOf, levels: Mapping[str, str]) -> float:
        rate = self.rates(at.block)[self.cell(at.block, {**levels, **at.cell})]
        assert rate is not None
        return rate

    def kinds(self, block: str = "") -> dict[str, str]:
        """The learning rates at which a block is measured: id and words. Of two hosts whose best is
        the same rate, only the first."""
        found = self.block(block)
        said: dict[str, str] = {}
        hosts: set[float | None] = set()
        for at in found.at:
            if isinstance(at, HostRate):
                rate = next(iter(self.rates(found.id, at.id).values()))
                if rate in hosts:
                    continue
                hosts.add(rate)
                said[at.id] = f"all at learning rate {rate:g}"
            else:
                said[at.id] = at.name
        return said

    def keys(self, cell: Cell, block: str = "", at: str = BEST) -> tuple[str, ...]:
        """Keys of a cell's trials, seed by seed."""
        found = self.block(block)
        return self.cells[found.id].keys(cell, self.rates(found.id, at)[cell])

    def runs(self, cell: Cell, block: str = "", at: str = BEST) -> list[Curve]:
        """A cell's curves, of the seeds that are whole."""
        keys = self.keys(cell, block, at)
        return [self.curves[k] for k, there in zip(keys, self.whole, strict=False) if there]

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """(seeds,) True where every cell of every block has finished at all learning rates: all
        numbers rest on the same seeds, also before the last one has ended."""
        blocks = self.experiment.blocks
        ready = all(cells.ready(self.curves) for cells in self.cells.values())
        found = np.full(min(block.seeds for block in blocks), ready)
        if not ready:
            return found
        for block in blocks:
            for at in block.at:
                for cell in self.cells[block.id].settings:
                    keys = self.keys(cell, block.id, at.id)[: len(found)]
                    found &= [name in self.curves for name in keys]
        return found

    @property
    def seeds(self) -> int:
        """How many seeds are whole."""
        return int(self.whole.sum())
