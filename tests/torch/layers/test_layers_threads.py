"""PyTorch's threads do the kernels' work, and nothing else changes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import evenbatch.torch as ours
from evenbatch.kernels import parallel
from evenbatch.kernels._jit import kernel
from evenbatch.torch.layers import _threads


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pytorchs_openmp_is_found_where_there_is_one() -> None:
    carried = list((Path(torch.__file__).parent / "lib").glob("libgomp*"))
    expected = bool(carried) and sys.platform == "linux"
    assert (_threads.loaded_openmp() is not None) == expected
    assert (_threads.gomp_parallel() is not None) == expected


@kernel(entry=True)
def _count(first: int, last: int, seen: Any) -> None:
    for i in range(first, last):
        seen[i] += 1


def test_every_share_is_done_once_by_the_team(two_threads: Any) -> None:
    with _threads.pytorchs_threads():
        for items in (1, 2, 5, 1000):
            seen = np.zeros(items)
            parallel.split(_count, items, parallel.SPLIT_FROM, seen)
            assert (seen == 1).all()


@pytest.mark.parametrize("way", ["team", "pool", "one thread"])
def test_the_answer_is_the_same_to_the_bit(
    way: str, two_threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(40, 16, 20, 20, generator=torch.Generator().manual_seed(0))
    answers = []
    for ways in ("team", way):
        torch.set_num_threads(1 if ways == "one thread" else 2)
        if ways == "pool":
            monkeypatch.setattr(_threads, "gomp_parallel", lambda: None)
        for layer in (ours.BatchNorm2d(16), ours.GroupNorm(4, 16), ours.LayerNorm(20)):
            leaf = x.clone().requires_grad_()
            y = layer(leaf)
            y.square().sum().backward()
            answers.append((y.detach(), leaf.grad, layer.weight.grad))
    half = len(answers) // 2
    for first, second in zip(answers[:half], answers[half:], strict=True):
        for a, b in zip(first, second, strict=True):
            assert torch.equal(a, b)


def test_layers_in_several_threads_at_once(two_threads: Any) -> None:
    x = torch.randn(40, 16, 20, 20)
    expected = ours.BatchNorm2d(16)(x)
    found: list[torch.Tensor] = []
    workers = [
        threading.Thread(target=lambda: found.append(ours.BatchNorm2d(16)(x))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert all(torch.equal(y, expected) for y in found)
