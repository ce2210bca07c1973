"""How what `figures` describes becomes a `Figure` with its values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evenbatch.protocol import goals
from evenbatch.protocol.effects import mean_effect, ratio_effect
from evenbatch.protocol.exhibits import (
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    band,
    numbers,
)
from evenbatch.protocol.figures import FigureSpec, MarkSpec, Over, Rates, Row, Ways
from evenbatch.protocol.measures import About
from evenbatch.protocol.paths import PATHS
from evenbatch.protocol.reading import Reading


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
        shown = [level for level in axis.levels if level.at is not None] or list(axis.levels)
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
        values = row.each
        if row.of is not None:
            values = tuple(row.of.where(**{spec.axis: level}) for level in levels)
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
