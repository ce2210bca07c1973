"""What the layers' tests share: every layer with an input for it, and comparing two layers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

import evenbatch.torch as ours

CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm1d", {"num_features": 6}, (9, 6)),
    ("BatchNorm1d", {"num_features": 6}, (4, 6, 7)),
    ("BatchNorm2d", {"num_features": 6}, (4, 6, 9, 9)),
    ("BatchNorm3d", {"num_features": 4}, (2, 4, 3, 4, 5)),
    ("BatchNorm2d", {"num_features": 6, "affine": False}, (4, 6, 3, 3)),
    ("BatchNorm2d", {"num_features": 6, "momentum": None}, (4, 6, 3, 3)),
    ("BatchNorm2d", {"num_features": 6, "track_running_stats": False}, (4, 6, 3, 3)),
    ("BatchNorm2d", {"num_features": 6, "bias": False}, (4, 6, 3, 3)),
    ("InstanceNorm1d", {"num_features": 6}, (4, 6, 70)),
    ("InstanceNorm2d", {"num_features": 6, "affine": True}, (4, 6, 9, 9)),
    ("InstanceNorm2d", {"num_features": 6, "track_running_stats": True}, (4, 6, 3, 3)),
    ("InstanceNorm2d", {"num_features": 6}, (6, 4, 4)),  # one sample, no batch axis
    ("InstanceNorm3d", {"num_features": 4}, (2, 4, 3, 4, 5)),
    ("GroupNorm", {"num_groups": 2, "num_channels": 6}, (4, 6)),
    ("GroupNorm", {"num_groups": 3, "num_channels": 6}, (4, 6, 9, 9)),
    ("GroupNorm", {"num_groups": 1, "num_channels": 6, "affine": False}, (4, 6, 3, 3)),
    ("LayerNorm", {"normalized_shape": 6}, (4, 3, 6)),
    ("LayerNorm", {"normalized_shape": (3, 6), "bias": False}, (4, 3, 6)),
    ("LayerNorm", {"normalized_shape": 6, "elementwise_affine": False}, (7, 6)),
    ("RMSNorm", {"normalized_shape": 6}, (4, 3, 6)),
    ("RMSNorm", {"normalized_shape": (3, 6), "eps": 1e-3}, (4, 3, 6)),
]


def label(case: tuple[str, dict[str, Any], tuple[int, ...]]) -> str:
    """The case in words, for test ids."""
    words = [f"{k}={v}" for k, v in case[1].items() if k not in ("num_features",)]
    return " ".join([case[0], "x".join(map(str, case[2])), *words])


def pair(name: str, arguments: dict[str, Any], dtype: torch.dtype, **more: Any) -> Any:
    """Our layer and PyTorch's with the same parameters, none of them 1 or 0."""
    mine = getattr(ours, name)(**arguments, dtype=dtype, **more)
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter.copy_(torch.empty_like(parameter).uniform_(-1, 2))
    theirs = getattr(nn, name)(**arguments, dtype=dtype)
    theirs.load_state_dict(mine.state_dict())
    return mine, theirs


def is_ours(y: torch.Tensor) -> bool:
    """Whether y was computed by one of this package's operators."""
    return "evenbatch" in repr(y.grad_fn)


def assert_same(mine: Any, theirs: Any, x: torch.Tensor, relu: bool = False) -> torch.Tensor:
    """Output, every gradient and every buffer of both layers; returns our output.

    Answers of the kernels are compared with PyTorch's float64 answers to the same numbers, as in
    ``tests/norms/test_conformance_torch.py``; for bfloat16 by what bfloat16 can hold. PyTorch's own
    bfloat16 answers are further away than that (a bias' gradient 12 %), and are compared as they
    are.
    """
    theirs.load_state_dict(mine.state_dict())
    theirs = copy.deepcopy(theirs)
    mine.zero_grad()
    a = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = mine(a)
    b = x.detach().clone()
    if x.dtype != torch.bfloat16 or is_ours(y):
        theirs, b = theirs.double(), b.double()
    z = theirs(b.requires_grad_())
    z = torch.relu(z) if relu else z
    dy = torch.randn_like(y)
    y.backward(dy)
    z.backward(dy.to(z.dtype))
    loose = {"rtol": 0.02, "atol": 0.05} if x.dtype == torch.bfloat16 else {}

    def close(m: Any, t: Any, what: str) -> None:
        assert (m is None) == (t is None), what
        if m is not None:
            torch.testing.assert_close(
                m.detach(), t.detach().to(m.dtype), equal_nan=True, **loose,
                msg=lambda text: f"{what}: {text}",
            )  # fmt: skip

    close(y, z, "y")
    close(a.grad, b.grad, "dx")
    for (name, m), t in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        close(m.grad, t.grad, f"d{name}")
    for (name, m), t in zip(mine.named_buffers(), theirs.buffers(), strict=True):
        close(m, t, name)
    return y
