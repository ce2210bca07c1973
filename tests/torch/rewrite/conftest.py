"""Settings of the rewriting tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded_on_one_thread() -> Iterator[None]:
    """The same numbers in any order of the tests; threads only wait for each other in models this
    small, above all where several tests run at once."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
