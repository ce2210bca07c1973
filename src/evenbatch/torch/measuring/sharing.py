"""Whether a layer normalizes, and which elements share statistics: change some, see what moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from evenbatch.torch.measuring.behaviour import GROUPS, OWN, PART, PAST, SHARED, STRIDED
from evenbatch.torch.measuring.probing import Probe, apart, size

CLOSE = 1e-2  # parts of an output's size that eps may change, at spreads of 4 and more
NEAR, FAR = 4.0, 8.0
EXACT = {torch.float64: 1e-9, torch.complex128: 1e-9}  # rounding; else that of float32


@dataclass(frozen=True)
class Sharing:
    """What was seen of the statistics in one mode.

    `exact`: the output depends on the others through statistics alone, in whatever places they
    are. `several`: through more than one kind of them.
    """

    scaled: bool
    centred: bool
    axes: tuple[str, ...]
    groups: int
    exact: bool
    several: bool
    among: torch.Tensor  # what the last element shares statistics with


def sharing(probe: Probe, training: bool) -> Sharing | None:
    """None for what ignores its input, takes nothing off and divides by nothing, or does so with
    each element alone."""
    base, other = probe.random(), probe.random(1)

    def f(x: torch.Tensor) -> torch.Tensor:
        return probe(x, training)

    near = f(NEAR * base)
    if apart(near, f(NEAR * other)) < 1e-6:
        return None
    scaled = apart(near, f(NEAR * FAR * base)) < CLOSE and not _hands_out(near)
    if not scaled:  # a gate within (EvoNorm's) is open or closed at larger spreads only
        far = f(16 * NEAR * base)
        scaled = apart(far, f(16 * NEAR * FAR * base)) < CLOSE and not _hands_out(far)
    centred = apart(near, f(NEAR * base + 5 * NEAR)) < (CLOSE if scaled else 1e-4)
    if not scaled and not (centred and _linear(probe, training, base)):
        return None
    first, last = (_moved(probe, training, base, i) for i in (0, -1))
    words = [_word(first, last, axis) for axis in range(base.dim())]
    if all(word == OWN for word, _ in words):
        return None
    among = last
    for axis, (word, _) in enumerate(words):
        if word == PAST:
            among = among.any(axis, keepdim=True).expand_as(last)
    exact = _by_statistics_alone(probe, training, base, among)
    several = False
    if not exact and base.dim() > 2:  # the example's own, and those of all
        within = among.clone()
        within[:-1] = False
        several = exact = within.sum() > 2 and _by_statistics_alone(probe, training, base, within)
    groups = max(g for _, g in words)
    return Sharing(scaled, centred, tuple(w for w, _ in words), groups, exact, several, among)


def _linear(probe: Probe, training: bool, base: torch.Tensor) -> bool:
    zero = probe(0 * base, training)
    return apart(2 * (probe(base, training) - zero), probe(2 * base, training) - zero) < 1e-4


def _hands_out(y: torch.Tensor) -> bool:
    """Whether parts of one are handed out, as a softmax does."""
    if y.is_complex() or bool((y < 0).any()):
        return False
    sums = [y.sum(axis) for axis in range(y.dim()) if y.shape[axis] > 1]
    return any(apart(total.mean().expand_as(total), total) < 1e-3 for total in sums)


def _moved(probe: Probe, training: bool, base: torch.Tensor, index: int) -> torch.Tensor:
    """Which outputs move when one input does by a lot."""
    moved = torch.zeros(base.shape, dtype=torch.bool)
    for x in (base, -base):  # what an activation holds still in one moves in the other
        y = x.clone()
        y.view(-1)[index] += 10 * base.numel() ** 0.5
        before, after = probe(x, training), probe(y, training)
        limit = EXACT.get(probe.dtype, 1e-5) * max(size(before), 1e-30)
        moved |= ((after - before).abs() > limit) | ~torch.isfinite(after)
    return moved


def _word(first: torch.Tensor, last: torch.Tensor, axis: int) -> tuple[str, int]:
    """What the axis is to the statistics, and into how many parts it falls."""
    at: list[list[int | slice]] = [[i] * first.dim() for i in (0, -1)]
    at[0][axis] = at[1][axis] = slice(None)
    begin, end = first[tuple(at[0])], last[tuple(at[1])]
    length, block = len(begin), int(begin.sum())
    if length == 1 or (block <= 1 and int(end.sum()) <= 1):
        return OWN, 1
    if bool(begin.all()):
        return (SHARED if bool(end.all()) else PAST), 1
    if length % block == 0 and block == int(end.sum()):
        if bool(begin[:block].all() and end[-block:].all()):
            return GROUPS, length // block
        step = length // block
        if bool(begin[::step].all() and end[step - 1 :: step].all()):
            return STRIDED, step
    return PART, 1


def _by_statistics_alone(
    probe: Probe, training: bool, base: torch.Tensor, among: torch.Tensor
) -> bool:
    """Whether the last output stays when the others that it depends on change places."""
    places = among.flatten().nonzero().flatten()
    places = places[places != base.numel() - 1]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(1))
    for x in (base, -base):
        y = x.flatten().clone()
        y[places] = y[places[order]]
        before, after = probe(x, training), probe(y.view(x.shape), training)
        gap = float((before.flatten()[-1] - after.flatten()[-1]).abs())
        if not gap <= 100 * EXACT.get(probe.dtype, 1e-5) * size(before):
            return False
    return True
