"""Convolutions on the tape.

What leaves a convolution has a row for each position of each example, so that all operations after
it work on that many rows, and are none of its business. Its own three are given examples:

    CONVOLVE   patches of the input, some at a time, each times the weights; and it says how many
               rows the operations after it have. In groups, the weights from one to another are 0
               and stay so: a group's own product would be no shorter while its channels are fewer
               than a register's lanes
    POOL       mean or largest of a channel over some positions, or over all; and says the same
    PLANE      layer, RMS or group norm over an example's channels and positions

The data's rows hold an example's positions side by side, (height, width, channels); behind the
first convolution every position is a row of its own, padded like all rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch.engine.conv import over_all
from evenbatch.engine.layout import Op
from evenbatch.engine.network import Network
from evenbatch.engine.operations import Builder, LinearSlot
from evenbatch.kernels._lanes import PAD, padded
from evenbatch.kernels.engine.convolution import Window

GATHERED = 16_384
"""Numbers of all patches that are gathered for one product."""
FEWEST = 32
"""Patches for one product at least: each adds to all weights' gradients."""


def widest_example(network: Network) -> int:
    """The most numbers that an example has in a layer behind a convolution, padding too."""
    return max((stage.between * padded(stage.conv.channels) for stage in network.stages), default=0)


def _patches(slot: LinearSlot) -> int:
    return max(FEWEST, GATHERED // padded(slot.inputs) // 8 * 8)


def room_for_patches(build: Builder, linears: Iterable[LinearSlot]) -> int:
    """Where all convolutions gather their patches, and the gradient of their weights by some of
    them."""
    return build.take(
        max(
            (
                _patches(slot) * padded(slot.inputs) + PAD + slot.size
                for slot in linears
                if slot.places > 1 or slot.kernel
            ),
            default=0,
        )
    )


def rows_received(build: Builder, slot: LinearSlot, layer: int) -> tuple[int, int]:
    """(rows of an example, columns) of what a layer gets: a row for each of its positions, but
    of the data one for all, and of what a global pool leaves one."""
    if layer == 0 and build.network.conv:
        return 1, build.network.inputs
    height, width = build.plane or (1, 1)
    conv = layer < len(build.network.stages)
    return height * width if conv else slot.places, slot.inputs // slot.places


def linear(
    build: Builder, slot: LinearSlot, src: int, layer: int, need_dx: bool
) -> tuple[int, int]:
    """The product of any layer but a recurrent one; returns where its input and the product lie."""
    net, plane = build.network, build.plane
    if layer < len(net.stages):
        stage = net.stages[layer]
        row, pixel = padded(net.inputs), stage.channels
        if plane:
            pixel = padded(stage.channels)
            row = stage.before * pixel
        build.plane = (stage.window.out_height, stage.window.out_width)
        return src, _convolve(build, slot, stage.window, src, row, pixel, need_dx)
    if plane and slot.places > 1:  # all positions flattened: a window over all of them
        build.plane, pixel = None, padded(slot.inputs // slot.places)
        z = _convolve(build, slot, over_all(plane), src, slot.places * pixel, pixel, need_dx)
        build.count_at = -1
        return src, z
    if plane:
        if plane != (1, 1):
            src = _pool(build, src, slot.inputs, over_all(plane), largest=False)
        build.plane, build.count_at = None, -1
    return src, build.product(src, slot, need_dx)


def pooled(build: Builder, src: int, layer: int) -> int:
    """What leaves a layer: where it is a convolution with a pool, what the pool makes of it."""
    stages = build.network.stages
    if layer >= len(stages) or stages[layer].pool is None:
        return src
    conv, window = stages[layer].conv, stages[layer].pool
    assert window is not None
    return _pool(build, src, conv.channels, window, largest=conv.pool == "max")


def _convolve(
    build: Builder, slot: LinearSlot, window: Window, src: int, row: int, pixel: int, need_dx: bool
) -> int:
    count = build.take(1)
    dst = build.matrix(slot.outputs)
    build.emit(
        Op.CONVOLVE, src, dst, slot.outputs, stride_in=row, a=slot.weight, b=slot.inputs,
        c=build.patches, e=count, code=slot.groups, need_dx=need_dx, count=-1, pixel=pixel,
        channels=slot.inputs // slot.places, patches=_patches(slot), **window._asdict(),
    )  # fmt: skip
    build.count_at = count
    return dst


def _pool(build: Builder, src: int, columns: int, window: Window, largest: bool) -> int:
    count = build.take(1)
    build.plane = (window.out_height, window.out_width)
    dst = build.matrix(columns)
    build.emit(Op.POOL, src, dst, columns, e=count, code=largest, count=-1, **window._asdict())
    build.count_at = count
    return dst
