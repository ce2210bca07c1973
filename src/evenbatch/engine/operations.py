"""What a tape is made of: where parameters lie, and the builder that emits operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine.layout import Field as F
from evenbatch.engine.layout import Op
from evenbatch.engine.network import Network
from evenbatch.kernels._lanes import PAD, padded
from evenbatch.kernels.engine import dense

DRIFT_KEYS = 256  # what is added to a layer, so that its drift is not drawn with its dropout

ACTIVATIONS = {
    "relu": (dense.LINEAR, 0.0),
    "leaky_relu": (dense.LINEAR, dense.LEAKY_SLOPE),
    "tanh": (dense.TANH, 1.0),
    "sigmoid": (dense.SIGMOID, 1.0),
    "gelu": (dense.GELU, 1.0),
    "identity": (dense.LINEAR, 1.0),
}


@dataclass(frozen=True)
class LinearSlot:
    """Where a linear layer's parameters lie. `bias` is −1 where there is none.

    The inputs of a convolution, or of a layer behind one, are those of each place below its window,
    one place after the other; `kernel` is the shape of those places in PyTorch's weight, and
    `groups` are those of a convolution: only weights within one are kept there.
    """

    weight: int
    bias: int
    inputs: int
    outputs: int
    places: int = 1
    kernel: tuple[int, ...] = ()
    groups: int = 1

    @property
    def stride(self) -> int:
        return padded(self.outputs)

    @property
    def size(self) -> int:
        return self.inputs * self.stride

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight in PyTorch's layout."""
        channels = self.inputs // self.groups // self.places
        return (self.outputs, channels, *self.kernel) if self.kernel else (
            self.outputs, self.inputs)  # fmt: skip

    def get_weight(self, theta: NDArray[Any]) -> NDArray[Any]:
        """The weight in PyTorch's layout, a copy."""
        return np.concatenate(self._weight(theta)).reshape(self.shape)

    def set_weight(self, theta: NDArray[Any], weight: NDArray[Any]) -> None:
        """Write a weight in PyTorch's layout."""
        views = self._weight(theta)
        for view, part in zip(views, np.split(weight, self.groups), strict=True):
            view[...] = part.reshape(view.shape)

    def _weight(self, theta: NDArray[Any]) -> list[NDArray[Any]]:
        """(outputs, channels, places) of each group: views."""
        block = theta[self.weight : self.weight + self.size].reshape(self.places, -1, self.stride)
        channels, outputs = block.shape[1] // self.groups, self.outputs // self.groups
        return [
            block[:, g * channels :, g * outputs :][:, :channels, :outputs].transpose(2, 1, 0)
            for g in range(self.groups)
        ]


