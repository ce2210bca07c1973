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
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine.network import Network
from evenbatch.kernels import dense
from evenbatch.kernels._lanes import padded

# Operations.
PRODUCT, ACTIVATE, BATCH, ROW, GROUP, DROPOUT, ADD, FORK = range(8)

# Columns of the integer table. A, B, C and E hold what the operation needs (see `_Builder`).
OP, SRC, DST, STRIDE_IN, STRIDE, COLUMNS, A, B, C, E, CODE, NEED_DX = range(12)
FIELDS = 12

# Columns of the table of probes: where layer i's input, activation, weights and normalizer lie.
(
    P_IN, P_IN_STRIDE, P_IN_COLUMNS, P_OUT, P_STRIDE, P_COLUMNS, P_Z, P_CODE, P_W, P_W_SIZE,
    P_GAMMA, P_BETA, P_NORM_COLUMNS,
) = range(13)  # fmt: skip

_ACTIVATIONS = {
    "relu": (dense.LINEAR, 0.0),
    "leaky_relu": (dense.LINEAR, dense.LEAKY_SLOPE),
    "tanh": (dense.TANH, 1.0),
    "sigmoid": (dense.SIGMOID, 1.0),
    "gelu": (dense.GELU, 1.0),
    "identity": (dense.LINEAR, 1.0),
}


@dataclass(frozen=True)
class LinearSlot:
    """Where a linear layer's parameters lie. `bias` is −1 where there is none."""

    weight: int
    bias: int
    inputs: int
    outputs: int

    @property
    def stride(self) -> int:
        return padded(self.outputs)

    @property
    def size(self) -> int:
        return self.inputs * self.stride


@dataclass(frozen=True)
class NormSlot:
    """Where a normalizer's parameters and, for batch norm, running statistics lie (−1: none)."""

    gamma: int
    beta: int
    running: int
    columns: int

    @property
    def stride(self) -> int:
        return padded(self.columns)


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


@dataclass
class _Builder:
    """Hands out offsets and collects operations while a network is compiled."""

    network: Network
    rows: int
    ops: list[list[int]] = field(default_factory=list)
    slopes: list[float] = field(default_factory=list)
    probes: list[list[int]] = field(default_factory=list)
    probe_slopes: list[float] = field(default_factory=list)
    norms: list[NormSlot] = field(default_factory=list)
    live: dict[int, int] = field(default_factory=dict)
    shared: int = -1  # where all normalized activations go in turn, or −1 to keep each
    workspace: int = 0
    running: int = 0
    parameters: int = 0
    frozen: int = 0  # where the next parameter that does not learn goes

    def matrix(self, columns: int) -> int:
        return self.take(self.rows * padded(columns))

    def take(self, size: int) -> int:
        at, self.workspace = self.workspace, self.workspace + padded(size)
        return at

    def parameter(self, size: int, learns: bool = True) -> int:
        if not learns:
            at, self.frozen = self.frozen, self.frozen + size
            return at
        at, self.parameters = self.parameters, self.parameters + size
        return at

    def emit(
        self, op: int, src: int, dst: int, columns: int, slope: float = 1.0, **extra: int
    ) -> None:
        row = [0] * FIELDS
        row[OP], row[SRC], row[DST] = op, src, dst
        row[STRIDE_IN] = row[STRIDE] = padded(columns)
        row[COLUMNS] = columns
        places = {
            "stride_in": STRIDE_IN,
            "a": A,
            "b": B,
            "c": C,
            "e": E,
            "code": CODE,
            "dx": NEED_DX,
        }
        for name, value in extra.items():
            row[places[name]] = value
        self.ops.append(row)
        self.slopes.append(slope)

    def product(self, src: int, slot: LinearSlot, need_dx: bool) -> int:
        dst = self.matrix(slot.outputs)
        redo = len(self.ops) if src == self.shared and src >= 0 else 0  # 1 + the normalizer before
        self.emit(
            PRODUCT, src, dst, slot.outputs, stride_in=padded(slot.inputs), a=slot.weight,
            b=slot.inputs,
            e=redo, dx=need_dx,
        )  # fmt: skip
        return dst

    def activate(self, src: int, columns: int, bias: int, code: int, slope: float) -> int:
        dst = self.matrix(columns) if code == dense.GELU else src
        self.emit(ACTIVATE, src, dst, columns, slope, a=bias, code=code)
        return dst

    def normalize(self, src: int, columns: int, slope: float, dst: int = -1) -> int:
        net = self.network
        stride = padded(columns)
        gamma = self.parameter(stride, net.affine in ("both", "gamma"))
        beta = self.parameter(stride, net.affine in ("both", "beta"))
        if dst < 0:
            dst = self.matrix(columns)
        if net.norm == "batch":
            running = self.running
            self.running += 2 * stride
            stats = self.take(4 * stride)  # mean, 1/spread, variance, gamma/spread
            self.emit(BATCH, src, dst, columns, slope, a=gamma, b=beta, c=running, e=stats)
        else:
            running = -1
            groups = net.groups if net.norm == "group" else 1
            stats = self.take(2 * self.rows * groups)  # mean, 1/spread
            if groups > 1:
                self.emit(GROUP, src, dst, columns, slope, a=gamma, b=beta, e=stats, code=groups)
            else:
                if columns not in self.live:
                    self.live[columns] = self.take(stride)
                center = net.norm != "rms"
                self.emit(
                    ROW, src, dst, columns, slope, a=gamma, b=beta, c=self.live[columns], e=stats,
                    code=center,
                )  # fmt: skip
        self.norms.append(NormSlot(gamma, beta, running, columns))
        return dst

    def probe(
        self, src: int, inputs: int, out: int, z: int, slot: LinearSlot, code: int, slope: float
    ) -> None:
        self.probes.append(
            [
                src,
                padded(inputs),
                inputs,
                out,
                slot.stride,
                slot.outputs,
                z,
                code,
                slot.weight,
                slot.size,
            ]
        )
        self.probe_slopes.append(slope)


