"""DOTS: an estimate with its interval for each x, side by side by arm."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise

from evenbatch.experiments.exhibits import Figure, Mark, Series
from evenbatch.experiments.wording import digits
from evenbatch.report.figures.canvas import Box, Canvas, Room, element, length, places
from evenbatch.report.figures.frame import (
    BELOW,
    LINE,
    NARROW,
    Frame,
    framed,
    legend,
    mark_labels,
    mark_lines,
    scale_of,
    tick_texts,
)
from evenbatch.report.looks import MARKERS, looks
from evenbatch.report.scale import Scale

ROW = 17.0
"""Height that one arm takes where names stand in rows."""


def dots(canvas: Canvas, figure: Figure) -> float | None:
    """Draw the figure; gives its height, or None if there is nothing to show."""
    top = 0.0
    if scale_of(figure, "y", 0.0, 1.0) is None:
        return None
    if len(figure.series) > 1:
        styles = looks([series.name for series in figure.series])
        top = legend(canvas, [series.name for series in figure.series], styles, 0)
    return _rows(canvas, figure, top) if figure.x.names else _columns(canvas, figure, top)


def _columns(canvas: Canvas, figure: Figure, top: float) -> float | None:
    """Numbers along x: estimates stand upright, arms beside each other."""
    frame = framed(canvas, figure, top, 200.0 if canvas.width < NARROW else 250.0, x_pad=0.06)
    if frame is None:
        return None
    _zero(frame)
    mark_lines(frame, figure.marks, {})
    places_x = sorted({x for s in figure.series for x in s.x if not math.isnan(frame.x(x))})
    gaps = [frame.x(b) - frame.x(a) for a, b in pairwise(places_x)]
    aside = min([12.0, *(0.7 * gap / len(figure.series) for gap in gaps)])
    styles = looks([series.name for series in figure.series])
    for k, (series, look) in enumerate(zip(figure.series, styles, strict=True)):
        canvas.open(f"s-{look.color}")
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            across = frame.x(x) + (k - (len(figure.series) - 1) / 2) * aside
            if math.isnan(across) or not math.isfinite(y):
                continue
            low, high = _ends(series, i)
            inner = f"M{places(across, frame.y(low))}L{places(across, frame.y(high))}"
            _dot(canvas, inner, across, frame.y(y), look.marker, _tip(figure, series, i))
        canvas.close()
    mark_labels(frame, figure.marks, {})
    return frame.area.bottom + BELOW


def _rows(canvas: Canvas, figure: Figure, top: float) -> float:
    """Names along x: each a row, estimates along it, arms below each other."""
    names = figure.x.names
    widest = max(length(name) for name in names)
    beside = widest <= 0.34 * canvas.width
    left = widest + 14 if beside else 4.0
    high = ROW * len(figure.series) + 12 + (0 if beside else LINE)
    area = Box(left, top + 4, canvas.width - 10, top + 4 + high * len(names))
    scale = scale_of(figure, "y", area.left, area.right)
    assert scale is not None
    ticks = tick_texts(scale, figure.y, int((area.right - area.left) / 62))
    canvas.open("g")
    for value, _ in ticks:
        canvas.line(scale(value), area.top, scale(value), area.bottom, "")
    for k in range(1, len(names)):
        canvas.line(0, area.top + k * high, canvas.width, area.top + k * high, "")
    canvas.close()
    canvas.line(area.left, area.bottom, area.right, area.bottom, "b")
    for value, text in ticks:
        canvas.text(scale(value), area.bottom + 17, text, "k", "middle")
    canvas.text(
        (area.left + area.right) / 2, area.bottom + 19 + LINE, figure.y.label, "a", "middle"
    )
    frame = Frame(canvas, area, scale, scale, Room(area))
    if scale.low < 0 < scale.high:
        canvas.line(scale(0), area.top, scale(0), area.bottom, "b")
    across = [Mark(m.label, m.value, "x") for m in figure.marks if m.axis == "y"]
    mark_lines(frame, across, {})
    for k, name in enumerate(names):
        y = area.top + k * high + (high / 2 + 4.5 if beside else 15)
        canvas.text(0, y, name, "n")
    _row_dots(canvas, figure, area, scale, high, 0 if beside else LINE)
    mark_labels(frame, across, {})
    return area.bottom + BELOW


def _row_dots(
    canvas: Canvas, figure: Figure, area: Box, scale: Scale, high: float, under: float
) -> None:
    styles = looks([series.name for series in figure.series])
    for k, (series, look) in enumerate(zip(figure.series, styles, strict=True)):
        canvas.open(f"s-{look.color}")
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            along = scale(y) if math.isfinite(y) else math.nan
            if math.isnan(along):
                continue
            down = area.top + x * high + under + 6 + ROW * (k + 0.5)
            low, top = _ends(series, i)
            inner = f"M{places(scale(low), down)}L{places(scale(top), down)}"
            _dot(canvas, inner, along, down, look.marker, _tip(figure, series, i))
        canvas.close()


def _dot(canvas: Canvas, interval: str, x: float, y: float, marker: str, tip: str) -> None:
    from evenbatch.report.figures.canvas import places

    way = (
        element("path", "r", d=interval) if "NaN" not in interval and "nan" not in interval else ""
    )
    dot = element("path", "m", d=f"M{places(x, y)}{MARKERS[marker]}")
    canvas.parts.append(f"<g><title>{escape(tip)}</title>{way}{dot}</g>")


def _zero(frame: Frame) -> None:
    if not frame.y.log and frame.y.low < 0 < frame.y.high:
        frame.canvas.line(frame.area.left, frame.y(0), frame.area.right, frame.y(0), "b")


def _ends(series: Series, i: int) -> tuple[float, float]:
    """The interval of one estimate; the estimate itself where there is none."""
    low = series.low[i] if series.low else series.y[i]
    high = series.high[i] if series.high else series.y[i]
    return (
        series.y[i] if math.isnan(low) else low,
        series.y[i] if math.isnan(high) else high,
    )


def _tip(figure: Figure, series: Series, i: int) -> str:
    """What a pointer is told: arm, x, estimate and interval."""

    def shown(value: float) -> str:
        return f"{digits(100 * value)} %" if figure.y.percent else digits(value)

    names = figure.x.names
    x = names[int(series.x[i])] if names and int(series.x[i]) < len(names) else f"{series.x[i]:g}"
    text = f"{series.name}, {x}: {shown(series.y[i])}"
    if series.low and series.high:
        text += f" ({shown(series.low[i])} to {shown(series.high[i])})"
    return text
