"""Copies of models reach nothing of the original; what is run in place is put back."""

from __future__ import annotations

import functools
import random
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from everything import everything
from torch import nn

from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import BatchError, Inputs, mapped, tensors_in
from evenbatch.torch.models.keeping import Lender, left_as_it_was


class Everything(nn.Module):
    """Whatever a forward pass may change."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.aside, self.named = [nn.BatchNorm1d(4)], {"a": nn.BatchNorm1d(4)}
        self.through = lambda x: self.norm(x)
        self.bound, self.partly = self.norm.forward, functools.partial(self.aside[0], input=None)
        self.other = weakref.ref(self.named["a"])
        self.count, self.seen, self.potential = 0, deque([1]), torch.zeros(4)
        self.numbers, self.array = torch.Generator(), np.zeros(3)
        self.started = nn.Parameter(torch.zeros(4))
        self.register_buffer("total", torch.zeros(4))
        self.hook_calls: list[int] = []
        calls = self.hook_calls
        self.norm.register_forward_hook(lambda *args: calls.append(1))

    def forward(self, x: Any) -> Any:
        if not self.count:
            self.started.data = x.mean(0)  # data-dependent initialization
        self.count += 1
        self.seen.append(self.count)
        self.potential = self.potential + x.sum(0)
        self.total += 1
        self.array += random.random() + np.random.rand()  # noqa: NPY002
        self.new = {"made": x}
        for norm in (self.through, self.bound, self.aside[0], self.named["a"], self.other()):
            x = norm(x)
        return x + torch.rand(4, generator=self.numbers) + torch.rand(4) + self.partly(input=x)

    def train(self, mode: bool = True) -> Everything:
        self.count += 10
        return super().train(mode)


def used(model: Any) -> None:
    model.train()
    model(torch.randn(8, 4)).sum().backward()
    model.eval()(torch.randn(2, 4))
    model.norm.register_forward_hook(print)


@pytest.mark.parametrize("lend", [lambda m: Lender(m).lend(), left_as_it_was], ids=["copy", "kept"])
def test_nothing_reachable_differs(lend: Callable[[Any], AbstractContextManager[Any]]) -> None:
    model = Everything()
    used(model)
    before = everything(model)
    numbers = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    with lend(model) as lent:
        (lent or model).norm._forward_hooks.popitem()
        used(lent or model)
    assert everything(model) == before
    assert numbers == (
        random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    )  # fmt: skip


def test_a_planted_change_is_seen() -> None:
    """The comparison above can fail."""
    for change in (
        lambda m: m(torch.randn(8, 4)), lambda m: m.train(), lambda m: m.aside.append(1),
        lambda m: m.aside[0].running_mean.add_(1), lambda m: m.numbers.manual_seed(3),
        lambda m: setattr(m.started, "grad", torch.ones(4)), lambda m: m.seen.popleft(),
        lambda m: m.array.fill(2),
    ):  # fmt: skip
        model = Everything()
        before = everything(model)
        change(model)
        assert everything(model) != before


def test_a_copy_does_what_the_model_does() -> None:
    model = Everything()
    used(model)
    model.norm._forward_hooks.popitem()
    copy, x = copied(model), torch.randn(8, 4)
    torch.manual_seed(0)
    expected = model.train()(x)
    torch.manual_seed(0)
    assert torch.equal(copy.train()(x), expected)
    assert copy.other() is copy.named["a"]
    assert copy.bound.__self__ is copy.norm


def test_what_cannot_be_copied_is_shared_and_named() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2))
    model.lock, model[0].handle = threading.Lock(), open(__file__)  # noqa: SIM115
    shared: list[str] = []
    with model[0].handle:
        copy = copied(model, shared)
    assert sorted(shared) == ["0.handle", "lock"]
    assert copy.lock is model.lock
    assert copy[0].weight is not model[0].weight


class Stubborn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("one of me is enough")

    def forward(self, x: Any) -> Any:
        return self.norm(x)


def test_a_model_that_refuses_to_be_copied_is_run_and_put_back() -> None:
    model = Stubborn()
    before = everything(model)
    lender = Lender(model)
    with lender.lend() as lent:
        assert lent is model
        lent(torch.randn(8, 4))
    assert lender.refused == "TypeError: one of me is enough"
    assert everything(model) == before


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_weight_that_a_hook_computes_is_copied_without_its_history() -> None:
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 2)), nn.BatchNorm1d(2))
    model(torch.randn(4, 2))
    copy, x = copied(model).eval(), torch.randn(4, 2)
    torch.testing.assert_close(copy(x), model.eval()(x))


def test_tied_weights_stay_tied_and_gradients_go_along() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    model(torch.randn(3, 2)).sum().backward()
    copy = copied(model)
    assert copy[0].weight is copy[1].weight
    assert copy[0].weight.grad is not model[0].weight.grad


class Graph:
    """An object with tensors, as graph libraries have them."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x, self.parts, self.name = x, {"edges": [torch.ones(2)]}, "a graph"


def test_tensors_of_objects() -> None:
    graph = Graph(torch.zeros(3))
    assert [tuple(t.shape) for t in tensors_in([graph, 1])] == [(3,), (2,)]
    doubled = mapped((graph,), lambda t: t + 1)[0]
    assert doubled.x.tolist() == [1, 1, 1]
    assert doubled.parts["edges"][0].tolist() == [2, 2]
    assert graph.x.tolist() == [0, 0, 0]
    assert Inputs.of(graph, nn.Identity()).args == (graph,)
    with pytest.raises(BatchError, match="the batch is of type str"):
        Inputs.of("abc", nn.Identity())


class KeywordOnly(nn.Module):
    def forward(self, *, x: Any) -> Any:
        return x


def test_a_forward_that_takes_keywords_only() -> None:
    x = torch.zeros(2, 3)
    for batch in (x, (x,), {"x": x}):
        assert Inputs.of(batch, KeywordOnly()).kwargs == {"x": x}
