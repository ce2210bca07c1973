"""A network compiled to a tape: op codes and offsets into one parameter vector and one workspace.

The tape is an integer table, one row an operation, that `evenbatch.engine.loop` walks forwards and
backwards. Compiling takes microseconds and no machine code, so any network starts at once.

Parameters lie in one flat vector: first all weight matrices (inputs × padded outputs, the transpose
of PyTorch's layout), then biases, gammas and betas, and last those gammas and betas that do not
learn: "what weight decay touches" and "what learns" are prefixes. Padding columns of a weight
matrix are zero and stay zero.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine.convolutional import (
    linear,
    pooled,
    room_for_patches,
    rows_received,
    widest_example,
)
from evenbatch.engine.layout import Op
from evenbatch.engine.network import Network
from evenbatch.engine.operations import ACTIVATIONS, Builder, LinearSlot, NormSlot
from evenbatch.engine.recurrent import recurrent_layer
from evenbatch.kernels._lanes import PAD, padded
from evenbatch.kernels.engine import dense


@dataclass(frozen=True)
class Tape:
    """The compiled network, for up to `rows` examples at a time."""

    network: Network
    rows: int
    ops: NDArray[np.int64]
    slopes: NDArray[np.float64]
    probes: NDArray[np.int64]
    probe_slopes: NDArray[np.float64]
    linears: tuple[LinearSlot, ...]
    norms: tuple[NormSlot, ...]
    n_parameters: int
    n_learned: int
    decay_end: int
    n_running: int
    n_workspace: int
    input_at: int
    output_at: int
    d_at: tuple[int, int]
    stash_at: int
    transpose_at: int
    ones: tuple[tuple[int, int], ...]  # (offset, columns) of each live row to fill with ones


def _linears(network: Network) -> tuple[tuple[LinearSlot, ...], int, int]:
    """Slots of all linear layers, where the weights end and where the biases end.

    A recurrent layer has two, that of its input and that of its state; only the first has a bias.
    """
    widths = [network.inputs, *network.hidden, network.outputs]
    sizes: list[tuple[int, int, int, tuple[int, ...], int]] = []
    for stage in network.stages:
        conv = stage.conv
        sizes.append((stage.inputs, conv.channels, prod(stage.places), stage.places, conv.groups))
        widths[0] = stage.features(network.flatten)
    dense = [(*pair, 1, (), 1) for pair in itertools.pairwise(widths)]
    if network.flatten:
        dense[0] = (*dense[0][:2], network.stages[-1].positions, (), 1)
    sizes += dense
    biases = [network.has_bias(i) for i in range(len(sizes))]
    if network.time_steps:
        sizes.insert(1, (network.hidden[0], network.hidden[0], 1, (), 1))
        biases.insert(1, False)
    weights, at = [], 0
    for inputs, outputs, *_ in sizes:
        weights.append(at)
        at += inputs * padded(outputs)
    decay_end = at
    slots = []
    for weight, size, has_bias in zip(weights, sizes, biases, strict=True):
        bias = -1
        if has_bias:
            bias, at = at, at + padded(size[1])
        slots.append(LinearSlot(weight, bias, *size))
    return tuple(slots), decay_end, at


def _hidden_layer(build: Builder, slot: LinearSlot, src: int, layer: int, need_dx: bool) -> int:
    """Linear, normalizer and activation of one hidden layer; returns where it left off."""
    net = build.network
    received = rows_received(build, slot, layer)
    src, z = linear(build, slot, src, layer, need_dx)
    beside = net.norm != "none" and net.placement != "input"
    norm = build.knobs(slot.outputs) if beside else None
    z, out, at = build.finish(z, slot, norm, build.shared)
    build.probe(src, out, z, slot, received=received)
    return pooled(build, at, layer)


def _drop(build: Builder, at: int, columns: int, layer: int) -> int:
    """Dropout, if there is any; returns where it left off."""
    if build.network.dropout == 0:
        return at
    mask, dst = build.matrix(columns), build.matrix(columns)
    build.emit(Op.DROPOUT, at, dst, columns, build.network.dropout, a=mask, code=layer)
    return dst


def _hidden_layers(build: Builder, linears: tuple[LinearSlot, ...], at: int, need_dx: bool) -> int:
    """All hidden layers, with dropout and residual connections; returns where the last left off."""
    skips = build.network.skips()
    starts = {start: end for end, start in skips.items()}
    outputs: dict[int, int] = {}
    over_time = build.network.time_steps > 0
    for layer, slot in enumerate(linears[over_time:]):
        if layer - 1 in starts:
            build.emit(Op.FORK, at, at, slot.inputs // slot.places)
        if over_time and layer == 0:
            at = recurrent_layer(build, linears[0], linears[1], at)
        else:
            at = _hidden_layer(build, slot, at, layer, need_dx)
        at = _drop(build, at, slot.outputs, layer)
        if layer in skips:
            dst = build.matrix(slot.outputs)
            build.emit(Op.ADD, at, dst, slot.outputs, a=outputs[skips[layer]])
            at = dst
        outputs[layer] = at
        need_dx = True
    return at


def _probe_norms(build: Builder) -> None:
    """Say in each layer's probe where its normalizer's knobs lie.

    Normalizer i stands beside linear layer i; the one on the input, before layer 0. A recurrent
    layer has one normalizer and two linear layers.
    """
    norms = build.norms
    if build.network.time_steps:
        norms = norms[:1] + norms
    for layer, row in enumerate(build.probes):
        norm = norms[layer] if layer < len(norms) else NormSlot(-1, -1, -1, 0)
        row += [norm.gamma, norm.beta, norm.columns]


KEPT_BYTES = 1 << 20
"""Activations larger than this are computed again on the way back rather than kept.

