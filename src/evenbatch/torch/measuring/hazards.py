"""What a layer makes of one value, of a large mean, and of ordinary numbers in half precision."""

from __future__ import annotations

import torch

from evenbatch.torch.measuring.behaviour import OWN, PAST, SHARED
from evenbatch.torch.measuring.probing import Probe, Unfit, apart, size

LARGE = 1e4
HALF = (torch.float16,)


def one_value(probe: Probe, axes: tuple[str, ...]) -> str:
    """What training does with one value to a statistic: "raises", gives a "constant", or "works";
    "" where the layer never has so few."""
    if not set(axes) <= {OWN, SHARED, PAST}:
        return ""

    def of(lengths: list[int], seed: int) -> torch.Tensor:
        numbers = torch.Generator().manual_seed(seed)
        return torch.randn(lengths, generator=numbers, dtype=probe.random().dtype)

    one = [n if word == OWN else 1 for word, n in zip(axes, probe.shape, strict=True)]
    two = list(one)
    two[axes.index(next(w for w in axes if w != OWN))] = 2
    try:
        probe(of(two, 1))
    except Unfit:
        return ""  # of this length it must be
    try:
        a, b = probe(of(one, 1)), probe(3 * of(one, 2))
    except Unfit:
        return "raises"
    if apart(a, b) < 1e-3 or (size(a - b) < 1e-6 and size(a) < 1e-6):
        return "constant"
    return "works"


def large_mean(probe: Probe, centred: bool) -> float:
    """The spread of the output for a mean of 1e4 and a spread of 1, in parts of the right one."""
    if not centred or probe.dtype not in (torch.float32, torch.complex64):
        return 1.0
    a, b = probe.random(1), probe.random(2)
    right = size(probe(a) - probe(b))
    seen = size(probe(a + LARGE) - probe(b + LARGE)) / max(right, 1e-30)
    return round(seen, 2) if seen == seen else float("inf")


def lost(probe: Probe) -> tuple[torch.dtype, ...]:
    """The half types in which inputs around 300 are lost."""
    found = []
    right = size(probe(300 * probe.random(1)))
    for dtype in HALF:
        try:
            seen = size(probe.cast(dtype)(300 * probe.random(1)))
        except Unfit:
            continue
        if not 0.5 * right < seen < 2 * right:
            found.append(dtype)
    return tuple(found)


def zeros(probe: Probe) -> tuple[torch.dtype, ...]:
    """The types, of its own and the half ones, in which zeros come out infinite or NaN."""
    found = []
    for dtype in dict.fromkeys((probe.dtype, *HALF)):
        try:
            y = (probe if dtype == probe.dtype else probe.cast(dtype))(torch.zeros(probe.shape))
        except Unfit:
            continue
        if not bool(torch.isfinite(torch.view_as_real(y) if y.is_complex() else y).all()):
            found.append(dtype)
    return tuple(found)
