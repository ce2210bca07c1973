"""Initial weights. Paired trials (same seed, same widths) start from the same linear layers.

Each linear layer draws from a stream of its own, keyed by seed and layer, so a normalizer, which
draws nothing, cannot shift what the layers after it get.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine.network import Network
from evenbatch.engine.tape import Tape
from evenbatch.kernels.engine.losses import LOGIT_PADDING


def draw_layer(
    network: Network, layer: int, inputs: int, outputs: int, seed: int, places: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(weight (outputs, inputs), bias (outputs,)) of one linear layer, PyTorch's layout.

    A convolution's inputs are its channels at all `places` of its kernel: its fan-in; its fan-out
    is outputs · places.

    torch: weight and bias uniform in ±1/√fan-in (nn.Linear; LeCun et al. 1998 give the scale).
    he: normal, √(2/fan-in), He et al. 2015. xavier: uniform, ±√(6/(fan-in + fan-out)), Glorot &
    Bengio 2010. gaussian: normal, `network.sigma`.
    """
    stream = np.random.Generator(np.random.Philox(key=[seed, layer]))
    shape = (outputs, inputs)
    bias = np.zeros(outputs)
    if network.init == "torch":
        bound = 1 / math.sqrt(inputs)
        weight = stream.uniform(-bound, bound, shape)
        bias = stream.uniform(-bound, bound, outputs)
    elif network.init == "he":
        weight = stream.normal(0.0, math.sqrt(2 / inputs), shape)
    elif network.init == "xavier":
        bound = math.sqrt(6 / (inputs + outputs * places))
        weight = stream.uniform(-bound, bound, shape)
    else:
        weight = stream.normal(0.0, network.sigma, shape)
    return weight, bias


def initial_parameters(tape: Tape, seed: int, dtype: Any) -> NDArray[Any]:
    """The flat parameter vector: linear layers drawn from the seed, gamma 1, beta 0."""
    theta = np.zeros(tape.n_parameters, dtype)
    for layer, slot in enumerate(tape.linears):
        places = slot.places if slot.kernel else 1
        fan_in = slot.inputs // slot.groups
        weight, bias = draw_layer(tape.network, layer, fan_in, slot.outputs, seed, places)
        slot.set_weight(theta, weight)
        if slot.bias >= 0:
            theta[slot.bias : slot.bias + slot.outputs] = bias
    for norm in tape.norms:
        theta[norm.gamma : norm.gamma + norm.columns] = 1
    return theta


def pad_logits(tape: Tape, theta: NDArray[Any]) -> None:
    """Make the padding of a classifier's output weigh nothing in its softmax."""
    last = tape.linears[-1]
    theta[last.bias + last.outputs : last.bias + last.stride] = LOGIT_PADDING


def initial_running(tape: Tape, dtype: Any) -> NDArray[Any]:
    """Running statistics: mean 0, variance 1."""
    running = np.zeros(tape.n_running, dtype)
    for norm in tape.norms:
        if norm.running >= 0:
            norm.statistics(running)[1][...] = 1
    return running
