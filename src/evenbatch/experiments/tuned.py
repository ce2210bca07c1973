"""Grids of trials: each cell over seeds, and each cell at its own best learning rate.

A cell is one side of a comparison at one value of what is varied: ("batch", depth 20). `Grid`
trains every cell on every seed. `Tuned` first looks for each cell's best learning rate on seeds of
their own, so that a rate that won by luck wins nothing, and then measures on fresh seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve, Trial
from evenbatch.experiments.protocol import Curves, Round
from evenbatch.experiments.selection import rate_at
from evenbatch.experiments.setup import TUNING_SEED, key

Floats = NDArray[np.float64]


def rates_between(low: float, high: float, spacing: float) -> tuple[float, ...]:
    """Learning rates from 10 to the power of `low` to that of `high`, `spacing` decades apart.

    >>> rates_between(-2, 0, 0.5)
    (0.01, 0.0316, 0.1, 0.316, 1.0)
    """
    return tuple(rate_at(low + k * spacing) for k in range(round((high - low) / spacing) + 1))


@dataclass(frozen=True, eq=False)
class Grid:
    """Every cell on every seed.

    Args:
        cells: for each cell a function from a seed to its trial.
        seeds: the seeds 0, 1, … of each cell.
        first: the first seed.
    """

    cells: Mapping[Any, Callable[[int], Trial]]
    seeds: int
    first: int = 0

    def trials(self, cell: Hashable) -> list[Trial]:
        """The cell's trials, seed by seed."""
        return self._made[cell]

    @cached_property
    def _made(self) -> dict[Any, list[Trial]]:
        seeds = range(self.first, self.first + self.seeds)
        return {cell: [make(seed) for seed in seeds] for cell, make in self.cells.items()}

    @cached_property
    def _keys(self) -> dict[Any, tuple[str, ...]]:
        # Kept beside the trials: looking a key up by its trial hashes every setting again.
        return {cell: tuple(key(t) for t in trials) for cell, trials in self._made.items()}

    def wanted(self, curves: Curves) -> list[Trial]:
        """Trials without a curve, seed by seed over all cells: a part is worth having."""
        pairs = (zip(self._keys[cell], self._made[cell], strict=True) for cell in self.cells)
        rows = zip(*pairs, strict=True)
        missing = {name: trial for row in rows for name, trial in row if name not in curves}
        return list(missing.values())

    def curves(self, cell: Hashable, curves: Curves) -> list[Curve | None]:
        """The cell's curves, seed by seed; None where there is none yet."""
        return [curves.get(name) for name in self._keys[cell]]

    def keys(self, *cells: Hashable) -> tuple[str, ...]:
        """Keys of the trials of these cells, for a table."""
        return tuple(name for cell in cells for name in self._keys[cell])

    def read(self, cell: Hashable, curves: Curves, measure: Callable[[Curve], float]) -> Floats:
        """(seeds,) the measure of each curve of a cell; NaN where there is no curve yet."""
        found = self.curves(cell, curves)
        return np.array([np.nan if curve is None else measure(curve) for curve in found])

    def complete(self, curves: Curves) -> int:
        """Seeds, counted from the first, for which every cell has its curve."""
        rows = zip(*(self.curves(cell, curves) for cell in self.cells), strict=True)
        return sum(1 for _ in takewhile(lambda row: None not in row, rows))


