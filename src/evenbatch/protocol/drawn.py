"""Figures as data: what is drawn of an experiment's values, and how it becomes a `Figure`.

Ways    each arm's metric over the steps of a run
Over    values over the levels of an axis, as lines, dots or strips
Rates   what each learning rate of the search gave
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from evenbatch.protocol.effects import mean_effect
from evenbatch.protocol.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    band,
    numbers,
)
from evenbatch.protocol.values import BEST, Expr, with_level

if TYPE_CHECKING:
    from evenbatch.protocol.reading import Reading


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One arm of a figure: id, name, and its value (of the cell "$" of the axis), or its cell."""

    id: str
    name: str
    of: Expr | None = None
    cell: dict[str, str] = {}


class MarkSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line across: "chance", a goal, or a number.

    Attributes:
        label: what it says.
        value: the number; None for chance or a goal.
        goal: id of the goal; "" for chance.
        axis: "x" or "y".
    """

    label: str
    value: float | None = None
    goal: str = ""
    axis: str = "y"


CHANCE = MarkSpec("chance")


class _Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all have: id, title, alternative text, rows, marks, label of the vertical axis."""

    id: str
    title: str
    alt: str
    rows: tuple[Row, ...]
    y: str
    marks: tuple[MarkSpec, ...] = ()
    block: str = ""
    at: str = BEST


class Ways(_Figure, frozen=True, kw_only=True, tag="ways"):
    """The test metric over the steps: median over seeds, middle half as a band."""


class Over(_Figure, frozen=True, kw_only=True, tag="over", omit_defaults=True):
    """Values over the levels of an axis.

    Attributes:
        kind: "lines", "dots" or "strips".
        axis: id of the axis.
        show: "mean" with its interval, "median", "band" (median and middle half) or "range"
            (lower median, least and most).
        log: the vertical axis in decades.
        percent: the values are shares; None for what the metric is.
    """

    kind: str
    axis: str
    show: str
    log: bool = False
    percent: bool | None = None


class Rates(_Figure, frozen=True, kw_only=True, tag="rates"):
    """The mean score of each learning rate over the tuning seeds, as strips."""


FigureSpec = Ways | Over | Rates


def figure(spec: FigureSpec, reading: Reading) -> Figure:
    """The figure with its values."""
    percent = reading.experiment.metric == "accuracy"
    marks = tuple(_mark(mark, reading) for mark in spec.marks)
    title = f"{spec.title}: {reading.data.name}"
    if isinstance(spec, Ways):
        x, y = Axis("steps"), Axis(spec.y, percent=percent)
        made = [_way(row, spec, reading) for row in spec.rows]
        return Figure(LINES, title, spec.alt, x, y, tuple(made), marks, spec.id)
    if isinstance(spec, Rates):
        x, y = Axis("learning rate", log=True), Axis(spec.y, percent=percent)
        made = [_rates(row, spec, reading) for row in spec.rows]
        return Figure(STRIPS, title, spec.alt, x, y, tuple(made), marks, spec.id)
    axis = reading.block(spec.block).axis(spec.axis)
    places = [level.at for level in axis.levels]
    named = any(place is None for place in places)
    x = Axis(axis.name, axis.log, names=tuple(v.name for v in axis.levels) if named else ())
    y = Axis(spec.y, spec.log, percent if spec.percent is None else spec.percent)
    found = numbers(range(len(places))) if named else tuple(float(p or 0) for p in places)
    ids = [level.id for level in axis.levels]
    made = [_over(row, spec.show, ids, found, reading) for row in spec.rows]
    return Figure(spec.kind, title, spec.alt, x, y, tuple(made), marks, spec.id)


def _mark(spec: MarkSpec, reading: Reading) -> Mark:
    value = spec.value
    if value is None:
        value = reading.goal(spec.goal) if spec.goal else reading.floor
    return Mark(spec.label, value, spec.axis)


def _way(row: Row, spec: Ways, reading: Reading) -> Series:
    runs = reading.runs(reading.cell(spec.block, row.cell), spec.block, spec.at)
    return way_of(row.id, row.name, [(run.step, run.metric) for run in runs])


def way_of(
    name: str, words: str, runs: Sequence[tuple[Any, Any]], steps: Sequence[float] | None = None
) -> Series:
    """Several runs' (steps, values) as one line; a run that ended early leaves a gap."""
    x = max((step for step, _ in runs), key=len) if steps is None else steps
    ways = np.full((len(runs), len(x)), np.nan)
    for way, (_, values) in zip(ways, runs, strict=True):
        way[: len(values)] = values
    ways[~np.isfinite(ways)] = np.nan
    return band(words, x, ways, name)


def _rates(row: Row, spec: Rates, reading: Reading) -> Series:
    cells = reading.cells[reading.block(spec.block).id]
    scores = cells.scores(reading.cell(spec.block, row.cell), reading.curves)
    return Series(row.name, numbers(cells.block.rates), numbers(scores), id=row.id)


def _over(
    row: Row, show: str, levels: Sequence[str], places: tuple[float, ...], reading: Reading
) -> Series:
    found = [reading.values(with_level(row.of, "$", level)) for level in levels]
    found = [values[np.isfinite(values)] for values in found]
    if show == "mean":
        return means(row.id, row.name, found, places)
    quantiles = {"median": (0.5,), "band": (0.5, 0.25, 0.75), "range": (0.5, 0.0, 1.0)}[show]
    how = "lower" if show == "range" else "linear"
    rows = [
        [float(np.quantile(v, q, method=how)) if len(v) else math.nan for v in found]  # type: ignore[call-overload]
        for q in quantiles
    ]
    return Series(row.name, places, *map(numbers, rows), id=row.id)


def means(name: str, words: str, values: Sequence[Any], places: tuple[float, ...] = ()) -> Series:
    """The mean of each of several arrays over seeds, with its 95 % interval."""
    each = [mean_effect("", found, "") for found in values]
    ends = [[getattr(e, part) for e in each] for part in ("value", "low", "high")]
    x = places or numbers(range(len(each)))
    return Series(words, x, *map(numbers, ends), id=name)
