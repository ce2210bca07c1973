"""What the claims train unless they say otherwise, and how much of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial
from evenbatch.experiments.protocol import ExperimentError
from evenbatch.experiments.wording import count, metric_name

TUNING_SEED = 1_000_000  # selection seeds start this far above the measurement seeds

ARM_NAMES = {
    "none": "no normalization",
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": "group norm",
}
"""Arms as tables and figures call them; a figure draws an arm of this name the same everywhere."""

INIT_NAMES = {
    "torch": "PyTorch's initialization",
    "he": "He initialization",
    "large": "weights twice He's",
}
"""Initial weights in sentences; "large" is `initial("large", …)`."""

INIT_SHORT = {"torch": "PyTorch init", "he": "He init", "large": "twice He"}
"""The same in tables and figures, where room is scarce."""


def named(norm: str, *more: str) -> str:
    """An arm under further circumstances, as figures and tables call it.

    >>> named("batch", "50 layers")
    'batch norm, 50 layers'
    """
    return ", ".join((ARM_NAMES[norm], *more))


def initial(name: str, width: int) -> dict[str, Any]:
    """Settings of an initialization in `INIT_NAMES` for a network of this width.

    >>> initial("he", 32)
    {'init': 'he'}
    >>> initial("large", 32)
    {'init': 'gaussian', 'sigma': 0.5}
    """
    if name == "large":
        return {"init": "gaussian", "sigma": round(2 * math.sqrt(2 / width), 6)}
    return {"init": name}


@dataclass(frozen=True)
class Effort:
    """How much is trained for an answer.

    Attributes:
        name: "quick", "default" or "full".
        seeds: measurement seeds.
        tuning: selection seeds, on which learning rates are chosen.
    """

    name: str
    seeds: int
    tuning: int

    @property
    def quick(self) -> bool:
        return self.name == "quick"

    @property
    def full(self) -> bool:
        return self.name == "full"


QUICK, DEFAULT, FULL = Effort("quick", 5, 2), Effort("default", 10, 3), Effort("full", 20, 5)
EFFORTS = {effort.name: effort for effort in (QUICK, DEFAULT, FULL)}

_NETWORK = {one.name for one in fields(Network)}


@lru_cache(maxsize=200_000)
def key(trial: Trial) -> str:
    """The trial's key; asked for again in every round."""
    return trial.key


def check_rows(data: Dataset, batch_size: int) -> None:
    """Raise unless the training rows fill a batch.

    Raises:
        ExperimentError: they do not.
    """
    if data.n_train < batch_size:
        raise ExperimentError(
            f"{data.name} has {count(data.n_train, 'training row')}, and this claim is "
            f"measured with batches of {batch_size}: give a table with more rows"
        )


@dataclass(frozen=True, eq=False)
class Setup:
    """A data set, a network and a training that claims vary.

    Args:
        data: the data set.
        depth, width: hidden layers and the width of each.
        settings: further fields of `Network` and `Trial`, by name.

    >>> from evenbatch.data import load
    >>> setup = Setup(load("digits"), settings={"batch_size": 64})
    >>> trial = setup.trial(seed=3, norm="batch", learning_rate=0.3)
    >>> trial.network.norm, trial.network.hidden, trial.batch_size, trial.seed
    ('batch', (64, 64, 64), 64, 3)
    """

    data: Dataset
    depth: int = 3
    width: int = 64
    settings: Mapping[str, Any] | None = None
    # Not handed on by `replace`: the same changes make other trials of another setup.
    _made: dict[Any, Trial] = field(default_factory=dict, init=False, repr=False)

    def trial(self, seed: int, **changes: Any) -> Trial:
        """A training of this setup with some fields of `Network` or `Trial` changed.

        `depth`, `width` and `data` (a `Dataset`) may be changed too.

        Raises:
            ExperimentError: the data set has fewer training rows than a batch.
        """
        # Kept: grids ask for the same trials in every round, and making one checks every setting.
        name = (seed, *sorted(changes.items()))
        if name not in self._made:
            self._made[name] = self._make(seed, changes)
        return self._made[name]

    def _make(self, seed: int, changes: Mapping[str, Any]) -> Trial:
        given = {**(self.settings or {}), **changes}
        data = given.pop("data", self.data)
        hidden = (given.pop("width", self.width),) * given.pop("depth", self.depth)
        network = {name: given.pop(name) for name in list(given) if name in _NETWORK}
        network = {"hidden": hidden, "time_steps": data.time_steps} | network
        made = Network(inputs=data.n_features, outputs=data.n_outputs, **network)
        trial = Trial(made, data=data.name, seed=seed, **given)
        check_rows(data, trial.batch_size)
        return trial

    def cell(self, **changes: Any) -> Callable[[int], Trial]:
        """From a seed to the trial with these changes: a cell of a `Grid`."""
        return lambda seed: self.trial(seed, **changes)

    def rated(self, **changes: Any) -> Callable[[float, int], Trial]:
        """From learning rate and seed to the trial with these changes: a cell of `Tuned`."""
        return lambda rate, seed: self.trial(seed, learning_rate=rate, **changes)

    def with_data(self, data: Dataset) -> Setup:
        """The same on other data."""
        return replace(self, data=data)

    @property
    def metric(self) -> str:
        return metric_name(self.data)

    def words(self, seeds: int, initial: str = "", **changes: Any) -> str:
        """Data, network, training and seeds in one line.

        Args:
            seeds: how many were measured.
            initial: the initial weights in words, if there is not just one initialization.
            changes: as for `trial`.
        """
        trial = self.trial(0, **changes)
        depth = len(trial.network.hidden)
        width = trial.network.hidden[0]
        return (
            f"{self.data.name} ({self.data.n_train} training and {self.data.n_test} test rows), "
            f"{count(depth, 'hidden layer')} of {width} {trial.network.activation} units, "
            f"{initial or f'{trial.network.init} initialization'}, {trial.optimizer}, batches of "
            f"{trial.batch_size}, {trial.steps} steps, {count(seeds, 'seed')}"
        )
