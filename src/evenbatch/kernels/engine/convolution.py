"""Convolution and pooling: what lies below a window that moves over the positions of an example.

An image of H × W positions is (H·W × stride) in the workspace, one position a row, its channels in
the columns; a series of L positions is an image of height 1. A minibatch is one example after the
other, so that all positions of all examples are the rows of one matrix, and what works on rows
(bias, activation, batch norm, dropout) needs to know no more than their number.

    convolution   out[q, o] = Σ_t Σ_c x[q·gap + t − padding, c] · w[t, c, o]    (t: places of the
                  window; beyond the border x is 0)
    pooling       out[q, c] = mean or max over t of x[q·gap + t, c]

A convolution is a product: `gather_patches` writes what lies below the window at some positions,
one position a row, and its way back, `add_patches`, adds a patch's gradient to the positions it was
taken from. Patches are `kernel²` times as large as what they are taken from, so some are gathered
at a time, for one product while they are in the cache, and again on the way back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import lanes, load, positive, splat, store


class Window(NamedTuple):
    """How a window of kernel_height × kernel_width moves over height × width positions."""

    height: int
    width: int
    kernel_height: int
    kernel_width: int
    gap: int  # positions from one place of the window to the next: the convolution's stride
    top: int  # rows of zeros above
    left: int  # columns of zeros before
    out_height: int
    out_width: int


def reference_patches(x: Any, window: Window) -> Any:
    """float64: (N, out positions, kernel places, C) of x (N, positions, C), zeros beyond."""
    x = np.asarray(x, np.float64)
    n, _, channels = x.shape
    image = x.reshape(n, window.height, window.width, channels)
    found = np.zeros(
        (n, window.out_height, window.out_width, window.kernel_height, window.kernel_width,
         channels)
    )  # fmt: skip
    for oy, ox, ky, kx in np.ndindex(found.shape[1:5]):
        y, x_ = oy * window.gap + ky - window.top, ox * window.gap + kx - window.left
        if 0 <= y < window.height and 0 <= x_ < window.width:
            found[:, oy, ox, ky, kx] = image[:, y, x_]
    return found.reshape(n, window.out_height * window.out_width, -1, channels)


@kernel
def clear(ws, at, size):
    """Zeros from `at` on; up to the next full lanes value."""
    for i in range(0, size, lanes(ws)):
        store(ws, at + i, splat(ws.dtype.type(0)))


@kernel
def gather_patches(ws, src, row, pixel, channels, window, first, last, out, stride):
    """The patches of output positions first … last − 1, counted through all examples, at `out`.

    Columns of a patch beyond its size hold anything, as does one lanes value behind the last patch.

    Args:
        src, row, pixel: the input, and how far examples and positions of it are apart.
        channels: of the input; a position's lie side by side.
        stride: how far patches are apart.
    """
    width = lanes(ws)
    place = first % (window.out_height * window.out_width)
    start = src + first // (window.out_height * window.out_width) * row
    y, x = place // window.out_width, place % window.out_width
    line = window.kernel_width * channels
    for at in range(out, out + (last - first) * stride, stride):
        from_x = x * window.gap - window.left
        low = min(max(0, -from_x), window.kernel_width)  # places of the window in a row from `low`
        high = max(low, min(window.kernel_width, window.width - from_x))  # to `high` lie inside
        for ky in range(window.kernel_height):
            to = at + ky * line
            from_y = y * window.gap - window.top + ky
            if from_y < 0 or from_y >= window.height:
                clear(ws, to, line)
                continue
            # In order, since a lanes value overlaps what comes after it.
            clear(ws, to, low * channels)
            source = start + (from_y * window.width + from_x + low) * pixel
            to += low * channels
            if pixel == channels:
                size = (high - low) * channels
                for c in range(0, size, width):
                    store(ws, to + c, load(ws, source + c))
                to += size
            else:
                for _ in range(low, high):
                    for c in range(0, channels, width):
                        store(ws, to + c, load(ws, source + c))
                    source += pixel
                    to += channels
            clear(ws, to, (window.kernel_width - high) * channels)
        x += 1
        if x == window.out_width:
            x = 0
            y += 1
            if y == window.out_height:
                y = 0
                start += row


@kernel
def add_patches(ws, d, row, pixel, channels, window, first, last, patches, stride):
    """To the gradient d by the input, that of its patches, laid out as `gather_patches` does.

    Padding columns of d receive what is in the way; `clear_padding` sets them to zero.
    """
    width = lanes(ws)
    place = first % (window.out_height * window.out_width)
    start = d + first // (window.out_height * window.out_width) * row
    y, x = place // window.out_width, place % window.out_width
    line = window.kernel_width * channels
    for at in range(patches, patches + (last - first) * stride, stride):
        from_x = x * window.gap - window.left
        low = min(max(0, -from_x), window.kernel_width)
        high = max(low, min(window.kernel_width, window.width - from_x))
        for ky in range(window.kernel_height):
            from_y = y * window.gap - window.top + ky
            if from_y < 0 or from_y >= window.height:
                continue
            source = at + ky * line + low * channels
            to = start + (from_y * window.width + from_x + low) * pixel
            if pixel == channels:
                for c in range(0, (high - low) * channels, width):
                    store(ws, to + c, load(ws, to + c) + load(ws, source + c))
            else:
                for _ in range(low, high):
                    for c in range(0, channels, width):
                        store(ws, to + c, load(ws, to + c) + load(ws, source + c))
                    source += channels
                    to += pixel
        x += 1
        if x == window.out_width:
            x = 0
            y += 1
            if y == window.out_height:
                y = 0
                start += row


@kernel
def add_to(grad, at, ws, part, size):
    """``grad += part`` over `size` elements."""
    for i in range(0, size, lanes(ws)):
        store(grad, at + i, load(grad, at + i) + load(ws, part + i))


@kernel
def clear_beyond_groups(grad, weight, places, channels, groups, columns, stride):
    """Zero in a weight's gradient (places × channels, columns) where input and output are of two
    groups. Those weights start at 0, so no optimizer moves them."""
    at = weight
    for _ in range(places):
        for c in range(channels):
            group = c // (channels // groups)
            first = group * (columns // groups)
            for o in range(columns):
                if o < first or o >= first + columns // groups:
                    grad[at + o] = 0
            at += stride


@kernel
def clear_padding(ws, d, rows, stride, columns):
    """Zero in the columns of d (rows × stride) from `columns` on."""
    if columns == stride:
        return
    for at in range(d, d + rows * stride, stride):
        for c in range(columns, stride):
            ws[at + c] = 0


def reference_pool(x: Any, window: Window, largest: bool) -> Any:
    """float64: (N, out positions, C), the mean or the largest below the window."""
    patches = reference_patches(x, window)
    return patches.max(axis=2) if largest else patches.mean(axis=2)


@kernel
def pool(ws, src, dst, examples, stride, window, largest):
    """Mean or largest of each channel below the window, which never reaches beyond the border."""
    width = lanes(ws)
    size = ws.dtype.type(window.kernel_height * window.kernel_width)
    share = splat(ws.dtype.type(1) / size)
    out = dst
    for n in range(examples):
        image = src + n * window.height * window.width * stride
        for y in range(window.out_height):
            for x in range(window.out_width):
                corner = image + (y * window.width + x) * window.gap * stride
                for c in range(0, stride, width):
                    found = load(ws, corner + c)
                    for ky in range(window.kernel_height):
                        at = corner + ky * window.width * stride + c
                        for kx in range(window.kernel_width):
                            value = load(ws, at)
                            if largest:
                                # The difference is NaN, or 0: what is no number stays none.
                                found = positive(value - found, value, found + (value - value))
                            elif ky + kx > 0:
                                found = found + value
                            at += stride
                    store(ws, out + c, found if largest else found * share)
                out += stride


@kernel
def pool_backward(ws, d, src, dst, dx, examples, stride, window, largest):
    """Gradient by the input at `dx`: a share of d each, or all of it to the first that is largest.

    Windows do not overlap.
    """
    width = lanes(ws)
    zero = splat(ws.dtype.type(0))
    share = splat(ws.dtype.type(1) / ws.dtype.type(window.kernel_height * window.kernel_width))
    clear(ws, dx, examples * window.height * window.width * stride)  # where no window comes
    out = 0
    for n in range(examples):
        image = n * window.height * window.width * stride
        for y in range(window.out_height):
            for x in range(window.out_width):
                corner = image + (y * window.width + x) * window.gap * stride
                for c in range(0, stride, width):
                    left = load(ws, d + out + c)
                    if not largest:
                        left = left * share
                    best = load(ws, dst + out + c)
                    for ky in range(window.kernel_height):
                        at = corner + ky * window.width * stride + c
                        for _ in range(window.kernel_width):
                            if largest:
                                given = positive(best - load(ws, src + at), zero, left)
                                left = left - given
                                store(ws, dx + at, given)
                            else:
                                store(ws, dx + at, left)
                            at += stride
                out += stride
