"""fold: equal output where it folds, and each guard refuses the case planted for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from rewrite_cases import Model, changed, reasons, small_mobilenet, small_resnet, worn
from torch import nn
from torch.nn import functional as F

import evenbatch.torch as eb
from evenbatch.torch import RewriteError, fold

PAIRS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "linear": (nn.Linear(4, 6), nn.BatchNorm1d(6), (5, 4)),
    "linear without bias": (nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), (5, 4)),
    "conv1d": (nn.Conv1d(4, 6, 3, padding=1), nn.BatchNorm1d(6), (5, 4, 9)),
    "conv2d": (
        nn.Conv2d(4, 6, 3, padding=2, stride=2, dilation=2), nn.BatchNorm2d(6), (2, 4, 9, 9),
    ),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), (2, 4, 9, 9)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4), nn.BatchNorm2d(8), (2, 4, 9, 9)),
    "reflected": (
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6), (2, 4, 9, 9),
    ),
    "conv3d": (nn.Conv3d(2, 6, 3), nn.BatchNorm3d(6), (2, 2, 5, 5, 5)),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), (2, 4, 5, 5)),
    "grouped transposed": (
        nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2, output_padding=1),
        nn.BatchNorm2d(6), (2, 4, 5, 5),
    ),
    "no gamma": (nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False), (2, 4, 9, 9)),
    "no beta": (nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, bias=False), (2, 4, 9, 9)),
    "synchronized": (nn.Conv2d(4, 6, 3), nn.SyncBatchNorm(6), (2, 4, 9, 9)),
    "ours with relu": (
        nn.Conv2d(4, 6, 3), eb.BatchNorm2d(6, activation="relu"), (2, 4, 9, 9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_output_stays(name: str, dtype: Any) -> None:
    layer, norm, shape = copy.deepcopy(PAIRS[name])
    model = worn(nn.Sequential(layer, norm)).to(dtype)
    x = torch.randn(shape, dtype=dtype)
    before = model(x)
    done = fold(model, x)
    assert changed(done) == ["1"]
    assert isinstance(model[1], nn.ReLU if "relu" in name else nn.Identity)
    torch.testing.assert_close(model(x), before)
    assert "apart in float64" in done.changes[0].evidence
    assert "the model's output on the batch changed by" in done.evidence
    done.undo()
    assert model[1] is norm
    assert torch.equal(model(x), before)


def test_without_a_batch_the_code_is_followed() -> None:
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    assert changed(fold(model)) == ["1"]
    torch.testing.assert_close(model(x), before)
    mlp = worn(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    assert "the shape of the output of 0 is not known; give a batch" in reasons(fold(mlp))["1"]
    branching = Model(lambda self, x: self.norm(self.conv(x)) if x.sum() > 0 else x,
                      conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4))  # fmt: skip
    with pytest.raises(RewriteError, match=r"torch.fx cannot follow the model .*; give a batch"):
        fold(worn(branching))


def parts(**more: nn.Module) -> dict[str, nn.Module]:
    return {"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), **more}


def tied_model() -> Any:
    model = Model(lambda m, x: m.norm(m.conv(x)) + m.other(x), **parts(other=nn.Conv2d(3, 4, 3)))
    model.other.weight = model.conv.weight
    return model


def hooked_model() -> Any:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model[0].register_forward_hook(lambda module, args, output: None)
    return model


def parametrized_model() -> Any:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    nn.utils.parametrizations.weight_norm(model[0])
    return model


def keeping(m: Any, x: torch.Tensor) -> torch.Tensor:
    m.seen = m.conv(x)
    return m.norm(m.seen)


class Scaled(nn.Conv2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


class Clipped(nn.BatchNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).clamp(-1, 1)


PLANTED: dict[str, tuple[Any, str]] = {
    "conv reused": (
        lambda: Model(lambda m, x: m.norm(m.conv(x)) + m.conv(2 * x), **parts()),
        "conv before it is called 2 times in a forward pass",
    ),
    "norm reused": (
        lambda: Model(lambda m, x: m.norm(m.conv(x)) + m.norm(x[:, [0, 1, 2, 0], 1:-1, 1:-1]),
                      **parts()),
        "it is called 2 times in a forward pass",
    ),
    "norm never called": (lambda: Model(lambda m, x: m.conv(x), **parts()), "called 0 times"),
    "two readers": (
        lambda: Model(lambda m, x: (h := m.conv(x), m.norm(h) + h)[1], **parts()),
        "the output of conv before it is read elsewhere too: add",
    ),
    "read by a method": (
        lambda: Model(lambda m, x: (h := m.conv(x), m.norm(h) * h.mean())[1], **parts()),
        "read elsewhere too: mean",
    ),
    "also an output": (
        lambda: Model(lambda m, x: (h := m.conv(x), (m.norm(h), h))[1], **parts()),
        "the output of conv before it is an output of the model too",
    ),
    "kept for later": (lambda: Model(keeping, **parts()), "is kept by somebody"),
    "changed on the way": (
        lambda: Model(lambda m, x: m.norm(F.relu(m.conv(x))), **parts()),
        "its input comes from a function, not from a linear layer or convolution",
    ),
    "changed in place on the way": (
        lambda: Model(lambda m, x: m.norm(m.conv(x).relu_()), **parts()),
        "its input comes from a function, not from a linear layer or convolution",
    ),
    "norm first": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), "the model's input",
    ),
    "after a pool": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.BatchNorm2d(4)),
        "its input comes from 1 (AvgPool2d), not from a linear layer",
    ),
    "weights shared": (tied_model, "conv.weight is used outside of it, in other"),
    "weights shared with a layer at rest": (
        lambda: Model(lambda m, x: m.norm(m.conv(x)), **tied_model()._modules),
        "its weight is also other.weight (shared)",
    ),
    "weights used by a function": (
        lambda: Model(lambda m, x: m.norm(m.conv(x)) * m.conv.weight.sum(), **parts()),
        "conv.weight is used outside of it, in forward",
    ),
    "a hook on the layer": (hooked_model, "hooks are registered on it"),
    "a parametrized layer": (parametrized_model, "its parameters are computed (parametrized)"),
    "a forward of its own": (
        lambda: nn.Sequential(Scaled(3, 4, 3), nn.BatchNorm2d(4)),
        "0 (Scaled) has a forward of its own",
    ),
    "a norm of its own": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Clipped(4)),
        "Clipped is not each channel times a number plus a number in evaluation",
    ),
    "no running statistics": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        "it keeps no running statistics",
    ),
    "features on the last axis": (
        lambda: nn.Sequential(nn.Flatten(2), nn.Linear(64, 3), nn.BatchNorm1d(3)),
        "its input (2, 3, 3) has the features of 1 on the last axis, not on axis 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_hazard_is_refused(name: str) -> None:
    build, words = PLANTED[name]
    model = worn(build())
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    state = copy.deepcopy(model.state_dict())
    done = fold(model, x)
    (reason,) = reasons(done).values()
    assert words in reason
    assert not done
    torch.testing.assert_close(model(x), before, rtol=0, atol=0)
    assert {k: v.tolist() for k, v in state.items()} == {
        k: v.tolist() for k, v in model.state_dict().items()
    }


@pytest.mark.parametrize(("name", "value"), [("running_var", float("inf")), ("bias", float("nan"))])
def test_what_is_not_finite_is_refused(name: str, value: float) -> None:
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    getattr(model[1], name).data[0] = value
    assert reasons(fold(model, torch.randn(2, 3, 8, 8))) == {"1": f"its {name} is not finite"}


def test_training_mode_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(RewriteError, match=r"the model is in training mode.*model.eval\(\) first"):
        fold(model)
    model.eval()[1].train()
    with pytest.raises(RewriteError, match="fold: 1 is in training mode"):
        fold(model)


def test_a_wrong_fold_is_seen_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the pair's own check, and by the model's where that one is blinded."""
    import sys

    module = sys.modules["evenbatch.torch.rewrite.fold"]
    right = module._folded
    monkeypatch.setattr(module, "_folded", lambda pair: (1.001 * right(pair)[0], right(pair)[1]))
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    assert "folding changes its output by" in reasons(fold(model, x))["1"]
    monkeypatch.setattr(module, "_local_error", lambda pair, folded: 0.0)
    with pytest.raises(RewriteError, match=r"fold: the model's output .* so nothing was changed"):
        fold(model, x)
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("build", [small_resnet, small_mobilenet])
def test_real_models_fold_whole(build: Any) -> None:
    model, batch = build()
    worn(model)
    before = model(**batch).logits
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    done = fold(model, batch)
    assert len(done) == len(norms) > 5
    assert not done.refused
    torch.testing.assert_close(model(**batch).logits, before, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_rewritten_is_named() -> None:
    conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    with pytest.raises(RewriteError, match=r"fold: needs a torch.nn.Module, got a function"):
        fold(lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(RewriteError, match=r"is compiled .torch.compile.; rewrite the model first"):
        fold(torch.compile(conv, backend="eager"))
    with pytest.raises(RewriteError, match=r"0.weight is lazy, its shape is not known yet"):
        fold(nn.Sequential(nn.LazyConv2d(4, 3), nn.BatchNorm2d(4)).eval())
    with pytest.raises(RewriteError, match=r"failed in 0 on the batch \(\(2, 5, 8, 8\) float32\)"):
        fold(conv, torch.randn(2, 5, 8, 8))
    meta = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval().to("meta")
    assert "is on the meta device" in reasons(fold(meta))["1"]


# ---- norms of other classes ----------------------------------------------------------------------


class WithActivation(nn.BatchNorm2d):
    """An activation and a dropout within, as timm's BatchNormAct2d has them."""

    def __init__(self, channels: int, act: nn.Module) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), act

    def forward(self, x: Any) -> Any:
        return self.act(self.drop(super().forward(x)))


class Fixed(nn.Module):
    """Buffers only, as detectors have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.5), ("bias", 0.5), ("mean", 2.0), ("var", 3.0)):
            self.register_buffer(name, value + torch.rand(channels))

    def forward(self, x: Any) -> Any:
        scale = self.weight * (self.var + 1e-5).rsqrt()
        shift = self.bias - self.mean * scale
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


class OnePlus(nn.BatchNorm2d):
    """gamma is 1 + weight."""

    def forward(self, x: Any) -> Any:
        return F.batch_norm(x, self.running_mean, self.running_var, 1 + self.weight, self.bias,
                            self.training, self.momentum, self.eps)  # fmt: skip


@pytest.mark.parametrize(
    ("norm", "left"),
    [
        (WithActivation(4, nn.SiLU()), nn.SiLU),
        (WithActivation(4, nn.Identity()), nn.Identity),
        (Fixed(4), nn.Identity),
        (OnePlus(4), nn.Identity),
    ],
    ids=["activation", "none", "fixed", "one plus"],
)
def test_what_proves_to_be_batch_norm_is_folded(norm: Any, left: Any) -> None:
    model = worn(nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Conv2d(4, 2, 1)))
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    done = fold(model, x)
    assert changed(done) == ["1"]
    assert type(model[1]) is left
    torch.testing.assert_close(model(x), before)
    done.undo()
    assert model[1] is norm
    assert torch.equal(model(x), before)


def test_it_must_be_behind_a_layer_and_read_by_nobody() -> None:
    x = torch.randn(2, 3, 8, 8)
    first = worn(nn.Sequential(Fixed(3), nn.Conv2d(3, 4, 3)))
    assert "not from a linear layer or convolution" in reasons(fold(first, x))["0"]
    read = Model(lambda self, x: self.norm(self.conv(x)) + self.norm.act(x[:, :1]),
                 conv=nn.Conv2d(3, 4, 1), norm=WithActivation(4, nn.SiLU()))  # fmt: skip
    with pytest.raises(RewriteError, match="no attribute 'act'"):
        fold(worn(read), x)
    assert isinstance(read.norm, WithActivation)
