"""The atlas in pictures, as data that the report's figures draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evenbatch.atlas import findings as f
from evenbatch.atlas.design import AXES, NORMS
from evenbatch.atlas.measure import Row
from evenbatch.protocol.exhibits import DOTS, LINES, STRIPS, Axis, Figure, Mark, Series, numbers

NAMES = {"batch": "batch norm", "layer": "layer norm", "rms": "RMS norm"}
FACTORS = {
    "data": "data", "depth": "hidden layers", "width": "units in each", "activation": "activation",
    "init": "initial weights", "optimizer": "optimizer", "batch_size": "batch size",
    "residual": "layers in a residual block", "placement": "placement",
}  # fmt: skip
FEWER = "times fewer steps to the same goal"


def ratios(rows: Sequence[Row]) -> Figure:
    """What share of the settings reaches each ratio, by normalizer."""
    lines = []
    for norm in NORMS:
        found = np.sort(f.raced(f.columns(rows, norm))["ratio"].astype(float))
        if len(found):
            places = np.unique(np.linspace(0, len(found) - 1, 120).astype(int))
            above = 1 - places / len(found)
            lines.append(Series(NAMES[norm], numbers(found[places]), numbers(above), id=norm))
    return Figure(
        LINES, "How many times fewer steps, over all settings",
        "For each normalizer a falling line: the share of settings in which it needs at least so "
        "many times fewer steps than no normalization.",
        Axis(f"at least so many {FEWER}", log=True, id="ratio"),
        Axis("share of the settings in which anything learned", percent=True, id="share"),
        tuple(lines), (Mark("no gain", 1.0, "x", id="one"), Mark("3 times", 3.0, "x", id="three")),
        id="ratios",
    )  # fmt: skip


def factor(rows: Sequence[Row], name: str) -> Figure:
    """The median ratio for each value of a factor, by normalizer."""
    lines = []
    for norm in NORMS:
        levels = f.by_factor(f.columns(rows, norm), name)
        middle, low, high = zip(*(each[1] for each in levels), strict=True)
        places = numbers(np.arange(len(levels)))
        lines.append(
            Series(NAMES[norm], places, numbers(middle), numbers(low), numbers(high), id=norm)
        )
    values = tuple("none" if name == "residual" and not v else str(v) for v in AXES[name])
    return Figure(
        DOTS, f"By {FACTORS[name]}",
        f"For each value of {FACTORS[name]} the median ratio of each normalizer with its 95 % "
        "interval.",
        Axis(FACTORS[name], names=values, id=name), Axis(FEWER, log=True, id="ratio"),
        tuple(lines), (Mark("no gain", 1.0, id="one"),), id=f"factor-{name}",
    )  # fmt: skip


def pair(rows: Sequence[Row], norm: str, down: str, across: str) -> Figure:
    """The median ratio of a normalizer for each pair of values of two factors."""
    found, strips = f.raced(f.columns(rows, norm)), []
    columns = AXES[across]
    for value in AXES[down]:
        cells = [
            f.median(found["ratio"][(found[down] == value) & (found[across] == other)])[0]
            for other in columns
        ]
        strips.append(Series(str(value), numbers(np.arange(len(columns))), numbers(cells)))
    return Figure(
        STRIPS, f"{NAMES[norm]}: {FACTORS[down]} and {FACTORS[across]}".capitalize(),
        f"A row for each value of {FACTORS[down]}, a cell for each of {FACTORS[across]}; the "
        "stronger the shade, the more steps are saved.",
        Axis(FACTORS[across], names=tuple(map(str, columns)), id=across),
        Axis(f"median, {FEWER}", log=True, id="ratio"), tuple(strips), id=f"{norm}-{down}-{across}",
    )  # fmt: skip


def decide(importances: Mapping[str, Mapping[str, tuple[float, float]]]) -> Figure:
    """Which factors decide, by normalizer: the permutation importances of `model.Model`."""
    names = tuple(AXES)
    lines = []
    for norm, found in importances.items():
        middle = np.array([found[name][0] for name in names])
        spread = np.array([found[name][1] for name in names])
        lines.append(
            Series(
                NAMES[norm],
                numbers(np.arange(len(names))),
                numbers(middle),
                numbers(middle * np.exp(-2 * spread)),
                numbers(middle * np.exp(2 * spread)),
                id=norm,
            )
        )
    return Figure(
        DOTS, "Which factors decide",
        "For each factor, how much worse the model's expected ratio becomes if its values are "
        "shuffled among the settings.",
        Axis("factor", names=tuple(FACTORS[name] for name in names), id="factor"),
        Axis("times larger error without it", id="error"),
        tuple(lines), (Mark("no matter", 1.0, id="one"),), id="decide",
    )  # fmt: skip
