"""The report of an audit: findings, what was and was not looked at, and the fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from evenbatch.torch.auditing.choosing import chosen
from evenbatch.torch.auditing.findings import Finding, Note, Severity
from evenbatch.torch.auditing.sarif import to_sarif
from evenbatch.torch.auditing.text import fixes_to_text, to_text
from evenbatch.torch.deploying import Deployed
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.keeping import Snapshot
from evenbatch.torch.models.words import short
from evenbatch.torch.rewrite._proof import Witness


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
    deployed: Deployed | None = field(default=None, repr=False)  # what another runtime made of it
    again: Callable[..., Report] | None = field(default=None, repr=False)  # the same audit anew

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
        cannot be applied after all, or that moves an output it should not, leaves its place as it
        was and is reported; so is one after which a new audit finds the same.
        """
        codes = sorted({finding.code for finding in self.findings})
        wanted = chosen(codes, select, ignore) if codes else frozenset()
        changed: list[Fixed] = []
        failed: list[tuple[Finding, str]] = []
        for finding in self.findings:
            if finding.apply is None or finding.code not in wanted:
                continue
            made = self._applied(finding)
            if isinstance(made, str):
                failed.append((finding, made))
            else:
                changed.append(made)
        still = self._found_again([fixed.finding for fixed in changed])
        failed += [(finding, "a new audit finds the same") for finding in still]
        changed = [fixed for fixed in changed if fixed.finding not in still]
        done = {id(fixed.finding) for fixed in changed}
        self.findings = [finding for finding in self.findings if id(finding) not in done]
        return Fixes(tuple(changed), tuple(failed), tuple(self.findings))

    def _applied(self, finding: Finding) -> Fixed | str:
        """Apply one fix; or why it was put back."""
        assert finding.apply is not None
        model, inputs = self.model, self.inputs
        before = Snapshot(model)
        witness = None if model is None or inputs is None else Witness(model, inputs)
        try:
            did = finding.apply()
            why = "" if witness is None or model is None else witness.problem(model)
        except Exception as error:
            before.put_back()
            return short(error)
        if why and not finding.moves:
            before.put_back()
            return f"{why}; it was put back"
        gap = witness.gap if witness is not None and witness.before else None
        return Fixed(finding, did, gap)

    def _found_again(self, findings: list[Finding]) -> list[Finding]:
        """Those of the findings that a new audit has, too."""
        if self.again is None or not findings:
            return []
        codes = sorted({finding.code for finding in findings})
        there = {(f.code, path) for f in self.again(select=codes) for path in f.paths}
        return [f for f in findings if any((f.code, path) in there for path in f.paths)]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        from evenbatch import __version__

        return {
            "evenbatch": __version__,
            "complete": self.complete,
            "looked_at": list(self.looked_at),
            "not_audited": [{"says": n.says, "problem": n.problem} for n in self.notes],
            "findings": [finding.as_dict() for finding in self.findings],
            **({"deployed": self.deployed.as_dict()} if self.deployed else {}),
        }

    def sarif(self, source: tuple[Path, int] | None = None) -> dict[str, Any]:
        """A SARIF 2.1.0 log; `source` is the file and line findings without one are put at."""
        return to_sarif(self, source)
