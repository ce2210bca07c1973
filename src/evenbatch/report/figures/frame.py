"""Axes, gridlines, legend and marks around the plots of LINES and DOTS."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evenbatch.protocol.exhibits import Axis, Figure, Mark
from evenbatch.report.figures.canvas import SIZE, Box, Canvas, Point, Room, fitted, length
from evenbatch.report.looks import Look
from evenbatch.report.scale import Scale, extent, tick_labels

NARROW = 430.0
"""A picture for less than this many pixels is laid out for a phone."""
FEW_COLUMNS = 9
ZERO = 0.12
"""Share of a logarithmic x axis that is set aside for 0, if it is one of the values."""
LINE = 18.0
"""From one line of text to the next."""


def legend(
    canvas: Canvas, names: Sequence[str], looks: Sequence[Look], top: float, style: str = "l"
) -> float:
    """Names with a piece of each line, in as many columns as fit; gives where it ends."""
    wide = max(length(name) for name in names) + 33 + 14
    columns = max(1, min(len(names), int((canvas.width + 14) / wide)))
    if columns > 1:  # as many in each row: 4 names in 3 columns look odd
        columns = math.ceil(len(names) / math.ceil(len(names) / columns))
    for k, (name, look) in enumerate(zip(names, looks, strict=True)):
        x, y = k % columns * wide, top + k // columns * LINE
        canvas.open(f"s-{look.color}")
        canvas.line(x, y + 9, x + 26, y + 9, style, look.dash if style == "l" else "")
        canvas.markers(look, [(x + 13, y + 9)])
        canvas.text(x + 33, y + 13.5, fitted(name, canvas.width - 33), "n")
        canvas.close()
    return top + math.ceil(len(names) / columns) * LINE + 9


def values_of(figure: Figure, axis: str) -> Iterable[float]:
    """All values an axis must hold."""
    for series in figure.series:
        yield from series.x if axis == "x" else (*series.y, *series.low, *series.high)
    yield from (mark.value for mark in figure.marks if mark.axis == axis)


def scale_of(
    figure: Figure, axis: str, start: float, end: float, pad: float = 0.04
) -> Scale | None:
    """The scale of an axis; None if there is nothing to show on it."""
    form = figure.x if axis == "x" else figure.y
    found = extent(values_of(figure, axis), form.log, pad)
    if found is None:
        return None
    low, high = found
    if form.percent:  # a share is never below 0 nor above 1
        inside = [v for v in values_of(figure, axis) if math.isfinite(v)]
        low = max(low, 0.0) if min(inside) >= 0 and not form.log else low
        high = min(high, 1.0) if max(inside) <= 1 else high
    if axis == "x" and form.log and 0 in values_of(figure, axis):
        decades = start + ZERO * (end - start)
        return Scale(low, high, decades, end, True, zero=(start + decades) / 2)
    return Scale(low, high, start, end, form.log)


@dataclass
class Frame:
    """A plot with its axes.

    Attributes:
        canvas: what is drawn on.
        area: the plot.
        x, y: the scales.
        room: where labels may stand.
    """

    canvas: Canvas
    area: Box
    x: Scale
    y: Scale
    room: Room

    def at(self, x: float, y: float) -> Point:
        return self.x(x), self.y(y)


def tick_texts(scale: Scale, axis: Axis, most: int) -> list[tuple[float, str]]:
    """Values and what is written beside them."""
    values = scale.ticks(most)
    if not math.isnan(scale.zero):
        values.insert(0, 0.0)
    return list(zip(values, tick_labels(values, axis.log, axis.percent), strict=True))


def framed(
    canvas: Canvas, figure: Figure, top: float, height: float, x_pad: float = 0.0
) -> Frame | None:
    """Draw the axes of a plot from `top` on; None if there is nothing to show."""
    flat = scale_of(figure, "y", 0.0, 1.0)
    if flat is None or scale_of(figure, "x", 0.0, 1.0) is None:
        return None
    canvas.text(0, top + 11, figure.y.label, "a")
    top += LINE + 6
    rows = tick_texts(flat, figure.y, 5 if height < 215 else 6)
    left = max([length(text, SIZE - 1) for _, text in rows], default=0.0) + 8
    area = Box(left, top, canvas.width - 10, top + height)
    y = scale_of(figure, "y", area.bottom, area.top)
    x = scale_of(figure, "x", area.left + 1, area.right, x_pad)
    assert x is not None
    assert y is not None
    canvas.open("g")
    for value, _ in rows:
        canvas.line(area.left, y(value), area.right, y(value), "")
    canvas.close()
    for value, text in rows:
        canvas.text(area.left - 7, y(value) + 4, text, "k", "end")
    _below(canvas, figure, x, area)
    return Frame(canvas, area, x, y, Room(area))


def _below(canvas: Canvas, figure: Figure, x: Scale, area: Box) -> None:
    """The x axis with its ticks and label."""
    canvas.line(area.left, area.bottom, area.right, area.bottom, "b")
    y = area.bottom + 17
    end = -math.inf
    for value, text in _columns(figure, x, area):
        place, half = x(value), length(text, SIZE - 1) / 2
        if place - half < end + 6 or not area.left - 1 <= place <= area.right + 1:
            continue
        canvas.line(place, area.bottom, place, area.bottom + 4, "b")
        place = min(place, canvas.width - half)
        canvas.text(place, y, text, "k", "middle")
        end = place + half
    canvas.text((area.left + area.right) / 2, y + LINE + 2, figure.x.label, "a", "middle")


def _columns(figure: Figure, x: Scale, area: Box) -> list[tuple[float, str]]:
    """Ticks of the x axis: at the values themselves if these are few and stand apart."""
    if figure.x.names:
        return [(float(k), name) for k, name in enumerate(figure.x.names)]
    there = sorted({v for s in figure.series for v in s.x if not math.isnan(x(v))})
    if 1 < len(there) <= FEW_COLUMNS:
        texts = tick_labels(there, figure.x.log, figure.x.percent)
        room = [x(b) - x(a) for a, b in pairwise(there)]
        need = [(length(a) + length(b)) / 2 + 6 for a, b in pairwise(texts)]
        if all(has >= wants for has, wants in zip(room, need, strict=True)):
            return list(zip(there, texts, strict=True))
    return tick_texts(x, figure.x, int((area.right - area.left) / 62))


BELOW = 2 * LINE + 6
"""Height of an x axis with its label."""


def mark_lines(frame: Frame, found: Sequence[Mark], colors: Mapping[str, str]) -> None:
    """Lines across at values worth knowing; one about an arm has the arm's colour."""
    canvas, area = frame.canvas, frame.area
    for mark, place in _placed(frame, found):
        canvas.open(f"s-{colors[mark.series]}" if mark.series in colors else "s")
        if mark.axis == "x":
            canvas.line(place, area.top, place, area.bottom, "v")
        else:
            canvas.line(area.left, place, area.right, place, "v")
        canvas.close()


