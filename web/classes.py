"""What the room makes of what pairs found, for the test of the page that pools typed codes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room import tally
from evenbatch.lesson.room.judge import judge_of
from evenbatch.lesson.room.pair import Pair

FOUND = {
    "race": ("steps/best", 9.4),
    "factory": ("drift", 3.8),
    "tower": ("deeper/plain-torch", 10.0),
    "rates": ("wider", 2.5),
    "place": ("gain/raw/best/before/after", 0.9),
    "break.knobs": ("gain/wide/best/both/none", 0.04),
}
"""Experiments with the one number of each that is in a code, and about what it is."""
SIZES = (1, 2, 4, 5, 30, 83, 100)


def cases() -> Iterator[dict[str, Any]]:
    """Classes of several sizes, in which every third pair has run twice, some to a bound."""
    rng = np.random.default_rng(0)
    for name, (id, about) in FOUND.items():
        for size in SIZES if name == "race" else (6,):
            for bounds in ((), ("at least",), ("at least", "at most")):
                yield _case(rng, name, id, about, size, bounds)


def _case(
    rng: np.random.Generator, name: str, id: str, about: float, size: int, bounds: tuple[str, ...]
) -> dict[str, Any]:
    judge = judge_of(name)
    settings = json.loads(judge.settings)
    pairs = {n: Pair(n) for n in range(1, size + 1)}
    found = []
    for n, run in [*((n, 0) for n in pairs), *((n, 1) for n in list(pairs)[::3])]:
        value = float(f"{about * math.exp(rng.normal() / 3):.5g}")
        bound: Any = str(rng.choice(["", "", *bounds]))
        seed = m.APART * n + 5 * run
        found.append({"pair": n, "seed": seed, "value": value, "bound": bound})
        asked = {**settings, "seed": seed, "seeds": 5}
        estimates = (m.Estimate(id=id, value=value, bound=bound),)
        pairs[n].add(m.Found(ask=1, experiment=name, settings=asked, effects=estimates))
    book: Any = SimpleNamespace(pairs=pairs, look=name, effect=id)
    seen = tally.found(book, judge.settings)
    together, answer = tally.judged(seen, judge, id)
    made = {
        "experiment": name,
        "found": found,
        "dots": tally.dots(seen, id),
        "pooled": together,
        "answer": answer if judge.needed == {id} else "",
    }
    return json.loads(msgspec.json.encode(made))  # type: ignore[no-any-return]
