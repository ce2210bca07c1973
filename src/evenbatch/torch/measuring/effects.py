"""Gamma, beta and eps of a layer, from what they do."""

from __future__ import annotations

import torch
from torch import nn

from evenbatch.torch.measuring.kept import filled, state
from evenbatch.torch.measuring.probing import Probe, Unfit, numeric, size
from evenbatch.torch.measuring.sharing import Sharing


def gain(probe: Probe, training: bool) -> tuple[str, str, float]:
    """Names of the parameter that multiplies and of the one that is added, and the offset of the
    first: the layer multiplies by ``offset + gamma``."""
    gamma, beta, offset = "", "", 0.0
    a, b = probe.random(6), probe.random(7)
    for name, p in probe.layer.named_parameters():
        if not numeric(p):
            continue
        try:
            pairs = [
                [probe(x, training, filled([name], v)) for x in (a, b)] for v in (0.0, 1.0, 2.0)
            ]
        except Unfit:
            continue
        # What two inputs differ by is free of what is added.
        zero, one, two = (size(pair[0] - pair[1]) for pair in pairs)
        if not gamma and abs(two - 2 * one + zero) < 1e-6 * two and one - zero > 1e-3 * one:
            gamma, offset = name, round(zero / (one - zero), 3)
        elif not beta and _adds(*(pairs[1][i] - pairs[0][i] for i in (0, 1))):
            beta = name
    return gamma, beta, offset


def _adds(change: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether what a parameter changes is the same for two inputs, where an activation lets it."""
    acts = change.abs() > 1e-6
    same = (change - other).abs() < 1e-6 * change.abs()
    return bool(acts.any()) and float((same & acts).double().sum() / acts.sum()) > 0.2


def channels(probe: Probe, training: bool, own: list[str], kept: list[str]) -> tuple[int, ...]:
    """The axes along which one number of a parameter, or of what is kept, acts at one place."""
    x = probe.random(8)
    for name in [*own, *kept]:
        if not name or state(probe.layer)[name].numel() < 2:
            continue

        def edit(layer: nn.Module, name: str = name) -> None:
            state(layer)[name].data.view(-1)[0] += 1.0

        mode = training and name in own
        before = probe(x, mode)
        acts = (probe(x, mode, edit) - before).abs() > 1e-7 * size(before)
        axes = [d for d in range(x.dim()) if x.shape[d] > 1 and not bool(acts.select(d, -1).any())]
        if bool(acts.any()) and axes:
            return tuple(axes)
    return ()


def affine(probe: Probe, training: bool, shared: Sharing) -> bool:
    """Whether the last output is an affine function of its normalized input."""
    pairs = []
    for seed in range(9, 14):
        x = (probe.random(seed) * (1 + seed % 3) + seed % 2) * 64
        y = probe(x, training).flatten()[-1]
        pairs.append((_normalized(x, shared), y))
    inputs, outputs = (torch.stack(list(column)) for column in zip(*pairs, strict=True))
    design = torch.stack([inputs, torch.ones_like(inputs)], 1)
    fitted = design @ torch.linalg.lstsq(design, outputs[:, None]).solution
    return size(fitted[:, 0] - outputs) < 1e-3 * max(size(outputs), 1e-30)


def _normalized(x: torch.Tensor, shared: Sharing) -> torch.Tensor:
    """The last element, less the mean and divided by the spread of those it shares them with."""
    values = x[shared.among]
    at = x.flatten()[-1]
    if shared.centred:
        at, values = at - values.mean(), values - values.mean()
    return at / size(values) if shared.scaled else at


def eps(probe: Probe, training: bool, shared: Sharing) -> tuple[float | None, str]:
    """eps as used, and where: from how the output shrinks with the input, below the scale at which
    eps begins to count."""
    x = probe.random(9)
    values = x[shared.among]
    spread = float(
        (values - values.mean() if shared.centred else values).abs().square().mean().sqrt()
    )

    def output(scale: float) -> float:
        return float((probe(scale * x, training) - probe(-scale * x, training)).flatten()[-1].abs())

    whole = output(64.0)
    if not whole:
        return None, "variance"
    seen = {10.0**-k: output(10.0**-k) / whole for k in range(10)}
    usable = [t for t, r in seen.items() if 0.02 < r < 0.97]
    if not usable:
        return None, "variance"
    at = min(usable, key=lambda t: abs(seen[t] - 0.5))
    at_two = {t: (seen[t] if t == at else output(t) / whole) for t in (at, at / 3)}
    forms = {
        "variance": [(t * spread) ** 2 * (1 / r**2 - 1) for t, r in at_two.items()],
        "deviation": [t * spread * (1 / r - 1) for t, r in at_two.items()],
        "floor": [t * spread / r for t, r in at_two.items()],
    }
    place = min(forms, key=lambda form: abs(forms[form][0] / max(forms[form][1], 1e-30) - 1))
    return _plain(forms[place][0], probe), place


def _plain(value: float, probe: Probe) -> float:
    """The number meant, where one is near: an attribute's, or a type's own epsilon."""
    numbers = {v: 0.12 for v in state(probe.layer).values() if isinstance(v, float) and v > 0}
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        exact = probe.dtype in (torch.float32, torch.float64)
        numbers.setdefault(torch.finfo(dtype).eps, 0.005 if exact else 0.05)
    near = [n for n, within in numbers.items() if abs(n / value - 1) < within]
    return min(near, key=lambda n: abs(n / value - 1)) if near else float(f"{value:.2g}")
