"""STRIPS: a row for each series, a cell for each x, its shade the value."""

from __future__ import annotations

import math
from html import escape

from evenbatch.experiments.exhibits import Axis, Figure
from evenbatch.experiments.wording import digits
from evenbatch.report.figures.canvas import SIZE, Canvas, fitted, length
from evenbatch.report.figures.frame import LINE, values_of
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
    names = [series.name for series in figure.series]
    widest = max(length(name) for name in names)
    beside = widest <= 0.3 * canvas.width
    left = widest + 12 if beside else 0.0
    wide = min((canvas.width - left) / len(columns), 64.0)
    high = 30.0 if len(names) <= 6 else 22.0
    goals = [mark for mark in figure.marks if mark.axis == "y"]
    texts = [_brief(v, figure.y) for series in figure.series for v in series.y if math.isfinite(v)]
    written = max((length(t, SIZE - 2) for t in texts), default=99.0) + 3 <= wide
    y = 2.0
    for series in figure.series:
        if not beside:
            canvas.text(0, y + 13, fitted(series.name, canvas.width), "n")
            y += LINE
        else:
            canvas.text(0, y + high / 2 + 4.5, series.name, "n")
        by_x = dict(zip(series.x, series.y, strict=True))
        for k, x in enumerate(columns):
            value = by_x.get(x, math.nan)
            tip = f"{series.name}, {_column(figure, x)}: {_brief(value, figure.y, unit=True)}"
            _cell(
                canvas,
                (left + k * wide, y, wide, high),
                shade,
                value,
                tip,
                _brief(value, figure.y) if written else "",
            )
        for mark in goals:
            _outline(
                canvas, [by_x.get(x, math.nan) >= mark.value for x in columns], left, y, wide, high
            )
        y += high + 7
    y = _ticks(canvas, figure, columns, left, wide, y - 2)
    return _key(canvas, figure, shade, left if beside else 0.0, y)


def _cell(
    canvas: Canvas, place: tuple[float, float, float, float], shade: Scale, value: float,
    tip: str, text: str,
) -> None:  # fmt: skip
    x, y, wide, high = place
    inner = f"<title>{escape(tip)}</title>"
    where = {"x": x + 1, "y": y, "width": wide - 2, "height": high}
    strength = shade(value) if math.isfinite(value) else math.nan
    if math.isnan(strength):
        canvas.add("rect", "x", inner, **where)
        return
    canvas.add("rect", "c", inner, fill_opacity=f"{strength:.2f}", **where)
    if text:
        canvas.text(
            x + wide / 2, y + high / 2 + 4, text, "on" if strength >= TURN else "off", "middle"
        )


def _outline(
    canvas: Canvas, reached: list[bool], left: float, y: float, wide: float, high: float
) -> None:
    """A frame around each stretch of cells that reached the mark."""
    start = None
    for k, inside in enumerate([*reached, False]):
        if inside and start is None:
            start = k
        elif not inside and start is not None:
            canvas.add("rect", "e", x=left + start * wide, y=y - 1, width=(k - start) * wide,
                       height=high + 2)  # fmt: skip
            start = None


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
    if figure.x.log and not names:
        round_ = [_is_decade(x) for x in columns]
    else:
        round_ = [False] * len(columns)
    if sum(round_) < 2:
        widest = max(length(text, SIZE - 1) for text in texts) + 8
        every = max(1, math.ceil(widest / wide))
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
