"""What an audit says: a finding with its evidence and fix, and a note on what was not looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from evenbatch.torch.models.words import places


class AuditError(ValueError):
    """An audit that cannot be done as asked; the message says what to change."""


class Severity(IntEnum):
    """How much a finding matters.

    ``ERROR``: training or prediction fails, or its numbers are wrong. ``WARNING``: it likely costs
    accuracy, or will fail later. ``INFO``: waste, or worth knowing.

    >>> Severity.parse("warning") < Severity.ERROR
    True
    """

    INFO = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Severity:
        """The severity of that name; AuditError with the names there are."""
        try:
            return cls[text.strip().upper()]
        except KeyError:
            names = ", ".join(str(level) for level in cls)
            raise AuditError(f"{text!r} is no severity; there are {names}") from None


@dataclass(frozen=True)
class Found:
    """What a rule found, before the audit puts the rule's name on it.

    `paths` are the modules it is about, `says` the evidence in one or two sentences, `fix` what to
    do. `evidence` repeats the measured numbers for programs. `apply` changes the model (or the
    optimizer) in place and says what it did; it is given only where that is safe. `moves`: it is
    meant to change the output in evaluation mode.
    """

    paths: tuple[str, ...]
    says: str
    fix: str
    evidence: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    apply: Callable[[], str] | None = None
    severity: Severity | None = None
    moves: bool = False


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, how it was seen, and what to do about it."""

    code: str
    name: str
    severity: Severity
    paths: tuple[str, ...]
    says: str
    fix: str
    evidence: Mapping[str, float | int | str | bool]
    apply: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    moves: bool = field(default=False, repr=False, compare=False)

    @property
    def fixable(self) -> bool:
        """Whether ``report.fix()`` can do it."""
        return self.apply is not None

    @property
    def where(self) -> str:
        """The modules in a few words.

        >>> Finding("EB1", "n", Severity.INFO, ("a", "b", "c", "d", "e"), "", "", {}).where
        'a, b, c and 2 more'
        """
        return places(self.paths)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the function that applies the fix; for JSON."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": str(self.severity),
            "paths": list(self.paths),
            "says": self.says,
            "fix": self.fix,
            "fixable": self.fixable,
            "evidence": {name: _writable(value) for name, value in self.evidence.items()},
        }


@dataclass(frozen=True)
class Note:
    """Something that was not audited, and why. A `problem` is the caller's to mend."""

    says: str
    problem: bool = False


class Reported(Protocol):
    """What the printers read of a report."""

    findings: list[Finding]
    looked_at: list[str]
    notes: list[Note]
    model: Any

    @property
    def complete(self) -> bool:
        """Whether all that was asked for could be audited."""
        ...


def _writable(value: float | int | str | bool) -> float | int | str | bool:
    """JSON has no infinity and no NaN."""
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)
