"""Figures as data: what is drawn of an experiment's values, and how it becomes a `Figure`.

Ways    paths of each arm's runs: over steps, layers or losses
Over    values over the levels of an axis, or over places of their own
Rates   what each learning rate of the search gave
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from evenbatch.protocol import goals
from evenbatch.protocol.block import Level
from evenbatch.protocol.effects import mean_effect, ratio_effect
from evenbatch.protocol.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Kind,
    Mark,
    Series,
    band,
    numbers,
)
from evenbatch.protocol.measures import About
from evenbatch.protocol.paths import PATHS
from evenbatch.protocol.values import BEST, Expr, with_level

if TYPE_CHECKING:
    from evenbatch.protocol.reading import Reading


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One arm of a figure.

    Attributes:
        id, name: of the series.
        of: its value, in which "$" stands for the level of the axis.
        cell: of `Ways` and `Rates`, the levels of its cell.
        each: in place of `of`, a value for each place.
        given: in place of values, numbers known beforehand.
        block, at: other ones than the figure's.
        number: of the path: a layer.
    """

    id: str
    name: str
    of: Expr | None = None
    cell: dict[str, str] = {}
    each: tuple[Expr, ...] = ()
    given: tuple[float, ...] = ()
    block: str = ""
    at: str = ""
    number: int = 0


class MarkSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line across: at chance, a goal, a number, or the mean of a value.

    Attributes:
        label: what it says.
        value: the number; None for chance, a goal or a value.
        goal: id of the goal.
        of: the value.
        axis: "x" or "y".
        id: what it marks.
    """

    label: str
    value: float | None = None
    goal: str = ""
    of: Expr | None = None
    axis: Literal["x", "y"] = "y"
    id: str = ""


CHANCE, GOAL = MarkSpec("chance", id="chance"), MarkSpec("goal", goal="goal", id="goal")


class _Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all have.

    Attributes:
        id, title, alt: of the figure; the title gets the name of the data.
        rows: the arms.
        x, y: labels; `x` is left out where the axis has one.
        x_id, y_id: what the axes show; `x_id` is left out where the axis has one.
        log: whether each is drawn in decades: "", "x", "y" or "xy".
        percent: the values are shares; None for what the metric is.
        marks: lines across.
        block, at: whose runs, at which learning rates.
    """

    id: str
    title: str
    alt: str
    rows: tuple[Row, ...]
    y: str
    x: str = ""
    x_id: str = ""
    y_id: str = "metric"
    log: str = ""
    percent: bool | None = None
    marks: tuple[MarkSpec, ...] = ()
    block: str = ""
    at: str = BEST


class Ways(_Figure, frozen=True, kw_only=True, tag="ways", omit_defaults=True):
    """A path of each arm's runs (`paths`): median over seeds, middle half as a band.

    Attributes:
        path: its name.
        kind: "lines" or "strips".
    """

    path: str = "metric"
    kind: Kind = LINES


class Over(_Figure, frozen=True, kw_only=True, tag="over", omit_defaults=True):
    """Values over the levels of an axis, or over places.

    Attributes:
        kind: "lines", "dots" or "strips".
        axis: id of the axis; "" for places of its own.
        show: "mean" with its interval; "exp" of a mean of logarithms; "geometric" mean; "median";
            "band" (median and middle half) or "range" (lower median, least and most).
        levels: ids of those shown; all if left out.
        places: in place of an axis.
    """

    kind: Kind
    show: str
    axis: str = ""
    levels: tuple[str, ...] = ()
    places: tuple[Level, ...] = ()


class Rates(_Figure, frozen=True, kw_only=True, tag="rates", omit_defaults=True):
    """The mean score of each learning rate over the tuning seeds, as strips."""


FigureSpec = Ways | Over | Rates


def figure(spec: FigureSpec, reading: Reading) -> Figure:
    """The figure with its values."""
    percent = reading.experiment.metric == "accuracy" if spec.percent is None else spec.percent
    y = Axis(spec.y, "y" in spec.log, percent, id=spec.y_id)
    if isinstance(spec, Over):
        kind, x, series = spec.kind, *_over(spec, reading)
    elif isinstance(spec, Ways):
        kind = spec.kind
        x = Axis(spec.x or "steps", "x" in spec.log, id=spec.x_id or "steps")
        series = [_way(row, spec, reading) for row in spec.rows]
    else:
        kind, x = STRIPS, Axis("learning rate", log=True, id="rate")
        series = [_rates(row, spec, reading) for row in spec.rows]
    marks = tuple(_mark(mark, reading) for mark in spec.marks)
    title = f"{spec.title}: {reading.data.name}"
    return Figure(kind, title, spec.alt, x, y, tuple(series), marks, spec.id)