def mark_labels(frame: Frame, found: Sequence[Mark], colors: Mapping[str, str]) -> None:
    """What each of these lines means, written over the curves, where there is most room."""
    for mark, place in _placed(frame, found):
        box = _mark_box(frame, mark, place)
        frame.room.taken.append(box)
        own = mark.series in colors
        frame.canvas.open(f"s-{colors[mark.series]}" if own else "s")
        frame.canvas.text(box.left, box.bottom - 4, mark.label, "h" if own else "w")
        frame.canvas.close()


def _placed(frame: Frame, found: Sequence[Mark]) -> list[tuple[Mark, float]]:
    """Marks that lie in the plot, and where."""
    placed = []
    for mark in found:
        scale = frame.x if mark.axis == "x" else frame.y
        if math.isfinite(mark.value) and not math.isnan(scale(mark.value)):
            placed.append((mark, scale(mark.value)))
    return placed


def _mark_box(frame: Frame, mark: Mark, place: float) -> Box:
    """Where the mark's label stands: the first free place beside its line."""
    area, wide = frame.area, length(mark.label) + 2
    boxes = []
    if mark.axis == "x":
        sides = [place + 5, place - 5 - wide]
        if sides[0] + wide > area.right:
            sides.reverse()
        rows = range(int((area.bottom - area.top) / 17))
        boxes = [
            Box(x, area.top + 17 * k, x + wide, area.top + 17 * k + 17) for k in rows for x in sides
        ]
    else:
        for left in (area.right - wide, area.left + 6, (area.left + area.right - wide) / 2):
            boxes += [
                Box(left, place - 18, left + wide, place - 1),
                Box(left, place + 1, left + wide, place + 18),
            ]
    return min(boxes, key=lambda box: frame.room.crowd(box))
