"""Patches, pools and norms over positions against their references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._lanes import PAD, padded
from evenbatch.kernels.engine import convolution, planes
from evenbatch.kernels.engine.convolution import Window

FLOOR = 1e-6
WINDOWS = {
    "3 by 3": Window(6, 5, 3, 3, 1, 1, 1, 6, 5),
    "in strides": Window(7, 5, 3, 3, 2, 0, 0, 3, 2),
    "in a row": Window(1, 9, 1, 4, 3, 0, 2, 1, 4),
    "all of it": Window(3, 4, 3, 4, 1, 0, 0, 1, 1),
    "beyond its border": Window(2, 2, 3, 3, 1, 2, 2, 4, 4),
    "one place": Window(3, 3, 1, 1, 1, 0, 0, 3, 3),
}
POOLS = {
    "2 by 2": Window(6, 4, 2, 2, 2, 0, 0, 3, 2),
    "with rest": Window(5, 7, 3, 3, 3, 0, 0, 1, 2),
    "in a row": Window(1, 9, 1, 2, 2, 0, 0, 1, 4),
    "over all": Window(4, 3, 4, 3, 1, 0, 0, 1, 1),
}
N = 3


def placed(values: Any, dtype: Any, fill: float = np.nan) -> Any:
    """(N, positions, C) as flat rows with padding, which holds anything."""
    n, positions, channels = values.shape
    out = np.full((n, positions, padded(channels)), fill, dtype)
    out[:, :, :channels] = values
    return out.ravel()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 16, 21])
@pytest.mark.parametrize("name", WINDOWS)
def test_patches_and_their_way_back(name: str, channels: int, dtype: Any) -> None:
    """Gathered in uneven parts; ⟨patches(x), p⟩ = ⟨x, added(p)⟩ for whole numbers, exactly."""
    window, draw = WINDOWS[name], np.random.default_rng(channels)
    positions = window.height * window.width
    places = window.kernel_height * window.kernel_width
    outs = window.out_height * window.out_width
    x = draw.integers(-9, 9, (N, positions, channels)).astype(dtype)
    wanted = convolution.reference_patches(x, window).reshape(N * outs, -1)
    depth, stride = places * channels, padded(places * channels)
    pixel = padded(channels)
    for flat in (True, False):  # as the data's rows lie, and as a layer's do
        if flat:
            row, pixel = padded(positions * channels), channels
            source = np.full((N, row), np.nan, dtype)
            source[:, : positions * channels] = x.reshape(N, -1)
            source = source.ravel()
        else:
            pixel = padded(channels)
            row, source = positions * pixel, placed(x, dtype)
        start = len(source) + PAD
        ws = np.concatenate([source, np.full(PAD + N * outs * stride + PAD, np.nan, dtype)])
        for first, last in ((0, 1), (1, N * outs)):
            cached(convolution.gather_patches)(
                ws, 0, row, pixel, channels, window, first, last, start + first * stride, stride
            )
        found = ws[start : start + N * outs * stride].reshape(-1, stride)[:, :depth]
        np.testing.assert_array_equal(found, wanted)
    back = draw.integers(-9, 9, (N * outs, depth)).astype(dtype)
    size = N * positions * pixel
    ws = np.full(size + N * outs * stride + PAD, np.nan, dtype)
    ws[:size] = 0
    ws[size : size + N * outs * stride].reshape(-1, stride)[:, :depth] = back
    for first, last in ((0, 2), (2, N * outs)):
        cached(convolution.add_patches)(
            ws, 0, positions * pixel, pixel, channels, window, min(first, N * outs),
            min(last, N * outs), size + first * stride, stride,
        )  # fmt: skip
    cached(convolution.clear_padding)(ws, 0, N * positions, pixel, channels)
    dx = ws[:size].reshape(N, positions, pixel)
    assert (dx[:, :, channels:] == 0).all()
    for place in np.ndindex(x.shape):
        one = np.zeros_like(x)
        one[place] = 1
        patches = convolution.reference_patches(one, window).reshape(N * outs, -1)
        assert dx[place] == (patches * back).sum()


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("name", POOLS)
def test_pool(name: str, channels: int, largest: bool) -> None:
    window, draw = POOLS[name], np.random.default_rng(channels)
    positions, outs = window.height * window.width, window.out_height * window.out_width
    x = draw.integers(-3, 3, (N, positions, channels)).astype(np.float32)  # with equal ones
    d = draw.integers(1, 9, (N, outs, channels)).astype(np.float32)
    stride, size = padded(channels), N * positions * padded(channels)
    ws = np.full(2 * size + 2 * N * outs * stride, np.nan, np.float32)
    out, dx, back = size, size + N * outs * stride, 2 * size + N * outs * stride
    ws[:size] = placed(x, np.float32, 0)
    ws[back:] = placed(d, np.float32, 0)
    cached(convolution.pool)(ws, 0, out, N, stride, window, largest)
    found = ws[out:dx].reshape(N, outs, stride)[:, :, :channels]
    np.testing.assert_allclose(found, convolution.reference_pool(x, window, largest), rtol=1e-6)
    cached(convolution.pool_backward)(ws, back, 0, out, dx, N, stride, window, largest)
    given = ws[dx:back].reshape(N, positions, stride)[:, :, :channels]
    wanted = np.zeros(x.shape)
    for q in range(outs):
        y, x_ = divmod(q, window.out_width)
        places = [
            (y * window.gap + ky) * window.width + x_ * window.gap + kx
            for ky in range(window.kernel_height)
            for kx in range(window.kernel_width)
        ]
        for n, c in np.ndindex(N, channels):
            if largest:  # the first of equal ones, as PyTorch
                wanted[n, places[int(np.argmax(x[n, places, c]))], c] += d[n, q, c]
            else:
                wanted[n, places, c] += d[n, q, c] / len(places)
    np.testing.assert_allclose(given, wanted, rtol=1e-6)


@pytest.mark.parametrize("largest", [True, False])
def test_a_pool_hides_no_nan(largest: bool) -> None:
    """A run that diverges must be seen to."""
    window = POOLS["2 by 2"]
    x = np.zeros((1, 24, 16), np.float32)
    x[0, (0, 3, 12, 17), 5] = np.nan  # in each corner of some window
    ws = np.concatenate([x.ravel(), np.zeros(6 * 16, np.float32)])
    cached(convolution.pool)(ws, 0, x.size, 1, 16, window, largest)
    found = ws[x.size :].reshape(6, 16)
    assert np.isnan(found[:, 5]).tolist() == [True, True, True, False, True, False]
    assert not np.isnan(found[:, :5]).any()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("channels", "groups"), [(5, 1), (6, 3), (20, 20), (32, 4)])
def test_norms_over_positions(channels: int, groups: int, center: bool, offset: float) -> None:
    """|kernel − ref64| ≤ 2 · |naive float32 − ref64| + a floor."""
    positions, eps, slope = 7, 1e-5, 0.1
    draw = np.random.default_rng(channels)
    z = (draw.normal(0, 1, (N, positions, channels)) + offset).astype(np.float32)
    d = draw.normal(0, 1, z.shape).astype(np.float32)
    gamma, beta = draw.normal(1, 0.3, (2, channels)).astype(np.float32)
    stride = padded(channels)
    size, knobs = N * positions * stride, np.zeros(2 * stride, np.float32)
    knobs[:channels], knobs[stride : stride + channels] = gamma, beta
    ws = np.full(3 * size + 2 * (N + 1) * stride, np.nan, np.float32)
    ws[:size], ws[2 * size : 3 * size] = placed(z, np.float32, 0), placed(d, np.float32, 0)
    grad = np.full(2 * stride, np.nan, np.float32)
    shape = (N, positions, stride, channels, groups, 3 * size, knobs, 0, stride)
    cached(planes.plane_normalize)(ws, 0, size, *shape, center, eps, slope)
    cached(planes.plane_backward)(ws, 2 * size, 0, *shape, grad, center, slope)
    own = [
        part.reshape(N, positions, stride) for part in (ws[size : 2 * size], ws[2 * size :][:size])
    ]
    found = [part[:, :, :channels] for part in own] + [grad[:channels], grad[stride:][:channels]]
    assert (own[1][:, :, channels:] == 0).all()
    settings = (gamma, beta, groups, center, eps, slope)
    exact = [planes.reference_forward(z, *settings)[0], *planes.reference_backward(d, z, *settings)]
    parts = z.reshape(N, positions, groups, -1)
    mean = parts.mean(axis=(1, 3), keepdims=True) if center else np.float32(0)
    rstd = 1 / np.sqrt(((parts - mean) ** 2).mean(axis=(1, 3), keepdims=True) + np.float32(eps))
    naive = ((parts - mean) * rstd).reshape(z.shape) * gamma + beta
    naive = np.where(naive > 0, naive, np.float32(slope) * naive)
    floor = FLOOR + 6e-8 * offset  # half a unit in the last place of the mean
    assert np.abs(found[0] - exact[0]).max() <= 2 * np.abs(naive - exact[0]).max() + floor
    if offset == 0:
        for value, truth in zip(found[1:], exact[1:], strict=True):
            assert np.abs(value - truth).max() <= 1e-5 * max(1.0, np.abs(truth).max())
