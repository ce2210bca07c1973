"""The design, stated beforehand: setting number i of a scrambled Sobol sequence.

A Sobol sequence fills the space of settings evenly however many of them are taken, so a run can be
stopped or continued anywhere (Sobol 1967; scrambling: Owen 1998, Journal of Complexity 14). Of each
point the first coordinate picks the data set, the second the depth, and so on down `AXES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evenbatch.protocol.cells import rate_at
from evenbatch.protocol.verdict import ExperimentError

AXES: dict[str, tuple[Any, ...]] = {
    "data": ("cookies", "digits", "mnist1d"),
    "depth": (1, 2, 3, 4, 6, 8, 12, 20),
    "width": (8, 16, 32, 64),
    "activation": ("relu", "tanh", "sigmoid", "gelu"),
    "init": ("torch", "he", "xavier"),
    "optimizer": ("sgd", "momentum", "adam"),
    "batch_size": (4, 8, 16, 32, 64, 128),
    "residual": (0, 2),
    "placement": ("before", "after"),
}
"""The values of each factor, all equally likely. A residual block of 2 layers needs 3 of them: less
deep networks have none."""
NORMS = ("batch", "layer", "rms")
"""Each is raced against "none" in every setting."""
STEPS, SEEDS, TUNING = 300, 5, 2
"""Budget of a run in minibatches; seeds that are measured; other seeds on which rates are tuned."""
RATES = {
    "sgd": tuple(rate_at(k / 2) for k in range(-5, 3)),
    "momentum": tuple(rate_at(k / 2) for k in range(-7, 1)),
    "adam": tuple(rate_at(k / 2) for k in range(-8, 0)),
}
"""Learning rates tried first, by optimizer: four decades in half decades."""
GROWTHS = 3
"""How often they are continued by half a decade on a side where an arm's best lies at the edge."""
LARGEST = 1 << 20
"""Settings in the sequence."""
DEAREST = 1 << 19
"""Depth × width² × batch size above which settings are left out: 15 of 100, which would take two
thirds of the time."""
_SCRAMBLE = 0


@dataclass(frozen=True)
class Setting:
    """One setting: everything but the normalizer, the learning rate and the seed.

    Attributes:
        data: name of the data set.
        depth, width: hidden layers, and units in each.
        activation, init, optimizer, batch_size, residual, placement: as in `Network` and `Trial`.
    """

    data: str
    depth: int
    width: int
    activation: str
    init: str
    optimizer: str
    batch_size: int
    residual: int
    placement: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Setting:
        """That of a row of the atlas."""
        return cls(**{name: row[name] for name in AXES})

    @property
    def products(self) -> int:
        """Depth × width² × batch size: about the multiplications of a step."""
        return self.depth * self.width**2 * self.batch_size

    @property
    def words(self) -> str:
        """In a line."""
        residual = f", residual blocks of {self.residual}" if self.residual else ""
        return (
            f"{self.data}, {self.depth} × {self.width}, {self.activation}, {self.init}, "
            f"{self.optimizer}, batch {self.batch_size}, {self.placement} the activation{residual}"
        )


def settings(first: int, count: int) -> Iterator[tuple[int, Setting]]:
    """Settings by their numbers, from `first` on, but those that are left out (`DEAREST`).

    Raises:
        ExperimentError: there are no such settings.
        ModuleNotFoundError: SciPy is missing.

    >>> [number for number, _ in settings(5, 2)], dict(settings(0, 9))[8] == dict(settings(8, 1))[8]
    ([5, 6], True)
    >>> setting = dict(settings(1, 1))[1]
    >>> setting.data, setting.depth, setting.width, setting.optimizer, setting.batch_size
    ('mnist1d', 3, 8, 'sgd', 64)
    """
    from scipy.stats import qmc

    if count < 1 or first < 0 or first + count > LARGEST:
        raise ExperimentError(
            f"{count} settings from number {first} on cannot be measured: ask for at least 1; "
            f"they are numbered from 0 to {LARGEST - 1}. For example: --settings 200 --first 0"
        )
    power = (first + count - 1).bit_length()
    points = qmc.Sobol(len(AXES), scramble=True, rng=_SCRAMBLE).random_base2(power)
    for number in range(first, first + count):
        picked = {
            name: values[int(place * len(values))]
            for (name, values), place in zip(AXES.items(), points[number], strict=True)
        }
        if picked["residual"] >= picked["depth"]:
            picked["residual"] = 0
        setting = Setting(**picked)
        if setting.products <= DEAREST:
            yield number, setting
