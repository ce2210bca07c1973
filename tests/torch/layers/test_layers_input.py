"""The layers with masks and inputs that do not fit, and under PyTorch's tracers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import fx, nn

import evenbatch.torch as ours

LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "BatchNorm1d": ((6,), (4, 6, 5)),
    "BatchNorm2d": ((6,), (4, 6, 5, 3)),
    "BatchNorm3d": ((6,), (4, 6, 5, 3, 2)),
    "InstanceNorm1d": ((6,), (4, 6, 5)),
    "InstanceNorm2d": ((6,), (4, 6, 5, 3)),
    "InstanceNorm3d": ((6,), (4, 6, 5, 3, 2)),
    "GroupNorm": ((2, 6), (4, 6, 5)),
    "LayerNorm": ((6,), (4, 5, 6)),
    "RMSNorm": ((6,), (4, 5, 6)),
}


def made(name: str, **words: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """A layer, an input, and a mask of the right shape."""
    arguments, shape = LAYERS[name]
    rows = name in ("LayerNorm", "RMSNorm")
    mask = torch.ones(shape[:-1] if rows else (shape[0], *shape[2:]), dtype=torch.bool)
    mask[0, 0] = False
    return getattr(ours, name)(*arguments, **words), torch.randn(shape), mask


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_masks(name: str) -> None:
    norm, x, mask = made(name)
    for wrong, error, words in (
        (mask.tolist(), TypeError, "mask is a list, must be a torch.Tensor of bool"),
        (mask.numpy(), TypeError, "mask is a ndarray, must be a torch.Tensor of bool"),
        (mask.float(), ValueError, "mask is torch.float32, must be bool (True = valid)"),
        (mask[:2], ValueError, f"mask has shape {tuple(mask[:2].shape)}, must be "),
        (mask.to("meta"), ValueError, "mask is on meta, input on cpu; use mask.to(input.device)"),
    ):
        with pytest.raises(error) as caught:
            norm(x, wrong)
        assert str(caught.value).startswith(f"{name}: {words}")
    for dtype in (torch.int64, torch.complex64):
        with pytest.raises(TypeError, match=f"{name}: with a mask, input must be floating, got"):
            norm(x.to(dtype), mask)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("wrong", ["a list", "nothing", "whole numbers", "complex", "sparse"])
def test_inputs_are_refused_in_pytorchs_words(name: str, wrong: str) -> None:
    norm, x, _ = made(name)
    given: Any = {
        "a list": [1.0], "nothing": None, "whole numbers": x.long(), "sparse": x.to_sparse(),
        "complex": torch.complex(x, x),
    }[wrong]  # fmt: skip
    answers = []
    for layer in (norm, getattr(nn, name)(*LAYERS[name][0])):
        try:
            answers.append(layer(given).dtype)  # RMS norm takes complex numbers
        except (TypeError, AttributeError, RuntimeError) as error:
            answers.append(f"{type(error).__name__}: {error}")
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", LAYERS)
def test_masks_on_the_meta_device(name: str) -> None:
    norm, x, mask = made(name, device="meta")
    y = norm(x.to("meta"), mask.to("meta"))
    assert y.shape == x.shape
    assert y.device.type == "meta"


@pytest.mark.parametrize("name", LAYERS)
def test_autocast_gives_what_pytorchs_layer_gives(name: str) -> None:
    norm, x, _ = made(name)
    theirs = getattr(nn, name)(*LAYERS[name][0])
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", torch.bfloat16):
            y, z = norm(x.to(dtype)), theirs(x.to(dtype))
        assert y.dtype == z.dtype
        torch.testing.assert_close(y, z, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_fx_sees_one_node(name: str, activation: str | None) -> None:
    norm, x, mask = made(name, activation=activation)

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.norm(x, mask) + self.norm(x)

    graph = fx.symbolic_trace(Masked().eval())
    kinds = [(node.op, str(node.target)) for node in graph.graph.nodes]
    assert kinds.count(("call_module", "norm")) == 2
    assert torch.equal(graph(x, mask), norm(x, mask) + norm(x))


@pytest.mark.parametrize("name", LAYERS)
def test_torchscript(name: str) -> None:
    """Traced, a layer is PyTorch's operators and follows the input; scripted, it says no."""
    norm, x, _ = made(name, activation="relu")
    model = nn.Sequential(norm).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        traced = torch.jit.trace(model, x)
        with pytest.raises(RuntimeError, match=f"{name}: torch.jit.script cannot compile"):
            torch.jit.script(model)
    kinds = {node.kind() for node in traced.inlined_graph.nodes()}
    assert {kind.split("::")[0] for kind in kinds} == {"aten", "prim"}
    assert "prim::PythonOp" not in kinds
    for other in (x, 3 * x + 1, x[:2]):
        torch.testing.assert_close(traced(other), model(other), rtol=1e-4, atol=1e-5)
    assert model[0] is norm
