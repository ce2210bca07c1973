"""A block carried out: the trials of its cells, those still wanted, and the best learning rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Network, Trial
from evenbatch.engine.conv import of_positions
from evenbatch.protocol.block import (
    Among,
    At,
    Best,
    Block,
    Cell,
    Changes,
    Equal,
    Given,
    HostRate,
    RateOf,
)
from evenbatch.protocol.verdict import Curves, ExperimentError
from evenbatch.protocol.wording import count

TUNING_SEED = 1_000_000
"""Tuning seeds start this far above the measurement seeds."""

Floats = NDArray[np.float64]
Rates = Mapping[Cell, float]
"""The learning rate of each cell."""


def rate_at(decades: float) -> float:
    """10 to the power of `decades`, in three digits, as one would write it down.

    >>> rate_at(-0.5)
    0.316
    """
    return float(f"{10.0**decades:.3g}")


def rates_between(low: float, high: float, spacing: float) -> tuple[float, ...]:
    """Learning rates from 10 to the power of `low` to that of `high`, `spacing` decades apart.

    >>> rates_between(-2, 0, 0.5)
    (0.01, 0.0316, 0.1, 0.316, 1.0)
    """
    return tuple(rate_at(low + k * spacing) for k in range(round((high - low) / spacing) + 1))


@lru_cache(maxsize=200_000)
def key(trial: Trial) -> str:
    """The trial's key; asked for again in every round."""
    return trial.key


def make_trial(settings: Changes, data: Dataset, seed: int) -> Trial:
    """The trial with these settings.

    Raises:
        ExperimentError: the data have fewer training rows than a batch.
    """
    positions = of_positions(settings.network, data)
    network = {"time_steps": data.time_steps} | positions | settings.network
    made = Network(inputs=data.n_features, outputs=data.n_outputs, **network)
    trial = Trial(made, data=data.name, seed=seed, **settings.trial)
    if data.n_train < trial.batch_size:
        raise ExperimentError(
            f"{data.name} has {count(data.n_train, 'training row')}, and this claim is measured "
            f"with batches of {trial.batch_size}: give a table with more rows"
        )
    return trial


