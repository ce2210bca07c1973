"""What a norm layer was measured to do: the description that everything else asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

Shape = tuple[int, ...]

OWN = "own"  # elsewhere on this axis other statistics hold
SHARED = "shared"  # all along this axis the same statistics hold
GROUPS = "groups"  # shared within equal blocks of neighbours
STRIDED = "strided"  # shared by every k-th
PAST = "past"  # at each position those of all positions up to it
PART = "part"  # shared by some, as by the nodes of one graph


@dataclass(frozen=True)
class Kept:
    """A tensor that a layer keeps from call to call, or uses in place of statistics.

    Args:
        name: within the layer, dotted.
        role: what it does in evaluation: "mean", "variance", "deviation", "spread" (as a variance,
            but not one number to a channel, such as a covariance), or "other".
        weight: of the newest batch in a moving average; None if not known, or each batch counts
            the same.
        biased: whether a variance is divided by the number of values, not by one less.
        saved: whether a ``state_dict`` holds it.
    """

    name: str
    role: str = "other"
    weight: float | None = None
    biased: bool | None = None
    saved: bool = True


@dataclass(frozen=True)
class Behaviour:
    """What a layer does, measured on an input of `shape`.

    Args:
        axes: one word for each axis of the input: who shares statistics along it in training.
        groups: the number of blocks along an axis with "groups" or "strided".
        channels: the axes along which parameters and what is kept vary.
        centred, scaled: whether a mean is taken off, and whether a spread is divided by.
        affine: the output is a gain times the normalized value plus a constant; an activation that
            is fused in, or more than one statistic, makes it something else.
        gamma, beta: names of the parameters; the gain is ``offset + gamma``.
        eps: as used, from its effect; None if none was seen.
        eps_place: "variance" (added to it), "deviation" (added to it) or "floor" (the least that
            is divided by).
        kept: what is kept, or used in place of statistics.
        moves: names of all that a call in training mode changes.
        uses_kept: whether evaluation depends on what is kept.
        mixes: whether evaluation, too, takes statistics of other elements.
        sets_itself: its first batch writes its parameters; after that it is a fixed map.
        one_value: what training does with one value to a statistic: "raises", gives a "constant",
            "works", or "" where that cannot be.
        large_mean: the spread of the output for a mean of 1e4 and a spread of 1, where 1 is right;
            infinite for NaN.
        lost: types of numbers in which inputs of 300 come out as 0, infinite or NaN.
        zeros: types of numbers in which inputs of 0 come out infinite or NaN.
        training: False if the layer could only be measured in evaluation mode.

    >>> from torch import nn
    >>> from evenbatch.torch.measuring import measured
    >>> found = measured(nn.GroupNorm(2, 8), torch.zeros(4, 8, 6))
    >>> found.kind, found.axes, found.groups, found.eps, found.values()
    ('group', ('own', 'groups', 'shared'), 2, 1e-05, 24)
    """

    shape: Shape
    axes: tuple[str, ...]
    groups: int = 1
    channels: tuple[int, ...] = ()
    centred: bool = True
    scaled: bool = True
    affine: bool = True
    gamma: str = ""
    beta: str = ""
    offset: float = 0.0
    eps: float | None = None
    eps_place: str = "variance"
    kept: tuple[Kept, ...] = ()
    moves: tuple[str, ...] = ()
    uses_kept: bool = False
    mixes: bool = True
    sets_itself: bool = False
    one_value: str = ""
    large_mean: float = 1.0
    lost: tuple[torch.dtype, ...] = ()
    zeros: tuple[torch.dtype, ...] = ()
    training: bool = True

    @property
    def kind(self) -> str:
        """One word: "batch", "instance", "group", "layer", "rms" (as "layer", not centred),
        "frozen batch", "graph" (over some rows), "cumulative", or "other"."""
        first, *rest = self.axes
        if set(self.axes) == {OWN}:
            return "frozen batch" if self.kept else "group"
        if not self.scaled or self.sets_itself:
            return "other"
        if PAST in self.axes:
            return "cumulative"
        if PART in self.axes:
            return "graph" if first == PART else "other"
        if first != OWN:
            return "batch" if OWN in rest else "other"
        if GROUPS in rest or STRIDED in rest:
            return "group"
        if len(rest) > 1 and rest[0] == OWN and set(rest[1:]) == {SHARED} and self._instance:
            return "instance"
        return "layer" if self.centred else "rms"

    @property
    def _instance(self) -> bool:
        """Of a layer over trailing axes the parameters vary along these; of an instance norm along
        the axis before them."""
        return self.channels == (1,) or (not self.channels and len(self.axes) > 3)

    @property
    def channel(self) -> int | None:
        """The one axis along which parameters and what is kept vary; None if there is not one."""
        return self.channels[0] if len(self.channels) == 1 else None

    def values(self, shape: Shape | None = None) -> int:
        """How many values stand behind each statistic, for an input of this shape; 0 if that
        depends on the data."""
        shape = self.shape if shape is None else shape
        words = self.axes_for(shape)
        if words is None or {PAST, PART} & set(words):
            return 0
        lengths = [n // self.groups if w in (GROUPS, STRIDED) else n
                   for w, n in zip(words, shape, strict=True) if w != OWN]  # fmt: skip
        return math.prod(lengths) if lengths or not self.kept else 0

    def axes_for(self, shape: Shape) -> tuple[str, ...] | None:
        """The words for an input of this shape: those at the ends stay, positions in between come
        and go; None if that says nothing."""
        missing = len(shape) - len(self.axes)
        if not missing:
            return self.axes
        if self.axes[-1] == SHARED and self.channel is not None and self.channel < 2:
            long = (*self.axes, *[SHARED] * missing)
            return long[: len(shape)] if len(shape) > self.channel else None
        if missing > 0:
            return (*[self.axes[0]] * missing, *self.axes)
        return self.axes[-missing:] if set(self.axes[:-missing]) == {OWN} else None

    def statistics(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Mean and biased variance of every set of values that share statistics, in the order of
        the axes that do not; None where such sets are no blocks. Of a layer that takes off no mean
        the second is the mean square."""
        words = self.axes_for(tuple(x.shape))
        if words is None or {PAST, PART} & set(words) or set(words) == {OWN} or not x.numel():
            return None
        uneven = (
            n % self.groups for n, w in zip(x.shape, words, strict=True) if w in (GROUPS, STRIDED)
        )
        if any(uneven):
            return None
        return blocks(words, self.groups, x, self.centred)

    def described(self) -> str:
        """In words, for reports and tables."""
        what = {(True, True): "takes off the mean and divides by the spread",
                (True, False): "takes off the mean", (False, True): "divides by the spread",
                (False, False): "applies what it keeps"}[self.centred, self.scaled]  # fmt: skip
        over = [f"{w} along axis {i}" for i, w in enumerate(self.axes) if w != OWN]
        return f"{what}, statistics {', '.join(over) or 'kept'}"


def blocks(
    words: tuple[str, ...], groups: int, x: torch.Tensor, centred: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance (or mean square) of every set of values that share statistics."""
    wide = x if x.dtype in (torch.float64, torch.complex128) else x.float()
    shape: list[int] = []
    over: list[int] = []
    for word, n in zip(words, x.shape, strict=True):
        parts = {GROUPS: [groups, n // groups], STRIDED: [n // groups, groups]}.get(word, [n])
        over += [len(shape) + i for i in {SHARED: [0], GROUPS: [1], STRIDED: [0]}.get(word, [])]
        shape += parts
    # Without an axis to take them over, each value stands for itself.
    rows = wide.reshape(shape) if over else wide[..., None]
    var, mean = torch.var_mean(rows, over or [-1], correction=0)
    var = var if centred else var + mean.abs().square()
    return mean.to("cpu", torch.complex128 if x.is_complex() else torch.float64), var.double().cpu()
