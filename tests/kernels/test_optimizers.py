"""Optimizers: each step against the float64 reference and against PyTorch's own.

|kernel − ref64| ≤ 2·|naive − ref64| + 2 units in the last place for each step so far: a step rounds
a value up to four times, each time by at most half a unit. In float64 the naive steps are the
reference itself, so this floor is all that is allowed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels.engine import optimizers
from workbench import as_good_as_float32

update = cached(optimizers.update)

CODES = {
    "sgd": optimizers.SGD,
    "momentum": optimizers.MOMENTUM,
    "adam": optimizers.ADAM,
    "adamw": optimizers.ADAMW,
}
SIZES = [(16, 0), (16, 16), (48, 32), (160, 64)]  # (parameters, those that decay)
RATE, MU, DECAY = 0.03, 0.8, 0.1


def start(size: int, dtype: Any) -> tuple[Any, ...]:
    """(p, m, v) with room to spare, which no step may touch."""
    p = np.full(size + 16, np.nan, dtype)
    p[:size] = np.random.default_rng(size).normal(0, 1, size)
    used = np.arange(size + 16) < size
    return p, np.where(used, 0, np.nan).astype(dtype), np.where(used, 0, np.nan).astype(dtype)


def gradients(size: int, steps: int, dtype: Any) -> Any:
    """Of all sizes: 1e-6 to 1e2, some exactly 0."""
    random = np.random.default_rng(1)
    g = random.normal(0, 1, (steps, size)) * 10.0 ** random.integers(-6, 3, size)
    g[:, ::7] = 0
    return g.astype(dtype)


def naive_step(code: int, p: Any, g: Any, m: Any, v: Any, decay: Any, t: int) -> tuple[Any, ...]:
    """PyTorch's formulas, every step in the precision of p."""
    kind = p.dtype.type
    b1, b2 = kind(0.9), kind(0.999)
    if code == optimizers.ADAMW:
        p = p - kind(RATE) * decay * p
    else:
        g = g + decay * p
    if code == optimizers.SGD:
        return p - kind(RATE) * g, m, v
    if code == optimizers.MOMENTUM:
        m = kind(MU) * m + g
        return p - kind(RATE) * m, m, v
    m, v = b1 * m + (kind(1) - b1) * g, b2 * v + (kind(1) - b2) * g * g
    spread = np.sqrt(v) / kind(np.sqrt(1 - 0.999**t)) + kind(1e-8)
    return p - kind(RATE / (1 - 0.9**t)) * m / spread, m, v


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CODES)
def test_steps_follow_the_reference(name: str, dtype: Any) -> None:
    code, unit = CODES[name], np.finfo(dtype).eps
    for size, decay_end in SIZES:
        p, m, v = start(size, dtype)
        decay = np.where(np.arange(size) < decay_end, DECAY, 0.0)
        exact = [a[:size].astype(np.float64) for a in (p, m, v)]
        plain = [a[:size].copy() for a in (p, m, v)]
        for t, g in enumerate(gradients(size, 7, dtype), 1):
            # In float32 an optimizer without m or v is given none.
            given_m = m if code >= optimizers.MOMENTUM else m[:0]
            given_v = v if code >= optimizers.ADAM else v[:0]
            update(p, g, given_m, given_v, size, decay_end, code, RATE, MU, DECAY, t)
            exact = list(
                optimizers.reference_step(code, exact[0], g, *exact[1:], RATE, MU, decay, t)
            )
            plain = list(naive_step(code, plain[0], g, *plain[1:], decay.astype(dtype), t))
            for what, found, other, wanted in zip("pmv", (p, m, v), plain, exact, strict=True):
                floor = 2 * unit * t * max(1.0, np.abs(wanted).max())
                as_good_as_float32(found[:size], other, wanted, floor, f"{what} after step {t}")
        for array in (p, m, v):
            assert np.isnan(array[size:]).all(), "beyond the last parameter"


@pytest.mark.parametrize("name", CODES)
def test_what_never_had_a_gradient_does_not_move(name: str) -> None:
    """So the zeros that pad a weight matrix stay zeros, and −1e30 in a logit's padding stays."""
    p, g = np.array([0.0, -1e30] * 16, np.float32), np.zeros(32, np.float32)
    m, v = np.zeros(32, np.float32), np.zeros(32, np.float32)
    before = p.copy()
    for t in range(1, 50):
        update(p, g, m, v, 32, 0, CODES[name], 1.0, 0.9, 0.0, t)
    np.testing.assert_array_equal(p, before)


@pytest.mark.parametrize("name", CODES)
def test_a_nan_gradient_reaches_its_parameter_alone(name: str) -> None:
    p, m, v = (np.ones(32, np.float32) for _ in range(3))
    g = np.ones(32, np.float32)
    g[5] = np.nan
    update(p, g, m, v, 32, 32, CODES[name], 0.1, 0.9, 0.1, 1)
    assert np.isnan(p[5])
    assert np.isfinite(np.delete(p, 5)).all()


@pytest.mark.parametrize("name", CODES)
def test_the_reference_is_pytorch(name: str) -> None:
    import torch

    size, decay_end = 48, 32
    p, m, v = (a[:size] for a in start(size, np.float64))
    parts = [torch.nn.Parameter(torch.tensor(a)) for a in (p[:decay_end], p[decay_end:])]
    groups = [
        {"params": [parts[0]], "weight_decay": DECAY},
        {"params": [parts[1]], "weight_decay": 0.0},
    ]
    optimizer: Any = {
        "sgd": lambda: torch.optim.SGD(groups, lr=RATE),
        "momentum": lambda: torch.optim.SGD(groups, lr=RATE, momentum=MU),
        "adam": lambda: torch.optim.Adam(groups, lr=RATE),
        "adamw": lambda: torch.optim.AdamW(groups, lr=RATE),
    }[name]()
    decay = np.where(np.arange(size) < decay_end, DECAY, 0.0)
    for t, g in enumerate(gradients(size, 20, np.float64), 1):
        parts[0].grad, parts[1].grad = torch.tensor(g[:decay_end]), torch.tensor(g[decay_end:])
        optimizer.step()
        p, m, v = optimizers.reference_step(CODES[name], p, g, m, v, RATE, MU, decay, t)
        found = torch.cat([part.detach() for part in parts]).numpy()
        np.testing.assert_allclose(p, found, rtol=1e-12, atol=1e-14)
