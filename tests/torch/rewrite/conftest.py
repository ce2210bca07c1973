"""Settings of the rewriting tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def on_one_thread() -> Iterator[None]:
    """Threads only wait for each other in models this small, above all where several tests run at
    once."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
