"""Settings of all tests. This folder is on the import path: helpers lie here, one file each."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest

import browsers
import needs

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
collect_ignore = ["documents"]  # what the pages' Python starts from
os.environ["EVENBATCH_STORE"] = "off"  # nothing is answered by what the user has stored

# A command in the background of a script ignores Ctrl-C, and what it starts inherits that. These
# tests and the processes they start react to it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--installed-only",
        action="store_true",
        default=sys.version_info >= (3, 15),  # for which some have no wheels yet
        help="skip tests that need PyTorch, Ray, JAX, ONNX or a browser where it is not installed",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--installed-only"):
        needs.skip_without_mnist1d()
        sys.meta_path.insert(0, needs.SkipWithout())


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes go by their length: a compressor's may hold the time, which differs between workers."""
    return f"{argname}-of-{len(val)}" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium, Chrome or Edge; what needs one is skipped without, and the run fails."""
    return _browser("chromium")


@pytest.fixture(scope="session")
def firefox() -> str:
    """Path of a Firefox; what needs one is skipped without, and the run fails."""
    return _browser("firefox")


def _browser(name: str) -> str:
    path = browsers.find(name)
    if path is None:
        pytest.skip(f"{NO_BROWSER}: {name}")
    return path


NO_BROWSER = "no browser"


def _without_browser(session: pytest.Session) -> dict[str, int]:
    """How many tests did not run, by the browser that was missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    missing: dict[str, int] = {}
    for report in reporter.stats.get("skipped", []) if reporter else []:
        _, found, name = str(report.longrepr[-1]).partition(f"{NO_BROWSER}: ")
        if found:
            missing[name] = missing.get(name, 0) + 1
    return missing


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tests that did not run for want of a browser are no green end."""
    if session.exitstatus == pytest.ExitCode.OK and _without_browser(session):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the run says of itself at its end."""
    _say_conformance(terminalreporter)
    for name, count in _without_browser(terminalreporter._session).items():
        terminalreporter.write_line(
            f"{count} tests of the page did not run, because no {name} is here: "
            f"{browsers.how_to_get(name)}.", red=True,
        )  # fmt: skip


def _say_conformance(terminalreporter: Any) -> None:
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
