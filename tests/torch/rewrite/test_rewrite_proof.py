"""Rewrites of models with norms that nobody here wrote: each changed, refused with a reason, or
listed as not understood; what moves an output is undone; and undoing leaves all as it was."""

from __future__ import annotations

import copy
import gc
import sys
from contextlib import suppress
from typing import Any

import pytest
import torch
from everything import everything
from rewrite_cases import Model, changed, reasons, worn
from test_audit_unusual_models import CASES
from torch import nn
from torch.nn import functional as F

from evenbatch.torch import (
    RewriteError,
    accelerate,
    audit,
    fold,
    freeze,
    place,
    refresh,
    swap,
    sync,
)


class Own(nn.Module):
    """A batch norm with other names, which keeps its statistics in buffers."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))
        self.register_buffer("center", torch.zeros(c))
        self.register_buffer("width", torch.ones(c))

    def forward(self, x: Any) -> Any:
        return F.batch_norm(
            x, self.center, self.width, self.gain, self.shift, self.training, 0.2
        ).relu()


class AlwaysMoving(Own):
    """Its statistics move in evaluation, too."""

    def forward(self, x: Any) -> Any:
        return F.batch_norm(x, self.center, self.width, self.gain, self.shift, True, 0.2)


class TimeFirst(nn.BatchNorm2d):
    """(T, N, C, H, W), as layers of spiking networks have it."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.flatten(0, 1)).view(x.shape)


class Halves(nn.BatchNorm2d):
    """The first half of a training batch alone is normalized and kept by this layer."""

    def __init__(self, c: int) -> None:
        super().__init__(c)
        self.second = nn.BatchNorm2d(c)

    def forward(self, x: Any) -> Any:
        if not self.training:
            return super().forward(x)
        a, b = x.chunk(2)
        return torch.cat([super().forward(a), self.second(b)])


class Joining(nn.BatchNorm2d):
    """Two sets of statistics, every second example each, which `eval` joins."""

    def __init__(self, c: int) -> None:
        super().__init__(c)
        self.register_buffer("means", torch.zeros(2, c))

    def train(self, mode: bool = True) -> Any:
        if self.training and not mode:
            self.running_mean.copy_(self.means.mean(0))
        return super().train(mode)

    def forward(self, x: Any) -> Any:
        if not self.training:
            return super().forward(x)
        self.means.mul_(0.9).add_(0.1 * torch.stack([h.mean((0, 2, 3)) for h in (x[::2], x[1::2])]))
        return F.batch_norm(x, None, None, self.weight, self.bias, True)


