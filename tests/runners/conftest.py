"""One local Ray for all tests of a process; it ends with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cluster
import pytest


@pytest.fixture(scope="session")
def ray() -> Iterator[Any]:
    module = cluster.started()
    yield module
    module.shutdown()
