"""Settings of the claims' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of a claim go to one process: they share what was measured of it."""
    for item in items:
        claim = getattr(getattr(item, "callspec", None), "params", {}).get("claim")
        if claim and item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(f"claim {claim}"))