Kept, each is written, pushed out of the cache and fetched again. At 50 layers × 64, batch 100, that
costs more than normalizing twice; in a network that fits the cache it is the other way round.
"""


def _may_redo(network: Network, rows: int) -> bool:
    """Whether normalized activations can share a buffer: only the next layer reads them."""
    simple = network.norm == "batch" and network.placement == "before"
    simple = simple and ACTIVATIONS[network.activation][0] == dense.LINEAR
    alone = not (network.residual or network.dropout or network.drift or network.time_steps)
    alone = alone and not network.conv
    return simple and alone and 8 * rows * sum(map(padded, network.hidden)) > KEPT_BYTES


@lru_cache(maxsize=512)
def compile_tape(network: Network, rows: int, keep: bool = False) -> Tape:
    """The tape of `network` for up to `rows` examples at a time (cached: trials share tapes).

    `keep` keeps every activation, for probes to read.
    """
    build = Builder(network, rows)
    if not keep and _may_redo(network, rows):
        build.shared = build.matrix(max(network.hidden))
    linears, decay_end, build.parameters = _linears(network)
    knobs = {"both": 2, "gamma": 1, "beta": 1, "none": 0}[network.affine]
    build.frozen = build.parameters + knobs * sum(map(padded, network.normalized_widths))
    build.patches = room_for_patches(build, linears)
    steps = network.time_steps
    at = input_at = build.matrix(steps * network.inputs + 1 if steps else network.inputs)
    need_dx = False
    if network.norm != "none" and network.placement == "input":
        at = build.normalize(at, build.knobs(network.inputs), 1.0)
        need_dx = True
    src = _hidden_layers(build, linears[:-1], at, need_dx)
    last = linears[-1]
    received = rows_received(build, last, network.depth)
    src, at = linear(build, last, src, network.depth, True)
    build.activate(at, last.outputs, last.bias, dense.LINEAR, 1.0)
    build.probe(src, at, at, last, last=True, received=received)

    _probe_norms(build)
    widest = max(widest_example(network), network.inputs, *network.hidden, network.outputs)
    d_at = (build.matrix(widest), build.matrix(widest))
    stash_at = build.matrix(widest) if network.skips() else 0
    transpose_at = build.take(max(slot.stride * padded(slot.inputs) for slot in linears))
    build.take(PAD if network.conv else 0)  # a patch may be read from beyond its end
    return Tape(
        network=network,
        rows=rows,
        ops=np.array(build.ops, np.int64),
        slopes=np.array(build.slopes, np.float64),
        probes=np.array(build.probes, np.int64),
        probe_slopes=np.array(build.probe_slopes, np.float64),
        linears=linears,
        norms=tuple(build.norms),
        n_parameters=build.frozen,
        n_learned=build.parameters,
        decay_end=decay_end,
        n_running=build.running,
        n_workspace=build.workspace,
        input_at=input_at,
        output_at=at,
        d_at=d_at,
        stash_at=stash_at,
        transpose_at=transpose_at,
        ones=tuple((offset, columns) for columns, offset in build.live.items()),
    )
