"""What claims share: arms, initial weights, measures, and short forms of what many describe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec

from evenbatch import protocol as p
from evenbatch.claims.claim import Effort
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.verdict import ExperimentError

ARM_NAMES = {
    "none": "no normalization",
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": "group norm",
}
"""Arms as tables and figures call them; a figure draws an arm of this id the same everywhere."""

INITS = {
    "torch": ("PyTorch init", "PyTorch's initialization"),
    "he": ("He init", "He initialization"),
    "large": ("twice He", "weights twice He's"),
}
"""Initial weights in tables and in sentences."""

TWO_POINTS = 2.0
"""The difference that matters where another kind of normalizer is recommended: twice the point that
matters elsewhere, because whoever follows the advice also gives up what the first one has to offer
(no cost in evaluation, and folding into the layer before)."""

LEVEL, AVERAGE = p.Measure("level"), p.Measure("average")
"""The metric at the end, and its average over the run."""


def arms(*norms: str) -> p.Axis:
    """The axis of normalizers."""
    levels = (p.Level(n, ARM_NAMES.get(n, n), p.changes(norm=n)) for n in norms)
    return p.Axis("arm", "arm", tuple(levels))


def initial(name: str, width: int) -> dict[str, Any]:
    """Settings of an initialization in `INITS` for a network of this width.

    >>> initial("he", 32)
    {'init': 'he'}
    >>> initial("large", 32)
    {'init': 'gaussian', 'sigma': 0.5}
    """
    if name == "large":
        return {"init": "gaussian", "sigma": round(2 * math.sqrt(2 / width), 6)}
    return {"init": name}


def inits(width: int, *names: str) -> p.Axis:
    """The axis of initializations."""
    levels = (p.Level(n, INITS[n][0], p.changes(**initial(n, width))) for n in names)
    return p.Axis("init", "initialization", tuple(levels))


def depths(width: int, *layers: int) -> p.Axis:
    """The axis of depths, in layers of one width."""
    return p.numbered("depth", "hidden layers", layers, lambda d: {"depth": d, "width": width})


def of_one_scale(data: Dataset) -> p.Prepared:
    """The data set; columns of different scale are standardized first: what scaling does is the
    matter of the claim "feature-scaling" alone."""
    return p.Prepared(data).learnable().of_one_scale()


def need_rows(data: Dataset, least: int, why: str) -> None:
    """
    Raises:
        ExperimentError: the data have fewer training rows; `why` says what they are for.
    """
    if data.n_train < least:
        raise ExperimentError(f"{data.name} has {p.count(data.n_train, 'training row')}; {why}")


def searched(
    id: str, effort: Effort, base: p.Changes, axes: tuple[p.Axis, ...], **described: Any
) -> p.Block:
    """A block with the seeds of an effort; each cell at its own best learning rate unless said."""
    usual: dict[str, Any] = {"at": (p.Best(),), "seeds": effort.seeds, "tuning": effort.tuning}
    return p.Block(id=id, base=base, axes=axes, **usual | described)


def in_points(id: str, label: str, of: p.Expr, about: str = "") -> p.Mean:
    """A difference of metrics, in points."""
    return p.Mean(id=id, label=label, unit="{points}", of=of, times=100, about=about)


def both(of: p.Expr) -> tuple[p.Expr, p.Expr]:
    """A value without normalization, and with batch norm."""
    return of.where(arm="none"), of.where(arm="batch")


def at_each(*columns: p.Column, kinds: tuple[str, ...] = (p.BEST, "equal")) -> tuple[p.Column, ...]:
    """Columns of a table at several kinds of learning rates."""
    return tuple(msgspec.structs.replace(column, of=column.of.where(at=at))
                 for at in kinds for column in columns)  # fmt: skip


def rows(of: p.Expr, arms: p.Axis, *others: p.Axis) -> tuple[p.Row, ...]:
    """A row of a figure for each arm and each level of other axes, all of which the value's cell
    leaves out."""
    crossed = _crossed(arms, *others)
    return tuple(p.Row(id, name, of.where(**cell)) for id, name, cell in crossed)


def ways(arms: p.Axis, *others: p.Axis, **cell: str) -> tuple[p.Row, ...]:
    """The same for paths of runs; `cell` names the levels of further axes."""
    crossed = _crossed(arms, *others)
    return tuple(p.Row(id, name, cell=own | cell) for id, name, own in crossed)


def _crossed(arms: p.Axis, *others: p.Axis) -> Iterable[tuple[str, str, dict[str, str]]]:
    axes = (*others, arms)
    for levels in product(*(axis.levels for axis in axes)):
        own = dict(zip((axis.id for axis in axes), levels, strict=True))
        ids = [
            level.id if level.at is None else f"{axis}={level.id}" for axis, level in own.items()
        ]
        names = [level.name for level in levels]
        cell = {axis: level.id for axis, level in own.items()}
        yield "/".join((ids[-1], *ids[:-1])), ", ".join((names[-1], *names[:-1])), cell
