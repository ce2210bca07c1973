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
from evenbatch.lesson.room.book import Book, Line
from evenbatch.lesson.room.judge import Judge, judge_of
from evenbatch.lesson.room.pair import Mean, Pair, key_of
from evenbatch.protocol.intervals import mean_intervals
from evenbatch.protocol.verdict import Bound, Effect

Found = dict[int, dict[str, Effect]]
"""What pairs found with the same settings, by pair and effect."""

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
    return dict(Counter(name for p in counted(book) for name in {key[0] for key in p.means}))


def groups(book: Book) -> list[m.Group]:
    """What was set for the experiment that is looked at, the most common first."""
    usual = judge_of(book.look).settings
    found = Counter(s for pair in counted(book) for name, s in pair.means if name == book.look)
    ordered = sorted(found, key=lambda s: (-found[s], s != usual, s))
    return [m.Group(settings=s, pairs=found[s], usual=s == usual) for s in ordered]


def found(book: Book, settings: str) -> Found:
    """What pairs found with these settings, each its mean over its runs: the effect that is drawn
    and those that the rule asks for."""
    of, judge = (book.look, settings), judge_of(book.look)
    wanted = judge.needed | {book.effect}
    return {
        pair.number: {
            id: _effect(id, mean, mean.bound, judge.units[id])
            for id, mean in pair.means[of].items()
            if id in wanted and mean.bound != "both"
        }
        for pair in counted(book)
        if of in pair.means
    }


def _effect(id: str, mean: Mean, bound: Bound, unit: str) -> Effect:
    value = mean.total / mean.runs
    value = math.exp(value) if unit.startswith("times") else value
    return Effect("", value, value, value, unit, bound, id, seeds=mean.runs)


def dots(of: Found, effect: str) -> tuple[m.Dot, ...]:
    """One for each pair that has this effect."""
    return tuple(
        m.Dot(pair=number, runs=one.seeds, value=one.value, bound=one.bound)
        for number, effects in of.items()
        if (one := effects.get(effect))
    )


def pooled(pairs: Sequence[Mapping[str, Effect]], units: Mapping[str, str]) -> dict[str, Effect]:
    """The mean over pairs and its 95 % interval, for each effect.

    Where a pair's value is a bound, the end of the interval on that side is not known.

    >>> found = [{"a": Effect("", v, v, v, "times fewer steps")} for v in (2.0, 8.0)]
    >>> round(pooled(found, {"a": "times fewer steps"})["a"].value, 6)
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
            kinds = {pairs[i][id].bound for i in there} - {""}
            low = -math.inf if "at most" in kinds else low
            high = math.inf if "at least" in kinds else high
            bound: Bound = kinds.pop() if len(kinds) == 1 else ""
            value, low, high = (math.exp(v) if ratio else float(v) for v in (mean, low, high))
            result[id] = Effect("", value, low, high, units[id], bound, id, seeds=len(there))
    return result


def judged(of: Found, judge: Judge, effect: str) -> tuple[m.Pooled | None, str]:
    """What the effect comes to over all pairs, and the answer to the claim.

    Hundreds of pairs take some tenths of a second.
    """
    together = pooled(list(of.values()), judge.units)
    one = together.get(effect)
    if one is None:
        return None, ""
    shown = m.Pooled(
        value=one.value,
        low=one.low,
        high=one.high,
        unit=one.unit,
        bound=one.bound,
        pairs=one.seeds,
    )
    return shown, judge.answer(together)


def table(book: Book, lines: Iterable[Line]) -> str:
    """Of these lines of a class, as CSV: one for each vote and each effect of each result."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(COLUMNS)
    for line in lines:
        if not line.pair:
            continue
        who, said = (line.pair, "no" if book.pairs[line.pair].out else "yes"), line.said
        if isinstance(said, m.Vote):
            write((*who, said.experiment, said.option, "", "", "", "", ""))
        elif isinstance(said, m.Found):
            experiment, settings, seed = key_of(said)
            for e in said.effects:
                write((*who, experiment, "", settings, seed, e.id, repr(e.value), e.bound))
    return text.getvalue()
