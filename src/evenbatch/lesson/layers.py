"""What each layer of a network receives, recomputed from its weights in plain NumPy.

The engine keeps no activations after a step; for histograms that move while a network trains, they
are computed again on a sample of rows, with batch norm using the sample's own statistics as it does
in training.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Network
from evenbatch.engine.curve import Weights

Floats = NDArray[np.float64]
BINS = 31


class LayerShown(msgspec.Struct, frozen=True):
    """What a layer receives: counts over equal bins from `low` to `high`, mean and spread."""

    low: float
    high: float
    counts: tuple[int, ...]
    mean: float
    std: float


class ArmShown(msgspec.Struct, frozen=True):
    """The layers of one arm's network, from the first on."""

    arm: str
    layers: tuple[LayerShown, ...]


class Layers(msgspec.Struct, frozen=True):
    """What the layers of all arms receive after `step`."""

    step: int
    arms: tuple[ArmShown, ...]


def activate(name: str, z: Floats) -> Floats:
    """The activation functions of `Network`."""
    done: Floats = z
    if name == "relu":
        done = np.maximum(z, 0)
    elif name == "leaky_relu":
        done = np.where(z > 0, z, 0.01 * z)
    elif name == "tanh":
        done = np.tanh(z)
    elif name == "sigmoid":
        done = 0.5 * (1 + np.tanh(z / 2))
    elif name == "gelu":
        done = 0.5 * z * (1 + np.vectorize(math.erf)(z / np.sqrt(2)))
    return np.asarray(done)


def normalize(network: Network, x: Floats, gamma: Floats, beta: Floats) -> Floats:
    """The normalizers of `Network`, on rows × columns."""
    if network.norm == "batch":
        mean, variance = x.mean(0), x.var(0)
    elif network.norm == "layer":
        mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    elif network.norm == "rms":
        mean, variance = np.zeros(()), (x**2).mean(1, keepdims=True)
    else:
        parts = x.reshape(len(x), network.groups, -1)
        mean, variance = parts.mean(2, keepdims=True), parts.var(2, keepdims=True)
        normal = (parts - mean) / np.sqrt(variance + network.eps)
        return np.asarray(normal.reshape(x.shape) * gamma + beta)
    return np.asarray((x - mean) / np.sqrt(variance + network.eps) * gamma + beta)


def layer_inputs(
    network: Network, weights: Weights, x: NDArray[Any]
) -> tuple[list[Floats], Floats]:
    """What every linear layer receives, and what every activation receives, in rows × columns.

    Only plain stacks: no residual connections and no recurrence; dropout is off.

    Returns:
        (inputs of each linear layer, the last being the output layer; inputs of the last
        activation).
    """
    at = np.asarray(x, np.float64)
    norms = iter(weights.norms)

    def norm(z: Floats) -> Floats:
        found = next(norms)
        return normalize(network, z, np.asarray(found.gamma), np.asarray(found.beta))

    if network.norm != "none" and network.placement == "input":
        at = norm(at)
    received = []
    before = at
    for layer in weights.linears[:-1]:
        received.append(at)
        z = at @ np.asarray(layer.weight, np.float64).T
        if layer.bias is not None:
            z = z + layer.bias
        if network.norm != "none" and network.placement == "before":
            z = norm(z)
        before = z
        at = activate(network.activation, z)
        if network.norm != "none" and network.placement == "after":
            at = norm(at)
    received.append(at)
    return received, before


def histogram(values: Floats, low: float, high: float) -> LayerShown:
    """Counts over `BINS` equal bins from low to high; what lies beyond is counted in the end bins.

    >>> found = histogram(np.array([-9.0, 0.0, 0.1, 9.0]), -3, 3)
    >>> found.counts[0], found.counts[-1], sum(found.counts), round(found.mean, 3)
    (1, 1, 4, 0.025)
    """
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(np.clip(finite, low, high), BINS, (low, high))
    mean, std = (finite.mean(), finite.std()) if len(finite) else (np.nan, np.nan)
    return LayerShown(low, high, tuple(counts.tolist()), float(mean), float(std))
