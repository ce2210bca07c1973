"""Experiments as JSON: settings, every trial's key and description, every seed's numbers."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evenbatch.engine.machine import code, machine, versions
from evenbatch.protocol.carry_out import Outcome
from evenbatch.protocol.verdict import Study, Verdict
from evenbatch.report.results import factored

FORMAT = 3
"""Raised whenever a field of the record changes its meaning."""


def record(
    parts: list[dict[str, Any]], command: str, sentence: str, complete: bool, request: str = ""
) -> dict[str, Any]:
    """The whole file: what was run, where and when, and one part for each experiment.

    `request` names what was asked (`answered.request`), so that it is known when it is asked again.
    """
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "request": request,
        "complete": complete,
        "versions": versions(),
        "machine": machine(),
        "code": code(),
        "sentence": sentence,
        "experiments": parts,
    }


def part(
    claim: str,
    study: Study,
    outcome: Outcome,
    verdict: Verdict,
    phrase: str = "",
    seconds: float = 0.0,
    on: str = "",
) -> dict[str, Any]:
    """One experiment. Numbers that do not exist (a goal never reached) are null.

    A trial's settings are those of `shared` with its own laid over them, level by level
    (`results.overlaid`; in jq ``.shared * .trials[$key]``). Under `timed` stand those only
    run to measure seconds.
    """
    content: dict[str, Any] = {
        "claim": claim,
        "phrase": phrase,
        "on": on or next(iter(study.datasets)),
        "complete": not outcome.interrupted,
        "seconds": round(seconds, 3),
        "verdict": asdict(verdict) | {"figures": [_rounded(asdict(f)) for f in verdict.figures]},
        "statement": asdict(study.statement),
    }
    timed = {curve.trial.key: curve for curve in outcome.timed}
    curves = outcome.curves | timed
    content["timed"] = [key for key in timed if key not in outcome.curves]
    content["shared"], content["trials"] = factored(
        {
            key: {**curve.trial.as_dict(), "ended": curve.ended, "ended_at": curve.ended_at}
            for key, curve in curves.items()
        }
    )
    clean: dict[str, Any] = finite(content)
    return clean


def _rounded(figure: dict[str, Any]) -> dict[str, Any]:
    """A figure with its values in six digits: more than any eye can tell."""
    for series in figure["series"]:
        for part in ("x", "y", "low", "high"):
            series[part] = [float(f"{value:.6g}") for value in series[part]]
    return figure


def skipped(claim: str, phrase: str, data: str, reason: str) -> dict[str, Any]:
    """A claim that was not measured, and why."""
    return {
        "claim": claim,
        "phrase": phrase,
        "on": data,
        "complete": True,
        "seconds": 0.0,
        "skipped": reason,
    }


def finite(value: Any) -> Any:
    """The value with every NaN and infinity replaced by None: JSON has neither.

    >>> finite({"a": [1.0, float("inf")], "b": (float("nan"), "x")})
    {'a': [1.0, None], 'b': [None, 'x']}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def dumps(content: dict[str, Any]) -> str:
    """The record as text; anything JSON has no word for is an error, not a guess.

    Lists of numbers and short mappings stand on one line each: a trial is a line.
    """
    return _lines(content, "") + "\n"


ONE_LINE = 200


def _lines(value: Any, indent: str) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or len(text) <= ONE_LINE:
        return text
    if isinstance(value, list) and not any(isinstance(item, dict | list | str) for item in items):
        return text
    deeper = indent + " "
    if isinstance(value, dict):
        inner = [
            f"{deeper}{json.dumps(name, ensure_ascii=False)}: {_lines(item, deeper)}"
            for name, item in value.items()
        ]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    inner = [deeper + _lines(item, deeper) for item in value]
    return "[\n" + ",\n".join(inner) + f"\n{indent}]"


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the record; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(content), encoding="utf-8")
