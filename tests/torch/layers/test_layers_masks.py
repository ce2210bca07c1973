"""Masked layers against the NumPy objects, whose masks have tests of their own, and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from layer_cases import is_ours

import evenbatch.norms as numpy_norms
import evenbatch.torch as ours
from evenbatch.torch.layers import _base

LAYERS: dict[str, tuple[Any, Any, tuple[Any, ...], dict[str, bool]]] = {
    "BatchNorm2d": (ours.BatchNorm2d, numpy_norms.BatchNorm, (6,), {}),
    "InstanceNorm2d": (
        ours.InstanceNorm2d, numpy_norms.InstanceNorm, (6,),
        {"affine": True, "track_running_stats": True},
    ),
    "GroupNorm": (ours.GroupNorm, numpy_norms.GroupNorm, (2, 6), {}),
    "LayerNorm": (ours.LayerNorm, numpy_norms.LayerNorm, (5,), {}),
    "RMSNorm": (ours.RMSNorm, numpy_norms.RMSNorm, (5,), {}),
}  # fmt: skip
SHAPE = (4, 6, 13, 5)


def mask_for(name: str) -> torch.Tensor:
    """Ragged lengths, one sample without any valid position."""
    shape = SHAPE if name in ("LayerNorm", "RMSNorm") else (4, 13, 5)
    mask = torch.rand(shape) > 0.4
    mask[2] = False
    return mask


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("fast", [True, False], ids=["kernels", "formula"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_masked_layers_are_the_numpy_objects(
    name: str, fast: bool, layout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_base, "FEWEST", dict.fromkeys(_base.FEWEST, 0 if fast else 1 << 40))
    layer, norm, given, words = LAYERS[name]
    mine = layer(*given, **words, dtype=torch.float64, activation="relu")
    other = norm(*given, **words, dtype="float64", activation="relu")
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter.uniform_(-1, 2)
    other.gamma = mine.weight.detach().numpy()
    if getattr(mine, "bias", None) is not None:
        other.beta = mine.bias.detach().numpy()
    for training in (True, True, False):
        mine.train(training)
        other.train(training)
        mine.zero_grad()
        mask = mask_for(name)
        values = (2 * torch.randn(SHAPE, dtype=torch.float64) + 1).to(memory_format=layout)
        wide = mask if mask.dim() == 4 else mask.unsqueeze(1).expand(SHAPE)
        values[~wide] = float("nan")  # what is masked may hold anything
        x = values.clone().requires_grad_()
        y = mine(x, mask)
        assert is_ours(y) == fast
        dy = torch.randn(SHAPE, dtype=torch.float64)
        y.backward(dy)
        torch.testing.assert_close(
            y.detach(), torch.from_numpy(other(values.numpy(), mask.numpy()))
        )
        torch.testing.assert_close(x.grad, torch.from_numpy(other.backward(dy.numpy())))
        torch.testing.assert_close(mine.weight.grad, torch.from_numpy(other.gamma_grad))
        if getattr(mine, "bias", None) is not None:
            torch.testing.assert_close(mine.bias.grad, torch.from_numpy(other.beta_grad))
        if getattr(mine, "running_mean", None) is not None:
            torch.testing.assert_close(mine.running_mean, torch.from_numpy(other.running_mean))
            torch.testing.assert_close(mine.running_var, torch.from_numpy(other.running_var))
    assert not bool(y[~wide].any())


def test_padding_changes_nothing() -> None:
    """A padded batch with its mask gives what the valid part alone gives."""
    norm = ours.BatchNorm1d(3)
    x, mask = torch.randn(4, 3, 50), torch.arange(50) < torch.tensor([50, 20, 5, 1])[:, None]
    flat = torch.cat([sample[:, keep].T for sample, keep in zip(x, mask, strict=True)])
    y = norm(x, mask)
    alone = ours.BatchNorm1d(3)(flat)
    torch.testing.assert_close(
        torch.cat([sample[:, keep].T for sample, keep in zip(y, mask, strict=True)]), alone
    )


@pytest.mark.parametrize("fewest", [0, 1 << 40], ids=["kernels", "formula"])
def test_a_mask_without_a_valid_position(fewest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_base, "FEWEST", dict.fromkeys(_base.FEWEST, fewest))
    norm = ours.BatchNorm1d(3)
    x = torch.randn(4, 3, 5, requires_grad=True)
    y = norm(x, torch.zeros(4, 5, dtype=torch.bool))
    y.sum().backward()
    assert not bool(y.any())
    assert not bool(x.grad.any())
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.running_var.tolist() == [1, 1, 1]
    assert int(norm.num_batches_tracked) == 0


def test_a_wrong_mask_is_refused() -> None:
    x = torch.randn(4, 6, 5)
    right = torch.ones(4, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"BatchNorm1d: mask is torch.int64, must be bool"):
        ours.BatchNorm1d(6)(x, right.long())
    with pytest.raises(ValueError, match=r"mask has shape \(4, 6, 5\), must be \(4, 5\): input's"):
        ours.GroupNorm(2, 6)(x, torch.ones_like(x).bool())
    with pytest.raises(ValueError, match=r"mask has shape \(5,\), must be \(4,\): the beginning"):
        ours.LayerNorm(5)(x, torch.ones(5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"InstanceNorm1d: mask has shape \(3, 5\), must be"):
        ours.InstanceNorm1d(6)(x, right[:3])
    with pytest.raises(ValueError, match=r"input has 5 channels on axis 1 \(shape \(4, 5, 6\)"):
        ours.BatchNorm1d(6)(x.mT, right)
    with pytest.raises(
        ValueError, match=r"must have 5 channels and more than 1 position per channel"
    ):
        ours.InstanceNorm1d(5)(x, right)
    one = torch.zeros(4, 5, dtype=torch.bool)
    one[0, 0] = True
    with pytest.raises(ValueError, match="more than 1 value per channel, the mask leaves 1 of 20"):
        ours.BatchNorm1d(6)(x, one)
