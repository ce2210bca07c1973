"""Which positions of a batch are padding, however that is marked, and where they lie at a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from evenbatch.torch.measuring.probing import numeric
from evenbatch.torch.models.inputs import Inputs, mapped

LEAST = 2  # positions


@dataclass(frozen=True)
class Padding:
    """`real` is (N, T), true where there are data; `altered` the batch with other values in the
    rest, which shows where these come out."""

    real: torch.Tensor
    altered: Inputs


def padding(inputs: Inputs) -> Padding | None:
    """The padding of the batch: by a mask of any name and either sense, by lengths, or by lengths
    in parts of the longest; None if nothing marks any."""
    tensors = inputs.tensors()
    for data in tensors:
        if data.dim() < 2 or data.device.type == "meta":
            continue
        for axis in dict.fromkeys((1, data.dim() - 1, 2)):
            if axis >= data.dim() or data.shape[axis] < LEAST:
                continue
            for mark in tensors:
                real = None if mark is data else _read(mark, data, axis)
                if real is not None:
                    return Padding(real.cpu(), _altered(inputs, data, axis, real))
    return None


def _read(mark: torch.Tensor, data: torch.Tensor, axis: int) -> torch.Tensor | None:
    """(N, T) as this tensor marks it, if it marks the data's positions and some are padding."""
    n, length = data.shape[0], data.shape[axis]
    there = torch.arange(length, device=data.device)[None]
    shape = tuple(k for k in mark.shape if k > 1)
    if shape == (n, length) and n > 1:
        values = mark.reshape(n, length)
        if data.shape == values.shape and numeric(values):
            return None
        kinds = values.unique()
        if len(kinds) != 2:
            return None
        real = values == _real_value(values, kinds, data, axis)
        return real if _at_an_end(real) else None
    if shape != (n,):
        return None
    lengths = mark.reshape(n)
    if numeric(lengths):
        if not bool(((lengths > 0) & (lengths <= 1)).all()) or float(lengths.max()) < 1:
            return None
        lengths = (lengths * length).round()
    elif mark.dtype == torch.bool or int(lengths.min()) < 1 or int(lengths.max()) > length:
        return None
    real = there < lengths[:, None]
    return real if not bool(real.all()) and _constant(data, axis, ~real) else None


def _real_value(
    values: torch.Tensor, kinds: torch.Tensor, data: torch.Tensor, axis: int
) -> torch.Tensor:
    """Which of its two values a mask has where there are data: that of an example without padding;
    else the one whose opposite marks constant data; else the larger."""
    for kind in reversed(kinds):
        if bool((values == kind).all(1).any()):
            return kind
    for kind in reversed(kinds):
        if _constant(data, axis, values != kind):
            return kind
    return kinds[-1]


def _at_an_end(real: torch.Tensor) -> bool:
    """Whether every example's data are in one piece, at the beginning or at the end."""
    changes = (real[:, 1:] != real[:, :-1]).sum(1)
    return bool((changes <= 1).all()) and bool(real.any(1).all()) and not bool(real.all())


def _constant(data: torch.Tensor, axis: int, where: torch.Tensor) -> bool:
    """Whether the data are one and the same there, at all positions of all examples."""
    rows = data.movedim(axis, 1)[where]
    return bool((rows == rows[:1]).all())


def _altered(inputs: Inputs, data: torch.Tensor, axis: int, real: torch.Tensor) -> Inputs:
    """Real positions' values, in another order and larger, in the place of padding."""
    moved = data.movedim(axis, 1).clone()
    values = moved[real]
    numbers = torch.Generator().manual_seed(0)
    drawn = values[torch.randint(len(values), (int((~real).sum()),), generator=numbers)]
    moved[~real] = 2 * drawn if numeric(data) else drawn
    changed = moved.movedim(1, axis)
    args, kwargs = mapped((inputs.args, dict(inputs.kwargs)), lambda t: changed if t is data else t)
    return Inputs(args, kwargs, inputs.synthetic, inputs.grad)


def padded_at(
    real: torch.Tensor, before: torch.Tensor, after: torch.Tensor, channel: int | None = None
) -> torch.Tensor | None:
    """Where padding lies in a layer's input, of which the padding's own values changed: a mask of
    its shape, true there; None if it cannot be told. Along its channels it does not lie.

    Strides shorten a sequence, transpositions turn it, and views flatten it into rows.
    """
    change = (after - before).abs()
    best: tuple[float, torch.Tensor] | None = None
    for mask in _layouts(~real, tuple(before.shape), channel):
        whole = mask.expand(before.shape)
        if not bool(whole.any()) or bool(whole.all()):
            continue
        inside, outside = float(change[whole].mean()), float(change[~whole].mean())
        score = inside / max(outside, 1e-12)
        if best is None or score > best[0]:
            best = score, whole
    return best[1] if best is not None and best[0] > CLEAR else None


CLEAR = 3.0  # times as much change at padded positions as elsewhere


def _layouts(padded: torch.Tensor, shape: tuple[int, ...], channel: int | None) -> Iterator[Any]:
    """The padding as it may lie in an input of this shape."""
    n, length = padded.shape
    if shape[0] == n * length:
        yield padded.reshape(-1, *[1] * (len(shape) - 1))
    for first, second in ((0, a) for a in range(1, len(shape))):
        if second != channel and shape[first] == n and LEAST <= shape[second] <= length + 2:
            yield _placed(_resized(padded, shape[second]), first, second, shape)
    if len(shape) > 1 and shape[1] == n and LEAST <= shape[0] <= length + 2:
        yield _placed(_resized(padded, shape[0]), 1, 0, shape)


def _resized(padded: torch.Tensor, length: int) -> torch.Tensor:
    """The same for a shorter sequence: padding where all that a position saw was padding."""
    if length == padded.shape[1]:
        return padded
    at = torch.arange(length) * padded.shape[1] // length
    return padded[:, at]


def _placed(padded: torch.Tensor, n: int, t: int, shape: tuple[int, ...]) -> torch.Tensor:
    """With the examples on axis `n` and the positions on axis `t`."""
    view = [1] * len(shape)
    view[n], view[t] = padded.shape
    return (padded if n < t else padded.T).reshape(view)
