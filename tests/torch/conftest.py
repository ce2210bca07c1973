"""Settings of all tests with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from support.torch_threads import one_thread

__all__ = ["one_thread"]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same numbers in any order of the tests, and the generator as it was found."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
