"""Claims on a small convolutional network: the same experiment, its hidden layers convolutions.

Each hidden layer becomes a convolution with `CHANNELS` channels; the first three move by 2
positions, and all positions of the last go into the output layer. With three layers and a first
kernel of 5 that is the network of Greydanus & Kobak 2024 (arXiv:2011.14439) for MNIST-1D, but
for 16 channels in place of 25: as many as the engine's lanes hold.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from evenbatch import protocol as p
from evenbatch.claims.claim import Made, each

BY_CONVOLUTION = " by convolution"
"""What a verdict's data are called there: digits by convolution."""
CHANNELS, KERNEL, STRIDED = 16, 3, 3
BOTH, SERIES, PICTURES = ("digits", "mnist1d"), ("mnist1d",), ("digits",)
ON = {
    "speed": BOTH,
    "initialization": PICTURES,
    "smoothness": BOTH,
    "learning-rate": SERIES,
    "layer-norm": SERIES,
    "regularization": PICTURES,
    "batch-size": PICTURES,
    "train-eval": BOTH,
}
"""The claims that are measured on it too, and on which data: on both where that costs little."""
BRIEF = "speed", "smoothness", "learning-rate", "train-eval"
"""Those of a quick run, on the first of these data: all would make it half as long again."""
NOT = {
    "depth": "it is the longest claim already, and 50 convolutions take three times as long",
    "gradients": "its networks are up to 50 layers deep, as those of depth",
    "covariate-shift": "convolutions cannot be made to drift, nor is drift read inside them",
    "sequences": "it is about recurrent networks",
    "placement": "convolutions have no norm on the input alone, which is one of its arms",
    "epsilon": "a constant column and a norm on the input belong to a table, not to positions",
    "gamma-beta": "it compares wide layers with narrow ones, and here every layer has 16 channels",
    "feature-scaling": "the positions of a signal or picture share weights, and so one scale",
    "yang-2019": "the theory is one of fully connected networks",
    "ioffe-2015": "the figure is one of a fully connected network",
}
"""Why the others are not."""


def by_convolution(made: Made) -> Made:
    """The experiment with its hidden layers as convolutions.

    Raises:
        NotHere: the columns of its data are not positions.
    """
    experiment, prepared = made
    data = prepared[0].data
    if not data.shape:
        raise p.NotHere(f"The columns of {data.name} are not positions that could be convolved.")
    fan_in = KERNEL ** (len(data.shape) - 1) * CHANNELS

    def change(part: Any) -> Any:
        if isinstance(part, p.Changes) and "hidden" in part.network:
            layers = convolutions(len(part.network["hidden"]), len(data.shape) == 2)
            own = {"hidden": [], "conv": layers, "flatten": True}
            return msgspec.structs.replace(part, network=part.network | own)
        if isinstance(part, p.MarkSpec) and part.id == "he":
            return msgspec.structs.replace(part, value=math.sqrt(2 / fan_in))
        return part

    parts = {
        name: each(getattr(experiment, name), change) for name in ("blocks", "race", "figures")
    }
    on = prepared[0].recipe.of + BY_CONVOLUTION
    return msgspec.structs.replace(experiment, on=on, **parts), prepared


def convolutions(depth: int, flat: bool) -> list[dict[str, Any]]:
    """So many layers, over positions in a row or over a picture.

    >>> convolutions(2, flat=True)
    [{'channels': 16, 'kernel': 5, 'stride': 2}, {'channels': 16, 'kernel': 3, 'stride': 2}]
    """
    return [
        {
            "channels": CHANNELS,
            "kernel": 5 if flat and i == 0 else KERNEL,
            "stride": 2 if i < STRIDED else 1,
        }
        for i in range(depth)
    ]