class Lonely(nn.Module):
    """Reads the norm inside of it on another path, for a batch of one row."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(c)

    def forward(self, x: Any) -> Any:
        if len(x) == 1:
            return F.batch_norm(x, self.norm.running_mean, self.norm.running_var)
        return self.norm(x)


def trained(norm: nn.Module, batches: int = 30) -> Any:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Conv2d(4, 2, 1)).train()
    with torch.no_grad():
        for _ in range(batches):
            model(torch.randn(8, 3, 6, 6) * 2 + 1)
    return model


X = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))


# ---- freeze --------------------------------------------------------------------------------------


def test_a_norm_of_another_class_is_frozen_and_thawed() -> None:
    model = trained(Own(4))
    wanted = copy.deepcopy(model).eval()(X)
    done = freeze(model)
    assert changed(done) == ["1"]
    before = model[1].center.clone()
    torch.testing.assert_close(model.train()(X), wanted)
    assert torch.equal(model[1].center, before)
    done.undo()
    model.train()(X + 5)
    assert not torch.equal(model[1].center, before)


def test_what_goes_on_moving_is_refused_and_left() -> None:
    model = trained(AlwaysMoving(4))
    before = everything(model)
    done = freeze(model)
    assert not done
    assert "center, width would go on moving in training mode" in reasons(done)["1"]
    assert everything(model) == before


def test_a_train_of_its_own_runs_before_freezing() -> None:
    model = trained(Joining(4))
    wanted = copy.deepcopy(model).eval()(X)
    before = everything(model)
    done = freeze(model)
    torch.testing.assert_close(model(X), wanted)
    done.undo()
    assert everything(model) == before


def test_functions_are_named_where_a_batch_shows_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.LayerNorm(4)
            self.register_buffer("m", torch.zeros(4))
            self.register_buffer("v", torch.ones(4))

        def forward(self, x: Any) -> Any:
            y = F.batch_norm(self.conv(x), self.m, self.v, None, None, self.training)
            return self.norm(y.mean((2, 3)))

    done = freeze(Net(), batch=X)
    assert "calls batch_norm in its code, which is no layer" in reasons(done)[""]
    assert "not its concern: 1 LayerNorm" in str(done)


def test_what_cannot_be_called_without_a_batch_is_not_passed_over() -> None:
    class Typed(Own):
        def forward(self, x: Any, kind: Any) -> Any:
            return super().forward(x) * (kind[:, None, None, None] + 1)

    model = Model(lambda m, x: m.norm(x, torch.zeros(len(x))), norm=Typed(3))
    assert "not understood (Typed): it keeps center, width" in reasons(freeze(model))["norm"]


# ---- refresh -------------------------------------------------------------------------------------


def test_channels_are_where_the_layer_has_them() -> None:
    model = nn.Sequential(TimeFirst(4))
    for n in (4, 1, 2):
        x = torch.randn(3, n, 4, 5, 5) + 10 * torch.arange(4.0)[:, None, None]
        done = refresh(model, [x])
        assert changed(done) == ["0"]
        torch.testing.assert_close(model[0].running_mean, x.mean((0, 1, 3, 4)))
        torch.testing.assert_close(model[0].running_var, x.transpose(0, 2).flatten(1).var(1))


def test_statistics_of_a_part_are_not_overwritten_by_those_of_all() -> None:
    model = trained(Halves(4))
    before = model[1].running_mean.clone()
    done = refresh(model, [torch.cat([X, 4 * X + 5])])
    assert "1" in reasons(done)
    assert torch.equal(model[1].running_mean, before)


def test_another_class_is_refreshed_by_its_own_convention() -> None:
    model = nn.Sequential(Own(3))
    done = refresh(model, [X, 2 * X])
    both = torch.cat([X, 2 * X]).transpose(0, 1).flatten(1)
    assert changed(done) == ["0"]
    torch.testing.assert_close(model[0].center, both.mean(1))
    torch.testing.assert_close(model[0].width, both.var(1))
    done.undo()
    assert model[0].center.tolist() == [0, 0, 0]


# ---- fold, swap, place ---------------------------------------------------------------------------


def test_a_norm_that_other_code_reads_stays() -> None:
    batch = torch.randn(8, 5)
    model = worn(nn.Sequential(nn.Linear(5, 4), Lonely(4), nn.Linear(4, 2)))
    assert "the code of Lonely reads its running_mean" in reasons(fold(model, batch))["1.norm"]
    done = swap(model, "batch", "group", batch=batch)
    assert "the code of Lonely reads its running_mean" in reasons(done)["1.norm"]
    assert model(torch.randn(1, 5)).shape == (1, 2)


class Branches(nn.Module):
    """Two domains have norms of their own behind one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.a, self.b = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.tail = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.second = False

    def forward(self, x: Any) -> Any:
        return self.tail((self.b if self.second else self.a)(self.conv(x)))


@pytest.mark.parametrize("batch", [X, None])
def test_what_another_branch_uses_stays(batch: Any) -> None:
    model = worn(Branches())
    model.second = True
    wanted = model(X)
    model.second = False
    done = fold(model, batch)
    assert changed(done) == ["tail.1"]
    assert "b was not reached on this batch" in reasons(done)["a"]
    model.second = True
    torch.testing.assert_close(model(X), wanted, rtol=1e-4, atol=1e-5)


def test_one_that_moves_the_output_is_put_back_and_the_others_stay(monkeypatch: Any) -> None:
    module = sys.modules["evenbatch.torch.rewrite.fold"]
    right = module._folded
    monkeypatch.setattr(module, "_local_error", lambda pair, folded: 0.0)
    monkeypatch.setattr(
        module, "_folded",
        lambda pair: (right(pair)[0] * (1.01 if pair.path == "1" else 1), right(pair)[1]),
    )  # fmt: skip
    layers = [m for _ in range(2) for m in (nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))]
    model = worn(nn.Sequential(*layers))
    wanted = model(X)
    done = fold(model, X)
    assert changed(done) == ["3"]
    assert "more than rounding explains: it was put back" in reasons(done)["1"]
    torch.testing.assert_close(model(X), wanted, rtol=1e-4, atol=1e-5)


def test_a_right_fold_before_an_inexact_layer_is_kept() -> None:
    """It multiplies what rounding leaves by 1e5: float64 tells a right fold from a wrong one."""
    model = worn(Model(lambda m, x: (m.norm(m.conv(x)) * 3e5).sin(), conv=nn.Conv2d(3, 4, 3),
                       norm=nn.BatchNorm2d(4)))  # fmt: skip
    assert changed(fold(model, X)) == ["norm"]