def _linears(network: Network) -> tuple[tuple[LinearSlot, ...], int, int]:
    """Slots of all linear layers, where the weights end and where the biases end."""
    sizes = (network.inputs, *network.hidden, network.outputs)
    weights, at = [], 0
    for inputs, outputs in itertools.pairwise(sizes):
        weights.append(at)
        at += inputs * padded(outputs)
    decay_end = at
    slots = []
    for i, weight in enumerate(weights):
        bias = -1
        if network.has_bias(i):
            bias, at = at, at + padded(sizes[i + 1])
        slots.append(LinearSlot(weight, bias, sizes[i], sizes[i + 1]))
    return tuple(slots), decay_end, at


def _hidden_layer(build: _Builder, slot: LinearSlot, src: int, layer: int, need_dx: bool) -> int:
    """Linear, normalizer, activation and dropout of one hidden layer; returns where it left off."""
    net = build.network
    code, slope = _ACTIVATIONS[net.activation]
    z = build.product(src, slot, need_dx)
    before = net.norm != "none" and net.placement == "before"
    if before and code == dense.LINEAR:
        if slot.bias >= 0:
            build.activate(z, slot.outputs, slot.bias, dense.LINEAR, 1.0)
        at = out = build.normalize(z, slot.outputs, slope, build.shared)
    elif before:
        if slot.bias >= 0:
            build.activate(z, slot.outputs, slot.bias, dense.LINEAR, 1.0)
        z = build.normalize(z, slot.outputs, 1.0)
        at = out = build.activate(z, slot.outputs, -1, code, slope)
    else:
        at = out = build.activate(z, slot.outputs, slot.bias, code, slope)
        if net.norm != "none" and net.placement == "after":
            at = build.normalize(out, slot.outputs, 1.0)
    build.probe(src, slot.inputs, out, z, slot, code, slope)
    if net.dropout > 0:
        mask, dst = build.matrix(slot.outputs), build.matrix(slot.outputs)
        build.emit(DROPOUT, at, dst, slot.outputs, net.dropout, a=mask, code=layer)
        at = dst
    return at


def _probe_norms(build: _Builder) -> None:
    """Say in each layer's probe where its normalizer's knobs lie.

    Normalizer i stands beside linear layer i; the one on the input, before layer 0.
    """
    for layer, row in enumerate(build.probes):
        norm = build.norms[layer] if layer < len(build.norms) else NormSlot(-1, -1, -1, 0)
        row += [norm.gamma, norm.beta, norm.columns]


KEPT_BYTES = 1 << 20
"""Activations larger than this are computed again on the way back rather than kept.

Kept, each is written, pushed out of the cache and fetched again. At 50 layers × 64, batch 100, that
costs more than normalizing twice; in a network that fits the cache it is the other way round.
"""


def _may_redo(network: Network, rows: int) -> bool:
    """Whether normalized activations can share a buffer: only the next layer reads them."""
    simple = network.norm == "batch" and network.placement == "before"
    simple = simple and _ACTIVATIONS[network.activation][0] == dense.LINEAR
    alone = network.residual == 0 and network.dropout == 0
    return simple and alone and 8 * rows * sum(map(padded, network.hidden)) > KEPT_BYTES


@lru_cache(maxsize=512)
def compile_tape(network: Network, rows: int, keep: bool = False) -> Tape:
    """The tape of `network` for up to `rows` examples at a time (cached: trials share tapes).

    `keep` keeps every activation, for probes to read.
    """
    build = _Builder(network, rows)
    if not keep and _may_redo(network, rows):
        build.shared = build.matrix(max(network.hidden))
    linears, decay_end, build.parameters = _linears(network)
    knobs = {"both": 2, "gamma": 1, "beta": 1, "none": 0}[network.affine]
    build.frozen = build.parameters + knobs * sum(map(padded, network.normalized_widths))
    at = input_at = build.matrix(network.inputs)
    need_dx = False
    if network.norm != "none" and network.placement == "input":
        at = build.normalize(at, network.inputs, 1.0)
        need_dx = True
    skips = network.skips()
    starts = {start: end for end, start in skips.items()}
    outputs: dict[int, int] = {}
    for layer, slot in enumerate(linears[:-1]):
        if layer - 1 in starts:
            build.emit(FORK, at, at, slot.inputs)
        at = _hidden_layer(build, slot, at, layer, need_dx)
        if layer in skips:
            dst = build.matrix(slot.outputs)
            build.emit(ADD, at, dst, slot.outputs, a=outputs[skips[layer]])
            at = dst
        outputs[layer] = at
        need_dx = True
    last = linears[-1]
    src = at
    at = build.product(src, last, need_dx)
    build.activate(at, last.outputs, last.bias, dense.LINEAR, 1.0)
    build.probe(src, last.inputs, at, at, last, dense.LINEAR, 1.0)

    _probe_norms(build)
    widest = max((network.inputs, *network.hidden, network.outputs))
    d_at = (build.matrix(widest), build.matrix(widest))
    stash_at = build.matrix(widest) if skips else 0
    transpose_at = build.take(max(slot.stride * padded(slot.inputs) for slot in linears))
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
