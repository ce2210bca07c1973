"""The report of an audit: findings, what was and was not looked at, and the fixes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from evenbatch.torch.auditing.choosing import chosen
from evenbatch.torch.auditing.findings import Finding, Note, Severity
from evenbatch.torch.auditing.sarif import to_sarif
from evenbatch.torch.auditing.text import fixes_to_text, to_text
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import difference, forward, set_mode
from evenbatch.torch.models.words import short


@dataclass(frozen=True)
class Fixed:
    """One fix that was applied: what it did, and how far the model's output moved.

    `difference` is the largest change of the output in evaluation mode on the audit's batch, in
    parts of the output's largest value; None if there was no batch to measure it on.
    """

    finding: Finding
    did: str
    difference: float | None


@dataclass(frozen=True)
class Fixes:
    """What ``report.fix()`` changed, what it could not, and what it left to the user."""

    changed: tuple[Fixed, ...] = ()
    failed: tuple[tuple[Finding, str], ...] = ()
    left: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        return fixes_to_text(
            [(f.finding.code, f.did, f.difference) for f in self.changed],
            [(finding.code, why) for finding, why in self.failed],
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "changed": [
                {"code": f.finding.code, "did": f.did, "output_difference": f.difference}
                for f in self.changed
            ],
            "failed": [{"code": finding.code, "why": why} for finding, why in self.failed],
        }


@dataclass
class Report:
    """What an audit found.

    A report is iterable (its findings, worst first), prints as text, and gives JSON and SARIF.
    """

    findings: list[Finding] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    model: nn.Module | None = field(default=None, repr=False)
    inputs: Inputs | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        """A report is always true; ask for its length, or ``worst``."""
        return True

    def __str__(self) -> str:
        return to_text(self)

    @property
    def worst(self) -> Severity | None:
        """The highest severity found."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def complete(self) -> bool:
        """Whether all that was asked for could be audited."""
        return not any(note.problem for note in self.notes)

    def fix(self, select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> Fixes:
        """Apply the safe fixes in place, and measure what that does to the model's output.

        The optimizer given to the audit is changed too where a fix is about its groups. A fix that
        cannot be applied after all leaves its place as it was and is reported.
        """
        codes = sorted({finding.code for finding in self.findings})
        wanted = chosen(codes, select, ignore) if codes else frozenset()
        before = self._output()
        changed: list[Fixed] = []
        failed: list[tuple[Finding, str]] = []
        for finding in self.findings:
            if finding.apply is None or finding.code not in wanted:
                continue
            try:
                did = finding.apply()
            except Exception as error:
                failed.append((finding, short(error)))
                continue
            after = self._output()
            gap = None
            if before is not None and after is not None:
                gap = difference(before, after)
            changed.append(Fixed(finding, did, gap))
            before = after
        done = {id(fixed.finding) for fixed in changed}
        self.findings = [finding for finding in self.findings if id(finding) not in done]
        return Fixes(tuple(changed), tuple(failed), tuple(self.findings))

    def _output(self) -> list[Any] | None:
        if self.model is None or self.inputs is None:
            return None
        try:
            with Lender(self.model).lend() as model:
                set_mode(model, False)
                return forward(model, self.inputs)
        except Exception:
            return None

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        from evenbatch import __version__

        return {
            "evenbatch": __version__,
            "complete": self.complete,
            "looked_at": list(self.looked_at),
            "not_audited": [{"says": n.says, "problem": n.problem} for n in self.notes],
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def sarif(self, source: tuple[Path, int] | None = None) -> dict[str, Any]:
        """A SARIF 2.1.0 log; `source` is the file and line findings without one are put at."""
        return to_sarif(self, source)