def test_spikes_that_flip_in_the_last_bit_are_no_fault() -> None:
    class Neuron(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v: Any = 0.0

        def forward(self, x: Any) -> Any:
            self.v = self.v + x
            fired = (self.v > 1).to(x)
            self.v = self.v * (1 - fired)
            return fired

    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Neuron()))
    assert changed(fold(copy.deepcopy(model), X)) == ["1"]
    assert changed(accelerate(model, X)) == ["1"]
    assert model[2].v == 0.0


def test_a_frozen_norm_folds_in_training_mode() -> None:
    model = trained(nn.BatchNorm2d(4))
    freeze(model)
    model.train()
    wanted = model(X)
    assert changed(fold(model, X)) == ["1"]
    torch.testing.assert_close(model(X), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_eps_is_kept_as_it_was_used(dtype: Any) -> None:
    """RMS norm without a given eps takes that of float32, in which it calculates."""
    model = nn.Sequential(nn.Linear(8, 8), nn.RMSNorm(8)).to(dtype)
    swap(model, "rms", "layer", batch=torch.randn(4, 8, dtype=dtype))
    assert model[1].eps == torch.finfo(torch.float32).eps


def test_a_wrong_fold_in_half_precision_is_seen(monkeypatch: Any) -> None:
    module = sys.modules["evenbatch.torch.rewrite.fold"]
    right = module._folded
    monkeypatch.setattr(module, "_local_error", lambda pair, folded: 0.0)
    monkeypatch.setattr(module, "_folded", lambda pair: (right(pair)[0] * 1.03, right(pair)[1]))
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))).bfloat16()
    with pytest.raises(RewriteError, match="so nothing was changed"):
        fold(model, X.bfloat16())


VERBS: dict[str, Any] = {
    "fold": lambda model: fold(model, X),
    "swap": lambda model: swap(model, "batch", "group", batch=X),
    "accelerate": lambda model: accelerate(model, X),
    "sync": sync,
    "freeze": freeze,
    "refresh": lambda model: refresh(model, [X, 3 * X]),
    "place": lambda model: place(model, "batch", batch=X),
}


@pytest.mark.parametrize("norm", [Own, AlwaysMoving, Halves, Joining, nn.BatchNorm2d])
@pytest.mark.parametrize("verb", VERBS)
def test_every_norm_is_listed_and_undo_leaves_all_as_it_was(verb: str, norm: Any) -> None:
    model = trained(norm(4))
    if verb == "fold":
        model.eval()
    before = everything(model)
    done = VERBS[verb](model)
    if verb != "place":
        assert "1" in {*changed(done), *reasons(done)}, str(done)
    done.undo()
    assert everything(model) == before


# ---- the audit's fixes ---------------------------------------------------------------------------


def test_a_fix_that_moves_the_output_is_put_back(monkeypatch: Any) -> None:
    rule = sys.modules["evenbatch.torch.auditing.rules.eb101_bias"]
    monkeypatch.setattr(rule, "_same_channels", lambda source, op: True)
    model = Model(lambda m, x: m.norm(m.lin(x)), lin=nn.Linear(4, 6), norm=nn.BatchNorm1d(6))
    report = audit(worn(model), torch.randn(8, 6, 4), select=["EB101"])
    before = everything(model)
    done = report.fix()
    assert not done.changed
    assert [finding.code for finding, _ in done.failed] == ["EB101"]
    assert "it was put back" in done.failed[0][1]
    assert everything(model) == before


def test_a_fix_that_changes_nothing_is_not_claimed() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.99)).train()
    report = audit(model, X, select=["EB205"])
    assert [f.code for f in report] == ["EB205"]
    finding = report.findings[0]
    object.__setattr__(finding, "apply", lambda: "did nothing")
    done = report.fix()
    assert not done.changed
    assert done.failed == ((finding, "a new audit finds the same"),)
    assert report.findings == [finding]


def test_what_the_caller_froze_stays_frozen_and_nothing_else() -> None:
    def folded() -> None:
        fold(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval(), X)

    folded()
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        folded()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


# ---- the audit's unusual models ------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["fold", "swap", "accelerate", "freeze", "refresh", "place"])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_undoing_and_refusing_leave_an_unusual_model_as_it_was(make: Any, verb: str) -> None:
    model, batch = make()
    if verb == "fold":
        for module in model.modules():
            module.training = False
    both = [model, batch]
    before = everything(both)
    call = {
        "fold": lambda: fold(model, batch),
        "swap": lambda: swap(model, "batch", "group", batch=batch),
        "accelerate": lambda: accelerate(model, batch),
        "freeze": lambda: freeze(model, batch=batch),
        "refresh": lambda: refresh(model, [batch]),
        "place": lambda: place(model, "layer", batch=batch),
    }[verb]
    with suppress(RewriteError):
        call().undo()
    assert everything(both) == before
