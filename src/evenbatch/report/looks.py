"""How an arm is drawn: the same colour, dashes and marker wherever it appears.

Colours are Okabe and Ito's, which people with any colour vision can tell apart, darkened or
lightened until they can be read on paper and on a dark screen. What colour says, dashes, markers
and words say too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """
    Attributes:
        color: name of the colour, a class and a variable in figures.css: "none", "more-1".
        dash: SVG dash pattern; "" for a full line.
        marker: one of `MARKERS`.
        hollow: the marker is only an outline.
    """

    color: str
    dash: str
    marker: str
    hollow: bool = False


MARKERS = {
    # Relative paths around the point that look about equally large.
    "circle": "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "square": "m-3.2-3.2h6.4v6.4h-6.4z",
    "triangle": "m0-4.3l4.1 7.3h-8.2z",
    "diamond": "m0-4.6l4.6 4.6l-4.6 4.6l-4.6-4.6z",
    "wedge": "m0 4.3l4.1-7.3h-8.2z",
    "star": "m0-5.6l1.6 4l4 1.6l-4 1.6l-1.6 4l-1.6-4l-4-1.6l4-1.6z",
    "ex": "m-4.1-2.2l1.9-1.9l2.2 2.2l2.2-2.2l1.9 1.9l-2.2 2.2l2.2 2.2l-1.9 1.9l-2.2-2.2l-2.2 2.2"
    "l-1.9-1.9l2.2-2.2z",
    "cross": "m-1.3-4.4h2.6v3.1h3.1v2.6h-3.1v3.1h-2.6v-3.1h-3.1v-2.6h3.1z",
}
KNOWN = {
    "none": Look("none", "7 3", "circle"),
    "batch": Look("batch", "", "square"),
    "layer": Look("layer", "2 2.5", "triangle"),
    "rms": Look("rms", "9 3 2 3", "diamond"),
    "group": Look("group", "12 3", "wedge"),
}
MORE = (
    Look("more-1", "4 2", "star"),
    Look("more-2", "1 3", "ex"),
    Look("more-3", "6 2 1 2 1 2", "cross"),
)
COLORS = (*KNOWN, *(look.color for look in MORE))
VARIANTS = ("", "5 2 5 2 1 2", "1 2 1 2 5 2")
"""Dashes of a second and a third line of one arm; the first keeps the arm's own."""


def looks(ids: Sequence[str]) -> list[Look]:
    """A look for each series of a figure, by their ids, no two the same even without colour.

    A series whose id is that of an arm ("batch"), or begins with it ("batch/deep"), has the arm's
    colour, and if it is not the only one, dashes or a marker of its own. All others take what is
    left.

    >>> [look.color for look in looks(["none", "batch", "dropout"])]
    ['none', 'batch', 'more-1']
    >>> [look.hollow for look in looks(["batch/shallow", "batch/deep"])]
    [False, True]
    """
    arms = [_arm(name) for name in ids]
    for arm in set(arms):
        if arms.count(arm) > len(VARIANTS):
            arms = [None if a == arm else a for a in arms]
    found: list[Look | None] = []
    for place, arm in enumerate(arms):
        variant = arms[:place].count(arm)
        found.append(_VARIANTS[variant](KNOWN[arm]) if arm and variant < 2 else None)
    spare = _spare({look for look in found if look}, {arm for arm in arms if arm})
    for place, arm in enumerate(arms):
        if found[place] is None:
            look = next(spare)
            found[place] = Look(arm, VARIANTS[2], look.marker, look.hollow) if arm else look
    return [look for look in found if look]


_VARIANTS: tuple[Callable[[Look], Look], ...] = (
    lambda look: look,
    lambda look: Look(look.color, VARIANTS[1], look.marker, hollow=True),
)


def _spare(used: set[Look], arms: set[str]) -> Iterator[Look]:
    """Looks whose markers are not in use: of colours that are free first, then all others."""
    marks = {(look.marker, look.hollow) for look in used}
    every = (*MORE, *KNOWN.values())
    for hollow in (False, True):
        for look in sorted(every, key=lambda look: look.color in arms):
            if (look.marker, hollow) not in marks:
                dash = f"{look.dash or '10 2'} 1 2" if hollow else look.dash
                yield Look(look.color, dash, look.marker, hollow)
    while True:  # more lines than anyone can tell apart
        yield from every


def _arm(name: str) -> str | None:
    """The arm that a series is about."""
    arm = name.split("/")[0]
    return arm if arm in KNOWN else None
