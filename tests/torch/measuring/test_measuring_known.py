"""torch.nn's own layers: their settings say what measuring them gives, and the others are none."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import nn

from evenbatch.torch.measuring import Behaviour, hazards, known, measured
from evenbatch.torch.measuring.probing import Probe, Unfit

BATCH: list[tuple[Any, tuple[int, ...]]] = [
    (nn.BatchNorm1d, (6, 8)),
    (nn.BatchNorm1d, (6, 8, 5)),
    (nn.BatchNorm2d, (6, 8, 5, 4)),
    (nn.BatchNorm3d, (4, 3, 3, 4, 5)),
    (nn.SyncBatchNorm, (6, 8, 5)),
    (nn.InstanceNorm1d, (4, 8, 6)),
    (nn.InstanceNorm2d, (4, 8, 5, 6)),
    (nn.InstanceNorm3d, (2, 3, 3, 4, 5)),
]
# Momentum, whether it tracks, whether it is affine: each pair of values once.
SETTINGS = [(0.1, True, True), (None, True, False), (0.7, True, False), (0.0, True, True),
            (0.1, False, False), (0.0, False, True)]  # fmt: skip
CASES: list[tuple[str, nn.Module, tuple[int, ...]]] = [
    (f"{cls.__name__} {shape} {settings}",
     cls(shape[1], momentum=settings[0], track_running_stats=settings[1], affine=settings[2]),
     shape)
    for (cls, shape), settings in itertools.product(BATCH, SETTINGS)
]  # fmt: skip
for affine in (True, False):
    CASES += [
        (f"GroupNorm {groups} {shape} {affine}", nn.GroupNorm(groups, 8, affine=affine), shape)
        for groups, shape in itertools.product((1, 2, 8), ((4, 8, 5), (4, 8, 3, 4)))
    ]
    CASES += [
        (f"{cls.__name__} {over} {shape} {affine}", cls(over, elementwise_affine=affine), shape)
        for cls in (nn.LayerNorm, nn.RMSNorm)
        for over, shape in (((8,), (4, 5, 8)), ((8,), (4, 8)), ((5, 8), (4, 5, 8)))
    ]
CASES += [
    ("eps", nn.LayerNorm(8, eps=1e-3), (4, 8)),
    ("large eps", nn.BatchNorm2d(8, eps=0.1), (4, 8, 3, 3)),
    ("no eps", nn.LayerNorm(8, eps=0.0), (4, 8)),
    ("rms eps", nn.RMSNorm(8, eps=1e-6), (4, 8)),
    ("no bias", nn.LayerNorm(8, bias=False), (4, 8)),
    ("two values", nn.GroupNorm(4, 8), (4, 8)),
    ("unbatched", nn.InstanceNorm2d(8, affine=True), (8, 5, 6)),
]


@pytest.mark.parametrize(("module", "shape"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_settings_say_what_measuring_gives(module: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    seen = measured(module, x)
    assert seen is not None
    said = replace(known.from_settings(module, shape), zeros=hazards.zeros(Probe(module, (x,))))
    apart = {
        field.name: (getattr(seen, field.name), getattr(said, field.name))
        for field in fields(Behaviour)
        if getattr(seen, field.name) != getattr(said, field.name)
    }
    assert not apart


def test_half_precision_rms_norm_uses_the_epsilon_of_float32() -> None:
    module = nn.RMSNorm(64)
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        x = torch.zeros(8, 64, dtype=dtype)
        seen = measured(module.to(dtype), x)
        assert seen is not None
        assert seen.eps == torch.finfo(torch.float32).eps
        assert known.from_settings(module, (8, 64), dtype).eps == torch.finfo(torch.float32).eps


OTHERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Linear(8, 8), (4, 8)),
    (nn.Conv2d(8, 8, 3, padding=1), (4, 8, 6, 6)),
    (nn.ConvTranspose1d(8, 8, 1), (4, 8, 6)),
    (nn.Bilinear(8, 8, 8), (4, 8)),
    (nn.GELU(), (4, 8)),
    (nn.Tanh(), (4, 8)),
    (nn.Softmax(-1), (4, 8)),
    (nn.LogSoftmax(-1), (4, 8)),
    (nn.Softmin(-1), (4, 8)),
    (nn.PReLU(), (4, 8)),
    (nn.RReLU(), (4, 8)),
    (nn.Hardsigmoid(), (4, 8)),
    (nn.Softsign(), (4, 8)),
    (nn.Dropout(), (4, 8)),
    (nn.Dropout2d(), (4, 8, 6, 6)),
    (nn.AlphaDropout(), (4, 8)),
    (nn.MaxPool2d(3, 1, 1), (4, 8, 6, 6)),
    (nn.AvgPool2d(3, 1, 1), (4, 8, 6, 6)),
    (nn.LPPool2d(2, 1), (4, 8, 6, 6)),
    (nn.LocalResponseNorm(3), (4, 8, 6, 6)),
    (nn.ChannelShuffle(2), (4, 8, 6, 6)),
    (nn.Identity(), (4, 8)),
    (nn.Flatten(), (4, 8)),
    (nn.Sequential(nn.Linear(8, 8), nn.ReLU()), (4, 8)),
]


@pytest.mark.parametrize(("module", "shape"), OTHERS, ids=lambda v: type(v).__name__)
def test_torchs_other_layers_are_no_norms(module: nn.Module, shape: tuple[int, ...]) -> None:
    try:
        assert measured(module, torch.zeros(shape)) is None
    except Unfit as reason:
        assert "missing 1 required positional argument" in str(reason)  # noqa: PT017
