"""Learning rates against PyTorch's schedulers, and the keys of dropout masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from compiled import cached
from evenbatch.engine import loop, passes
from evenbatch.engine.layout import Hyper, Plan
from evenbatch.engine.operations import DRIFT_KEYS

learning_rate, noise_key = cached(loop.learning_rate), cached(passes.noise_key)


def rates(steps: int, warmup: int, cosine: bool, peak: float) -> list[float]:
    plan, hyper = np.zeros(len(Plan), np.int64), np.zeros(len(Hyper))
    plan[Plan.STEPS], plan[Plan.WARMUP], plan[Plan.COSINE] = steps, warmup, cosine
    hyper[Hyper.LEARNING_RATE] = peak
    return [float(learning_rate(plan, hyper, step)) for step in range(steps)]


def torch_rates(steps: int, warmup: int, cosine: bool, peak: float) -> list[float]:
    """A linear rise that reaches its peak in the last step of the warm-up, then the schedule."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    kinds: Any = torch.optim.lr_scheduler
    if cosine:
        after = kinds.CosineAnnealingLR(optimizer, T_max=steps - warmup)
    else:
        after = kinds.ConstantLR(optimizer, factor=1.0)
    scheduler = after
    if warmup:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
        rise = kinds.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup))
        scheduler = rise
    found = []
    for step in range(steps):
        if warmup and step == warmup and cosine:
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
            scheduler = kinds.CosineAnnealingLR(optimizer, T_max=steps - warmup)
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("warmup", [0, 1, 2, 17])
def test_rates_are_pytorchs(warmup: int, cosine: bool) -> None:
    found = rates(90, warmup, cosine, 0.3)
    np.testing.assert_allclose(found, torch_rates(90, warmup, cosine, 0.3), rtol=1e-9, atol=1e-15)
    assert max(found) == pytest.approx(0.3)
    if cosine:
        assert 0 < found[-1] < 0.001, "nearly nothing in the last step, and never nothing"


def test_a_warmup_longer_than_the_training_never_reaches_the_peak() -> None:
    assert rates(4, 10, True, 1.0) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_every_mask_and_every_drift_has_a_key_of_its_own() -> None:
    keys = set()
    with np.errstate(over="ignore"):
        for low in (0, 1, 2):
            for high in (0, 1):
                for step in range(40):
                    for layer in (0, 1, 2, 3, 4, 199, DRIFT_KEYS, DRIFT_KEYS + 1, DRIFT_KEYS + 199):
                        keys.add(int(noise_key(low, high, step, layer)))
    assert len(keys) == 3 * 2 * 40 * 9
