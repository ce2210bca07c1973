"""A sheet of SVG: text, lines and rooms, with coordinates in tenths of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evenbatch.report.looks import MARKERS, Look

SIZE = 13.0
"""Height of the letters in pixels, at which the sheet is meant to be seen."""
MARGIN = 14.0
"""Paper around a picture that is a file of its own."""
_NARROW, _BROAD = frozenset("iljtfrI.,:;|!'()[] ·"), frozenset("mwMWOQ%@—×÷")

Point = tuple[float, float]
Floats = NDArray[np.float64]


def length(text: str, size: float = SIZE) -> float:
    """About how long a text is in pixels; a little more rather than less."""
    ems = 0.0
    for letter in text:
        if letter in _NARROW:
            ems += 0.36
        elif ord(letter) >= 0x2E80:
            ems += 1.0
        else:
            ems += 0.9 if letter in _BROAD else 0.7 if letter.isupper() else 0.61
    return ems * size


def fitted(text: str, room: float, size: float = SIZE) -> str:
    """The text, or as much of it as there is room for.

    >>> fitted("batch norm", 100), fitted("batch norm", 50)
    ('batch norm', 'batch…')
    """
    if length(text, size) <= room:
        return text
    kept = text
    while kept and length(f"{kept}…", size) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def places(*values: float) -> str:
    """Coordinates as SVG writes them.

    >>> places(1.04, 20.0)
    '1 20'
    """
    return " ".join(f"{round(value, 1) + 0.0:.1f}".removesuffix(".0") for value in values)


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return not (
            self.right <= other.left
            or self.left >= other.right
            or self.bottom <= other.top
            or self.top >= other.bottom
        )

    def holds(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom


@dataclass
class Canvas:
    """Collects the elements of one picture.

    Args:
        width: in pixels.
    """

    width: float
    parts: list[str] = field(default_factory=list)

    def add(self, tag: str, style: str = "", inner: str = "", **attributes: str | float) -> None:
        """An element; `style` is its class, `inner` is markup, a `_` in a name is a hyphen."""
        self.parts.append(element(tag, style, inner, **attributes))

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        """Text with its baseline at y."""
        where: dict[str, str | float] = {"x": x, "y": y}
        if anchor != "start":
            where["text_anchor"] = anchor
        self.add("text", style, escape(text), **where)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str, dash: str = "") -> None:
        extra = {"stroke_dasharray": dash} if dash else {}
        self.add("path", style, d=f"M{places(x1, y1)}L{places(x2, y2)}", **extra)

    def open(self, style: str) -> None:
        self.parts.append(f'<g class="{style}">')

    def close(self) -> None:
        self.parts.append("</g>")

    def markers(self, look: Look, points: Sequence[Point], title: str = "") -> None:
        """A marker at each of these points."""
        shape = MARKERS[look.marker]
        inner = f"<title>{escape(title)}</title>" if title else ""
        style = "m o" if look.hollow else "m"
        self.add("path", style, inner, d="".join(f"M{places(*p)}{shape}" for p in points))

    def svg(
        self, height: float, ident: str, title: str, alt: str, style: str, sheet: str = ""
    ) -> str:
        """The picture, with its text alternative; as a file of its own if it gets a style sheet."""
        edge = MARGIN if sheet else 0.0
        size = self.width + 2 * edge, height + 2 * edge
        box = f'viewBox="{places(-edge, -edge, *size)}"'
        if sheet:
            box += f' width="{places(size[0])}" height="{places(size[1])}"'
            sheet += element(
                "rect", "p", x=-edge, y=-edge, width=size[0], height=size[1]
            )  # paper, whatever lies below
        head = (
            f'<svg class="{style}" {box} role="img" '
            f'aria-labelledby="{ident}-t {ident}-d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{ident}-t">{escape(title)}</title>'
            f'<desc id="{ident}-d">{escape(alt)}</desc>{sheet}'
        )
        return "\n".join([head, *self.parts, "</svg>"])


def element(tag: str, style: str = "", inner: str = "", **attributes: str | float) -> str:
    """Markup of one element."""
    words = [tag]
    if style:
        words.append(f'class="{style}"')
    for name, value in attributes.items():
        shown = places(value) if isinstance(value, float | int) else escape(value)
        words.append(f'{name.replace("_", "-")}="{shown}"')
    return f"<{' '.join(words)}>{inner}</{tag}>" if inner else f"<{' '.join(words)}/>"


@dataclass
class Room:
    """Where labels may stand: inside `area`, off the lines and off each other."""

    area: Box
    taken: list[Box] = field(default_factory=list)
    lines: list[list[Point]] = field(default_factory=list)

    def fits(self, box: Box) -> bool:
        area = self.area
        if box.left < area.left or box.right > area.right:
            return False
        if box.top < area.top or box.bottom > area.bottom:
            return False
        if any(box.meets(other) for other in self.taken):
            return False
        return not any(box.holds(point) for line in self.lines for point in line)

    def crowd(self, box: Box) -> float:
        """How much a box covers: 0 for nothing; lines are worse than the edge, labels worst."""
        area = self.area
        outside = max(0.0, area.left - box.left, box.right - area.right)
        outside += max(0.0, area.top - box.top, box.bottom - area.bottom)
        covered = sum(box.holds(point) for line in self.lines for point in line)
        return outside + 2 * covered + 100 * sum(box.meets(other) for other in self.taken)

    def free(self, left: Floats, top: Floats, wide: float, high: float) -> NDArray[np.bool_]:
        """(n,) whether boxes of one size `fit`, by their left and top edges."""
        area, right, bottom = self.area, left + wide, top + high
        fine = (left >= area.left) & (right <= area.right)
        fine &= (top >= area.top) & (bottom <= area.bottom)
        for box in self.taken:
            beside = (right <= box.left) | (left >= box.right)
            fine &= beside | (bottom <= box.top) | (top >= box.bottom)
        points = np.array([point for line in self.lines for point in line]).reshape(-1, 2)
        x, y = points[:, 0, None], points[:, 1, None]
        within = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
        return np.asarray(fine & ~within.any(axis=0))

    def distances(self, centres: Floats) -> Floats:
        """(lines, n) how far each of n points is from each line."""
        found = np.full((len(self.lines), len(centres)), math.inf)
        for row, line in zip(found, self.lines, strict=True):
            if line:
                apart = centres[:, None, :] - np.array(line)[None, :, :]
                row[:] = np.hypot(apart[..., 0], apart[..., 1]).min(axis=1)
        return found


def dense(points: Sequence[Point], step: float = 4.0) -> list[Point]:
    """Points along straight lines through these, no farther apart than `step`."""
    found: list[Point] = list(points[:1])
    for (x1, y1), (x2, y2) in pairwise(points):
        parts = max(1, math.ceil(math.hypot(x2 - x1, y2 - y1) / step))
        found += [
            (x1 + (x2 - x1) * k / parts, y1 + (y2 - y1) * k / parts) for k in range(1, parts + 1)
        ]
    return found


def runs(points: Sequence[Point]) -> list[list[Point]]:
    """Points without a place (NaN) left out, and the rest cut where they were.

    >>> runs([(0, 1), (1, 2), (2, math.nan), (3, 4)])
    [[(0, 1), (1, 2)], [(3, 4)]]
    """
    found: list[list[Point]] = [[]]
    for point in points:
        if math.isnan(point[0]) or math.isnan(point[1]):
            found.append([])
        else:
            found[-1].append(point)
    return [run for run in found if run]
