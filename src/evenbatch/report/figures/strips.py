"""STRIPS: a row for each series, a cell for each x, its shade the value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from evenbatch.protocol.exhibits import Axis, Figure, Series
from evenbatch.protocol.wording import digits
from evenbatch.report.figures.canvas import SIZE, Canvas, fitted, length
from evenbatch.report.figures.frame import LINE, NARROW, values_of
from evenbatch.report.scale import Scale, extent, scientific, tick_labels

FAINTEST = 0.06
"""Shade of the lowest value, so that its cell is still seen."""
TURN = 0.685
"""From this shade on, text in a cell is written in the colour of the paper."""


def strips(canvas: Canvas, figure: Figure) -> float | None:
    """Draw the figure; gives its height, or None if there is nothing to show."""
    ends = extent(values_of(figure, "y"), figure.y.log, 0.0)
    columns = sorted({x for series in figure.series for x in series.x})
    if ends is None or not columns:
        return None
    shade = Scale(*ends, FAINTEST, 1.0, figure.y.log)
    widest = max(length(series.name) for series in figure.series)
    beside = widest <= 0.3 * canvas.width
    left = widest + 12 if beside else 0.0
    wide = min((canvas.width - left) / len(columns), 84.0)
    high = 30.0 if len(figure.series) <= 6 else 22.0
    strip = _Strip(canvas, figure, columns, shade, left, wide, high)
    y = 2.0
    for series in figure.series:
        name_at = y + high / 2 + 4.5 if beside else y + 13
        canvas.text(0, name_at, fitted(series.name, canvas.width), "n")
        y += 0 if beside else LINE
        strip.draw(series, y)
        y += high + (7 if beside else 10)
    y = _ticks(canvas, figure, columns, left, wide, y - 2)
    return _key(canvas, figure, shade, left, y)


@dataclass
class _Strip:
    """What all strips of a figure share.

    Attributes:
        columns: x of the cells.
        left: where the first begins.
        wide, high: the size of a cell.
    """

    canvas: Canvas
    figure: Figure
    columns: Sequence[float]
    shade: Scale
    left: float
    wide: float
    high: float

    def __post_init__(self) -> None:
        values = [v for s in self.figure.series for v in s.y if math.isfinite(v)]
        texts = [length(_brief(v, self.figure.y), SIZE - 2) for v in values]
        self.written = max(texts, default=0.0) + 3 <= self.wide
        self.pointed = self.canvas.width >= NARROW  # a phone has nothing to point with

    def draw(self, series: Series, y: float) -> None:
        """One strip: its cells, and a frame around those that reached a mark."""
        by_x = dict(zip(series.x, series.y, strict=True))
        values = [by_x.get(x, math.nan) for x in self.columns]
        for k, (x, value) in enumerate(zip(self.columns, values, strict=True)):
            tip = f"{series.name}, {_column(self.figure, x)}: {_brief(value, self.figure.y, True)}"
            self._cell(self.left + k * self.wide, y, value, tip)
        for mark in self.figure.marks:
            if mark.axis == "y":
                self._frames(y, [value >= mark.value for value in values])

    def _cell(self, x: float, y: float, value: float, tip: str) -> None:
        inner = f"<title>{escape(tip)}</title>" if self.pointed else ""
        where = {"x": x + 1, "y": y, "width": self.wide - 2, "height": self.high}
        strength = self.shade(value) if math.isfinite(value) else math.nan
        if math.isnan(strength):
            self.canvas.add("rect", "x", inner, **where)
            return
        self.canvas.add("rect", "c", inner, fill_opacity=f"{strength:.2f}", **where)
        if self.written:
            style = "on" if strength >= TURN else "off"
            text = _brief(value, self.figure.y)
            self.canvas.text(x + self.wide / 2, y + self.high / 2 + 4, text, style, "middle")

    def _frames(self, y: float, reached: Sequence[bool]) -> None:
        """A frame around each stretch of cells."""
        start = 0
        for inside, cells in groupby(reached):
            count = len(list(cells))
            if inside:
                x = self.left + start * self.wide
                self.canvas.add("rect", "e", x=x, y=y - 1, width=count * self.wide,
                                height=self.high + 2)  # fmt: skip
            start += count


def _brief(value: float, axis: Axis, unit: bool = False) -> str:
    """A value in a cell: "93" for 93.4 %."""
    if not math.isfinite(value):
        return "none"
    if axis.percent and abs(value) < 100:
        return f"{100 * value:.1f} %" if unit else f"{100 * value:.0f}"
    return digits(value) if not value or 1e-3 <= abs(value) < 1e5 else scientific(value)


def _column(figure: Figure, x: float) -> str:
    names = figure.x.names
    return names[int(x)] if names and x == int(x) and 0 <= x < len(names) else f"{x:g}"


def _ticks(
    canvas: Canvas, figure: Figure, columns: list[float], left: float, wide: float, y: float
) -> float:
    """What the cells stand for, below them: all of them, or as many as there is room for."""
    names = figure.x.names
    texts = [_column(figure, x) for x in columns]
    if not names:
        texts = tick_labels(columns, figure.x.log, figure.x.percent)
    widest = max(length(text, SIZE - 1) for text in texts) + 8
    every = max(1, math.ceil(widest / wide))
    round_ = [_is_decade(x) for x in columns]
    if every == 1 or not figure.x.log or names or sum(round_) < 2:
        round_ = [k % every == 0 for k in range(len(columns))]
    end = -math.inf
    for k, (text, wanted) in enumerate(zip(texts, round_, strict=True)):
        half = length(text, SIZE - 1) / 2
        place = left + (k + 0.5) * wide
        inside = min(max(place, half), canvas.width - half)
        if wanted and inside - half > end + 4:
            canvas.line(place, y, place, y + 4, "b")
            canvas.text(inside, y + 17, text, "k", "middle")
            end = inside + half
    middle = left + wide * len(columns) / 2
    canvas.text(middle, y + 17 + LINE, figure.x.label, "a", "middle")
    return y + 17 + LINE + 12


def _is_decade(x: float) -> bool:
    """True for powers of ten, and for 0 and below, which have none beside them."""
    return x <= 0 or abs(math.log10(x) - round(math.log10(x))) < 1e-9


def _key(canvas: Canvas, figure: Figure, shade: Scale, left: float, y: float) -> float:
    """What the shades mean, and what an underlined cell means."""
    form = figure.y
    low, high = (_brief(v, form, unit=True) for v in (shade.low, shade.high))
    x = left
    canvas.text(x, y + 12, f"{form.label} {low}", "k")
    x += length(f"{form.label} {low}", SIZE - 1) + 6
    for k in range(8):
        strength = FAINTEST + (1 - FAINTEST) * k / 7
        canvas.add("rect", "c", x=x + 11 * k, y=y + 1, width=11, height=14,
                   fill_opacity=f"{strength:.2f}")  # fmt: skip
    x += 88 + 6
    canvas.text(x, y + 12, high, "k")
    x += length(high, SIZE - 1) + 22
    for mark in (mark for mark in figure.marks if mark.axis == "y"):
        text = f"{mark.label} or above: {_brief(mark.value, form, unit=True)}"
        if x + 24 + length(text, SIZE - 1) > canvas.width:
            x, y = left, y + LINE + 2
        canvas.add("rect", "e", x=x + 1, y=y + 1, width=17, height=14)
        canvas.text(x + 24, y + 12, text, "k")
        x += 24 + length(text, SIZE - 1) + 16
    return y + LINE + 2
