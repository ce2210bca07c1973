"""Real curves, trained once for all tests of the store."""

from __future__ import annotations

import pytest
from stored import some_trials

from evenbatch.engine import Curve, train


@pytest.fixture(scope="session")
def trained() -> list[Curve]:
    return [curve.rounded() for curve in train(some_trials())]