def _mark(spec: MarkSpec, reading: Reading) -> Mark:
    value = spec.value
    if value is None:
        value = reading.mean(spec.of) if spec.of is not None else reading.floor
        value = reading.goal(spec.goal) if spec.goal else value
    return Mark(spec.label, value, spec.axis, id=spec.id)


def _way(row: Row, spec: Ways, reading: Reading) -> Series:
    block = row.block or spec.block
    cell = reading.cell(block, row.cell)
    data = reading.cells[reading.block(block).id].data(cell)
    about = About(goals.chance(data), loss=goals.guess_loss(data))
    path = PATHS[spec.path]
    runs = [path(run, about, row.number) for run in reading.runs(cell, block, row.at or spec.at)]
    return way_of(row.id, row.name, [run for run in runs if np.size(run[0])])


def way_of(name: str, words: str, runs: Sequence[tuple[Any, ...]]) -> Series:
    """Several runs' paths as one line with a band; a run that ended early leaves a gap."""
    if not runs:
        return Series(words, (), (), id=name)
    x = max((run[0] for run in runs), key=len)
    parts = []
    for values in zip(*(run[1:] for run in runs), strict=True):
        whole = np.full((len(runs), len(x)), np.nan)
        for row, own in zip(whole, values, strict=True):
            row[: len(own)] = own
        whole[~np.isfinite(whole)] = np.nan
        parts.append(whole)
    middle, *ends = (band(words, x, part, name) for part in parts)
    if not ends:
        return middle
    return Series(words, middle.x, middle.y, ends[0].y, ends[1].y, id=name)


def _rates(row: Row, spec: Rates, reading: Reading) -> Series:
    cells = reading.cells[reading.block(spec.block).id]
    scores = cells.scores(reading.cell(spec.block, row.cell), reading.curves)
    return Series(row.name, numbers(cells.block.rates), numbers(scores), id=row.id)


def _over(spec: Over, reading: Reading) -> tuple[Axis, list[Series]]:
    if spec.axis:
        axis = reading.block(spec.block).axis(spec.axis)
        shown = [level for level in axis.levels if level.id in (spec.levels or (level.id,))]
        log, id = axis.log or "x" in spec.log, spec.x_id or axis.id
    else:
        axis, shown, log, id = None, list(spec.places), False, spec.x_id
    levels = tuple(level.id for level in shown)
    x = Axis(spec.x or (axis.name if axis else ""), log, id=id)
    where = tuple(float(level.at or 0) for level in shown)
    if any(level.at is None for level in shown):
        x = replace(x, names=tuple(level.name for level in shown), ids=levels)
        where = numbers(range(len(levels)))
    made = []
    for row in spec.rows:
        if row.given:
            made.append(Series(row.name, where, row.given, id=row.id))
            continue
        values = row.each or tuple(with_level(row.of, "$", level) for level in levels)
        made.append(_shown(row, spec.show, where, [reading.values(value) for value in values]))
    return x, made


def _shown(row: Row, show: str, where: tuple[float, ...], values: Sequence[Any]) -> Series:
    found = [value[np.isfinite(value)] for value in values]
    if show in ("mean", "exp", "geometric"):
        each = [
            ratio_effect("", value, np.ones(len(value)), "")
            if show == "geometric"
            else mean_effect("", value, "")
            for value in found
        ]
        parts = [[getattr(e, part) for e in each] for part in ("value", "low", "high")]
        if show == "exp":
            parts = [[math.exp(v) for v in part] for part in parts]
        return Series(row.name, where, *map(numbers, parts), id=row.id)
    quantiles = {"median": (0.5,), "band": (0.5, 0.25, 0.75), "range": (0.5, 0.0, 1.0)}[show]
    how: Any = "lower" if show == "range" else "linear"
    parts = [
        [float(np.quantile(v, q, method=how)) if len(v) else math.nan for v in found]
        for q in quantiles
    ]
    return Series(row.name, where, *map(numbers, parts), id=row.id)
