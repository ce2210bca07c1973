"""What ``evenbatch audit`` does, once its options are read."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.deploying import deployed
from evenbatch.torch.auditing.findings import AuditError, Severity
from evenbatch.torch.auditing.gathering import audit
from evenbatch.torch.auditing.report import Report
from evenbatch.torch.auditing.rules import RULES
from evenbatch.torch.auditing.target import Target, load, random_batch

CLEAN, FOUND, USER_ERROR = 0, 1, 2


@dataclass(frozen=True)
class Options:
    """The options of the command, as written."""

    shape: str = ""
    context: Sequence[str] = ()
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    fail_on: str = "warning"
    json: Path | None = None
    sarif: Path | None = None
    fix: bool = False
    save: Path | None = None
    deployed: str = ""


def run(name: str, options: Options) -> int:
    """Audit the model behind the name, print and write what was asked for; the exit code.

    0: no finding at or above ``--fail-on``. 1: at least one. 2: none, but a part could not be
    audited for a reason the user can mend.

    Raises:
        AuditError: what cannot work, with what to change.
    """
    if not name:
        raise AuditError("name the model: evenbatch audit package.module:factory")
    threshold = Severity.parse(options.fail_on)
    if options.save and not options.fix:
        raise AuditError("--save writes the fixed weights; it needs --fix")
    declared = Context.parse(options.context)
    with contextlib.redirect_stdout(sys.stderr):  # what the user's code prints is not the report
        target = load(name)
        report = _report(target, declared, options)
        fixes = report.fix() if options.fix else None
    if options.save:
        _made(options.save)
        torch.save(target.model.state_dict(), options.save)
    content = report.as_dict()
    if fixes is not None:
        content["fixed"] = fixes.as_dict()
    if options.sarif:
        _write(options.sarif, report.sarif(target.source))
    if options.json:
        _write(options.json, content)
    if "-" not in (str(options.json), str(options.sarif)):
        print("\n\n".join(str(part) for part in (fixes, report) if part is not None))
    return _exit_code(report, threshold)


def _report(target: Target, declared: Context, options: Options) -> Report:
    if options.shape and target.batch is not None:
        raise AuditError("--shape makes a batch, and the factory gives one already: leave it out")
    batch = random_batch(options.shape) if options.shape else target.batch
    context = Context(**{**target.context.declared(), **declared.declared()})
    asked = partial(deployed, to=options.deployed) if options.deployed else audit
    return asked(
        target.model,
        batch,
        optimizer=target.optimizer,
        loader=target.loader,
        context=context,
        select=options.select,
        ignore=options.ignore,
    )


def explain(code: str) -> str:
    """The page of one rule."""
    rule = RULES.get(code.strip().upper())
    if rule is None:
        raise AuditError(f"there is no rule {code!r}; there are {', '.join(RULES)}")
    return f"{rule.code} {rule.name} ({rule.severity}; looks at {rule.sees})\n\n{rule.doc}"


def _exit_code(report: Report, threshold: Severity) -> int:
    if report.worst is not None and report.worst >= threshold:
        return FOUND
    return CLEAN if report.complete else USER_ERROR


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    _made(path).write_text(text, encoding="utf-8")


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
