"""The layers compute what PyTorch's do, through the kernels, in every layout, mode and dtype."""

from __future__ import annotations

from typing import Any

import layer_cases
import pytest
import torch
from layer_cases import CASES, assert_same, is_ours, label, pair
from torch import nn

import evenbatch.torch as ours
from evenbatch.torch.layers import _base

DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.mark.parametrize("case", CASES, ids=label)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("relu", [False, True], ids=["plain", "relu"])
def test_training_and_evaluation_are_pytorchs(case: Any, dtype: Any, relu: bool) -> None:
    name, arguments, shape = case
    mine, theirs = pair(name, arguments, dtype, activation="relu" if relu else None)
    for scale in (1, 3):
        y = assert_same(mine, theirs, (scale * torch.randn(shape) + 1).to(dtype), relu)
        if len(shape) > 3 or "Instance" not in name:  # unbatched: a view of the operator's result
            assert is_ours(y) == (dtype != torch.bfloat16 or name == "RMSNorm")
    mine.eval()
    theirs.eval()
    assert_same(mine, theirs, torch.randn(shape).to(dtype), relu)


@pytest.mark.parametrize("case", [c for c in CASES if len(c[2]) in (4, 5)], ids=label)
def test_channels_last_stays_channels_last(case: Any) -> None:
    name, arguments, shape = case
    kind = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    mine, theirs = pair(name, arguments, torch.float32)
    x = torch.randn(shape).to(memory_format=kind)
    y = assert_same(mine, theirs, x)
    if "Instance" not in name:  # PyTorch gives those back contiguous
        assert y.is_contiguous(memory_format=kind)
    for t in (x[:, :, ::2], x.transpose(2, 3), x.expand(shape)):
        assert_same(mine, theirs, t)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_the_gradient_may_lie_anyhow(case: Any) -> None:
    name, arguments, shape = case
    mine, theirs = pair(name, arguments, torch.float64)
    a, b = (torch.randn(shape, dtype=torch.float64).requires_grad_() for _ in range(2))
    b.data.copy_(a.data)
    # sum: an expanded gradient of stride 0; the transposed one: another order
    for reduce in (torch.sum, lambda t: (t.mT * torch.arange(t.numel()).view(t.mT.shape)).sum()):
        reduce(mine(a)).backward()
        reduce(theirs(b)).backward()
        torch.testing.assert_close(a.grad, b.grad)


def test_small_inputs_are_pytorchs_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_base.FEWEST, "layer", 100)
    norm = ours.LayerNorm(5)
    assert not is_ours(norm(torch.randn(19, 5)))
    assert is_ours(norm(torch.randn(20, 5)))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_layer_is_pytorchs_layer(case: Any) -> None:
    name, arguments, _ = case
    mine, theirs = pair(name, arguments, torch.float32)
    assert isinstance(mine, getattr(nn, name))
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert repr(mine) == repr(theirs)
    theirs.load_state_dict(mine.state_dict())
    mine.load_state_dict(theirs.state_dict())
    assert "activation='relu'" in repr(getattr(ours, name)(**arguments, activation="relu"))


def test_positions_of_the_constructors_arguments_are_pytorchs() -> None:
    for name, given in (
        ("BatchNorm2d", (6, 1e-3, 0.2, False, False, "cpu", torch.float64)),
        ("InstanceNorm2d", (6, 1e-3, 0.2, True, True, "cpu", torch.float64)),
        ("GroupNorm", (2, 6, 1e-3, True, "cpu", torch.float64)),
        ("LayerNorm", (6, 1e-3, True, False, "cpu", torch.float64)),
        ("RMSNorm", (6, 1e-3, True, "cpu", torch.float64)),
    ):
        mine, theirs = (getattr(place, name)(*given) for place in (ours, nn))
        assert repr(mine) == repr(theirs)
        assert {k: v.dtype for k, v in mine.state_dict().items()} == {
            k: v.dtype for k, v in theirs.state_dict().items()
        }


