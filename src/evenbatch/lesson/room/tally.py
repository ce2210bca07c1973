"""What the wall shows: who expects what, a dot a pair, and what all pairs found together.

A pair is one independent answer: its runs of the same settings are joined to their mean (the
geometric one of a ratio), and over pairs stands the interval that stands over seeds everywhere else
(`protocol.intervals`). The answer to the claim is that of its own rule, which was there before.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room.book import Book, Pair
from evenbatch.lesson.room.judge import Judge, judge_of
from evenbatch.protocol.intervals import mean_intervals
from evenbatch.protocol.verdict import Bound, Effect

Runs = dict[int, list[tuple[m.Estimate, ...]]]
"""What was found with the same settings, run by run, by pair."""

COLUMNS = (
    "pair", "counted", "experiment", "expects", "settings", "seed", "effect", "value", "bound",
)  # fmt: skip


def counted(book: Book) -> list[Pair]:
    """Pairs that are not left out."""
    return [pair for pair in book.pairs.values() if not pair.out]


def votes(book: Book) -> dict[str, int]:
    """How many expect what of the experiment that is looked at."""
    return dict(Counter(p.votes[book.look] for p in counted(book) if book.look in p.votes))


def done(book: Book) -> dict[str, int]:
    """How many pairs have a result, by experiment."""
    return dict(Counter(name for p in counted(book) for name in {key[0] for key in p.runs}))


def groups(book: Book) -> list[m.Group]:
    """What was set for the experiment that is looked at, the most common first."""
    usual = judge_of(book.look).settings
    found = Counter(
        settings
        for pair in counted(book)
        for settings in {s for name, s, _ in pair.runs if name == book.look}
    )
    ordered = sorted(found, key=lambda s: (-found[s], s != usual, s))
    return [m.Group(settings=s, pairs=found[s], usual=s == usual) for s in ordered]


def runs(book: Book, settings: str) -> Runs:
    """What pairs found with these settings."""
    found: Runs = {}
    for pair in counted(book):
        for (name, other, _), effects in pair.runs.items():
            if name == book.look and other == settings:
                found.setdefault(pair.number, []).append(effects)
    return found


def joined(of: Sequence[tuple[m.Estimate, ...]], units: Mapping[str, str]) -> dict[str, Effect]:
    """The runs of one pair as one: each effect's mean, and what of it is a bound."""
    found: dict[str, Effect] = {}
    for id, unit in units.items():
        each = [estimate for run in of for estimate in run if estimate.id == id]
        if not each:
            continue
        values = [estimate.value for estimate in each]
        ratio = unit.startswith("times")
        mean = math.exp(np.mean(np.log(values))) if ratio else float(np.mean(values))
        found[id] = Effect("", mean, mean, mean, unit, bound=_bound(e.bound for e in each), id=id)
    return found


def _bound(bounds: Iterable[Bound]) -> Bound:
    """Of a mean of values of which some are bounds: "" too where they point both ways."""
    kinds = set(bounds) - {""}
    return kinds.pop() if len(kinds) == 1 else ""


def pooled(pairs: Sequence[Mapping[str, Effect]], units: Mapping[str, str]) -> dict[str, Effect]:
    """The mean over pairs and its 95 % interval, for each effect.

    Where a pair's value is a bound, the end of the interval on that side is not known.

    >>> found = [{"a": Effect("", v, v, v, "times fewer steps")} for v in (2.0, 8.0)]
    >>> pooled(found, {"a": "times fewer steps"})["a"].value
    4.0
    """
    result: dict[str, Effect] = {}
    by_pairs: dict[tuple[int, ...], list[str]] = {}
    for id in units:
        if there := tuple(i for i, pair in enumerate(pairs) if id in pair):
            by_pairs.setdefault(there, []).append(id)
    for there, ids in by_pairs.items():
        ratios = [units[id].startswith("times") for id in ids]
        values = np.array([[pairs[i][id].value for id in ids] for i in there])
        values[:, ratios] = np.log(values[:, ratios])
        ends = mean_intervals(values)
        means = values.mean(axis=0)
        for id, ratio, mean, (low, high) in zip(ids, ratios, means, ends, strict=True):
            kinds = {pairs[i][id].bound for i in there}
            low = -math.inf if "at most" in kinds else low
            high = math.inf if "at least" in kinds else high
            value, low, high = (math.exp(v) if ratio else float(v) for v in (mean, low, high))
            result[id] = Effect(
                "", value, low, high, units[id], _bound(kinds), id, seeds=len(there)
            )
    return result


def dots(found: Runs, judge: Judge) -> tuple[m.Dot, ...]:
    """One for each pair."""
    return tuple(
        m.Dot(
            pair=number,
            runs=len(of),
            values={id: effect.value for id, effect in effects.items()},
            bounds={id: effect.bound for id, effect in effects.items() if effect.bound},
        )
        for number, of in found.items()
        for effects in [joined(of, judge.units)]
    )


def judged(found: Runs, judge: Judge) -> tuple[dict[str, m.Pooled], str]:
    """What all pairs come to, and the answer; hundreds of pairs take some tenths of a second."""
    together = pooled([joined(of, judge.units) for of in found.values()], judge.units)
    shown = {
        id: m.Pooled(
            value=effect.value,
            low=effect.low,
            high=effect.high,
            unit=effect.unit,
            bound=effect.bound,
            pairs=effect.seeds,
        )
        for id, effect in together.items()
    }
    return shown, judge.answer(together) if together else ""


def table(book: Book) -> str:
    """All there is, as CSV: a line for each vote and each effect of each result."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(
        ("pair", "counted", "experiment", "expects", "settings", "seed", "effect", "value", "bound")
    )
    for pair in book.pairs.values():
        who = (pair.number, "no" if pair.out else "yes")
        for experiment, option in pair.votes.items():
            write((*who, experiment, option, "", "", "", "", ""))
        for (experiment, settings, seed), effects in pair.runs.items():
            for e in effects:
                write((*who, experiment, "", settings, seed, e.id, repr(e.value), e.bound))
    return text.getvalue()
