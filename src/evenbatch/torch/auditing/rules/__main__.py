"""Print docs/rules.md: ``python -m evenbatch.torch.auditing.rules > docs/rules.md``."""

from __future__ import annotations

import sys

from evenbatch.torch.auditing.rules import FAMILIES, RULES
from evenbatch.torch.auditing.rules._rule import Rule

HEAD = """# The audit's rules

`evenbatch audit` and `evenbatch.torch.audit` ask these questions of a model
([how to use them](audit.md)). A code never changes its meaning. Severity: an **error** makes
training or prediction fail, or its numbers wrong; a **warning** likely costs accuracy, or fails
later; **info** is waste, or worth knowing. "Looks at" says what a rule needs: the module tree and
state are always there; the graph, the batch, the loader, the optimizer and the context only if
given.

This page is made by `python -m evenbatch.torch.auditing.rules > docs/rules.md`.
"""


def page() -> str:
    """The whole page: a table of all rules, then each with its documentation."""
    return "\n".join([HEAD, _table(), *(_family(prefix) for prefix in FAMILIES if _of(prefix))])


def _of(prefix: str) -> list[Rule]:
    return [rule for code, rule in RULES.items() if code.startswith(prefix)]


def _table() -> str:
    lines = ["| code | name | severity | looks at |", "|---|---|---|---|"]
    for rule in RULES.values():
        link = f"[{rule.code}](#{rule.code.lower()}-{rule.name})"
        lines.append(f"| {link} | {rule.name} | {rule.severity} | {rule.sees} |")
    return "\n".join(lines) + "\n"


def _family(prefix: str) -> str:
    parts = [f"## {prefix}xx: {FAMILIES[prefix]}\n"]
    for rule in _of(prefix):
        doc = rule.doc.replace("\n## ", "\n#### ")
        parts.append(f"### {rule.code} {rule.name}\n\n*{rule.severity}, looks at {rule.sees}.*\n")
        parts.append(doc + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
