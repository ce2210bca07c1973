"""A network's parameters: separate arrays in PyTorch's layout, or the engine's flat vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import initialize
from evenbatch.engine.curve import LayerWeights, NormWeights, Weights
from evenbatch.engine.network import Network
from evenbatch.engine.operations import NormSlot
from evenbatch.engine.settings import SettingError
from evenbatch.engine.tape import Tape, compile_tape
from evenbatch.kernels._lanes import PAD

Array = NDArray[Any]


def get_weights(tape: Tape, theta: Array, running: Array) -> Weights:
    """Parameters of the flat vectors as separate arrays."""
    linears, norms = [], []
    for slot in tape.linears:
        bias = theta[slot.bias : slot.bias + slot.outputs].copy() if slot.bias >= 0 else None
        linears.append(LayerWeights(slot.get_weight(theta), bias))
    for norm in tape.norms:
        n = norm.columns
        stats: list[Array] = []
        if norm.running >= 0:
            stats = [part.copy() for part in norm.statistics(running)]
        norms.append(
            NormWeights(
                theta[norm.gamma : norm.gamma + n].copy(),
                theta[norm.beta : norm.beta + n].copy(),
                *stats,
            )
        )
    return Weights(tuple(linears), tuple(norms))


def set_weights(tape: Tape, weights: Weights, theta: Array, running: Array) -> None:
    """Write separate arrays into the flat vectors; shapes must fit the network."""
    if len(weights.linears) != len(tape.linears) or len(weights.norms) != len(tape.norms):
        raise SettingError(
            f"weights has {len(weights.linears)} linear layers and {len(weights.norms)} "
            f"normalizers; this network has {len(tape.linears)} and {len(tape.norms)}"
        )
    for i, (slot, layer) in enumerate(zip(tape.linears, weights.linears, strict=True)):
        if layer.weight.shape != slot.shape:
            raise SettingError(
                f"weight {i} has shape {layer.weight.shape}; this network needs {slot.shape}"
            )
        slot.set_weight(theta, layer.weight)
        if (layer.bias is not None) != (slot.bias >= 0):
            where = "right before a batch normalizer"
            if tape.network.time_steps and i == 1:
                where = "on a recurrent layer's state"
            raise SettingError(
                f"layer {i} {'has no' if slot.bias < 0 else 'needs a'} bias in this network "
                f"(none {where})"
            )
        if layer.bias is not None:
            theta[slot.bias : slot.bias + slot.outputs] = layer.bias
    for norm, values in zip(tape.norms, weights.norms, strict=True):
        n = norm.columns
        theta[norm.gamma : norm.gamma + n] = values.gamma
        theta[norm.beta : norm.beta + n] = values.beta
        if norm.running >= 0 and values.running_mean is not None and values.running_var is not None:
            _set_statistics(norm, values.running_mean, values.running_var, running)


def _set_statistics(norm: NormSlot, mean: Array, var: Array, running: Array) -> None:
    """Write running statistics; a time step counts as seen up to the last that is not 0 and 1."""
    means, variances = norm.statistics(running)
    if mean.shape != means.shape or var.shape != means.shape:
        raise SettingError(
            f"running statistics have shapes {mean.shape} and {var.shape}; this network needs "
            f"{means.shape}"
        )
    means[...], variances[...] = mean, var
    if norm.steps:
        moved = np.flatnonzero(((means != 0) | (variances != 1)).any(axis=1))
        running[norm.running - PAD] = moved[-1] + 1 if len(moved) else 0


def initial_weights(network: Network, seed: int, dtype: Any = np.float32) -> Weights:
    """The weights a trial with this network and seed starts from.

    >>> net = Network(inputs=3, hidden=(4,), outputs=2, norm="batch")
    >>> weights = initial_weights(net, seed=0)
    >>> weights.linears[0].weight.shape, weights.linears[0].bias, weights.norms[0].gamma
    ((4, 3), None, array([1., 1., 1., 1.], dtype=float32))
    """
    tape = compile_tape(network, 1)
    theta = initialize.initial_parameters(tape, seed, dtype)
    return get_weights(tape, theta, initialize.initial_running(tape, dtype))
