"""Making a norm layer for values of a given shape, and judging whether it has enough of them."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from evenbatch.torch.models.words import counted

KINDS = ("batch", "instance", "group", "layer", "rms")

FEWEST = 2
"""Values below which there is nothing to normalize: one value minus its mean is 0."""

FAIR = 16
"""Values a group should have where the number of groups is ours to choose."""

MOST_GROUPS = 32  # as in Wu and He 2018

_BATCH = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_INSTANCE = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}

Made = tuple[nn.Module, str]
Shape = tuple[int, ...]


def over_channels(
    kind: str, shapes: list[Shape], eps: float, affine: bool, groups: int | None, like: Any
) -> Made | str:
    """A norm layer for inputs (N, C, *spatial), with its evidence; or why there is none.

    Args:
        kind: one of `KINDS`.
        shapes: of every input it will get.
        groups: for "group"; None to choose.
        like: keywords device and dtype.
    """
    dims = {len(shape) for shape in shapes}
    if len(dims) != 1 or not 2 <= min(dims) <= 5:
        return f"no {kind} norm takes inputs of shapes {sorted(set(shapes))}"
    (ndim,) = dims
    channels = shapes[0][1]
    spatial = min(math.prod(shape[2:]) for shape in shapes)
    if kind == "batch":
        values = min(shape[0] for shape in shapes) * spatial
        if values < FEWEST:
            return _too_few(values, "channel", shapes)
        made: nn.Module = _BATCH[ndim](channels, eps, affine=affine, **like)
        return made, f"{values} values per channel"
    if kind == "instance":
        if spatial < FEWEST:
            return _too_few(spatial, "channel of a sample", shapes)
        made = _INSTANCE[ndim](channels, eps, affine=affine, **like)
        return made, f"{spatial} values per channel of a sample"
    if kind == "rms" and ndim > 2:
        return f"RMS norm works on the last axis, and the channels of {shapes[0]} are on axis 1"
    if kind in ("layer", "rms") and ndim == 2:
        return over_features(kind, (channels,), eps, affine, True, like)
    return _grouped(kind, shapes, channels, spatial, eps, affine, groups, like)


def _grouped(
    kind: str,
    shapes: list[Shape],
    channels: int,
    spatial: int,
    eps: float,
    affine: bool,
    groups: int | None,
    like: Any,
) -> Made | str:
    if kind == "layer":
        groups = 1
    groups = chosen_groups(channels, spatial) if groups is None else groups
    if groups < 1 or channels % groups:
        return f"{groups} groups do not divide its {channels} channels"
    values = channels // groups * spatial
    if values < FEWEST:
        return _too_few(values, "group", shapes)
    note = "one group is layer norm, " if kind == "layer" else ""
    return nn.GroupNorm(groups, channels, eps, affine, **like), f"{note}{values} values per group"


def over_features(
    kind: str, sizes: Shape, eps: float, affine: bool, bias: bool, like: Any
) -> Made | str:
    """A layer or RMS norm over the trailing axes of these sizes, with its evidence; or why not."""
    values = math.prod(sizes)
    if values < FEWEST:
        return _too_few(values, "row", [sizes])
    if kind == "rms":
        return nn.RMSNorm(list(sizes), eps, affine, **like), f"{values} values per row"
    return nn.LayerNorm(list(sizes), eps, affine, bias, **like), f"{values} values per row"


def _too_few(values: int, unit: str, shapes: list[Shape]) -> str:
    smallest = min(shapes, key=math.prod)
    return (
        f"{counted(values, 'value')} per {unit} for an input of shape {smallest}; the result would "
        "be 0 whatever the input is"
    )


def chosen_groups(channels: int, spatial: int) -> int:
    """The largest number of groups, up to 32, that leaves a group 2 channels and 16 values.

    >>> chosen_groups(256, 49), chosen_groups(64, 1), chosen_groups(7, 100), chosen_groups(3, 1)
    (32, 4, 1, 1)
    """
    for groups in range(min(MOST_GROUPS, channels // 2), 1, -1):
        if channels % groups == 0 and channels // groups * spatial >= FAIR:
            return groups
    return 1
