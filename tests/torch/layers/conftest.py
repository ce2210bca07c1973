"""Settings of the layers' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evenbatch.torch.layers import _base


@pytest.fixture(autouse=True)
def kernels_for_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small inputs go to PyTorch otherwise, and the tests' inputs are small; so do most bfloat16
    ones, but with a mask."""
    monkeypatch.setattr(_base, "FEWEST", dict.fromkeys(_base.FEWEST, 0))


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str, int, int], None]:
    """Report (suite, cases run, cases passed) for the summary at the end."""

    def note(suite: str, ran: int, passed: int) -> None:
        record_property("conformance", (suite, ran, passed))

    return note
