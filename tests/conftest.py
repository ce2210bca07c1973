"""Settings of all tests. This folder is on the import path: helpers lie here, one file each."""

from __future__ import annotations

import os
import signal
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["EVENBATCH_STORE"] = "off"  # nothing is answered by what the user has stored

# A command in the background of a script ignores Ctrl-C, and what it starts inherits that. These
# tests and the processes they start react to it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many conformance cases ran and passed (here, not beside the tests: with several
    processes only this file is read by the one that reports)."""
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
