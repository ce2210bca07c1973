"""Activations, gathering rows, adding, dropout masks: forward and backward.

Held against the float64 reference: |kernel − ref64| ≤ 2·|naive float32 − ref64| + floor. The floor
is that of the float32 approximations: 2.5e-7 for tanh and sigmoid, 4e-7·|x| for gelu (its error
function is right to 4e-7), none but rounding for the piecewise linear ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import dense
from workbench import Workbench, as_good_as_float32

activate, activate_backward = cached(dense.activate), cached(dense.activate_backward)
gather, gather_range = cached(dense.gather), cached(dense.gather_range)
add, copy, multiply = cached(dense.add), cached(dense.copy), cached(dense.multiply)
mix, dropout_mask = cached(dense.mix), cached(dense.dropout_mask)
is_saturated = cached(dense.is_saturated)

SHAPES = [(1, 1), (2, 13), (3, 16), (5, 17), (7, 37), (33, 31)]
LINEAR, TANH, SIGMOID, GELU = dense.LINEAR, dense.TANH, dense.SIGMOID, dense.GELU
CODES = [(LINEAR, 0.0), (LINEAR, 0.01), (LINEAR, 1.0), (TANH, 1.0), (SIGMOID, 1.0), (GELU, 1.0)]
BLUR = {LINEAR: 0.0, TANH: 2.5e-7, SIGMOID: 2.5e-7, GELU: 4e-7}


def draw(rows: int, columns: int, dtype: Any, spread: float = 2.0) -> Any:
    """(z, bias, dy)."""
    random = np.random.default_rng([rows, columns])
    z = random.normal(0, spread, (rows, columns))
    bias, dy = random.normal(0, 1, columns), random.normal(0, 1, (rows, columns))
    return tuple(a.astype(dtype) for a in (z, bias, dy))


def naive(code: int, x: Any, slope: float) -> tuple[Any, Any]:
    """The activation and its derivative, every step in the precision of x."""
    kind = x.dtype.type
    one, half = kind(1), kind(0.5)
    if code == LINEAR:
        return np.where(x > 0, x, kind(slope) * x), np.where(x > 0, one, kind(slope))
    if code == TANH:
        y = np.tanh(x)
        return y, one - y * y
    if code == SIGMOID:
        with np.errstate(over="ignore"):
            y = one / (one + np.exp(-x))
        return y, y * (one - y)
    cdf = half * (one + np.array([math.erf(v) for v in x.ravel() * kind(math.sqrt(0.5))], x.dtype))
    cdf = cdf.reshape(x.shape)
    density = np.exp(-half * x * x) * kind(1 / math.sqrt(2 * math.pi))
    return x * cdf, cdf + x * density


def run(z: Any, bias: Any, dy: Any, code: int, slope: float) -> tuple[Any, Any, Any]:
    """(y, d, bias gradient) of the kernels; bias None for none."""
    rows, columns = z.shape
    bench, stride = Workbench(z.dtype), padded(columns)
    at = bench.put(z)
    y = bench.room(rows, columns) if code == GELU else at
    d = bench.put(dy)
    where = -1 if bias is None else bench.put(bias)
    ws, grad = bench.flat, np.full_like(bench.flat, np.nan)
    activate(ws, at, y, rows, stride, ws, where, code, slope)
    activate_backward(ws, d, at, y, rows, stride, grad, where, code, slope)
    bench.check_guards()
    if code == GELU:
        shifted = z if bias is None else z + bias
        np.testing.assert_array_equal(bench.get(at, rows, columns), shifted)
    assert not bench.padding(d, rows, columns).any()
    if bias is None:
        assert np.isnan(grad).all()
        return bench.get(y, rows, columns), bench.get(d, rows, columns), None
    assert set(np.flatnonzero(~np.isnan(grad))) == set(range(where, where + stride))
    assert not grad[where + columns : where + stride].any()
    return bench.get(y, rows, columns), bench.get(d, rows, columns), grad[where : where + columns]


@pytest.mark.parametrize(("code", "slope"), CODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_and_its_gradient(dtype: Any, code: int, slope: float) -> None:
    unit = np.finfo(dtype).eps
    blur = BLUR[code] if dtype == np.float32 else 4 * unit
    for rows, columns in SHAPES:
        z, bias, dy = draw(rows, columns, dtype)
        for given in (None, bias):
            x = z if given is None else z + given
            y, slope64 = dense.reference_activation(code, x, slope)
            plain, slope32 = naive(code, x, slope)
            found, d, dbias = run(z, given, dy, code, slope)
            top = 1 + np.abs(x).max()
            as_good_as_float32(found, plain, y, blur * top + unit * top, "y")
            exact = dy.astype(np.float64) * slope64
            big = 1 + np.abs(dy).max()
            as_good_as_float32(d, dy * slope32, exact, (4 * blur * top + unit) * big, "d")
            if given is not None:
                as_good_as_float32(
                    dbias, (dy * slope32).sum(axis=0), exact.sum(axis=0),
                    rows * (4 * blur * top + unit) * big, "bias gradient",
                )  # fmt: skip


@pytest.mark.parametrize(("code", "slope"), CODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activation_far_out(dtype: Any, code: int, slope: float) -> None:
    """No overflow, no NaN, and the right limits from ±1e-30 to ±1e4."""
    x = np.array(
        [[s * v for v in (0, 1e-30, 1e-3, 9, 20, 50, 90, 500, 1e4) for s in (1, -1)]], dtype
    )
    with np.errstate(over="ignore"):
        y, derivative = dense.reference_activation(code, x, slope)
        found, d, _ = run(x, None, np.ones_like(x), code, slope)
    tolerance = 5e-7 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(found, y, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(d, derivative, rtol=4 * tolerance, atol=4 * tolerance)


@pytest.mark.parametrize(("code", "slope"), CODES)
def test_nan_is_not_hidden(code: int, slope: float) -> None:
    z, _, dy = draw(3, 17, np.float32)
    z[1, 4] = np.nan
    with np.errstate(invalid="ignore"):
        y, _, _ = run(z, None, dy, code, slope)
    assert np.isnan(y[1, 4])
    assert np.isnan(y).sum() == 1


def test_a_nan_gradient_is_not_hidden() -> None:
    z, _, dy = draw(3, 17, np.float32)
    dy[2, 2] = np.nan
    for code, slope in CODES:
        _, d, _ = run(z, None, dy, code, slope)
        assert np.isnan(d[2, 2])
        assert np.isnan(d).sum() == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_gathered(dtype: Any) -> None:
    random = np.random.default_rng(0)
    for columns in (1, 13, 16, 17, 40):
        stride = padded(columns)
        data = random.normal(0, 1, (11, stride)).astype(dtype)
        data[:, columns:] = 0
        index = np.array([3, 3, 0, 10, 7, 1, 5, 2])
        bench = Workbench(dtype)
        out = bench.room(5, columns)
        gather(data.ravel(), stride, index, 2, 5, bench.flat, out, stride)
        np.testing.assert_array_equal(bench.padded(out, 5, columns), data[index[2:7]])
        gather_range(data.ravel(), stride, 4, 5, bench.flat, out, stride)
        np.testing.assert_array_equal(bench.padded(out, 5, columns), data[4:9])
        bench.check_guards()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_add_copy_multiply(dtype: Any) -> None:
    for rows, columns in SHAPES:
        a, _, b = draw(rows, columns, dtype)
        bench, size = Workbench(dtype), rows * padded(columns)
        x, y, out = bench.put(a), bench.put(b), bench.room(rows, columns)
        for kernel, wanted in ((add, a + b), (multiply, a * b)):
            kernel(bench.flat, x, y, out, size)
            np.testing.assert_array_equal(bench.get(out, rows, columns), wanted)
        copy(bench.flat, x, out, size)
        np.testing.assert_array_equal(bench.get(out, rows, columns), a)
        add(bench.flat, x, y, x, size)  # in place
        np.testing.assert_array_equal(bench.get(x, rows, columns), a + b)
        bench.check_guards()


# ---- hashes and dropout --------------------------------------------------------------------------


def mix_in_python(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def hashed(values: Any) -> Any:
    with np.errstate(over="ignore"):
        return np.array([int(mix(np.uint32(v))) for v in values], np.uint64)


def test_mix_is_the_published_hash() -> None:
    values = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xDEADBEEF]
    assert list(hashed(values)) == [mix_in_python(v) for v in values]


def test_mix_changes_half_the_bits() -> None:
    values = np.arange(300, dtype=np.uint32) * np.uint32(7919)
    base = hashed(values)
    for bit in range(32):
        changed = base ^ hashed(values ^ np.uint32(1 << bit))
        flipped = np.mean([int(c).bit_count() for c in changed])
        assert abs(flipped - 16) < 1, f"bit {bit} changes {flipped} bits"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_mask(dtype: Any, share: float) -> None:
    size = 4000
    bench = Workbench(dtype)
    at = bench.take(size)
    with np.errstate(over="ignore"):
        dropout_mask(bench.flat, at, size, np.int64(12345), share)
        mask = bench.flat[at : at + size].copy()
        dropout_mask(bench.flat, at, size, np.int64(12345), share)
        np.testing.assert_array_equal(mask, bench.flat[at : at + size])
        dropout_mask(bench.flat, at, size, np.int64(12346), share)
    bench.check_guards()
    keep = dtype(1 / (1 - share))
    assert set(np.unique(mask)) == {dtype(0), keep}
    deviation = math.sqrt(share * (1 - share) / size)
    assert abs((mask == 0).mean() - share) < 4 * deviation
    agree = ((mask == 0) == (bench.flat[at : at + size] == 0)).mean()
    chance = share**2 + (1 - share) ** 2
    assert abs(agree - chance) < 4 * math.sqrt(chance * (1 - chance) / size), "keys are independent"


# ---- saturation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "slope"), CODES)
def test_saturated_is_a_derivative_of_at_most_five_percent(code: int, slope: float) -> None:
    x = np.linspace(-8, 8, 641)
    y, derivative = dense.reference_activation(code, x, slope)
    top = {LINEAR: 1.0, TANH: 1.0, SIGMOID: 0.25, GELU: 1.12892}[code]
    share = np.abs(derivative) / top
    found = np.array([bool(is_saturated(code, slope, a, b)) for a, b in zip(x, y, strict=True)])
    clear = np.abs(share - 0.05) > 1e-3  # on the border the constants' last digit decides
    np.testing.assert_array_equal(found[clear], (share <= 0.05)[clear])
