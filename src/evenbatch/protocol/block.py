"""Blocks of an experiment as data: cells, the learning rates tried for each, how it is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import product
from typing import Any

import msgspec

from evenbatch.engine import Network, Trial
from evenbatch.protocol.values import BEST, Measure

Cell = tuple[str, ...]
"""One level of each axis of a block, by id."""

_NETWORK = {field.name for field in fields(Network)}
_TRIAL = {field.name for field in fields(Trial)}


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """Settings that differ from the defaults.

    Attributes:
        network, trial: fields of `Network` and `Trial` by name.
        data: name of the data set trained on; "" for the experiment's own.
    """

    network: dict[str, Any] = {}
    trial: dict[str, Any] = {}
    data: str = ""

    def over(self, below: Changes) -> Changes:
        """These laid over others."""
        return Changes(
            below.network | self.network, below.trial | self.trial, self.data or below.data
        )


def changes(data: str = "", /, **settings: Any) -> Changes:
    """`Changes` from settings in one bag; what `Network` has goes there.

    ``momentum`` is that of the running statistics, and ``depth`` and ``width`` make ``hidden``.

    >>> changes(norm="batch", depth=2, width=8, steps=50)
    Changes(network={'norm': 'batch', 'hidden': [8, 8]}, trial={'steps': 50}, data='')
    """
    if "depth" in settings:
        settings["hidden"] = [settings.pop("width")] * settings.pop("depth")
    network = {name: value for name, value in settings.items() if name in _NETWORK}
    trial = {name: value for name, value in settings.items() if name not in _NETWORK}
    unknown = set(trial) - _TRIAL
    if unknown:
        raise TypeError(f"neither Network nor Trial has {', '.join(sorted(unknown))}")
    return Changes(network, trial, data)


class Level(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of an axis.

    Attributes:
        id: what effects and curves name it by: "batch".
        name: what readers see: "batch norm".
        changes: the settings that make it.
        at: its place on an axis of numbers.
    """

    id: str
    name: str
    changes: Changes = Changes()
    at: float | None = None


class Axis(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is varied: arms, depths, batch sizes.

    Attributes:
        id: "arm".
        name: of the axis in figures and tables: "hidden layers".
        levels: its values in the order in which they are shown.
        log: numbers that are drawn in decades.
    """

    id: str
    name: str
    levels: tuple[Level, ...]
    log: bool = False

    def __getitem__(self, level: str) -> Level:
        return next(found for found in self.levels if found.id == level)


def numbered(
    axis: str, name: str, numbers: Iterable[float], setting: Any, log: bool = True
) -> Axis:
    """An axis of numbers; `setting` makes the settings from each.

    >>> numbered("size", "batch size", (2, 4), lambda size: {"batch_size": size}).levels[1].id
    '4'
    """
    levels = tuple(
        Level(f"{number:g}", f"{number:g}", changes(**setting(number)), float(number))
        for number in numbers
    )
    return Axis(axis, name, levels, log)


class Best(msgspec.Struct, frozen=True, tag="best"):
    """Every cell at its own best learning rate."""

    id: str = BEST
    name: str = "best against best"


class Equal(msgspec.Struct, frozen=True, tag="equal", omit_defaults=True):
    """Cells that differ only along `axis` share a learning rate: the one at which they score best
    together. A fair choice of equal settings, which none of the arms makes.

    Attributes:
        axis: whose levels share it.
        levels: those whose scores decide; () for all.
        by: "sum" of the scores, or "min": the weakest one's, where all must learn something.
    """

    axis: str = "arm"
    levels: tuple[str, ...] = ()
    by: str = "sum"
    id: str = "equal"
    name: str = "at equal learning rates"


class HostRate(msgspec.Struct, frozen=True, tag="host"):
    """All cells at the best learning rate of one level of an axis; left out where another level's
    best is the same rate."""

    level: str
    axis: str = "arm"

    @property
    def id(self) -> str:
        return f"at-{self.level}"


class Among(msgspec.Struct, frozen=True, tag="among"):
    """Every cell at the best of some of the learning rates; one that learned nothing at any rate
    keeps its best."""

    rates: tuple[float, ...]
    id: str
    name: str


class RateOf(msgspec.Struct, frozen=True, tag="rate-of"):
    """All cells at the best learning rate of a cell of another block: the same networks, used in
    other ways. `cell` names the levels; an axis that both blocks have may be left out."""

    block: str
    cell: dict[str, str] = {}
    id: str = BEST
    name: str = "best against best"


class Given(msgspec.Struct, frozen=True, tag="given"):
    """Every cell at the learning rate that its settings say: nothing is searched."""

    id: str = BEST
    name: str = "as set"


At = Best | Equal | HostRate | Among | RateOf | Given


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cells, each trained on every seed at some learning rates.

    Attributes:
        id: its name in values.
        base: settings that all its trials have.
        axes: what is varied; the cells are their product.
        at: at which learning rates it is measured.
        rates: those tried for each cell, on seeds of their own, so that a rate that was lucky in
            tuning gains nothing; () where none is searched.
        score: of a curve; the rate with the highest mean over the tuning seeds is a cell's best,
            among equals the lowest.
        measuring: settings that only measured trials have, and not those of the search.
        seeds, tuning: how many.
        first: the first measurement seed.
    """

    id: str
    base: Changes
    axes: tuple[Axis, ...]
    seeds: int
    at: tuple[At, ...] = (Given(),)
    rates: tuple[float, ...] = ()
    tuning: int = 0
    score: Measure | None = None
    measuring: Changes = Changes()
    first: int = 0

    def cells(self) -> Iterator[tuple[Cell, Changes]]:
        """Every cell with its settings; the last axis varies fastest."""
        for levels in product(*(axis.levels for axis in self.axes)):
            made = self.base
            for level in levels:
                made = level.changes.over(made)
            yield tuple(level.id for level in levels), made

    def axis(self, name: str) -> Axis:
        """The axis of this id."""
        return next(axis for axis in self.axes if axis.id == name)

    def place(self, name: str) -> int:
        """Its place in a cell."""
        return [axis.id for axis in self.axes].index(name)


def arm_axis(block: Block) -> Axis:
    """The axis of the arms; the first one where none is called so."""
    return next((axis for axis in block.axes if axis.id == "arm"), block.axes[0])
