"""Figures as data: what is drawn of an experiment's values; `drawn` makes a `Figure` of each.

Ways    paths of each arm's runs: over steps, layers or losses
Over    values over the levels of an axis, or over places of their own
Rates   what each learning rate of the search gave
"""

from __future__ import annotations

from typing import Literal

import msgspec

from evenbatch.protocol.block import Level
from evenbatch.protocol.exhibits import LINES, Kind
from evenbatch.protocol.values import BEST, Expr


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One arm of a figure.

    Attributes:
        id, name: of the series.
        of: its value, whose cell leaves the axis out.
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
        axis: id of the axis; "" for places of its own. Of an axis on which some levels are numbers,
            those alone are shown.
        show: "mean" with its interval; "exp" of a mean of logarithms; "geometric" mean; "median";
            "band" (median and middle half) or "range" (lower median, least and most).
        places: in place of an axis.
    """

    kind: Kind
    show: str
    axis: str = ""
    places: tuple[Level, ...] = ()


class Rates(_Figure, frozen=True, kw_only=True, tag="rates", omit_defaults=True):
    """The mean score of each learning rate over the tuning seeds, as strips."""


FigureSpec = Ways | Over | Rates
