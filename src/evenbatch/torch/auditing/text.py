"""A report as text for a terminal or a log."""

from __future__ import annotations

import textwrap
from typing import Any

from evenbatch.torch.auditing.findings import Finding, Reported, Severity
from evenbatch.torch.measuring.norms import class_name
from evenbatch.torch.models.words import brief, counted

WIDTH = 96


def finding_text(finding: Finding, model: Any = None) -> str:
    """Three parts: what and where, the evidence, the fix."""
    head = f"{finding.code} {finding.severity}: {finding.name}, at {finding.where}"
    head += _classes(finding, model)
    mark = " (report.fix() or --fix does it)" if finding.fixable else ""
    return "\n".join((head, _block("", finding.says), _block("Fix: ", finding.fix + mark)))


def _classes(finding: Finding, model: Any) -> str:
    """What the modules are, if all are the same: " (BatchNorm2d)"."""
    modules = dict(model.named_modules(remove_duplicate=False)) if model is not None else {}
    names = {class_name(modules[path]) for path in finding.paths if path in modules}
    return f" ({names.pop()})" if len(names) == 1 else ""


def _block(label: str, text: str) -> str:
    return textwrap.fill(
        label + text, WIDTH, initial_indent="    ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def to_text(report: Reported) -> str:
    """Findings, then what was and was not looked at, then the count."""
    parts = [finding_text(finding, report.model) for finding in report.findings]
    looked = [f"Looked at: {'; '.join(report.looked_at)}."] if report.looked_at else []
    looked += [f"Not audited: {note.says}" for note in report.notes]
    if looked:
        parts.append("\n".join(_wrapped(line) for line in looked))
    parts.append(totals(report))
    if report.findings:
        parts[-1] += f"\nMore about one: evenbatch audit --explain {report.findings[0].code}"
    return "\n\n".join(parts)


def totals(report: Reported) -> str:
    """The last line."""
    if not report.findings:
        return "Nothing found." if report.complete else "Nothing found in what could be audited."
    per_level = []
    for level in sorted(Severity, reverse=True):
        number = sum(finding.severity == level for finding in report.findings)
        if number:
            per_level.append(f"{number} info" if level is Severity.INFO
                             else counted(number, str(level)))  # fmt: skip
    fixable = sum(finding.fixable for finding in report.findings)
    tail = f"; {fixable} can be fixed automatically" if fixable else ""
    return f"{counted(len(report.findings), 'finding')}: {', '.join(per_level)}{tail}."


def fixes_to_text(
    changed: list[tuple[str, str, float | None]], failed: list[tuple[str, str]]
) -> str:
    """What was changed, and what it did to the output: the codes, what was done, by how much the
    output moved; and what failed, with the reason."""
    lines = [f"{code} fixed: {did}; {_moved(gap)}." for code, did, gap in changed]
    lines += [f"{code} could not be fixed: {why}" for code, why in failed]
    return "\n".join(_wrapped(line) for line in lines) or "Nothing to fix automatically."


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _moved(difference: float | None) -> str:
    if difference is None:
        return "output not compared (no batch, or the forward pass fails)"
    if difference == 0:
        return "output in evaluation mode unchanged"
    return f"output in evaluation mode changed by {brief(difference)} of its largest value"
