"""A verdict's figures as SVG.

Each is laid out for a width, not shrunk to it: a page holds one for a wide and one for a narrow
place, and shows the one that fits. What it looks like (colours, fonts) is left to `report.css`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from evenbatch.protocol.exhibits import DOTS, LINES, Figure
from evenbatch.report.figures.canvas import Canvas
from evenbatch.report.figures.dots import dots
from evenbatch.report.figures.lines import lines
from evenbatch.report.figures.strips import strips

WIDE, NARROW = 560.0, 340.0


@cache
def stylesheet() -> str:
    """Colours, lines and letters of all figures."""
    return files("evenbatch.report").joinpath("figures.css").read_text(encoding="utf-8")


def alone(figure: Figure, width: float = WIDE) -> str:
    """The figure as a file of its own, with its colours and some paper around it."""
    canvas, height = _drawn(figure, width)
    style = f"<style>\n{stylesheet()}</style>"
    return canvas.svg(height, "figure", figure.title, figure.alt, "chart", style) + "\n"


def draw(figure: Figure, width: float = WIDE, ident: str = "figure", style: str = "chart") -> str:
    """The figure as an `<svg>` element with title, description and role.

    Args:
        figure: what to draw.
        width: in pixels, at which letters have their natural size.
        ident: begins the ids in it; must be unique in a page.
        style: its class.

    >>> from evenbatch.protocol.exhibits import LINES, Axis, Figure, Series
    >>> line = Series("batch norm", (0.0, 1.0), (0.1, 0.9))
    >>> figure = Figure(LINES, "Learning", "It rises.", Axis("steps"), Axis("accuracy"), (line,))
    >>> draw(figure)[:4]
    '<svg'
    """
    canvas, height = _drawn(figure, width)
    return canvas.svg(height, ident, figure.title, figure.alt, style)


def _drawn(figure: Figure, width: float) -> tuple[Canvas, float]:
    """The figure on a canvas, and its height."""
    canvas = Canvas(width)
    make = {LINES: lines, DOTS: dots}.get(figure.kind, strips)
    height = make(canvas, figure)
    if height is None:
        canvas = Canvas(width)
        canvas.text(width / 2, 26, "nothing to show yet", "a", "middle")
        height = 44.0
    return canvas, height
