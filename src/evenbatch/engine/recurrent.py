"""A layer that runs over time, unrolled on the tape.

    h_t = activation(normalizer(W x_t + U h_{t−1} + b)),   h before the first step is 0

(Elman 1990.) What leaves the layer is each example's h at its own last step. W, U, b and the
normalizer's gamma and beta are the same at every step; batch norm has statistics for each.

The operations of a minibatch, forwards:

    ORDER      rows in order of length, longest first: at step t the first `count` rows still go on
    at each step t, with all operations of the step given those rows only:
      SHARE    (on the way back) add this step's gradients to those of the steps after it
      PRODUCT  U h_{t−1}, then W x_t, then SUM of the two; then normalizer and activation
      ENDING   rows whose last step this was go out, each to its own place in the minibatch
    HOLD       (on the way back) keep the gradient that comes in, for ENDING to hand out
    SHARE      (on the way back) set the sums to zero

A step that no example of the minibatch reaches is not computed at all.
"""

from __future__ import annotations

from evenbatch.engine.layout import Op
from evenbatch.engine.operations import Builder, LinearSlot, NormSlot, OverTime
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import recurrence


def _shared(w: LinearSlot, u: LinearSlot, norm: NormSlot | None) -> list[tuple[int, int]]:
    """(place in the parameters, size) of what serves all steps; U last."""
    blocks = [(w.weight, w.size)]
    if w.bias >= 0:
        blocks.append((w.bias, w.stride))
    if norm is not None:
        blocks += [(norm.gamma, norm.stride), (norm.beta, norm.stride)]
    return [*blocks, (u.weight, u.size)]


def _share(build: Builder, shared: list[tuple[int, int]], sums: int, step: int) -> None:
    """The operations that add up the gradients of one step, or, after the last, begin."""
    code = recurrence.ADD if step else recurrence.FINISH
    if step == build.network.time_steps:
        code = recurrence.CLEAR
    for at, size in shared:
        if step == 0 and at == shared[-1][0]:
            code = recurrence.ONLY_SUM  # the first step has no state before it
        build.emit(Op.SHARE, 0, 0, 0, a=at, b=size, c=sums, code=code)
        sums += size


def recurrent_layer(build: Builder, w: LinearSlot, u: LinearSlot, src: int) -> int:
    """Emit the layer; returns where its output lies.

    Args:
        build: collects the operations.
        w, u: the two linear layers, of the input and of the state; u has no bias.
        src: the input: all time steps of an example in a row, and its length behind them.
    """
    net = build.network
    steps, features, columns = net.time_steps, net.inputs, w.outputs
    wide = padded(steps * features + 1)
    norm = build.knobs(columns, steps) if net.norm != "none" else None
    x = build.matrix(steps * features + 1)
    counts = build.take(2 * (steps + 1) + build.rows)
    places = counts + 2 * (steps + 1)
    shared = _shared(w, u, norm)
    sums = build.take(sum(size for _, size in shared))
    out, held, from_state = build.matrix(columns), build.matrix(columns), build.matrix(columns)
    build.ones_for(columns)  # now, so that every step takes the same room

    build.emit(Op.ORDER, src, x, steps * features + 1, a=counts, b=steps, c=features)
    found: list[tuple[int, int, int]] = []  # of each step: activation's input, activation, h
    for t in range(steps):
        build.count_at = counts + t
        _share(build, shared, sums, t)
        if t > 0:  # U first: its gradient by the state replaces the one that W needs
            build.emit(
                Op.PRODUCT, found[-1][2], from_state, columns, a=u.weight, b=columns, need_dx=True
            )
        z = build.matrix(columns)
        build.emit(Op.PRODUCT, x + t * features, z, columns, stride_in=wide, a=w.weight, b=features)
        if t > 0:
            build.emit(Op.SUM, z, z, columns, a=from_state)
        found.append(build.finish(z, w, norm, step=t + 1))
        build.emit(Op.ENDING, found[-1][2], out, columns, a=places, b=held)
    build.count_at = -1
    build.emit(Op.HOLD, out, out, columns, a=held)
    _share(build, shared, sums, steps)

    later = found[min(1, steps - 1)]
    each = later[0] - found[0][0]
    build.probe(
        x, found[0][1], found[0][0], w, over_time=OverTime(steps, counts, wide, features, each)
    )
    build.probe(
        found[0][2], later[1], later[0], u,
        over_time=OverTime(steps - 1, counts + 1, u.stride, each, each),
    )  # fmt: skip
    return out
