"""The three operations of a tape on examples that have positions, which are each a few kernels.

What they are for, and what they leave to the others, is said in `evenbatch.engine.convolutional`.
"""

from __future__ import annotations

from evenbatch.engine.layout import Field as F
from evenbatch.engine.layout import Op
from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import PAD
from evenbatch.kernels.engine import convolution, matmul, planes
from evenbatch.kernels.engine.convolution import Window


@kernel
def _window(ops, i):
    return Window(
        ops[i, F.HEIGHT], ops[i, F.WIDTH], ops[i, F.KERNEL_HEIGHT], ops[i, F.KERNEL_WIDTH],
        ops[i, F.GAP], ops[i, F.TOP], ops[i, F.LEFT], ops[i, F.OUT_HEIGHT], ops[i, F.OUT_WIDTH],
    )  # fmt: skip


@kernel
def forward(ops, slopes, i, theta, ws, examples, eps):
    """One of the three operations."""
    op, src, dst, stride = ops[i, F.OP], ops[i, F.SRC], ops[i, F.DST], ops[i, F.STRIDE]
    a, b, c, e = ops[i, F.A], ops[i, F.B], ops[i, F.C], ops[i, F.E]
    window = _window(ops, i)
    if op == Op.PLANE:
        planes.plane_normalize(
            ws, src, dst, examples, window.height * window.width, stride, ops[i, F.COLUMNS],
            ops[i, F.CODE], e, theta, a, b, c, eps, slopes[i],
        )  # fmt: skip
        return
    rows = examples * window.out_height * window.out_width
    ws[e] = rows
    if op == Op.POOL:
        convolution.pool(ws, src, dst, examples, stride, window, ops[i, F.CODE])
        return
    wide = (b + PAD - 1) // PAD * PAD
    for first in range(0, rows, ops[i, F.PATCHES]):
        last = min(first + ops[i, F.PATCHES], rows)
        convolution.gather_patches(
            ws, src, ops[i, F.STRIDE_IN], ops[i, F.PIXEL], ops[i, F.CHANNELS], window, first, last,
            c, wide,
        )  # fmt: skip
        matmul.product(ws, c, wide, theta, a, ws, dst + first * stride, last - first, stride, b)


@kernel
def backward(ops, slopes, i, theta, grad, ws, examples, d, dx, scratch):
    """The same on the way back: the gradient by the output lies at d. Returns whether that by the
    input lies at dx; else it has taken d's place, or nobody wants it."""
    op, src, dst, stride = ops[i, F.OP], ops[i, F.SRC], ops[i, F.DST], ops[i, F.STRIDE]
    window = _window(ops, i)
    if op == Op.PLANE:
        planes.plane_backward(
            ws, d, src, examples, window.height * window.width, stride, ops[i, F.COLUMNS],
            ops[i, F.CODE], ops[i, F.E], theta, ops[i, F.A], ops[i, F.B], grad, ops[i, F.C],
            slopes[i],
        )  # fmt: skip
        return False
    if op == Op.POOL:
        convolution.pool_backward(ws, d, src, dst, dx, examples, stride, window, ops[i, F.CODE])
        return True
    _convolve_backward(ops, i, theta, grad, ws, examples, d, dx, scratch, window)
    return ops[i, F.NEED_DX] > 0


@kernel
def _convolve_backward(ops, i, theta, grad, ws, examples, d, dx, scratch, window):
    src, row, pixel = ops[i, F.SRC], ops[i, F.STRIDE_IN], ops[i, F.PIXEL]
    weight, depth, patches = ops[i, F.A], ops[i, F.B], ops[i, F.C]
    stride, columns, channels = ops[i, F.STRIDE], ops[i, F.COLUMNS], ops[i, F.CHANNELS]
    wide = (depth + PAD - 1) // PAD * PAD
    part = patches + ops[i, F.PATCHES] * wide + PAD
    rows = examples * window.out_height * window.out_width
    if ops[i, F.NEED_DX]:
        matmul.transpose(theta, weight, stride, ws, scratch, wide, depth, columns)
        convolution.clear(ws, dx, examples * row)
    for first in range(0, rows, ops[i, F.PATCHES]):
        last = min(first + ops[i, F.PATCHES], rows)
        here = d + first * stride
        convolution.gather_patches(
            ws, src, row, pixel, channels, window, first, last, patches, wide
        )
        if first == 0:
            matmul.product_transposed(
                ws, patches, wide, ws, here, grad, weight, depth, stride, last - first
            )
        else:
            matmul.product_transposed(
                ws, patches, wide, ws, here, ws, part, depth, stride, last - first
            )
            convolution.add_to(grad, weight, ws, part, depth * stride)
        if ops[i, F.NEED_DX]:
            matmul.product(ws, here, stride, ws, scratch, ws, patches, last - first, wide, columns)
            convolution.add_patches(
                ws, dx, row, pixel, channels, window, first, last, patches, wide
            )
    if ops[i, F.CODE] > 1:
        places = window.kernel_height * window.kernel_width
        convolution.clear_beyond_groups(
            grad, weight, places, channels, ops[i, F.CODE], columns, stride
        )
    if ops[i, F.NEED_DX]:
        convolution.clear_padding(ws, dx, examples * row // pixel, pixel, channels)
