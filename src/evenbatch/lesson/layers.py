"""What goes into a network's layers and decisions, recomputed from its weights in plain NumPy.

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
BINS = 41
REACH = 5.0
"""How far histograms reach from the mean at the start, in standard deviations at the start."""


class LayerShown(msgspec.Struct, frozen=True):
    """What goes into a layer's decision, its activation: counts over equal bins from `low` to
    `high` and of what lies beyond, mean and spread."""

    low: float
    high: float
    counts: tuple[int, ...]
    below: int
    above: int
    mean: float
    std: float


class ArmShown(msgspec.Struct, frozen=True):
    """The layers of one arm's network, from the first on."""

    arm: str
    layers: tuple[LayerShown, ...]


class Layers(msgspec.Struct, frozen=True):
    """What goes into the decisions of all arms' layers after `step`."""

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
) -> tuple[list[Floats], list[Floats]]:
    """What every linear layer receives, and what every activation receives, in rows × columns.

    Only plain stacks: no residual connections and no recurrence; dropout is off.

    Returns:
        (inputs of each linear layer, the last being the output layer; inputs of each activation).
    """
    at = np.asarray(x, np.float64)
    norms = iter(weights.norms)

    def norm(z: Floats) -> Floats:
        found = next(norms)
        return normalize(network, z, np.asarray(found.gamma), np.asarray(found.beta))

    if network.norm != "none" and network.placement == "input":
        at = norm(at)
    received, before = [], []
    for layer in weights.linears[:-1]:
        received.append(at)
        z = at @ np.asarray(layer.weight, np.float64).T
        if layer.bias is not None:
            z = z + layer.bias
        if network.norm != "none" and network.placement == "before":
            z = norm(z)
        before.append(z)
        at = activate(network.activation, z)
        if network.norm != "none" and network.placement == "after":
            at = norm(at)
    received.append(at)
    return received, before


def histogram(values: Floats, start: Floats) -> LayerShown:
    """Counts over `BINS` equal bins, `REACH` standard deviations of `start` to either side of its
    mean.

    >>> start = np.array([-1.0, 1.0])
    >>> found = histogram(np.array([-9.0, 0.0, 0.1, 9.0, 9.0]), start)
    >>> found.below, sum(found.counts), found.above, found.high, round(found.mean, 3)
    (1, 2, 2, 5.000001, 1.82)
    """
    reach = REACH * float(start.std()) + 1e-6
    low, high = float(start.mean()) - reach, float(start.mean()) + reach
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(finite, BINS, (low, high))
    below, above = int((finite < low).sum()), int((finite > high).sum())
    mean, std = (finite.mean(), finite.std()) if len(finite) else (np.nan, np.nan)
    return LayerShown(low, high, tuple(counts.tolist()), below, above, float(mean), float(std))
