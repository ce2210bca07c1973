"""Intervals as small bars beside the numbers of a table, on one scale for each unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evenbatch.protocol.verdict import Effect
from evenbatch.report.figures.canvas import Canvas
from evenbatch.report.looks import MARKERS
from evenbatch.report.scale import Scale, extent

WIDTH, HEIGHT = 110.0, 16.0
NONE = {"times": 1.0, "-fold": 1.0}
"""What no effect is, for units that begin or end so; of all others it is 0."""
MOST_DECADES = 3.0
"""An interval may be open, or nearly so; it is cut this far from the estimates."""


def bars(effects: Sequence[Effect]) -> list[str]:
    """For each effect an `<svg>` with its interval, its estimate and a line at no effect.

    The numbers stand beside them, so readers of the text lose nothing.
    """
    scales = {unit: _scale(unit, effects) for unit in {effect.unit for effect in effects}}
    return [_bar(effect, scales[effect.unit]) for effect in effects]


def nothing(unit: str) -> float:
    """The value that means no effect.

    >>> nothing("times fewer steps"), nothing("decades wider")
    (1.0, 0.0)
    """
    return next((v for word, v in NONE.items() if unit.startswith(word) or word in unit), 0.0)


def _scale(unit: str, effects: Sequence[Effect]) -> Scale | None:
    own = [effect for effect in effects if effect.unit == unit]
    ratio = nothing(unit) == 1.0
    middles = [e.value for e in own if math.isfinite(e.value) and (e.value > 0 or not ratio)]
    if not middles:
        return None
    low, high = min([*middles, nothing(unit)]), max([*middles, nothing(unit)])
    if ratio:
        floor, top = low / 10**MOST_DECADES, high * 10**MOST_DECADES
    else:
        floor, top = low - 3 * ((high - low) or 1.0), high + 3 * ((high - low) or 1.0)
    ends = [v for e in own for v in (e.low, e.high) if floor <= v <= top]
    found = extent([low, high, *ends], ratio, 0.06)
    return Scale(*found, 4.0, WIDTH - 4.0, ratio) if found else None


def _bar(effect: Effect, scale: Scale | None) -> str:
    canvas = Canvas(WIDTH)
    middle = HEIGHT / 2
    if scale is not None and math.isfinite(effect.value):
        zero = scale(nothing(effect.unit))
        canvas.line(zero, 0, zero, HEIGHT, "b")
        ends = [
            min(max(scale(v) if v > 0 or not scale.log else 0.0, 0.0), WIDTH)
            for v in (effect.low, effect.high)
        ]
        canvas.line(ends[0], middle, ends[1], middle, "r")
        for end, way in ((ends[0], 1), (ends[1], -1)):
            if end in (0.0, WIDTH):  # it goes on
                canvas.add("path", "r f", d=f"M{end + 4 * way:g} {middle - 4:g}L{end:g} {middle:g}"
                           f"L{end + 4 * way:g} {middle + 4:g}")  # fmt: skip
        place = scale(effect.value)
        if not math.isnan(place):
            canvas.add("path", "m", d=f"M{place:.1f} {middle:g}{MARKERS['circle']}")
    inner = "".join(canvas.parts)
    return (
        f'<svg class="chart tiny" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" '
        f'height="{HEIGHT:g}" aria-hidden="true">{inner}</svg>'
    )
