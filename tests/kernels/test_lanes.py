"""Element-wise functions on lanes: accuracy in units in the last place, NaN, infinity, extremes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels import _lanes
from evenbatch.kernels._jit import jit_enabled, kernel
from evenbatch.kernels._lane_math import erf, exp
from evenbatch.kernels._lanes import highest, load, padded, positive, root, store, total


@cached
@kernel
def each(code, x, out):  # type: ignore[no-untyped-def]
    for at in range(0, x.size, _lanes.lanes(x)):
        value = load(x, at)
        if code == 0:
            store(out, at, exp(value))
        elif code == 1:
            store(out, at, erf(value))
        elif code == 2:
            store(out, at, root(value))
        else:
            store(out, at, positive(value, value, value + value))


@cached
@kernel
def across(x):  # type: ignore[no-untyped-def]
    value = load(x, 0)
    return total(value), highest(value)


@cached
@kernel
def single(code, x):  # type: ignore[no-untyped-def]
    return exp(x) if code == 0 else erf(x)


EXP, ERF, ROOT, POSITIVE = range(4)


def apply(code: int, values: Any, dtype: Any) -> Any:
    x = np.zeros(padded(len(values)), dtype)
    x[: len(values)] = values
    out = np.empty_like(x)
    each(code, x, out)
    return out[: len(values)]


def grid(low: float, high: float, dtype: Any) -> Any:
    count = 20_001 if jit_enabled() else 331
    return np.linspace(low, high, count).astype(dtype)


def ulps(found: Any, exact: Any, dtype: Any) -> float:
    unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.float64)
    return float((np.abs(found.astype(np.float64) - exact) / unit).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(-86.9, 87.9), (-1e-3, 1e-3), (-707.9, 708.9)])
def test_exp_is_within_two_units_in_the_last_place(dtype: Any, low: float, high: float) -> None:
    if dtype == np.float32 and high > 88:
        return  # out of its range
    x = grid(low, high, dtype)
    exact = np.exp(x.astype(np.longdouble)).astype(np.float64)
    assert ulps(apply(EXP, x, dtype), exact, dtype) <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_at_the_ends(dtype: Any) -> None:
    found = apply(EXP, [0.0, -1e4, -np.inf, np.nan], dtype)
    np.testing.assert_array_equal(found, np.array([1.0, 0.0, 0.0, np.nan], dtype))
    # float32 stops growing at e^88 (softmax, tanh and gelu only ask for x <= 0; a sigmoid's
    # 1 / (1 + e^88) is 0 to rounding); never NaN, never small.
    with np.errstate(over="ignore"):
        large = apply(EXP, [1e4, np.inf], dtype)
    assert (large >= 1e38).all()


ERF_FORMULA = {np.float32: 1.5e-7, np.float64: 2e-16}
"""How far the formula itself is off (Abramowitz & Stegun 7.1.26, and its like of 22 terms)."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_absolute_error(dtype: Any) -> None:
    """The formula's error and three roundings of a number near 1; 2.8 without a fused multiply-add,
    2.2 with one.
    """
    allowed = ERF_FORMULA[dtype] + 3 * np.finfo(dtype).eps
    x = grid(-6, 6, dtype)
    exact = np.array([math.erf(v) for v in x.astype(np.float64)])
    assert np.abs(apply(ERF, x, dtype) - exact).max() <= allowed
    np.testing.assert_allclose(apply(ERF, [50.0, -50.0], dtype), [1.0, -1.0])
    assert np.isnan(apply(ERF, [np.nan], dtype)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("code", [EXP, ERF])
def test_one_number_gets_what_a_lane_gets(code: int, dtype: Any) -> None:
    x = np.array([-2.5, -0.0, 1e-9, 0.7, 3.1, np.inf, np.nan], dtype)
    one = np.array([single(code, value) for value in x], dtype)
    np.testing.assert_array_equal(one, apply(code, x, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_root_is_exact(dtype: Any) -> None:
    x = grid(0, 1e6, dtype)
    np.testing.assert_array_equal(apply(ROOT, x, dtype), np.sqrt(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_positive_takes_no_where_x_is_zero_or_nan(dtype: Any) -> None:
    found = apply(POSITIVE, [2.0, -2.0, 0.0, np.nan, np.inf, -np.inf], dtype)
    np.testing.assert_array_equal(found, np.array([2, -4, 0, np.nan, np.inf, -np.inf], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_total_and_highest(dtype: Any) -> None:
    count = 64 // np.dtype(dtype).itemsize
    x = np.arange(count, dtype=dtype) - 3
    assert across(x) == (x.sum(), x.max())
    x[2] = np.nan
    added, top = across(x)
    assert math.isnan(added)
    assert top == x[-1], "highest passes NaN over"


def test_padded_rounds_up_to_sixteen() -> None:
    assert [padded(n) for n in (1, 15, 16, 17, 32, 33)] == [16, 16, 16, 32, 32, 48]
