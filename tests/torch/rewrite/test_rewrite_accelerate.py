"""accelerate: the layers go in, take relus along where that is safe, and come out again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from rewrite_cases import Model, changed, reasons, small_mobilenet, small_resnet, worn
from torch import nn
from torch.nn import functional as F

import evenbatch.torch as ours
from evenbatch.torch import RewriteError, accelerate, freeze
from evenbatch.torch.layers import _base
from evenbatch.torch.rewrite.accelerate import OURS, THEIRS


@pytest.fixture(autouse=True)
def kernels_for_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models are small, and small inputs go to PyTorch otherwise."""
    monkeypatch.setattr(_base, "FEWEST", dict.fromkeys(_base.FEWEST, 0))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.GroupNorm(2, 8),
        nn.ReLU(inplace=True), nn.Flatten(2), nn.InstanceNorm1d(8), nn.Linear(16, 6),
        nn.LayerNorm(6), nn.GELU(), nn.RMSNorm(6), nn.ReLU(),
    )  # fmt: skip


def test_in_and_out_again() -> None:
    model = network()
    x = torch.randn(4, 3, 8, 8)
    weight, shown, keys = model[1].weight, repr(model), list(model.state_dict())
    twin = copy.deepcopy(model)
    done = accelerate(model, x)
    assert changed(done) == ["1", "4", "7", "9", "11"]
    assert [type(model[k]) for k in (1, 4, 7, 9, 11)] == [
        ours.BatchNorm2d, ours.GroupNorm, ours.InstanceNorm1d, ours.LayerNorm, ours.RMSNorm,
    ]  # fmt: skip
    assert model[1].weight is weight
    assert list(model.state_dict()) == keys
    assert [model[k].activation for k in (1, 4, 7, 9, 11)] == ["relu", "relu", None, None, "relu"]
    assert "with the relu of 2" in done.changes[0].evidence
    for training in (True, False):
        model.train(training)
        twin.train(training)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, z = model(a), twin(b)
        torch.testing.assert_close(y, z, rtol=1e-4, atol=1e-5)
        (y * y).sum().backward()
        (z * z).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model[1].running_var, twin[1].running_var)
    done.undo()
    assert repr(model) == shown
    assert model[1].weight is weight


def test_without_a_batch_only_the_classes_change() -> None:
    model = network()
    done = accelerate(model)
    assert len(done) == 5
    assert isinstance(model[2], nn.ReLU)
    assert model[1].activation is None


def test_out_of_a_copy() -> None:
    model = network().eval()
    x = torch.randn(4, 3, 8, 8)
    before = model(x)
    accelerate(model, x)
    twin = copy.deepcopy(model)
    done = accelerate(twin, undo=True)
    assert changed(done) == ["1", "4", "7", "9", "11"]
    assert not any(type(m) in THEIRS for m in twin.modules())
    assert [type(m) for m in twin[1]] == [nn.BatchNorm2d, nn.ReLU]
    torch.testing.assert_close(twin(x), before, rtol=1e-4, atol=1e-5)
    done.undo()
    assert type(twin[1]) is ours.BatchNorm2d
    assert twin[1].activation == "relu"
    assert not any("evenbatch" in type(m).__module__ for m in accelerate(
        ours.LayerNorm(3, activation="relu"), undo=True).model.modules())  # fmt: skip


STAYS: dict[str, Any] = {
    "read twice": lambda m, x: (h := m.norm(x), m.relu(h) + h)[1],
    "relu called twice": lambda m, x: m.relu(m.norm(x)) + m.relu(x),
    "norm called twice": lambda m, x: m.relu(m.norm(x)) + m.norm(x),
    "an output": lambda m, x: (h := m.norm(x), (m.relu(h), h))[1],
    "a function": lambda m, x: F.relu(m.norm(x)),
    "no relu": lambda m, x: m.norm(x).exp(),
}


@pytest.mark.parametrize("name", STAYS)
def test_relus_that_must_stay(name: str) -> None:
    model = Model(STAYS[name], norm=nn.BatchNorm2d(3), relu=nn.ReLU())
    x = torch.randn(2, 3, 5, 5)
    before = copy.deepcopy(model)(x)
    assert changed(accelerate(model, x)) == ["norm"]
    assert model.norm.activation is None
    assert type(model.relu) is nn.ReLU
    torch.testing.assert_close(model(x), before)


def test_a_hooked_relu_stays() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    model[1].register_forward_hook(lambda module, args, output: None)
    accelerate(model, torch.randn(2, 3, 5, 5))
    assert model[0].activation is None


def test_what_is_not_pytorchs_own_stays() -> None:
    class Own(nn.BatchNorm2d):
        pass

    model = worn(nn.Sequential(Own(3), nn.BatchNorm2d(3)))
    freeze(model[1:])
    done = accelerate(model)
    assert not done
    assert reasons(done) == {
        "0": "Own is not torch.nn's own class",
        "1": "FrozenBatchNorm2d is not torch.nn's own class",
    }
    mine = nn.Sequential(ours.BatchNorm2d(3))
    assert not accelerate(mine)
    freeze(worn(mine))
    assert "a class made from this package's" in reasons(accelerate(mine, undo=True))["0"]


def test_a_wrong_answer_is_seen_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.LayerNorm(5))
    right = ours.LayerNorm.forward
    monkeypatch.setattr(ours.LayerNorm, "forward", lambda *given: 1.01 * right(*given))
    with pytest.raises(RewriteError, match=r"changed by .* so nothing was changed"):
        accelerate(model, torch.randn(3, 5))
    assert type(model[0]) is nn.LayerNorm
    monkeypatch.setattr(ours.LayerNorm, "forward", lambda *given: 1 / 0)
    with pytest.raises(RewriteError, match=r"accelerate: the rewritten model fails .* ZeroDiv"):
        accelerate(model, torch.randn(3, 5))
    assert type(model[0]) is nn.LayerNorm


@pytest.mark.parametrize("build", [small_resnet, small_mobilenet])
def test_real_models(build: Any) -> None:
    model, batch = build()
    worn(model)
    before = model(**batch).logits
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    done = accelerate(model, batch)
    assert len(done) == norms
    torch.testing.assert_close(model(**batch).logits, before, rtol=1e-4, atol=1e-5)
    if build is small_resnet:
        assert sum("with the relu" in change.evidence for change in done) > 3
    done.undo()
    assert not any(type(m) in THEIRS for m in model.modules())


def test_every_layer_has_its_counterpart() -> None:
    names = {name for name in ours.__all__ if name.endswith(("Norm", "1d", "2d", "3d"))}
    assert {cls.__name__ for cls in OURS} == names == {cls.__name__ for cls in THEIRS}
