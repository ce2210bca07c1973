"""Matrix products and the transpose, on every tile and remainder.

Held against the float64 reference: |kernel − ref64| ≤ 2·|naive float32 − ref64| + floor; naive is a
sum over k in order; the floor is 2 units in the last place of the sum of absolute products.
"""

from __future__ import annotations

from itertools import product as every
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._jit import jit_enabled
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import matmul
from workbench import Workbench, as_good_as_float32

product, product_transposed = cached(matmul.product), cached(matmul.product_transposed)
transpose = cached(matmul.transpose)

ROWS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 33, 64)
SIZES = [(r, c, k) for r, (c, k) in every(ROWS, ((13, 1), (16, 17), (17, 5), (48, 31), (81, 16)))]
SIZES += [(11, 32, k) for k in (1, 2, 3, 15, 33, 127)]
LARGE = [(131, 256, 128), (128, 257, 130), (160, 160, 160)]  # from PACK_FROM on


def draw(rows: int, columns: int, depth: int, dtype: Any) -> tuple[Any, Any]:
    random = np.random.default_rng([rows, columns, depth])
    a, b = random.normal(0, 1, (rows, depth)), random.normal(0, 1, (depth, columns))
    return a.astype(dtype), b.astype(dtype)


def bench_for(rows: int, columns: int, depth: int, dtype: Any) -> Workbench:
    sizes = rows * padded(depth) + depth * padded(rows) + (depth + 2 * rows) * padded(columns)
    return Workbench(dtype, sizes + 1000)


def multiply(a: Any, b: Any, transposed: bool) -> tuple[Any, Any]:
    """(a @ b, its padding) by `product`, or by `product_transposed` from a stored as its transpose.

    The left operand's padding is NaN: it must not be read. The right operand's is 0, as a weight
    matrix's is.
    """
    (rows, depth), columns = a.shape, b.shape[1]
    bench = bench_for(rows, columns, depth, a.dtype)
    left = bench.put(a.T if transposed else a, padding=np.nan)
    right, out = bench.put(b), bench.room(rows, columns)
    kernel = product_transposed if transposed else product
    apart = padded(rows if transposed else depth)
    ws = bench.flat
    kernel(ws, left, apart, ws, right, ws, out, rows, padded(columns), depth)
    bench.check_guards()
    return bench.get(out, rows, columns), bench.padding(out, rows, columns)


def naive(a: Any, b: Any) -> Any:
    total = np.zeros((len(a), b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total += a[:, k, None] * b[None, k]
    return total


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_tile_and_remainder(dtype: Any, transposed: bool) -> None:
    for rows, columns, depth in SIZES:
        a, b = draw(rows, columns, depth, dtype)
        found, padding = multiply(a, b, transposed)
        exact = matmul.reference_product(a, b)
        floor = 2 * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b)).max()
        as_good_as_float32(found, naive(a, b), exact, floor, f"{rows}×{columns}×{depth}")
        assert not padding.any()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_products(dtype: Any, transposed: bool) -> None:
    for rows, columns, depth in LARGE:
        assert rows * padded(columns) * depth >= matmul.PACK_FROM
        a, b = draw(rows, columns, depth, dtype)
        found, padding = multiply(a, b, transposed)
        exact = matmul.reference_product(a, b)
        floor = 2 * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b)).max()
        as_good_as_float32(found, naive(a, b), exact, floor, f"{rows}×{columns}×{depth}")
        assert not padding.any()


@pytest.mark.parametrize("transposed", [False, True])
def test_a_row_does_not_depend_on_the_rows_beside_it(transposed: bool) -> None:
    """Each element is one sum over k, in order, whichever tile it falls in: to the bit."""
    a, b = draw(33, 81, 19, np.float32)
    whole, _ = multiply(a, b, transposed)
    for rows in (1, 2, 3, 5, 8, 17, 32):
        part, _ = multiply(a[:rows].copy(), b, transposed)
        if jit_enabled():
            np.testing.assert_array_equal(part, whole[:rows])
        else:  # uncompiled, NumPy's own products stand in for the tiles
            np.testing.assert_allclose(part, whole[:rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_nan_stays_in_its_row(transposed: bool) -> None:
    for rows, columns, depth in ((9, 17, 5), (131, 256, 128)):
        a, b = draw(rows, columns, depth, np.float32)
        clean, _ = multiply(a, b, transposed)
        a[4, 2] = np.nan
        found, _ = multiply(a, b, transposed)
        assert np.isnan(found[4]).all()
        others = np.arange(rows) != 4
        np.testing.assert_allclose(found[others], clean[others], rtol=1e-5, atol=1e-4)


def test_zero_times_infinity_is_not_lost() -> None:
    """A product must not skip zeros: 0 · ∞ is NaN, and a diverged weight must show."""
    a, b = np.zeros((3, 4), np.float32), np.ones((4, 20), np.float32)
    b[1, 7] = np.inf
    with np.errstate(invalid="ignore"):
        found, _ = multiply(a, b, False)
    assert np.isnan(found[:, 7]).all()
    assert not np.isnan(np.delete(found, 7, axis=1)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transpose(dtype: Any) -> None:
    for rows, columns in every((1, 2, 7, 8, 15, 16, 17, 33), (1, 5, 8, 13, 16, 17, 40)):
        a, _ = draw(rows, 1, columns, dtype)
        bench = Workbench(dtype)
        source = bench.put(a)
        high = padded(columns)  # rows of the result are written up to a multiple of 16
        out = bench.room(high, rows)
        transpose(bench.flat, source, padded(columns), bench.flat, out, padded(rows), rows, columns)
        bench.check_guards()
        found = bench.padded(out, high, rows)
        np.testing.assert_array_equal(found[:columns, :rows], a.T)
        assert not found[:columns, rows:].any(), "padding must be zero: products read it"


def test_the_input_gradient_is_a_product_with_the_transpose() -> None:
    """dz @ w.T as the engine computes it, for a weight with padding on both sides."""
    for rows, inputs, outputs in ((7, 5, 13), (33, 37, 17), (8, 16, 48)):
        dz, _ = draw(rows, 1, outputs, np.float64)
        w, _ = draw(inputs, 1, outputs, np.float64)
        bench = Workbench(np.float64)
        d, weight = bench.put(dz), bench.put(w)
        scratch, out = bench.room(padded(outputs), inputs), bench.room(rows, inputs)
        ws = bench.flat
        transpose(ws, weight, padded(outputs), ws, scratch, padded(inputs), inputs, outputs)
        product(ws, d, padded(outputs), ws, scratch, ws, out, rows, padded(inputs), outputs)
        np.testing.assert_allclose(bench.get(out, rows, inputs), dz @ w.T, rtol=1e-12, atol=1e-12)
        assert not bench.padding(out, rows, inputs).any()
        bench.check_guards()
