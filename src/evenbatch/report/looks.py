"""How an arm is drawn: the same colour, dashes and marker wherever it appears.

Colours are Okabe and Ito's, which people with any colour vision can tell apart, darkened or
lightened until they can be read on paper and on a dark screen. What colour says, dashes, markers
and words say too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenbatch.experiments.setup import ARM_NAMES


@dataclass(frozen=True)
class Look:
    """
    Attributes:
        color: name of the colour, a class and variables in report.css: "none", "batch", "more-1".
        dash: SVG dash pattern; "" for a full line.
        marker: one of `MARKERS`.
    """

    color: str
    dash: str
    marker: str


MARKERS = {
    # Relative paths around the point that look about equally large.
    "circle": "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "square": "m-3.2-3.2h6.4v6.4h-6.4z",
    "triangle": "m0-4.3l4.1 7.3h-8.2z",
    "diamond": "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
    "wedge": "m0 4.3l4.1-7.3h-8.2z",
    "cross": "m-1.2-4h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z",
    "bar": "m-1.5-4.5h3v9h-3z",
    "slab": "m-4.5-1.5h9v3h-9z",
}
DASHES = ("", "7 3", "2 2.5", "9 3 2 3", "12 3", "4 2", "1 3", "6 2 1 2 1 2")

_KNOWN = {
    "none": Look("none", "7 3", "circle"),
    "batch": Look("batch", "", "square"),
    "layer": Look("layer", "2 2.5", "triangle"),
    "rms": Look("rms", "9 3 2 3", "diamond"),
    "group": Look("group", "12 3", "wedge"),
}
_MORE = (
    Look("more-1", "4 2", "cross"),
    Look("more-2", "1 3", "bar"),
    Look("more-3", "6 2 1 2 1 2", "slab"),
)
COLORS = (*_KNOWN, *(look.color for look in _MORE))
VARIANTS = 3  # of one arm in a figure that can share its colour


def looks(names: Sequence[str]) -> list[Look]:
    """A look for each series of a figure.

    A series that is called as an arm looks like the arm. One whose name tells of an arm ("batch
    norm, 50 layers") has the arm's colour, and dashes and marker of its own if it is not the only
    one. All others take what is left.

    >>> [look.color for look in looks(["no normalization", "batch norm", "dropout"])]
    ['none', 'batch', 'more-1']
    >>> [look.dash for look in looks(["batch norm, shallow", "batch norm, deep"])]
    ['', '7 3']
    """
    arms = [_arm(name) for name in names]
    for arm in set(arms):
        if arms.count(arm) > VARIANTS:
            arms = [None if a == arm else a for a in arms]
    free = [look for look in (*_MORE, *_KNOWN.values()) if look.color not in arms]
    found: list[Look] = []
    for place, arm in enumerate(arms):
        if arm is None:
            others = sum(a is None for a in arms[:place])
            found.append(free[others % len(free)] if free else _MORE[others % len(_MORE)])
            continue
        own = _KNOWN[arm]
        variant = arms[:place].count(arm)
        if variant:
            dashes = [d for d in DASHES if d != own.dash]
            markers = [m for m in MARKERS if m != own.marker]
            own = Look(arm, dashes[variant - 1], markers[variant - 1])
        found.append(own)
    return found


def _arm(name: str) -> str | None:
    """The arm that a series' name tells of."""
    found = [arm for arm, words in ARM_NAMES.items() if words in name]
    return max(found, key=lambda arm: len(ARM_NAMES[arm])) if found else None
