"""Figures: every value stands where the axes say, gaps stay gaps, and nothing leaves the paper."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from drawn import axes, colored, number, points, reader, sheet
from invented import IDS, NAMES, NASTY, dots, lines, strips
from reading import Element

from evenbatch.claims.common import ARM_NAMES
from evenbatch.protocol.exhibits import (
    DOTS,
    KINDS,
    LINES,
    Axis,
    Figure,
    Mark,
    Series,
)
from evenbatch.report import figures
from evenbatch.report.figures.canvas import length
from evenbatch.report.looks import looks
from evenbatch.report.scale import Scale, log_ticks, ticks

NAN, INF = math.nan, math.inf
WIDTHS = (figures.WIDE, figures.NARROW)


def plain(kind: str, *series: Series, x: Axis | None = None, y: Axis | None = None) -> Figure:
    return Figure(kind, "A title", "What is seen.", x or Axis("x"), y or Axis("y"), series)


def markers(figure: Figure, width: float) -> dict[str, list[tuple[float, float]]]:
    """Where each arm's markers lie."""
    found: dict[str, list[tuple[float, float]]] = {}
    for color, element in colored(sheet(figure, width), "path", "m"):
        found.setdefault(color, []).extend(points(element.attributes["d"]))
    return found


def check_lines(figure: Figure, width: float) -> None:
    """Lines, markers and bands lie where the labels of the axes say."""
    svg = sheet(figure, width)
    shown = axes(svg)
    x, y = reader(shown.x, figure.x.log), reader(shown.y, figure.y.log)
    styles = looks([series.id for series in figure.series])
    drawn = {(c, e.attributes.get("stroke-dasharray", "")): e for c, e in colored(svg, "path", "l")}
    bands = dict(colored(svg, "path", "d"))
    for series, look in zip(figure.series, styles, strict=True):
        want = [(x(a), y(b)) for a, b in zip(series.x, series.y, strict=True)]
        way = points(drawn[look.color, look.dash].attributes["d"])
        assert way == [pytest.approx(p, abs=0.6) for p in want]
        edge = points(bands[look.color].attributes["d"])
        up = [(x(a), y(b)) for a, b in zip(series.x, series.high, strict=True)]
        down = [(x(a), y(b)) for a, b in zip(series.x, series.low, strict=True)]
        assert edge == [pytest.approx(p, abs=0.6) for p in (*up, *reversed(down))]


