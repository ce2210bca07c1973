"""How what `tables` describes becomes a `Table` with its values."""

from __future__ import annotations

import math
from itertools import product

from evenbatch.protocol.block import Level
from evenbatch.protocol.exhibits import Table
from evenbatch.protocol.reading import Reading
from evenbatch.protocol.shown import in_words
from evenbatch.protocol.tables import Column, TableSpec
from evenbatch.protocol.values import Expr, Minus, values_in


def table(spec: TableSpec, reading: Reading) -> Table:
    """The table with its values."""
    block = reading.block(spec.block)
    columns = [column for column in spec.columns if reading.there(column.of.where(block.id))]
    beside = block.axis(spec.across).levels if spec.across else (Level("", ""),)
    heads = [_head(level, column, reading, block.id) for level in beside for column in columns]
    several = [axis for axis in block.axes if len(axis.levels) > 1 and axis.id != spec.across]
    axes = [axis for axis in several if axis.id in (spec.rows or (axis.id,))]
    alone = {axis.id: axis.levels[0].id for axis in block.axes if len(axis.levels) == 1}
    rows: list[tuple[str, ...]] = []
    keys: list[tuple[str, ...]] = []
    for place, levels in enumerate(product(*(axis.levels for axis in axes))):
        own = alone | {axis.id: level.id for axis, level in zip(axes, levels, strict=True)}
        row, used = [level.name for level in levels], dict[str, None]()
        for level in beside:
            cell = own | ({spec.across: level.id} if spec.across else {})
            for column in columns:
                of = column.of.where(block.id, **cell)
                row.append(_text(column, of, place, reading))
                if column.show != "given":
                    used |= dict.fromkeys(reading.keys_of(of))
        rows.append(tuple(row))
        keys.append(tuple(used))
    return Table(spec.title, (*(axis.name for axis in axes), *heads), tuple(rows), tuple(keys))


def _head(beside: Level, column: Column, reading: Reading, block: str) -> str:
    of = values_in(column.of)[0]
    at = reading.kinds(of.block or block)[of.at].removeprefix("all ")
    return ": ".join(filter(None, (beside.name, column.head.format(at=at))))


def _text(column: Column, of: Expr, place: int, reading: Reading) -> str:
    if column.show == "points":
        return _points(of, reading)
    if column.show == "given":
        value = column.given[place]
        return "–" if value is None else in_words(value, column.words, reading.data)
    if column.show not in ("rate", "reached", "diverged"):
        return reading.shown(of, column.show, column.words)
    whose = values_in(of)[0]
    cell = reading.cell(whose.block, whose.cell)
    if column.show == "rate":
        return f"{reading.rates(whose.block, whose.at)[cell]:g}"
    if column.show == "reached":
        levels = reading.values(whose)
        return f"{(levels >= reading.goal(cell=cell)).sum()} of {len(levels)}"
    runs = reading.runs(cell, whose.block, whose.at)
    return f"{sum(run.diverged for run in runs)} of {len(runs)}"


def _points(of: Expr, reading: Reading) -> str:
    if isinstance(of, Minus) and of.a == of.b:
        return "–"
    found = reading.points(of)
    if math.isnan(found.value):
        return "–"
    known = found.high - found.low < math.inf
    return f"{found.amount} ({found.interval})" if known else found.amount