class Cells:
    """The trials of a block.

    Args:
        block: its description.
        datasets: the data sets its trials name.
        data: name of the one that cells use which name none.
        score: of a curve, for the choice of learning rates.
    """

    def __init__(
        self,
        block: Block,
        datasets: Mapping[str, Dataset],
        data: str,
        score: Callable[[Curve], float] = lambda _curve: np.nan,
    ) -> None:
        self.block, self.datasets, self.score = block, datasets, score
        self.settings = dict(block.cells())
        self._data = {cell: datasets[s.data or data] for cell, s in self.settings.items()}
        self._made: dict[tuple[Cell, float | None, bool], tuple[list[Trial], tuple[str, ...]]] = {}
        self._scored: dict[str, float] = {}

    def data(self, cell: Cell) -> Dataset:
        """What a cell is trained on."""
        return self._data[cell]

    def trials(self, cell: Cell, rate: float | None, search: bool = False) -> list[Trial]:
        """A cell's trials at a learning rate, seed by seed."""
        return self._of(cell, rate, search)[0]

    def keys(self, cell: Cell, rate: float | None, search: bool = False) -> tuple[str, ...]:
        """Their keys."""
        return self._of(cell, rate, search)[1]

    def _of(
        self, cell: Cell, rate: float | None, search: bool
    ) -> tuple[list[Trial], tuple[str, ...]]:
        # Kept: rounds and exhibits ask for the same trials again and again, and making one checks
        # every setting.
        name = (cell, rate, search)
        if name not in self._made:
            block, settings = self.block, self.settings[cell]
            if not search:
                settings = block.measuring.over(settings)
            if rate is not None:
                settings = Changes(trial={"learning_rate": rate}).over(settings)
            away, many = (TUNING_SEED, block.tuning) if search else (0, block.seeds)
            seeds = range(block.first + away, block.first + away + many)
            made = [make_trial(settings, self._data[cell], seed) for seed in seeds]
            self._made[name] = (made, tuple(key(trial) for trial in made))
        return self._made[name]

    def wanted(self, cells: Sequence[tuple[Cell, float | None]], search: bool) -> Iterator[Trial]:
        """Trials of cells at rates, seed by seed over all of them: a part is worth having."""
        for row in zip(*(self.trials(*each, search) for each in cells), strict=True):
            yield from row

    @property
    def searched(self) -> list[tuple[Cell, float | None]]:
        """What the search trains: every cell at every rate."""
        return [(cell, rate) for cell in self.settings for rate in self.block.rates]

    def ready(self, curves: Curves) -> bool:
        """Whether every learning rate can be chosen."""
        return all(name in curves for each in self.searched for name in self.keys(*each, True))

    # ---- the choice ----

    def scores(self, cell: Cell, curves: Curves) -> Floats:
        """(rates,) the mean score over the tuning seeds; NaN where curves are missing."""
        return np.array([self._score(cell, rate, curves) for rate in self.block.rates])

    def _score(self, cell: Cell, rate: float, curves: Curves) -> float:
        found = []
        for name in self.keys(cell, rate, search=True):
            if name not in self._scored:
                if name not in curves:
                    return np.nan
                self._scored[name] = self.score(curves[name])
            found.append(self._scored[name])
        return float(np.mean(found))

    def best(self, curves: Curves) -> dict[Cell, float]:
        """Each cell's best learning rate."""
        return {cell: self._top(self.scores(cell, curves)) for cell in self.settings}

    def _top(self, scores: Floats) -> float:
        return self.block.rates[int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))]

    def rates(
        self,
        at: At,
        curves: Curves,
        least: float,
        other: Callable[[RateOf, Mapping[str, str]], float],
    ) -> dict[Cell, float | None]:
        """The learning rate of each cell; None where the settings have it.

        Args:
            at: how it is chosen.
            curves: those of the search.
            least: the score of one that has learned something.
            other: the rate of another block's cell.
        """
        if isinstance(at, Given):
            return dict.fromkeys(self.settings)
        if isinstance(at, RateOf):
            axes = [axis.id for axis in self.block.axes]
            return {cell: other(at, dict(zip(axes, cell, strict=True))) for cell in self.settings}
        best = self.best(curves)
        if isinstance(at, HostRate):
            place = self.block.place(at.axis)
            host = next(rate for cell, rate in best.items() if cell[place] == at.level)
            return dict.fromkeys(self.settings, host)
        if isinstance(at, Among):
            tried = [i for i, rate in enumerate(self.block.rates) if rate in at.rates]
            for cell in best:
                scores = self.scores(cell, curves)
                if scores.max() >= least:  # who learned nothing learns nothing on a part of it
                    best[cell] = self.block.rates[tried[int(np.argmax(scores[tried]))]]
        if isinstance(at, Equal):
            best = self._together(at, curves)
        assert isinstance(at, Best | Among | Equal)
        return dict(best)

    def _together(self, at: Equal, curves: Curves) -> dict[Cell, float]:
        place = self.block.place(at.axis)
        groups: dict[Cell, list[Cell]] = {}
        for cell in self.settings:
            groups.setdefault((*cell[:place], *cell[place + 1 :]), []).append(cell)
        chosen: dict[Cell, float] = {}
        for cells in groups.values():
            deciding = [cell for cell in cells if not at.levels or cell[place] in at.levels]
            scores = np.nan_to_num([self.scores(c, curves) for c in deciding], nan=-np.inf)
            total = scores.sum(axis=0) if at.by == "sum" else scores.min(axis=0)
            chosen |= dict.fromkeys(cells, self.block.rates[int(np.argmax(total))])
        return chosen

    def at_edge(self, curves: Curves, least: float) -> list[Cell]:
        """Cells whose best learning rate is the lowest or the highest tried; not those that scored
        below `least` everywhere: one that learns nothing is at an edge for no reason."""
        if len(self.block.rates) < 2:
            return []
        ends = (self.block.rates[0], self.block.rates[-1])
        return [
            cell
            for cell, rate in self.best(curves).items()
            if rate in ends and self.scores(cell, curves).max() >= least
        ]

    @cached_property
    def names(self) -> dict[Cell, str]:
        """Cells in words, from what differs between them."""
        several = [axis for axis in self.block.axes if len(axis.levels) > 1]
        return {
            cell: ", ".join(
                axis[level].name if axis[level].at is None else f"{axis.name} {axis[level].name}"
                for axis, level in zip(self.block.axes, cell, strict=True)
                if axis in several
            )
            for cell in self.settings
        }
