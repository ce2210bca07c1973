"""PyTorch's threads do the kernels' work, and nothing else changes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import evenbatch.torch as ours
from evenbatch.kernels import parallel
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
    assert (_threads.openmp_team() is not None) == expected


def test_every_share_is_done_once_on_threads_of_the_team(two_threads: Any) -> None:
    team = _threads.openmp_team()
    if team is None:  # the pool then works, as the tests below see
        assert sys.platform != "linux"
        return
    done: list[int] = []
    where: set[int] = set()

    def work(k: int) -> None:
        done.append(k)
        where.add(threading.get_ident())

    for shares in (1, 2, 5):
        done.clear()
        team(work, shares)
        assert sorted(done) == list(range(shares))
    assert threading.get_ident() in where
    assert len(where) > 1
    team(lambda k: team(work, 2), 2)  # a region within a region


def test_an_error_on_a_team_thread_arrives(two_threads: Any) -> None:
    def failing(first: int, last: int) -> None:
        if first > 0:
            raise ZeroDivisionError("on the second thread")

    with _threads.pytorchs_threads(), pytest.raises(ZeroDivisionError, match="on the second"):
        parallel.split(failing, 10, parallel.SPLIT_FROM)


@pytest.mark.parametrize("way", ["team", "pool", "one thread"])
def test_the_answer_is_the_same_to_the_bit(
    way: str, two_threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(40, 16, 20, 20, generator=torch.Generator().manual_seed(0))
    answers = []
    for ways in ("team", way):
        torch.set_num_threads(1 if ways == "one thread" else 2)
        if ways == "pool":
            monkeypatch.setattr(_threads, "openmp_team", lambda: None)
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
