"""A report as SARIF 2.1.0, which code hosts show beside the code.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from evenbatch.torch.auditing.findings import Finding, Reported, Severity
from evenbatch.torch.auditing.rules import RULES

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(report: Reported, source: tuple[Path, int] | None = None) -> dict[str, Any]:
    """The whole log: one run, every rule described, one result a finding."""
    from evenbatch import __version__

    used = sorted({finding.code for finding in report.findings})
    rules = [
        {
            "id": code,
            "name": RULES[code].name,
            "shortDescription": {"text": RULES[code].summary},
            "help": {"text": RULES[code].doc, "markdown": RULES[code].doc},
            "defaultConfiguration": {"level": LEVELS[RULES[code].severity]},
        }
        for code in used
    ]
    notes = [
        {"level": "error" if n.problem else "note", "message": {"text": n.says}}
        for n in report.notes
    ]
    run = {
        "tool": {"driver": {"name": "evenbatch", "version": __version__, "rules": rules}},
        "invocations": [
            {"executionSuccessful": report.complete, "toolExecutionNotifications": notes}
        ],
        "results": [_result(finding, used, report, source) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(
    finding: Finding, used: list[str], report: Reported, source: tuple[Path, int] | None
) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [
            {"fullyQualifiedName": path or ".", "kind": "member"} for path in finding.paths
        ]
    }
    place = _class_source(report, finding) or _inside(source)
    if place is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": place[0]},
            "region": {"startLine": place[1]},
        }
    return {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.where}: {finding.says} Fix: {finding.fix}"},
        "locations": [location],
        "properties": finding.as_dict()["evidence"],
    }


def _class_source(report: Reported, finding: Finding) -> tuple[str, int] | None:
    """Where the class stands that holds the first layer of the finding, if it is the user's."""
    if report.model is None or not finding.paths:
        return None
    path = finding.paths[0]
    while True:
        path = path.rpartition(".")[0]
        try:
            owner = type(report.model.get_submodule(path))
            file = inspect.getsourcefile(owner)
            place = _inside((Path(file), inspect.getsourcelines(owner)[1])) if file else None
        except (AttributeError, TypeError, OSError):
            place = None
        if place is not None or not path:
            return place


def _inside(source: tuple[Path, int] | None) -> tuple[str, int] | None:
    """The place relative to the current folder; None for files outside, such as libraries'."""
    if source is None:
        return None
    path, line = source
    try:
        relative = path.resolve().relative_to(Path.cwd())
    except ValueError:
        return None
    if "site-packages" in relative.parts:
        return None
    return relative.as_posix(), max(1, line)