@dataclass(frozen=True, eq=False)
class Tuned:
    """Every cell at its own best learning rate, chosen on seeds of their own.

    Args:
        cells: for each cell a function from learning rate and seed to its trial.
        rates: the learning rates tried for every cell.
        seeds: measurement seeds.
        tuning: selection seeds.
        score: from a curve of a selection seed to a number; the rate with the highest mean wins,
            among equals the lowest.
    """

    cells: Mapping[Any, Callable[[float, int], Trial]]
    rates: Sequence[float]
    seeds: int
    tuning: int
    score: Callable[[Curve], float]

    @cached_property
    def search(self) -> Grid:
        """The selection: a `Grid` whose cells are (cell, rate)."""

        def cell(make: Callable[[float, int], Trial], rate: float) -> Callable[[int], Trial]:
            return lambda seed: make(rate, seed)

        made = {
            (name, rate): cell(make, rate)
            for name, make in self.cells.items()
            for rate in self.rates
        }
        return Grid(made, self.tuning, TUNING_SEED)

    def scores(self, curves: Curves) -> dict[Any, Floats]:
        """For each cell (rates,): the mean score over the selection seeds."""
        return {
            cell: np.array([self._mean_score((cell, rate), curves) for rate in self.rates])
            for cell in self.cells
        }

    def _mean_score(self, cell: Hashable, curves: Curves) -> float:
        found = []
        for name in self.search.keys(cell):
            if name not in self._scored:
                if name not in curves:
                    return np.nan
                self._scored[name] = self.score(curves[name])
            found.append(self._scored[name])
        return float(np.mean(found))

    @cached_property
    def _scored(self) -> dict[str, float]:
        """Scores by key: a curve is final, and is asked for in every round and for every note."""
        return {}

    def best(self, curves: Curves) -> dict[Any, float]:
        """Each cell's best learning rate."""
        return {
            cell: self.rates[int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))]
            for cell, scores in self.scores(curves).items()
        }

    def together(
        self,
        curves: Curves,
        *groups: Sequence[Any],
        by: Callable[[Floats], Floats] = lambda scores: np.sum(scores, axis=0),
    ) -> dict[Any, float]:
        """For each group of cells, the one learning rate at which they score best in sum.

        A fair choice of equal settings: none of the arms picks it.

        Args:
            curves: those of the selection.
            groups: cells that get one rate.
            by: from (cells, rates) scores to what is compared; the weakest cell's score, for
                instance, where all must learn something.
        """
        scores = self.scores(curves)
        chosen: dict[Any, float] = {}
        for group in groups:
            total = by(np.array([np.nan_to_num(scores[cell], nan=-np.inf) for cell in group]))
            chosen |= dict.fromkeys(group, self.rates[int(np.argmax(total))])
        return chosen

    def at_edge(self, curves: Curves, least: float = -np.inf) -> list[Any]:
        """Cells whose best learning rate is the lowest or the highest tried; not those that scored
        below `least` everywhere: one that learns nothing is at an edge for no reason."""
        ends = (self.rates[0], self.rates[-1])
        scores = self.scores(curves)
        return [
            cell
            for cell, rate in self.best(curves).items()
            if rate in ends and scores[cell].max() >= least
        ]

    def edge_notes(
        self, curves: Curves, name: Callable[[Any], str], least: float = -np.inf
    ) -> list[str]:
        """A sentence for each cell `at_edge`."""
        best = self.best(curves)
        return [
            f"The best learning rate of {name(cell)} is the "
            f"{'lowest' if best[cell] == self.rates[0] else 'highest'} tried, {best[cell]:g}: a "
            "better one may lie beyond."
            for cell in self.at_edge(curves, least)
        ]

    def measured(self, curves: Curves) -> Grid:
        """The measurement: each cell at its best learning rate, on fresh seeds."""
        return self.at(self.best(curves))

    def at(self, rates: Mapping[Any, float] | float) -> Grid:
        """All cells on the measurement seeds at given learning rates (or one for all)."""

        chosen = dict.fromkeys(self.cells, rates) if isinstance(rates, (int, float)) else rates
        which = tuple(chosen[name] for name in self.cells)

        def cell(name: Any) -> Callable[[int], Trial]:
            return lambda seed: self.cells[name](chosen[name], seed)

        if which not in self._grids:
            self._grids[which] = Grid({name: cell(name) for name in self.cells}, self.seeds)
        return self._grids[which]

    @cached_property
    def _grids(self) -> dict[tuple[float, ...], Grid]:
        """Those already made, by the rates of their cells: a grid keeps its trials."""
        return {}

    def trials(self, curves: Curves) -> Round:
        """The trainings still wanted: first the selection, then the measurement."""
        wanted = self.search.wanted(curves)
        if wanted:
            return Round("finding learning rates", tuple(wanted), len(self.cells) * self.seeds)
        return Round("measuring on fresh seeds", tuple(self.measured(curves).wanted(curves)))

    def ready(self, curves: Curves) -> bool:
        """True once every learning rate is chosen."""
        return not self.search.wanted(curves)