@dataclass(frozen=True)
class NormSlot:
    """Where a normalizer's parameters and, for batch norm, running statistics lie (−1: none).

    One that runs over time has `steps` pairs of running statistics, one after the other, and before
    them a block whose first element says how many of them have been seen.
    """

    gamma: int
    beta: int
    running: int
    columns: int
    steps: int = 0

    @property
    def stride(self) -> int:
        return padded(self.columns)

    def statistics(self, running: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Views of running means and variances: (columns,), or (steps, columns) over time."""
        size = 2 * self.stride * max(self.steps, 1)
        pairs = running[self.running : self.running + size].reshape(-1, 2, self.stride)
        pairs = pairs if self.steps else pairs[0]
        return pairs[..., 0, : self.columns], pairs[..., 1, : self.columns]


@dataclass(frozen=True)
class OverTime:
    """How a probe finds a layer's matrices at each time step: the distances between them."""

    steps: int
    count_at: int  # where the numbers of rows lie, or −1: one step, the whole batch
    stride_in: int
    in_step: int
    out_step: int


@dataclass
class Builder:
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
    count_at: int = -1  # where the number of rows lies that operations emitted now work on
    patches: int = -1  # where a convolution's patches are gathered
    plane: tuple[int, int] | None = None  # height and width of an example, if each has positions

    def matrix(self, columns: int) -> int:
        height, width = self.plane or (1, 1)
        return self.take(self.rows * height * width * padded(columns))

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
        row = [0] * len(F)
        row[F.OP], row[F.SRC], row[F.DST] = op, src, dst
        row[F.STRIDE_IN] = row[F.STRIDE] = padded(columns)
        row[F.COLUMNS], row[F.COUNT] = columns, self.count_at
        for name, value in extra.items():
            row[F[name.upper()]] = value
        self.ops.append(row)
        self.slopes.append(slope)

    def product(self, src: int, slot: LinearSlot, need_dx: bool) -> int:
        dst = self.matrix(slot.outputs)
        redo = len(self.ops) if src == self.shared and src >= 0 else 0  # 1 + the normalizer before
        self.emit(
            Op.PRODUCT, src, dst, slot.outputs, stride_in=padded(slot.inputs), a=slot.weight,
            b=slot.inputs, e=redo, need_dx=need_dx,
        )  # fmt: skip
        return dst

    def activate(self, src: int, columns: int, bias: int, code: int, slope: float) -> int:
        dst = self.matrix(columns) if code == dense.GELU else src
        self.emit(Op.ACTIVATE, src, dst, columns, slope, a=bias, code=code)
        return dst

    def knobs(self, columns: int, steps: int = 0) -> NormSlot:
        """Gamma, beta and running statistics of the next normalizer."""
        net, stride = self.network, padded(columns)
        gamma = self.parameter(stride, net.affine in ("both", "gamma"))
        beta = self.parameter(stride, net.affine in ("both", "beta"))
        running = -1
        if net.norm == "batch":
            running = self.running + (PAD if steps else 0)
            self.running = running + 2 * stride * max(steps, 1)
        self.norms.append(NormSlot(gamma, beta, running, columns, steps))
        return self.norms[-1]

    def normalize(
        self, src: int, slot: NormSlot, slope: float, dst: int = -1, step: int = 0
    ) -> int:
        """One normalizer; `step` is 1 + the time step of one that runs over time."""
        net, columns, stride = self.network, slot.columns, slot.stride
        knobs = {"a": slot.gamma, "b": slot.beta}
        if dst < 0:
            dst = self.matrix(columns)
        if net.norm == "batch":
            running = slot.running + 2 * stride * max(step - 1, 0)
            stats = self.take(4 * stride)  # mean, 1/spread, variance, gamma/spread
            self.emit(Op.BATCH, src, dst, columns, slope, c=running, e=stats, code=step, **knobs)
            return dst
        groups = net.groups if net.norm == "group" else 1
        if self.plane:
            height, width = self.plane
            stats = self.take(2 * (self.rows + 1) * stride)  # means, 1/spreads; and room for sums
            self.emit(
                Op.PLANE, src, dst, columns, slope, c=net.norm != "rms", e=stats, code=groups,
                count=-1, height=height, width=width, **knobs,
            )  # fmt: skip
            return dst
        stats = self.take(2 * self.rows * groups)  # mean, 1/spread
        if groups > 1:
            self.emit(Op.GROUP, src, dst, columns, slope, e=stats, code=groups, **knobs)
            return dst
        ones, center = self.ones_for(columns), net.norm != "rms"
        self.emit(Op.ROW, src, dst, columns, slope, c=ones, e=stats, code=center, **knobs)
        return dst

    def ones_for(self, columns: int) -> int:
        """Where a row of ones over so many columns, and zeros over their padding, lies."""
        if columns not in self.live:
            self.live[columns] = self.take(padded(columns))
        return self.live[columns]

    def probe(
        self, src: int, out: int, z: int, slot: LinearSlot, last: bool = False,
        over_time: OverTime | None = None, received: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """What to read of a layer; it `received` so many rows of an example, and columns."""
        code, slope = (dense.LINEAR, 1.0) if last else ACTIVATIONS[self.network.activation]
        rows, inputs = received or (1, slot.inputs)
        height, width = self.plane or (1, 1)
        time = over_time or OverTime(1, -1, padded(inputs), 0, 0)
        row = [src, time.stride_in, inputs, out, slot.stride, slot.outputs, z, code]
        row += [slot.weight, slot.size, time.steps, time.count_at, time.in_step, time.out_step]
        row += [rows, height * width]
        self.probes.append(row)
        self.probe_slopes.append(slope)

    def finish(
        self, z: int, linear: LinearSlot, norm: NormSlot | None, dst: int = -1, step: int = 0
    ) -> tuple[int, int, int]:
        """Bias, normalizer and activation of a layer whose product lies at z.

        Returns where the activation's input, the activation and the layer's output lie.
        """
        net, columns = self.network, linear.outputs
        code, slope = ACTIVATIONS[net.activation]
        if norm is not None and net.placement == "after":
            out = self.activate(z, columns, linear.bias, code, slope)
            return z, out, self.drift(self.normalize(out, norm, 1.0, step=step), columns)
        if norm is None and net.drift == 0:
            out = self.activate(z, columns, linear.bias, code, slope)
            return z, out, out
        if linear.bias >= 0:
            self.activate(z, columns, linear.bias, dense.LINEAR, 1.0)
        if norm is not None:
            if code == dense.LINEAR and net.drift == 0:
                out = self.normalize(z, norm, slope, dst, step)
                return z, out, out
            z = self.normalize(z, norm, 1.0, step=step)
        z = self.drift(z, columns)
        out = self.activate(z, columns, -1, code, slope)
        return z, out, out

    def drift(self, at: int, columns: int) -> int:
        """Noise on what lies there, if the network has any, in place."""
        if self.network.drift > 0:
            layer = sum(row[F.OP] == Op.DRIFT for row in self.ops)
            scale, units = self.matrix(columns), self.take(2 * padded(columns))
            key = DRIFT_KEYS + layer
            self.emit(Op.DRIFT, at, at, columns, self.network.drift, a=scale, b=units, code=key)
        return at