WRONG: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = [
    ("BatchNorm1d", (3,), (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), (2, 3, 4)),
    ("BatchNorm2d", (3,), (2, 4, 5, 5)),
    ("BatchNorm1d", (3,), (1, 3)),
    ("BatchNorm3d", (3,), (2, 3, 4, 4)),
    ("InstanceNorm2d", (3,), (2, 3, 1, 1)),
    ("InstanceNorm1d", (3,), (2, 3, 4, 5)),
    ("GroupNorm", (2, 4), (2, 3, 5)),
    ("GroupNorm", (2, 4), (4,)),
    ("LayerNorm", (4,), (2, 3)),
    ("LayerNorm", ((3, 4),), (2, 4, 3)),
    ("RMSNorm", (4,), (2, 3)),
]


@pytest.mark.parametrize(("name", "given", "shape"), WRONG)
def test_what_pytorch_refuses_is_refused_in_its_words(name: str, given: Any, shape: Any) -> None:
    x = torch.randn(shape)
    with pytest.raises((ValueError, RuntimeError)) as theirs:
        getattr(nn, name)(*given)(x)
    with pytest.raises(theirs.type) as mine:
        getattr(ours, name)(*given)(x)
    assert str(mine.value) == str(theirs.value)


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d", "GroupNorm", "LayerNorm"])
def test_an_unknown_activation_is_refused(name: str) -> None:
    given = (1, 4) if name == "GroupNorm" else (4,)
    with pytest.raises(ValueError, match=f"{name}: activation must be None or 'relu', got 'gelu'"):
        getattr(ours, name)(*given, activation="gelu")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_passes_as_in_pytorch(value: float) -> None:
    for name, arguments, shape in CASES:
        if shape[0] < 2 or "Instance" in name:
            continue
        mine, theirs = pair(name, arguments, torch.float64, activation="relu")
        x = torch.randn(shape, dtype=torch.float64)
        x[1, 2] = value
        torch.testing.assert_close(mine(x), torch.relu(theirs(x)), equal_nan=True)
        for (_, m), t in zip(mine.named_buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(m, t, equal_nan=True)


def test_other_dtypes_and_mixtures_are_pytorchs_business() -> None:
    half = ours.LayerNorm(6, dtype=torch.float16)
    assert not is_ours(half(torch.randn(4, 6).half()))
    mixed = ours.BatchNorm1d(6)
    x = torch.randn(9, 6, 4).bfloat16()
    everything = torch.ones(9, 4, dtype=torch.bool)
    for y in (mixed(x), mixed(x, everything)):  # bfloat16 with float32 parameters
        assert y.dtype == torch.bfloat16
    assert is_ours(y)
    with pytest.raises(RuntimeError, match="dtype"):
        ours.BatchNorm1d(6)(torch.randn(9, 6, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="dtype"):
        nn.BatchNorm1d(6)(torch.randn(9, 6, dtype=torch.float64))
    meta = ours.BatchNorm2d(6, device="meta")
    assert meta(torch.randn(2, 6, 3, 3, device="meta")).device.type == "meta"


def test_an_empty_batch_is_as_in_pytorch() -> None:
    for name, arguments, shape in CASES:
        if len(shape) == 4 and "Batch" in name:
            mine, theirs = pair(name, arguments, torch.float32)
            x = torch.randn(0, *shape[1:])
            assert mine.eval()(x).shape == theirs.eval()(x).shape


def test_every_layer_is_tested() -> None:
    names = {name for name in ours.__all__ if name.endswith(("Norm", "1d", "2d", "3d"))}
    assert {case[0] for case in layer_cases.CASES} == names


def test_parameters_of_a_wrong_size_never_reach_a_kernel() -> None:
    norm = ours.BatchNorm1d(3)
    norm.weight = nn.Parameter(torch.ones(2))
    with pytest.raises(RuntimeError, match="weight"):
        norm(torch.randn(4, 3))
    with pytest.raises(ValueError, match=r"must have 3 elements for this input, got one of shape"):
        torch.ops.evenbatch.batch_norm(
            torch.randn(4, 3), torch.ones(2), None, None, None, None, 1e-5, False
        )
