"""Counts of the conformance cases; tests/conftest.py shows them at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str, int, int], None]:
    """Report (suite, cases run, cases passed) for the summary at the end."""

    def note(suite: str, ran: int, passed: int) -> None:
        record_property("conformance", (suite, ran, passed))

    return note
