"""A report as data: what `record` writes to report.json, read back into the types it came from.

Pages are made from this and nothing else, so all that a page shows is in the JSON, and a page can
be made again from the file alone:

    python -m evenbatch.report report.json
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from evenbatch.protocol.verdict import Statement, Verdict

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

    Raises:
        msgspec.ValidationError: it is no report; the message says where.
    """
    entries = tuple(
        msgspec.convert(
            {
                **part,
                "data": part["on"],
                "statement": part.get("statement"),
                "verdict": _with_nan(part.get("verdict")),
            },
            Entry,
        )
        for part in content["experiments"]
    )
    return msgspec.convert({**content, "entries": entries}, Report)


def brief(content: Mapping[str, Any]) -> dict[str, Any]:
    """A report.json of a few kilobytes, which `read` reads too: of each verdict the answer, its
    sentence and its first effect; no figures, tables and trials.
    """
    return {**content, "request": "", "experiments": [*map(_brief, content["experiments"])]}


_KEPT = ("claim", "phrase", "on", "complete", "seconds", "skipped")
_KEPT_OF_A_VERDICT = ("answer", "reason", "sentence", "measured_on", "note")


def _brief(part: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: part[name] for name in _KEPT if name in part}
    verdict = part.get("verdict")
    if verdict:
        some = {name: verdict[name] for name in _KEPT_OF_A_VERDICT if name in verdict}
        kept["verdict"] = some | {"effects": verdict["effects"][:1]}
    return kept


def _with_nan(value: Any) -> Any:
    """A verdict in which every null is a number again."""
    if isinstance(value, Mapping):
        ends = {"low": -math.inf, "high": math.inf}
        return {
            name: ends.get(name, math.nan) if item is None else _with_nan(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [math.nan if item is None else _with_nan(item) for item in value]
    return value


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
