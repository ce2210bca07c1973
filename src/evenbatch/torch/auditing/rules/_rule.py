"""What a rule is: a code, a name, a severity, its documentation and one function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from evenbatch.torch.auditing.findings import Finding, Found, Severity
from evenbatch.torch.auditing.subject import Subject

Check = Callable[[Subject], Iterable[Found]]


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong.

    `code` never changes its meaning. `sees` names what it looks at: "tree", "state", "optimizer",
    "graph", "batch", "loader", "context", "run" or "deployed", several joined by " + ".
    """

    code: str
    name: str
    severity: Severity
    sees: str
    doc: str
    check: Check

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.doc.strip().splitlines()[0]

    def findings(self, subject: Subject) -> list[Finding]:
        """What it finds, with its name put on it; what is scripted cannot be changed."""
        fixable = not any(isinstance(m, torch.jit.ScriptModule) for m in subject.model.modules())
        return [
            Finding(
                self.code,
                self.name,
                self.severity if found.severity is None else found.severity,
                found.paths,
                found.says,
                found.fix,
                found.evidence,
                found.apply if fixable else None,
                found.moves,
            )
            for found in self.check(subject)
        ]


def rule(code: str, severity: Severity, sees: str) -> Callable[[Check], Rule]:
    """Make a rule of the function; its name becomes the rule's, its file's docstring the page."""

    def made(check: Check) -> Rule:
        module = inspect.getmodule(check)
        doc = inspect.getdoc(module) or ""
        return Rule(code, check.__name__.replace("_", "-"), severity, sees, doc, check)

    return made
