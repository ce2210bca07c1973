"""Colours: everything that is read stands out enough (WCAG 2 AA), on screen, dark and on paper."""

from __future__ import annotations

import re

import pytest
from invented import many
from reading import tree

from evenbatch.report import figures, html
from evenbatch.report.figures.strips import FAINTEST, TURN
from evenbatch.report.looks import COLORS

Rgb = tuple[float, float, float]
SCHEMES = ("light", "dark", "paper")


def schemes() -> dict[str, dict[str, Rgb]]:
    """The colours of each scheme by name."""
    blocks = re.findall(r":root \{([^}]*)\}", figures.stylesheet())
    found = {}
    for name, block in zip(SCHEMES, blocks, strict=True):
        found[name] = {
            word: tuple(int(code[k : k + 2], 16) / 255 for k in (0, 2, 4))
            for word, code in re.findall(r"--([\w-]+): #([0-9a-f]{6})", block)
        }
    return found  # type: ignore[return-value]


def light(color: Rgb) -> float:
    """Relative luminance (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: Rgb, b: Rgb) -> float:
    bright, dim = sorted((light(a), light(b)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    grey = (0x76 / 255,) * 3
    assert contrast(grey, (1, 1, 1)) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_stands_out(scheme: str) -> None:
    colors = schemes()[scheme]
    words = ("ink", "soft", "link", "yes", "part", "no", "ask", "skip", *COLORS)
    for name in words:
        assert contrast(colors[name], colors["paper"]) >= 4.5, name
    for name in ("ink", "soft", "part"):
        assert contrast(colors[name], colors["panel"]) >= 4.5, name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_numbers_in_cells_stand_out_on_every_shade(scheme: str) -> None:
    colors = schemes()[scheme]
    for k in range(101):
        strength = FAINTEST + (1 - FAINTEST) * k / 100
        cell = tuple(
            strength * a + (1 - strength) * b
            for a, b in zip(colors["shade"], colors["paper"], strict=True)
        )
        text = colors["on" if strength >= TURN else "off"]
        assert contrast(text, cell) >= 4.5, strength  # type: ignore[arg-type]


def test_every_scheme_says_every_colour() -> None:
    found = schemes()
    assert found["light"].keys() == found["dark"].keys() == found["paper"].keys()
    used = set(re.findall(r"var\(--([\w-]+)", html.stylesheet())) - {"c"}
    assert used <= set(found["light"])


def test_every_class_in_the_page_has_a_style_or_is_a_name() -> None:
    root = tree(html.render(many(4)))
    used = {name for element in root.all() for name in element.style}
    styled = set(re.findall(r"\.([a-z][\w-]*)", html.stylesheet()))
    assert used - styled <= {"s"}, "a class without a style is a slip"


def test_colours_stand_in_the_style_sheet_alone() -> None:
    page = html.render(many(4)).replace(html.stylesheet(), "")
    assert not re.search(r'(fill|stroke|color)="#|style="', page)
