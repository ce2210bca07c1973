"""Reads a figure as people do: from the labels of its axes to what each pixel means."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from reading import Element, tree

from evenbatch.protocol.exhibits import Figure
from evenbatch.report.figures import draw

Point = tuple[float, float]
_POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def number(text: str) -> float:
    """The value that a label of an axis stands for.

    >>> number("20 %"), number("10⁻³"), number("−1,500"), number("3·10⁴")
    (0.2, 0.001, -1500.0, 30000.0)
    """
    share = text.endswith(" %")
    text = text.removesuffix(" %").replace("−", "-").replace(",", "")
    power = re.fullmatch(r"(-?)(?:([\d.]+)·)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if power:
        sign, digit, exponent = power.groups()
        value = float(digit or 1) * 10.0 ** int(exponent.translate(_POWERS))
        return -value if sign else value
    return float(text) / (100 if share else 1)


def points(path: str) -> list[Point]:
    """Places a path goes to by absolute coordinates.

    >>> points("M1 2L3.5 4")
    [(1.0, 2.0), (3.5, 4.0)]
    """
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def sheet(figure: Figure, width: float = 560.0) -> Element:
    """The figure drawn, as a tree."""
    return tree(draw(figure, width)).one("svg")


@dataclass(frozen=True)
class Axes:
    """Ticks of both axes as they are labelled: (pixel, value)."""

    x: list[tuple[float, float]]
    y: list[tuple[float, float]]


def axes(svg: Element) -> Axes:
    """The ticks. On x each label is preceded by its tick; on y labels end at the axis."""
    x: list[tuple[float, float]] = []
    y: list[tuple[float, float]] = []
    last: Element | None = None
    for part in svg.inner:
        if not isinstance(part, Element):
            continue
        if part.tag == "text" and "k" in part.style:
            if part.attributes.get("text-anchor") == "end":
                y.append((float(part.attributes["y"]) - 4, number(part.text)))
            elif last is not None and last.tag == "path":
                x.append((points(last.attributes["d"])[0][0], number(part.text)))
        last = part
    return Axes(x, y)


def reader(ticks: list[tuple[float, float]], log: bool) -> Callable[[float], float]:
    """From a value to its pixel, by the outermost labels; those between must agree."""
    assert len(ticks) >= 2, ticks

    def way(value: float) -> float:
        return math.log10(value) if log else value

    (a, low), (b, high) = ticks[0], ticks[-1]
    assert low != high

    def place(value: float) -> float:
        return a + (way(value) - way(low)) / (way(high) - way(low)) * (b - a)

    for pixel, value in ticks:
        assert abs(place(value) - pixel) < 0.35, f"the label {value} stands at a wrong place"
    return place


def colored(svg: Element, tag: str, style: str) -> list[tuple[str, Element]]:
    """Elements with a class, in the groups of their arm: (colour, element)."""
    found = []
    for group in svg.all("g"):
        color = next((s.removeprefix("s-") for s in group.style if s.startswith("s-")), None)
        if color:
            found += [(color, e) for e in group.all(tag, style)]
    return found
