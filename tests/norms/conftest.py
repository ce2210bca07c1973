"""Counts of the conformance cases, shown at the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str, int, int], None]:
    """Report (suite, cases run, cases passed) for the summary at the end."""

    def note(suite: str, ran: int, passed: int) -> None:
        record_property("conformance", (suite, ran, passed))

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for key, value in getattr(report, "user_properties", []):
                if key == "conformance" and report.when == "call":
                    suite, ran, passed = value
                    both = counts.setdefault(suite, [0, 0])
                    both[0] += ran
                    both[1] += passed
    if counts:
        terminalreporter.section("conformance of the normalizers: cases passed of cases run")
        for suite, (ran, passed) in sorted(counts.items()):
            terminalreporter.write_line(f"{suite:58} {passed:5d} of {ran:5d}")
        ran, passed = (sum(both[k] for both in counts.values()) for k in (0, 1))
        terminalreporter.write_line(f"{'all':58} {passed:5d} of {ran:5d}")
