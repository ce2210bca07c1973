"""A report as data: what `record` writes to report.json, read back into the types it came from.

Pages are made from this and nothing else, so all that a page shows is in the JSON, and a page can
be made again from the file alone:

    python -m evenbatch.report report.json
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenbatch.experiments.exhibits import Axis, Figure, Mark, Series, Table
from evenbatch.experiments.protocol import Effect, Statement, Verdict

SKIPPED = "skipped"
"""What stands in place of an answer where a claim was not measured."""


@dataclass(frozen=True)
class Entry:
    """A claim on one data set.

    Attributes:
        claim: its name on the command line: "learning-rate".
        phrase: the claim in a few words.
        data: name of the data set.
        statement: what was stated beforehand; None if the claim was skipped before that.
        verdict: what followed; None if it was skipped.
        skipped: why, in a sentence; else "".
        seconds: spent on it.
        complete: False if it was interrupted.
        shared: settings that all its trials have.
        trials: by key, the settings in which a trial differs, and how it ended.
    """

    claim: str
    phrase: str
    data: str
    statement: Statement | None = None
    verdict: Verdict | None = None
    skipped: str = ""
    seconds: float = 0.0
    complete: bool = True
    shared: Mapping[str, Any] | None = None
    trials: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def answer(self) -> str:
        return SKIPPED if self.verdict is None else self.verdict.answer


@dataclass(frozen=True)
class Report:
    """All claims that were measured in one run.

    Attributes:
        created: when, in ISO 8601.
        command: what was typed.
        complete: False if it was interrupted.
        versions: of evenbatch and of what results depend on.
        machine: processor, cores, memory, system.
        code: the commit evenbatch ran from; "" if it is not known.
        sentence: the answers in words.
        entries: claim by claim.
    """

    created: str
    command: str
    complete: bool
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    code: str
    sentence: str
    entries: tuple[Entry, ...]

    @property
    def claims(self) -> dict[str, list[Entry]]:
        """Entries by claim, in order."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.claim, []).append(entry)
        return found

    @property
    def seconds(self) -> float:
        return sum(entry.seconds for entry in self.entries)


def read(content: Mapping[str, Any]) -> Report:
    """The report in the content of a report.json.

    JSON has no NaN and no infinity, and the file says null. An effect's missing value is read as
    NaN and the missing end of an interval as infinity, all other missing numbers as NaN.
    """
    return Report(
        created=content["created"],
        command=content["command"],
        complete=content["complete"],
        versions=content["versions"],
        machine=content["machine"],
        code=content.get("code", ""),
        sentence=content["sentence"],
        entries=tuple(_entry(part) for part in content["experiments"]),
    )


def _entry(part: Mapping[str, Any]) -> Entry:
    statement, verdict = part.get("statement"), part.get("verdict")
    return Entry(
        claim=part["claim"],
        phrase=part.get("phrase", part["claim"]),
        data=part["on"],
        statement=_statement(statement) if statement else None,
        verdict=_verdict(verdict) if verdict else None,
        skipped=part.get("skipped", ""),
        seconds=part.get("seconds", 0.0),
        complete=part["complete"],
        shared=part.get("shared", {}),
        trials=part.get("trials", {}),
    )


def _statement(content: Mapping[str, Any]) -> Statement:
    arms = tuple((name, words) for name, words in content["arms"])
    return Statement(**{**content, "arms": arms})


def _verdict(content: Mapping[str, Any]) -> Verdict:
    made: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "effects": _effect,
        "figures": _figure,
        "tables": _table,
    }
    parts = {name: tuple(make(item) for item in content[name]) for name, make in made.items()}
    return Verdict(**{**content, **parts, "notes": tuple(content["notes"])})


def _effect(content: Mapping[str, Any]) -> Effect:
    missing = {"value": math.nan, "low": -math.inf, "high": math.inf}
    return Effect(
        **{name: missing.get(name) if v is None else v for name, v in content.items()}  # type: ignore[arg-type]
    )


def _figure(content: Mapping[str, Any]) -> Figure:
    def axis(part: Mapping[str, Any]) -> Axis:
        return Axis(**{**part, "names": tuple(part["names"])})

    return Figure(
        kind=content["kind"],
        title=content["title"],
        alt=content["alt"],
        x=axis(content["x"]),
        y=axis(content["y"]),
        series=tuple(
            Series(s["name"], *(_floats(s[part]) for part in ("x", "y", "low", "high")))
            for s in content["series"]
        ),
        marks=tuple(
            Mark(**{**mark, "value": math.nan if mark["value"] is None else mark["value"]})
            for mark in content["marks"]
        ),
    )


def _table(content: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(math.nan if c is None else c for c in row) for row in content["rows"])
    keys = tuple(tuple(row) for row in content["keys"])
    return Table(content["title"], tuple(content["columns"]), rows, keys)


def _floats(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else float(value) for value in values)


Settings = Mapping[str, Any]


def factored(trials: Mapping[str, Settings]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What all trials share, and for each what is its own; `overlaid` is the way back.

    >>> trials = {"a": {"seed": 0, "net": {"d": 3}}, "b": {"seed": 1, "net": {"d": 3}}}
    >>> factored(trials)
    ({'net': {'d': 3}}, {'a': {'seed': 0}, 'b': {'seed': 1}})
    """
    if not trials:
        return {}, {}
    first, *rest = trials.values()
    shared: Any = first
    for settings in rest:
        shared = _common(shared, settings)
    return shared, {key: _without(settings, shared) for key, settings in trials.items()}


def overlaid(shared: Settings, own: Settings) -> dict[str, Any]:
    """Shared settings with a trial's own laid over them, level by level (jq: ``$shared * $own``).

    >>> overlaid({"net": {"d": 3}}, {"net": {"norm": "batch"}, "seed": 1})
    {'net': {'d': 3, 'norm': 'batch'}, 'seed': 1}
    """
    both = dict(shared)
    for name, value in own.items():
        inner = both.get(name)
        nested = isinstance(value, Mapping) and isinstance(inner, Mapping)
        both[name] = overlaid(inner, value) if nested else value  # type: ignore[arg-type]
    return both


def _common(a: Settings, b: Settings) -> dict[str, Any]:
    found = {}
    for name, value in a.items():
        if name not in b:
            continue
        if isinstance(value, Mapping) and isinstance(b[name], Mapping):
            found[name] = _common(value, b[name])
        elif value == b[name] and type(value) is type(b[name]):
            found[name] = value
    return found


def _without(settings: Settings, shared: Settings) -> dict[str, Any]:
    found = {}
    for name, value in settings.items():
        if name not in shared:
            found[name] = value
        elif isinstance(value, Mapping):
            inner = _without(value, shared[name])
            if inner:
                found[name] = inner
    return found
