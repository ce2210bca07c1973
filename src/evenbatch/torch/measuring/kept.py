"""What a layer keeps from call to call, by which convention, and what evaluation makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from evenbatch.torch.measuring.behaviour import Kept, blocks
from evenbatch.torch.measuring.probing import Probe, Unfit, apart, numeric, size
from evenbatch.torch.measuring.sharing import Sharing


def state(layer: nn.Module) -> dict[str, Any]:
    """Everything in it that may change: tensors and numbers, by their dotted names."""
    return dict(_state(layer))


def _state(layer: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in layer.named_modules():
        places = {**vars(module), **module._parameters, **module._buffers}
        for name, value in places.items():
            if isinstance(value, (torch.Tensor, bool, int, float)) and name != "training":
                yield f"{path}.{name}".lstrip("."), value


def moved(probe: Probe, calls: int = 1) -> tuple[str, ...]:
    """Names of all that so many calls in training mode change."""
    _, layer = probe.calls([probe.random(i) * 2 + 1 for i in range(calls)])
    return changed_names(probe.layer, layer)


def changed_names(before: nn.Module, after: nn.Module) -> tuple[str, ...]:
    """Names of all in which two copies of a layer differ."""
    old = state(before)
    return tuple(
        name for name, value in state(after).items()
        if name not in old or not _same(old[name], value)
    )  # fmt: skip


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return type(a) is type(b) and a == b


def filled(names: Any, value: float) -> Any:
    """An edit that fills tensors of these names."""

    def edit(layer: nn.Module) -> None:
        found = state(layer)
        for name in names:
            found[name].data.fill_(value)

    return edit


def kept(
    probe: Probe, shared: Sharing | None, moves: tuple[str, ...]
) -> tuple[tuple[Kept, ...], bool]:
    """The floating tensors that calls change or that stand in for statistics, and their roles; and
    whether evaluation uses any."""
    own = {id(p) for p in probe.layer.parameters() if p.requires_grad}
    saved = probe.layer.state_dict(keep_vars=True)
    found = []
    for name, value in state(probe.layer).items():
        if not isinstance(value, torch.Tensor) or not numeric(value) or id(value) in own:
            continue
        role = _role(probe, name)
        if name in moves or role:
            found.append(Kept(name, role or "other", saved=name in saved))
    if shared is None:
        found = [item for item in found if item.role != "mean" or _within(probe, item, found)]
    used = any(item.role != "other" for item in found)
    written = [item.name for item in found if item.name in moves]
    if shared is not None:
        found = [_convention(probe, shared, item, written) for item in found]
    return tuple(found), used


def _role(probe: Probe, name: str) -> str:
    """What a kept tensor does in evaluation, from its effect on values and on slopes."""
    value, a = state(probe.layer)[name], probe.random(2)

    def changed(add: float, times: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The output, and how much it changes with a little more input."""

        def edit(layer: nn.Module) -> None:
            state(layer)[name].data.copy_((value + add) * times)

        y = probe(a, False, edit)
        return y, probe(a + 0.01, False, edit) - y

    def ratio(new: torch.Tensor, old: torch.Tensor) -> float:
        there = (new.abs() > 1e-12) & (old.abs() > 1e-12)  # the rest an activation holds still
        return float((new[there] / old[there]).abs().median()) if bool(there.any()) else 0.0

    try:
        (y, slope), (more, more_slope) = changed(0.0, 1.0), changed(2.0, 1.0)
        if apart(y, more) < 1e-6:
            return ""
        if abs(ratio(more_slope, slope) - 1) < 1e-6:
            return "mean"
        fourth = ratio(changed(1.0, 4.0)[1], changed(1.0, 1.0)[1])
    except Unfit:
        return ""
    if abs(fourth - 0.5) < 0.02:
        return "variance" if value.numel() == max(value.shape, default=1) else "spread"
    return "deviation" if abs(fourth - 0.25) < 0.02 else ""


def _within(probe: Probe, mean: Kept, found: list[Kept]) -> bool:
    """Whether it is taken off before the spread is divided by; a beta is added after that."""
    spread = next((item.name for item in found if item.role in ("variance", "deviation")), "")

    def effect(width: float) -> float:
        x, wide = probe.random(2), filled([spread] if spread else [], width)
        shifted = filled([mean.name], 2.0)
        plain = probe(x, False, lambda m: (wide(m), filled([mean.name], 0.0)(m)))
        return size(probe(x, False, lambda m: (wide(m), shifted(m))) - plain)

    return not spread or effect(4.0) < 0.75 * effect(1.0)


def _convention(probe: Probe, shared: Sharing, item: Kept, written: list[str]) -> Kept:
    """The weight of the newest batch, and whether its variance is the biased one: from what one
    call makes of 0 and of 1, and a second one of 0."""
    if item.name not in written:
        return item if item.role == "other" else replace(item, weight=0.0)
    x, y = probe.random(4) * 3 + 5, probe.random(5) - 2

    def after(value: float, *inputs: torch.Tensor) -> torch.Tensor:
        layer = probe.calls(inputs, edit=filled(written, value))[1]
        return state(layer)[item.name].to("cpu", x.dtype).flatten()

    zero = after(0.0, x)
    left = (after(1.0, x) - zero).real
    if not zero.numel() or float(left.max() - left.min()) > 1e-4:
        return item
    weight = 1 - float(left.mean())
    if weight < 1e-6:  # written after several calls
        return item
    both = torch.allclose(after(0.0, x, y), (zero + after(0.0, y)) / 2, rtol=1e-4)
    biased = None
    for name, statistic, is_biased in _statistics(shared, x):
        if statistic.numel() != zero.numel() or item.role not in (name, "other"):
            continue
        if torch.allclose(zero, weight * statistic.flatten().to(x.dtype), rtol=1e-5):
            item, biased = replace(item, role=name), is_biased
            break
    return replace(item, weight=None if both else round(weight, 4), biased=biased)


def _statistics(
    shared: Sharing, x: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor, bool | None]]:
    """What might have been kept of an input: of all, of each block, of the mean of the blocks."""
    mean, var = blocks(shared.axes, shared.groups, x)
    n = x.numel() // max(1, mean.numel())
    for name, values, biased in (
        ("mean", mean, None), ("variance", var * n / max(1, n - 1), False), ("variance", var, True),
        ("deviation", var.sqrt(), True), ("deviation", (var * n / max(1, n - 1)).sqrt(), False),
    ):  # fmt: skip
        yield name, values, biased
        if values.dim() > 1:
            yield from ((name, part, biased) for part in (values.mean(0), values[0], values[-1]))
