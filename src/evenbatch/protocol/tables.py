"""Tables of an experiment's cells: a row for each, or for each but one axis, whose levels stand
side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evenbatch.protocol.block import Cell
from evenbatch.protocol.exhibits import Table
from evenbatch.protocol.reading import Floats, Reading
from evenbatch.protocol.values import BEST, EffectSpec, Expr, Measure
from evenbatch.protocol.verdict import Effect
from evenbatch.protocol.wording import share

Column = Callable[[Reading, str, Cell], str]
"""From a block and a cell to what stands in the table."""


def mean(measure: Measure, at: str = BEST) -> Column:
    """The mean of a metric over seeds."""

    def column(reading: Reading, block: str, cell: Cell) -> str:
        values = reading.of_cell(measure, cell, block, at)
        found = values[np.isfinite(values)]
        return share(reading.data, float(found.mean())) if len(found) else "–"

    return column


def median(measure: Measure, at: str = BEST) -> Column:
    """Its median."""

    def column(reading: Reading, block: str, cell: Cell) -> str:
        values = reading.of_cell(measure, cell, block, at)
        found = values[np.isfinite(values)]
        return share(reading.data, float(np.median(found))) if len(found) else "–"

    return column


def number(
    measure: Measure, words: Callable[[float], str], at: str = BEST, middle: bool = False
) -> Column:
    """The mean of a number over seeds, or its median, in words."""

    def column(reading: Reading, block: str, cell: Cell) -> str:
        values = reading.of_cell(measure, cell, block, at)
        found = values[~np.isnan(values)]
        return words(float((np.median if middle else np.mean)(found))) if len(found) else "–"

    return column


def reached(goal: str = "goal", at: str = BEST) -> Column:
    """How many seeds ended at or above a goal."""

    def column(reading: Reading, block: str, cell: Cell) -> str:
        levels = reading.of_cell(Measure("level"), cell, block, at)
        return f"{(levels >= reading.goal(goal, cell)).sum()} of {len(levels)}"

    return column


def diverged(at: str = BEST) -> Column:
    """How many runs diverged."""

    def column(reading: Reading, block: str, cell: Cell) -> str:
        runs = reading.runs(cell, block, at)
        return f"{sum(run.diverged for run in runs)} of {len(runs)}"

    return column


def rate(at: str = BEST) -> Column:
    """The learning rate."""
    return lambda reading, block, cell: f"{reading.rates(block, at)[cell]:g}"


def effect(of: Callable[[Cell], EffectSpec | None]) -> Column:
    """An effect that a cell names, with its interval; a dash where there is none."""

    def column(reading: Reading, _block: str, cell: Cell) -> str:
        spec = of(cell)
        return "–" if spec is None else interval(reading.effect(spec))

    return column


def interval(found: Effect) -> str:
    """An effect where its unit is said already: "2.1 (1.0 to 3.2)"."""
    if math.isnan(found.value):
        return "–"
    known = found.high - found.low < math.inf
    return f"{found.amount} ({found.interval})" if known else found.amount


def of_cells(
    reading: Reading,
    title: str,
    columns: Mapping[str, Column],
    *,
    block: str = "",
    across: str = "",
    at: Sequence[str] = (),
    rows: Callable[[Cell], bool] = lambda _cell: True,
) -> Table:
    """The table.

    Args:
        reading: what was measured.
        title: what the numbers are.
        columns: headings and what stands below.
        block: whose cells; the first if left out.
        across: id of the axis whose levels stand side by side.
        at: learning rates whose trials' keys stand behind a row; all if left out.
        rows: cells that are shown.
    """
    found = reading.block(block)
    kinds = [kind for kind in reading.kinds(found.id) if not at or kind in at]
    axes = [axis for axis in found.axes if len(axis.levels) > 1 and axis.id != across]
    side = found.axis(across).levels if across else (None,)
    heads = [
        ": ".join(filter(None, (level.name if level else "", head)))
        for level in side
        for head in columns
    ]
    made: dict[Cell, list[str]] = {}
    keys: dict[Cell, list[str]] = {}
    place = found.place(across) if across else -1
    for cell in filter(rows, reading.cells[found.id].settings):
        name = tuple(level for i, level in enumerate(cell) if i != place)
        made.setdefault(name, [axis[cell[found.place(axis.id)]].name for axis in axes])
        made[name] += [column(reading, found.id, cell) for column in columns.values()]
        keys.setdefault(name, [])
        keys[name] += [k for kind in kinds for k in reading.keys(cell, found.id, kind)]
    return Table(
        title,
        (*(axis.name for axis in axes), *heads),
        tuple(map(tuple, made.values())),
        tuple(tuple(dict.fromkeys(own)) for own in keys.values()),
    )


def of_values(
    reading: Reading,
    title: str,
    axes: tuple[str, ...],
    rows: Mapping[tuple[str, ...], Sequence[Expr]],
    columns: Sequence[str],
    words: Callable[[Floats], str],
) -> Table:
    """A row of values by the words that name it; `words` turns a value over seeds into text."""
    keys = [
        tuple(dict.fromkeys(key for value in row for key in reading.keys_of(value)))
        for row in rows.values()
    ]
    made = [(*name, *(words(reading.values(v)) for v in row)) for name, row in rows.items()]
    return Table(title, (*axes, *columns), tuple(made), tuple(keys))