STEEP = Figure(
    LINES, "Gradients", "They vanish.", Axis("layers", log=True), Axis("norm", log=True),
    (
        Series("no normalization", (2.0, 5.0, 10.0, 50.0), (1.0, 1e-2, 1e-4, 1e-9),
               (0.5, 5e-3, 5e-5, 1e-10), (2.0, 2e-2, 2e-4, 1e-8), id="none"),
        Series("batch norm", (2.0, 5.0, 10.0, 50.0), (1.0, 2.0, 3.0, 9.0),
               (0.9, 1.5, 2.5, 7.0), (1.1, 2.5, 3.5, 11.0), id="batch"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("figure", [lines(), STEEP], ids=["linear", "log"])
def test_lines_lie_where_the_axes_say(figure: Figure, width: float) -> None:
    check_lines(figure, width)


@pytest.mark.parametrize(
    ("figure", "wrong"),
    [
        (STEEP, lambda s, v: s.start + (v - s.low) / (s.high - s.low) * (s.end - s.start)),
        (lines(), lambda s, v: RIGHT(s, v * 1.03)),
        (lines(), lambda s, v: RIGHT(s, v) + (4 if 0.3 < v < 0.7 else 0)),
    ],
    ids=["not logarithmic", "3 % too much", "bent"],
)
def test_a_wrong_scale_is_noticed(
    figure: Figure, wrong: Callable[[Scale, float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted scale is used for lines, not for ticks, or for both: either is caught."""
    for width in WIDTHS:
        with monkeypatch.context() as patch:
            patch.setattr(Scale, "__call__", wrong)
            if figure is not STEEP:
                module = sys.modules["evenbatch.report.figures.lines"]
                patch.setattr(Scale, "__call__", RIGHT)
                real = module._points
                patch.setattr(
                    module,
                    "_points",
                    lambda frame, series, values, real=real: [
                        (a, wrong(frame.y, v))
                        for (a, _), v in zip(real(frame, series, values), values, strict=True)
                    ],
                )
            with pytest.raises(AssertionError):
                check_lines(figure, width)


RIGHT = Scale.__call__


def test_marks_lie_at_their_value() -> None:
    figure = lines()
    svg = sheet(figure)
    shown = axes(svg)
    x, y = reader(shown.x, False), reader(shown.y, False)
    across, upright = (points(e.attributes["d"]) for e in svg.all("path", "v"))
    assert [p[1] for p in across] == [pytest.approx(y(0.88), abs=0.3)] * 2
    assert [p[0] for p in upright] == [pytest.approx(x(80), abs=0.3)] * 2
    assert {"goal", "80"} <= {t.text for t in svg.all("text", "w")}


def test_a_mark_about_an_arm_has_its_colour() -> None:
    figure = replace(lines(), marks=(Mark("80 steps", 80.0, "x", "batch"),))
    svg = sheet(figure)
    assert [c for c, _ in colored(svg, "path", "v")] == ["batch"]
    assert ("batch", "80 steps") in [(c, e.text) for c, e in colored(svg, "text", "h")]


@pytest.mark.parametrize("width", WIDTHS)
def test_dots_and_their_intervals_lie_where_the_axes_say(width: float) -> None:
    figure = dots()
    svg = sheet(figure, width)
    shown = axes(svg)
    x, y = reader(shown.x, True), reader(shown.y, False)
    for series, look in zip(figure.series, looks(list(IDS.values())), strict=True):
        own = [e for c, e in colored(svg, "path", "r") if c == look.color][1:]  # after the legend
        at = [p for c, e in colored(svg, "path", "m") if c == look.color
              for p in points(e.attributes["d"])][1:]  # fmt: skip
        for k, (interval, dot) in enumerate(zip(own, at, strict=True)):
            ends = points(interval.attributes["d"])
            assert abs(dot[0] - x(series.x[k])) <= 13, "beside its batch size"
            assert dot[1] == pytest.approx(y(series.y[k]), abs=0.6)
            assert [e[1] for e in ends] == pytest.approx(
                [y(series.low[k]), y(series.high[k])], abs=0.6
            )
            assert {e[0] for e in ends} == {dot[0]}
    found = markers(figure, width)
    firsts = [found[look.color][1][0] for look in looks(list(IDS.values()))]
    assert firsts == sorted(set(firsts)), "side by side, in order"


@pytest.mark.parametrize("width", WIDTHS)
def test_dots_of_names_are_rows(width: float) -> None:
    words = ("before the activation", "after", "on the input only")
    figure = dots(words=words)
    svg = sheet(figure, width)
    ticks_ = [
        (float(t.attributes["x"]), number(t.text))
        for t in svg.all("text", "k") if t.attributes.get("text-anchor") == "middle"
    ]  # fmt: skip
    value = reader(ticks_, False)
    titles = {t.text: float(t.attributes["y"]) for t in svg.all("text", "n") if t.text in words}
    assert list(titles) == list(words)
    for series, look in zip(figure.series, looks(list(IDS.values())), strict=True):
        at = markers(figure, width)[look.color][1:]
        assert [p[0] for p in at] == [pytest.approx(value(v), abs=0.6) for v in series.y]
        down = [p[1] for p in at]
        assert down == sorted(down)
        for y, title in zip(down, titles.values(), strict=True):
            assert -40 < y - title < 70


def test_an_open_interval_goes_to_the_edge() -> None:
    series = Series("batch norm", (1.0, 2.0), (5.0, 6.0), (4.0, -INF), (INF, 7.0))
    svg = sheet(plain(DOTS, series))
    shown = axes(svg)
    y = reader(shown.y, False)
    first, second = (points(e.attributes["d"]) for _, e in colored(svg, "path", "r"))
    floor = points(
        next(e for e in svg.inner if not isinstance(e, str) and "b" in e.style).attributes["d"]
    )[0][1]
    assert first[1][1] < y(7), "up to the top"
    assert second[0][1] == pytest.approx(floor, abs=0.2)


def cells(svg: Element) -> list[Element]:
    """The cells of strips, without those of the key."""
    return [e for e in svg.all("rect") if {"c", "x"} & set(e.style) and middle(e)[2] > 14]


def middle(rect: Element) -> tuple[float, float, float]:
    """The centre of a rectangle, and its height."""
    x, y, wide, high = (float(rect.attributes[k]) for k in ("x", "y", "width", "height"))
    return x + wide / 2, y + high / 2, high


@pytest.mark.parametrize("width", WIDTHS)
def test_the_shade_of_a_cell_is_its_value(width: float) -> None:
    figure = strips()
    found = cells(sheet(figure, width))
    values = [v for s in figure.series for v in s.y]
    there = [v for v in values if math.isfinite(v)]
    low, high = min(there), max(there)
    assert len(found) == len(values)
    for value, cell in zip(values, found, strict=True):
        assert ("x" in cell.style) == math.isnan(value)
        if math.isfinite(value):
            shade = float(cell.attributes["fill-opacity"])
            assert shade == pytest.approx(0.06 + 0.94 * (value - low) / (high - low), abs=0.006)


@pytest.mark.parametrize("width", WIDTHS)
def test_cells_that_reached_the_goal_are_outlined(width: float) -> None:
    figure = strips()
    svg = sheet(figure, width)
    frames = svg.all("rect", "e")[:-1]  # the last one explains
    values = [v for s in figure.series for v in s.y]
    for value, cell in zip(values, cells(svg), strict=True):
        x, y, _ = middle(cell)
        inside = any(
            0 < x - float(f.attributes["x"]) < float(f.attributes["width"])
            and 0 < y - float(f.attributes["y"]) < float(f.attributes["height"])
            for f in frames
        )
        assert inside == (value >= 0.85), value


def test_a_pointer_is_told_the_values() -> None:
    tips = [e.one("title").text for e in cells(sheet(strips()))]
    assert tips[0] == "no normalization, 0.0001: 10.0 %"
    assert tips[-1] == "batch norm, 100: none"
    tips = [e.text for e in sheet(dots()).all("title")][1:]
    assert tips[0] == "no normalization, 2: 0.23 (0.18 to 0.28)"


def test_strips_are_labelled_below_their_cells() -> None:
    figure = strips()
    svg = sheet(figure)
    first = cells(svg)[: len(figure.series[0].x)]
    at = {f"{x:g}": middle(c)[0] for x, c in zip(figure.series[0].x, first, strict=True)}
    shown = axes(svg).x
    assert len(shown) >= 5
    for pixel, value in shown:
        assert pixel == pytest.approx(at[f"{value:g}"], abs=0.2)


# Values that do not exist, and too few of them.

GAP = Series("batch norm", (0.0, 1, 2, 3, 4, 5), (1.0, 2, NAN, 3, NAN, 5), (0.0, 1, 1, NAN, 4, 4),
             (2.0, 3, 3, 4, 5, 6), id="batch")  # fmt: skip


def test_a_line_has_gaps_where_there_is_no_value() -> None:
    svg = sheet(plain(LINES, GAP))
    ((_, way),) = colored(svg, "path", "l")
    assert way.attributes["d"].count("M") == 1
    assert len(points(way.attributes["d"])) == 2, "the points 3 and 5 stand alone"
    assert len(markers(plain(LINES, GAP), 560)["batch"]) == 4
    ((_, band),) = colored(svg, "path", "d")[:1]
    assert "nan" not in band.attributes["d"]


def test_zero_has_a_place_of_its_own_beside_the_decades() -> None:
    x, y = (0.0, 1e-3, 1e-2, 1e-1, 1.0), (1.0, 2.0, 3.0, 4.0, 5.0)
    series = Series("batch norm", x, y, id="batch")
    figure = plain(LINES, series, x=Axis("eps", log=True))
    svg = sheet(figure)
    (zero, label), *rest = axes(svg).x
    assert label == 0
    place = reader(rest, log=True)
    assert zero < place(1e-3) - 20
    ((_, way),) = colored(svg, "path", "l")
    assert [p[0] for p in points(way.attributes["d"])] == pytest.approx(
        [place(v) for v in x[1:]], abs=0.6
    )
    assert markers(figure, 560)["batch"][0][0] == pytest.approx(zero, abs=0.1)


ONE = Series("batch norm", (3.0,), (4.0,), (3.0,), (5.0,))
ODD = {
    "no series": (),
    "no points": (Series("batch norm", (), ()),),
    "only NaN": (Series("batch norm", (1.0, 2.0), (NAN, NAN), (NAN, NAN), (NAN, NAN)),),
    "one point": (ONE,),
    "one point and none": (ONE, Series("no normalization", (), ())),
    "gaps": (GAP,),
    "infinite": (Series("a", (1.0, 2.0), (INF, 2.0), (1.0, -INF), (INF, INF)),),
    "constant": (Series("a", (1.0, 2.0), (0.0, 0.0)),),
    "negative": (Series("a", (-1.0, 0.0, 2.0), (-3.0, 0.0, 2.0)),),
    "huge": (Series("a", (1e-9, 1e9), (-1e30, 1e-30)),),
    "same x": (Series("a", (1.0, 1.0), (1.0, 2.0)),),
    "many": tuple(Series(f"arm number {k}", (1.0, 2.0), (k, 2.0 * k)) for k in range(20)),
    "long names": (Series("a name that is very long indeed " * 4, (1.0, 2.0), (1.0, 2.0)), ONE),
    "markup": (Series(NASTY, (1.0, 2.0), (1.0, 2.0)), Series("a & b", (1.0,), (2.0,))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("series", ODD.values(), ids=ODD)
@pytest.mark.parametrize("form", ["plain", "log", "percent", "names"])
def test_anything_can_be_drawn(kind: str, series: tuple[Series, ...], form: str) -> None:
    x = Axis("x", log=form == "log", names=("one", "two", NASTY) if form == "names" else ())
    y = Axis("y", log=form == "log", percent=form == "percent")
    figure = replace(plain(kind, *series, x=x, y=y), marks=(Mark("m", 1.0), Mark("n", 1.5, "x")))
    for width in WIDTHS:
        text = figures.draw(figure, width)
        assert "nan" not in text
        assert "inf" not in text.replace("infinite", "")
        assert "<script" not in text
        svg = sheet(figure, width)
        head, foot = (float(v) for v in svg.attributes["viewbox"].split()[2:])
        assert (head, foot > 30) == (width, True)
        for element in svg.all("path"):
            for px, py in points(element.attributes["d"]):
                assert -6 <= px <= width + 6, element.attributes["d"]
                assert -6 <= py <= foot + 6, element.attributes["d"]
        for element in svg.all("text"):
            assert -1 <= float(element.attributes["x"]) <= width + 1
            assert 0 <= float(element.attributes["y"]) <= foot


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("figure", [lines(), lines(NAMES), STEEP], ids=["two", "three", "steep"])
def test_names_stand_free_beside_their_lines(figure: Figure, width: float) -> None:
    svg = sheet(figure, width)
    labels = colored(svg, "text", "h")
    if not labels:  # no room: there is a legend instead
        assert {e.text for _, e in colored(svg, "text", "n")} == {s.name for s in figure.series}
        return
    assert [e.text for _, e in labels] == [s.name for s in figure.series]
    ways = [(c, points(e.attributes["d"])) for c, e in colored(svg, "path", "l")]
    for _, label in labels:
        x, y = float(label.attributes["x"]), float(label.attributes["y"])
        wide = length(label.text) * 0.9
        for _, way in ways:
            inside = [p for p in way if x < p[0] < x + wide and y - 9 < p[1] < y]
            assert not inside, f"{label.text} lies on a line"
        assert x + wide <= width


# Looks.


def test_no_two_arms_look_the_same_even_without_colour() -> None:
    alone = [looks([arm])[0] for arm in ARM_NAMES]
    assert looks(list(ARM_NAMES)) == alone, "an arm looks the same in any company"
    for names in (
        [*ARM_NAMES, "dropout", "input", "weight-decay"],
        [f"{arm}/{way}" for arm in ARM_NAMES for way in ("torch", "he", "twice-he")],
        [f"batch/{k}" for k in range(8)],
        [f"something/{k}" for k in range(14)],
    ):
        found = looks(names)
        grey = {(look.dash, look.marker, look.hollow) for look in found}
        assert len(grey) == len(names), names
        assert len({(look.marker, look.hollow) for look in found}) == len(names), "as dots too"


def test_variants_of_an_arm_share_its_colour() -> None:
    found = looks(["none/torch", "batch/torch", "batch/he"])
    assert [look.color for look in found] == ["none", "batch", "batch"]


# Files of their own.


@pytest.mark.parametrize("figure", [lines(), strips((NASTY, "b")), dots()], ids=KINDS)
def test_a_figure_alone_is_xml_with_its_own_style(figure: Figure) -> None:
    text = figures.alone(figure)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    left, top, wide, high = (float(v) for v in root.attrib["viewBox"].split())
    assert (left, top) == (-14, -14)
    assert (float(root.attrib["width"]), float(root.attrib["height"])) == (wide, high)
    assert "--batch:" in text
    assert "prefers-color-scheme: dark" in text


# Axes.


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3, 17), (0.93, 0.97), (1e-7, 3e-7), (0, 12345)]
)
def test_ticks_are_round_and_even(low: float, high: float) -> None:
    found = ticks(low, high, 6)
    assert 3 <= len(found) <= 8
    steps = {round((b - a) / (high - low), 6) for a, b in pairwise(found)}
    assert len(steps) == 1
    assert low <= found[0] < found[-1] <= high


@pytest.mark.parametrize(("low", "high"), [(1e-4, 100), (2, 64), (3, 7), (1e-30, 1e5), (0.9, 1.1)])
def test_ticks_of_a_log_axis_lie_in_it(low: float, high: float) -> None:
    found = log_ticks(low, high, 6)
    assert 2 <= len(found) <= 9
    assert low * 0.99 <= found[0] < found[-1] <= high * 1.01
