"""LINES: y over x, an arm a line, a band around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evenbatch.protocol.exhibits import Figure, Series
from evenbatch.report.figures.canvas import (
    Box,
    Canvas,
    Point,
    dense,
    length,
    places,
    runs,
)
from evenbatch.report.figures.frame import (
    BELOW,
    NARROW,
    Frame,
    framed,
    legend,
    mark_labels,
    mark_lines,
)
from evenbatch.report.looks import Look, looks

FEW = 26
"""Up to so many points each gets its marker; more get one now and then."""
MOST_LABELS = 6


def lines(canvas: Canvas, figure: Figure) -> float | None:
    """Draw the figure; gives its height, or None if there is nothing to show."""
    names = [series.name for series in figure.series]
    styles = looks([series.id for series in figure.series])
    height = 200.0 if canvas.width < NARROW else 250.0
    trial = framed(Canvas(canvas.width), figure, 0, height)
    if trial is None:
        return None
    labels = _labels(trial, figure, styles)
    top = 0.0
    if labels is None and len(names) > 1:
        top = legend(canvas, names, styles, 0)
    frame = framed(canvas, figure, top, height)
    assert frame is not None
    frame.room.lines = [_way(frame, series) for series in figure.series]
    if labels is not None:
        frame.room.taken = list(labels)
    colors = {s.id: look.color for s, look in zip(figure.series, styles, strict=True)}
    mark_lines(frame, figure.marks, colors)
    for series, look in zip(figure.series, styles, strict=True):
        canvas.open(f"s-{look.color}")
        _band(frame, series)
        canvas.close()
    for place, (series, look) in enumerate(zip(figure.series, styles, strict=True)):
        canvas.open(f"s-{look.color}")
        _line(frame, series, look, place)
        canvas.close()
    for name, look, box in zip(names, styles, labels or [], strict=False):
        canvas.open(f"s-{look.color}")
        canvas.text(box.left, box.bottom - 4, name, "h")
        canvas.close()
    mark_labels(frame, figure.marks, colors)
    return frame.area.bottom + BELOW


def _points(frame: Frame, series: Series, values: Sequence[float]) -> list[Point]:
    """Where each value lies; NaN for those that do not exist."""
    return [
        frame.at(x, y) if math.isfinite(y) else (math.nan, math.nan)
        for x, y in zip(series.x, values, strict=True)
    ]


def _broken(frame: Frame, series: Series, points: list[Point]) -> list[Point]:
    """The points with a gap after 0 on a logarithmic axis: there is no way from 0 to a decade."""
    found = []
    for x, point in zip(series.x, points, strict=True):
        found.append(point)
        if x == 0 and frame.x.log:
            found.append((math.nan, math.nan))
    return found


def _way(frame: Frame, series: Series) -> list[Point]:
    """Points all along the series' line."""
    points = _broken(frame, series, _points(frame, series, series.y))
    return [p for run in runs(points) for p in dense(run)]


def _band(frame: Frame, series: Series) -> None:
    if not series.low or not series.high:
        return
    edges: list[list[tuple[float, float, float]]] = [[]]
    for x, low, high in zip(series.x, series.low, series.high, strict=True):
        place = frame.x(x), frame.y(low), frame.y(high)
        if not any(math.isnan(v) for v in place):
            edges[-1].append(place)
        if any(math.isnan(v) for v in place) or (x == 0 and frame.x.log):
            edges.append([])
    for edge in edges:
        if len(edge) == 1:
            x, low, high = edge[0]
            frame.canvas.line(x, low, x, high, "r")
        elif edge:
            up = "L".join(places(x, high) for x, _, high in edge)
            down = "L".join(places(x, low) for x, low, _ in reversed(edge))
            frame.canvas.add("path", "d", d=f"M{up}L{down}z")


def _line(frame: Frame, series: Series, look: Look, place: int) -> None:
    found = runs(_broken(frame, series, _points(frame, series, series.y)))
    way = "".join("M" + "L".join(places(*p) for p in run) for run in found if len(run) > 1)
    if way:
        extra = {"stroke_dasharray": look.dash} if look.dash else {}
        frame.canvas.add("path", "l", d=way, **extra)
    there = [point for run in found for point in run]
    shown = there
    if len(there) > FEW:
        every = len(there) // 5
        shown = there[(place + 1) * every // 3 % every :: every]
        shown += [run[0] for run in found if len(run) == 1]
    if shown:
        frame.canvas.markers(look, shown)


def _labels(frame: Frame, figure: Figure, styles: Sequence[Look]) -> list[Box] | None:
    """A free place for each name beside its own line; None if one finds none, or none is needed."""
    if not 1 < len(figure.series) <= MOST_LABELS or len(styles) < 2:
        return None
    room = frame.room
    room.lines = [_way(frame, series) for series in figure.series]
    levels = [frame.y(mark.value) for mark in figure.marks if mark.axis == "y"]
    uprights = [frame.x(mark.value) for mark in figure.marks if mark.axis == "x"]
    area = frame.area
    room.taken = [Box(area.left, y - 1, area.right, y + 1) for y in levels if math.isfinite(y)]
    room.taken += [Box(x - 1, area.top, x + 1, area.bottom) for x in uprights if math.isfinite(x)]
    found: list[Box] = []
    for place, series in enumerate(figure.series):
        box = _label(frame, series, place)
        if box is None:
            return None
        found.append(box)
        room.taken.append(Box(box.left - 12, box.top, box.right + 12, box.bottom))
    return found


def _label(frame: Frame, series: Series, place: int) -> Box | None:
    """Where a name is free of all lines and nearer to its own than to any other.

    All places beside some 80 points of the line are looked at together, as arrays: one by one they
    would take most of the time a report takes.
    """
    room, wide, high = frame.room, length(series.name) + 4, 17.0
    own = np.array(room.lines[place][:: max(1, len(room.lines[place]) // 80)])
    if not len(own):
        return None
    x, y = own[:, 0, None, None], own[:, 1, None, None]
    left = x + np.array([-wide / 2, 8.0, -8 - wide])[None, :, None]
    top = y + np.array([-24.0, 7.0, -9.0])[None, None, :]
    lefts, tops = (np.ravel(part) for part in np.broadcast_arrays(left, top))
    free = room.free(lefts, tops, wide, high)
    lefts, tops = lefts[free], tops[free]
    centres = np.stack([lefts + wide / 2, tops + high / 2], axis=1)
    distances = room.distances(centres)
    others = np.delete(distances, place, axis=0)
    clear = np.minimum(others.min(axis=0, initial=90.0), 90.0) - distances[place]
    if not len(clear) or not clear.max() > 6:
        return None
    best = int(clear.argmax())
    at = float(lefts[best]), float(tops[best])
    return Box(at[0], at[1], at[0] + wide, at[1] + high)
