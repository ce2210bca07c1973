"""A network's parameters: separate arrays in PyTorch's layout, or the engine's flat vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import initialize
from evenbatch.engine.curve import LayerWeights, NormWeights, Weights
from evenbatch.engine.network import Network, SettingError
from evenbatch.engine.tape import Tape, compile_tape

Array = NDArray[Any]


def get_weights(tape: Tape, theta: Array, running: Array) -> Weights:
    """Parameters of the flat vectors as separate arrays."""
    linears, norms = [], []
    for slot in tape.linears:
        block = theta[slot.weight : slot.weight + slot.size].reshape(slot.inputs, slot.stride)
        bias = theta[slot.bias : slot.bias + slot.outputs].copy() if slot.bias >= 0 else None
        linears.append(LayerWeights(np.ascontiguousarray(block[:, : slot.outputs].T), bias))
    for norm in tape.norms:
        n = norm.columns
        stats: list[Array] = []
        if norm.running >= 0:
            at = norm.running
            stats = [
                running[at : at + n].copy(),
                running[at + norm.stride : at + norm.stride + n].copy(),
            ]
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
        if layer.weight.shape != (slot.outputs, slot.inputs):
            raise SettingError(
                f"weight {i} has shape {layer.weight.shape}; this network needs "
                f"{(slot.outputs, slot.inputs)}"
            )
        block = theta[slot.weight : slot.weight + slot.size].reshape(slot.inputs, slot.stride)
        block[:, : slot.outputs] = layer.weight.T
        if (layer.bias is not None) != (slot.bias >= 0):
            raise SettingError(
                f"layer {i} {'has no' if slot.bias < 0 else 'needs a'} bias in this network "
                "(none right before a batch normalizer)"
            )
        if layer.bias is not None:
            theta[slot.bias : slot.bias + slot.outputs] = layer.bias
    for norm, values in zip(tape.norms, weights.norms, strict=True):
        n = norm.columns
        theta[norm.gamma : norm.gamma + n] = values.gamma
        theta[norm.beta : norm.beta + n] = values.beta
        if norm.running >= 0 and values.running_mean is not None and values.running_var is not None:
            at = norm.running
            running[at : at + n] = values.running_mean
            running[at + norm.stride : at + norm.stride + n] = values.running_var


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
