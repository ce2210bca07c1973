"""DOTS: an estimate with its interval for each x, side by side by arm."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise

from evenbatch.protocol.exhibits import Figure, Mark, Series
from evenbatch.protocol.wording import digits
from evenbatch.report.figures.canvas import (
    Box,
    Canvas,
    Point,
    Room,
    dense,
    element,
    fitted,
    length,
    places,
)
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
from evenbatch.report.looks import MARKERS, Look, looks
from evenbatch.report.scale import Scale

ROW = 17.0
"""Height that one arm takes where names stand in rows."""


def dots(canvas: Canvas, figure: Figure) -> float | None:
    """Draw the figure; gives its height, or None if there is nothing to show."""
    top = 0.0
    if scale_of(figure, "y", 0.0, 1.0) is None:
        return None
    if len(figure.series) > 1:
        styles = looks([series.id for series in figure.series])
        top = legend(canvas, [series.name for series in figure.series], styles, 0, "r")
    return _rows(canvas, figure, top) if figure.x.names else _columns(canvas, figure, top)


def _columns(canvas: Canvas, figure: Figure, top: float) -> float | None:
    """Numbers along x: estimates stand upright, arms beside each other."""
    height = 200.0 if canvas.width < NARROW else 250.0
    frame = framed(canvas, figure, top, height, x_pad=_aside(figure))
    if frame is None:
        return None
    _zero(frame)
    mark_lines(frame, figure.marks, {})
    places_x = sorted({x for s in figure.series for x in s.x if not math.isnan(frame.x(x))})
    gaps = [frame.x(b) - frame.x(a) for a, b in pairwise(places_x)]
    room = min([*gaps, frame.area.right - frame.area.left])
    aside = min(12.0, 0.7 * room / max(1, len(figure.series)))
    styles = looks([series.id for series in figure.series])
    for k, (series, look) in enumerate(zip(figure.series, styles, strict=True)):
        canvas.open(f"s-{look.color}")
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            across = frame.x(x) + (k - (len(figure.series) - 1) / 2) * aside
            if math.isnan(across) or math.isnan(frame.y(y)) or math.isinf(y):
                continue
            interval = [(across, end) for end in _ends(series, i, frame.y)]
            _dot(frame, look, _tip(figure, series, i), (across, frame.y(y)), interval)
        canvas.close()
    mark_labels(frame, figure.marks, {})
    return frame.area.bottom + BELOW


def _aside(figure: Figure) -> float:
    """Half the smallest distance of two x, as a share of the axis: arms stand beside each other."""
    log = figure.x.log
    there = {x for s in figure.series for x in s.x if math.isfinite(x) and (x > 0 or not log)}
    ways = sorted(math.log(x) if log else x for x in there)
    if len(ways) < 2:
        return 0.06
    return min(b - a for a, b in pairwise(ways)) / 2 / (ways[-1] - ways[0])


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
        canvas.text(0, y, fitted(name, canvas.width), "n")
    _row_dots(frame, figure, high, 0 if beside else LINE)
    mark_labels(frame, across, {})
    return area.bottom + BELOW


def _row_dots(frame: Frame, figure: Figure, high: float, under: float) -> None:
    """Estimates in rows of this height, so far under the row's upper edge."""
    styles, scale = looks([series.id for series in figure.series]), frame.x
    for k, (series, look) in enumerate(zip(figure.series, styles, strict=True)):
        frame.canvas.open(f"s-{look.color}")
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            along = scale(y) if math.isfinite(y) else math.nan
            if math.isnan(along) or x not in range(len(figure.x.names)):
                continue
            down = frame.area.top + x * high + under + 6 + ROW * (k + 0.5)
            interval = [(end, down) for end in _ends(series, i, scale)]
            _dot(frame, look, _tip(figure, series, i), (along, down), interval)
        frame.canvas.close()


def _dot(frame: Frame, look: Look, tip: str, at: Point, interval: list[Point]) -> None:
    """An estimate with its interval, of which a pointer is told more."""
    way = element("path", "r", d="M" + "L".join(places(*end) for end in interval))
    style = "m o" if look.hollow else "m"
    dot = element("path", style, d=f"M{places(*at)}{MARKERS[look.marker]}")
    told = "" if frame.canvas.width < NARROW else f"<title>{escape(tip)}</title>"
    frame.canvas.parts.append(f"<g>{told}{way}{dot}</g>")
    frame.room.lines.append(dense(interval))


def _zero(frame: Frame) -> None:
    if not frame.y.log and frame.y.low < 0 < frame.y.high:
        frame.canvas.line(frame.area.left, frame.y(0), frame.area.right, frame.y(0), "b")


def _ends(series: Series, i: int, scale: Scale) -> list[float]:
    """Where the interval of one estimate ends: at the estimate itself if there is none, and at the
    edge if its end has no place on the axis."""
    y = series.y[i]
    low = series.low[i] if series.low else y
    high = series.high[i] if series.high else y
    found = []
    for end, edge in ((low, scale.start), (high, scale.end)):
        place = scale(y if math.isnan(end) else end)
        found.append(edge if math.isnan(place) else place)
    return found


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
