"""A grid of trials that is never written out: trial number i is made when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from evenbatch.data import Dataset
from evenbatch.engine import Network, Trial
from evenbatch.engine.conv import of_positions

Axes = Mapping[str, tuple[Any, ...]]
"""The values of each setting, by its name."""


@dataclass(frozen=True)
class Grid(Sequence[Trial]):
    """All combinations of some settings, on some data sets, with some seeds.

    Seeds vary slowest: whenever a run is interrupted, all settings have been tried about equally
    often.

    Args:
        datasets: data sets by the names trials use; they say a network's inputs and outputs.
        network: settings of `Network`, without inputs and outputs.
        trial: settings of `Trial`, without network, data and seed.
        seeds: the seeds.

    >>> from evenbatch.data import load
    >>> axes = {"hidden": ((8,), (16,)), "norm": ("none", "batch")}
    >>> grid = Grid({"digits": load("digits")}, axes, {"learning_rate": (0.1, 1.0)}, (0, 1, 2))
    >>> len(grid), grid.settings, grid[13].seed, grid[13].network.hidden, grid.place(grid[13])
    (24, 8, 1, (16,), 13)
    """

    datasets: Mapping[str, Dataset]
    network: Axes
    trial: Axes
    seeds: tuple[int, ...]
    _networks: dict[int, Network] = field(default_factory=dict, repr=False, compare=False)

    @property
    def varied(self) -> dict[str, tuple[Any, ...]]:
        """The settings with more than one value; those of the network as "network.norm"."""
        named = {f"network.{name}": values for name, values in self.network.items()}
        return {name: v for name, v in {**named, **self.trial}.items() if len(v) > 1}

    @property
    def settings(self) -> int:
        """Trials per seed."""
        return len(self.datasets) * self._count(self.network) * self._count(self.trial)

    @staticmethod
    def _count(axes: Axes) -> int:
        return math.prod(len(values) for values in axes.values())

    def __len__(self) -> int:
        return self.settings * len(self.seeds)

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | list[Trial]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        seed, rest = divmod(place, self.settings)
        data, rest = divmod(rest, self._count(self.network) * self._count(self.trial))
        network, rest = divmod(rest, self._count(self.trial))
        settings = _pick(self.trial, rest)
        name = list(self.datasets)[data]
        return Trial(self._network(data, network), data=name, seed=self.seeds[seed], **settings)

    def _network(self, data: int, place: int) -> Network:
        at = data * self._count(self.network) + place
        if at not in self._networks:
            dataset = list(self.datasets.values())[data]
            picked = _pick(self.network, place)
            of_data = {"time_steps": dataset.time_steps} | of_positions(picked, dataset)
            settings = of_data | picked
            self._networks[at] = Network(
                inputs=dataset.n_features, outputs=dataset.n_outputs, **settings
            )
        return self._networks[at]

    def place(self, trial: Trial) -> int:
        """The number of a trial of this grid."""
        place = self.seeds.index(trial.seed) * len(self.datasets)
        place += list(self.datasets).index(trial.data)
        for axes, of in ((self.network, trial.network), (self.trial, trial)):
            for name, values in axes.items():
                place = place * len(values) + values.index(getattr(of, name))
        return place

    def __iter__(self) -> Iterator[Trial]:
        return (self[i] for i in range(len(self)))


def _pick(axes: Axes, place: int) -> dict[str, Any]:
    """The combination of this number; the last setting varies fastest."""
    found = {}
    for name, values in reversed(list(axes.items())):
        place, at = divmod(place, len(values))
        found[name] = values[at]
    return found


@dataclass(frozen=True)
class Picked(Sequence[Trial]):
    """Some trials of a grid, by their numbers."""

    grid: Grid
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> Trial: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trial]: ...
    def __getitem__(self, place: int | slice) -> Trial | list[Trial]:
        if isinstance(place, slice):
            return [self.grid[i] for i in self.places[place]]
        return self.grid[self.places[place]]
