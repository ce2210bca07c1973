"""The normalizers' kernels against the float64 references in their own files.

Tolerance: |kernel - exact| <= 2 |naive float32 - exact| + 8 roundings of the largest term.
``test_norms_compiler.py`` runs this file again with the compiler off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from norm_cases import DTYPES, assert_as_good_as_naive

from evenbatch.kernels.norms import batch, channels_last, columns, planes, row_pairs, rows
from evenbatch.kernels.norms import groups as group_kernels

SLOPES = {"relu": 0.0, "none": 1.0}
EPS = 1e-5

# (N, C, S): odd sizes, and one longer than a block of the gradient's sums.
PLANES = [(5, 3, 37), (1, 2, int(planes.BLOCK) + 5), (7, 4, 1)]


def _numbers(shape: tuple[int, ...], dtype: Any, offset: float = 0.0) -> list[Any]:
    """x, dy, and gamma and beta for axis 1."""
    random = np.random.default_rng(2)
    x = random.standard_normal(shape) * 2 + offset
    dy = random.standard_normal(shape)
    gamma, beta = random.uniform(0.5, 1.5, shape[1]), random.uniform(-0.5, 0.5, shape[1])
    return [a.astype(dtype) for a in (x, dy, gamma, beta)]


def _flags(masked: bool, shape: tuple[int, int]) -> Any:
    if not masked:
        return None
    flags = np.random.default_rng(3).random(shape) < 0.7
    flags[0, 0] = True
    return flags


def _compare(ours: Any, exact: Any, naive: Any, sizes: Any, what: str) -> None:
    for k, parts in enumerate(zip(ours, exact, naive, sizes, strict=True)):
        assert_as_good_as_naive(*parts, what=f"{what}, part {k}")


def _row_sizes(dy: Any, exact: Any, gamma: Any, rstd: Any) -> tuple[float, ...]:
    """The largest terms of dx, dgamma and dbeta."""
    count = dy.size / np.size(exact[1])
    largest = float(np.abs(dy).max())
    return 4 * largest * float(np.abs(gamma).max() * rstd), 4 * largest * count, largest * count


@pytest.mark.parametrize("shape", PLANES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("own", [True, False])
def test_batch_kernels(
    shape: tuple[int, ...], dtype: str, activation: str, masked: bool, own: bool
) -> None:
    x, dy, gamma, beta = _numbers(shape, dtype)
    valid = _flags(masked, (shape[0], shape[2]))
    kind, slope, channels = x.dtype.type, SLOPES[activation], shape[1]
    count = shape[0] * shape[2] if valid is None else int(valid.sum())
    mean, var = np.full(channels, 0.3), np.full(channels, 2.5)
    fixed = None if own else (mean.copy(), var.copy())
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    dgamma, dbeta = np.empty(channels), np.empty(channels)
    common = (valid, count, gamma, beta, EPS, slope, own, mean, var)
    batch.batch_forward(0, channels, x, *common, y)
    batch.batch_backward(0, channels, x, dy, *common, dx, dgamma, dbeta)
    arguments = (valid, gamma, beta, EPS, slope, fixed)
    exact = batch.reference_batch_forward(x, *arguments)
    naive = batch.reference_batch_forward(x, *arguments, dtype=kind)
    _compare((y, mean, var), exact, naive, (10, 5, 20), "forward")
    exact = batch.reference_batch_backward(x, dy, *arguments)
    naive = batch.reference_batch_backward(x, dy, *arguments, dtype=kind)
    sizes = _row_sizes(dy, exact, gamma, 1 / np.sqrt(var.min() + EPS))
    ours = (dx, dgamma.astype(kind), dbeta.astype(kind))
    _compare(ours, exact, naive, sizes, "backward")


@pytest.mark.parametrize("shape", PLANES[:2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("groups", [1, "all"])
def test_group_kernels(
    shape: tuple[int, ...], dtype: str, activation: str, masked: bool, groups: Any
) -> None:
    x, dy, gamma, beta = _numbers(shape, dtype)
    valid = _flags(masked, (shape[0], shape[2]))
    kind, slope, channels = x.dtype.type, SLOPES[activation], shape[1]
    groups = channels if groups == "all" else groups
    units = shape[0] * groups
    mean, var = np.empty((shape[0], groups)), np.empty((shape[0], groups))
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    dgammas, dbetas = np.empty(shape[:2]), np.empty(shape[:2])
    common = (valid, groups, gamma, beta, EPS, slope)
    group_kernels.group_forward(0, units, x, *common, mean, var, y)
    group_kernels.group_backward(0, units, x, dy, *common, mean, var, dx, dgammas, dbetas)
    arguments = (valid, groups, gamma, beta, EPS, slope)
    exact = group_kernels.reference_group_forward(x, *arguments)
    naive = group_kernels.reference_group_forward(x, *arguments, dtype=kind)
    _compare((y, mean, var), exact, naive, (10, 5, 20), "forward")
    exact = group_kernels.reference_group_backward(x, dy, *arguments)
    naive = group_kernels.reference_group_backward(x, dy, *arguments, dtype=kind)
    sizes = _row_sizes(dy, exact, gamma, 1 / np.sqrt(var.min() + EPS))
    ours = (dx, dgammas.sum(0).astype(kind), dbetas.sum(0).astype(kind))
    _compare(ours, exact, naive, sizes, "backward")


# (N, S, C): several positions to a row, an odd number of rows, and one sample.
@pytest.mark.parametrize("shape", [(3, 36, 6), (2, 97, 4), (1, 70, 600)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("groups", [1, 2, "all"])
def test_last_kernels(shape: tuple[int, ...], dtype: str, activation: str, groups: Any) -> None:
    x, dy, gamma, beta = _numbers((shape[0], shape[2], shape[1]), dtype)
    x, dy = (np.ascontiguousarray(np.swapaxes(a, 1, 2)) for a in (x, dy))
    samples, positions, channels = shape
    kind, slope = x.dtype.type, SLOPES[activation]
    groups = channels if groups == "all" else groups
    together = channels_last.wide_rows(positions, channels)
    assert positions % together == 0
    wide = (samples, positions // together, together * channels)
    mean, var = np.empty((samples, groups)), np.empty((samples, groups))
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    dgammas, dbetas = np.empty((samples, channels)), np.empty((samples, channels))
    common = (gamma, beta, EPS, slope, mean, var)
    channels_last.last_forward(0, samples, x.reshape(wide), *common, y.reshape(wide))
    channels_last.last_backward(
        0, samples, x.reshape(wide), dy.reshape(wide), *common, dx.reshape(wide), dgammas, dbetas
    )
    arguments = (groups, gamma, beta, EPS, slope)
    exact = channels_last.reference_last_forward(x, *arguments)
    naive = channels_last.reference_last_forward(x, *arguments, dtype=kind)
    _compare((y, mean, var), exact, naive, (10, 5, 20), "forward")
    exact = channels_last.reference_last_backward(x, dy, *arguments)
    naive = channels_last.reference_last_backward(x, dy, *arguments, dtype=kind)
    sizes = _row_sizes(dy, exact, gamma, 1 / np.sqrt(var.min() + EPS))
    ours = (dx, dgammas.sum(0).astype(kind), dbetas.sum(0).astype(kind))
    _compare(ours, exact, naive, sizes, "backward")


# Rows shorter than a lanes value, of whole ones, with a rest, and longer than a block of the sums.
@pytest.mark.parametrize(
    "shape", [(70, 1, 11), (9, 3, 5), (67, 1, 48), (9, 2, 53), (3, 1, row_pairs.BLOCK + 5)]
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("centered", [True, False])
def test_row_kernels(
    shape: tuple[int, ...], dtype: str, activation: str, masked: bool, centered: bool
) -> None:
    x, dy, _, _ = _numbers(shape, dtype)
    random = np.random.default_rng(4)
    gamma, beta = (random.uniform(0.5, 1.5, shape[1:]).astype(dtype) for _ in range(2))
    valid = _flags(masked, (shape[0], shape[2]))
    kind, slope, samples = x.dtype.type, SLOPES[activation], 40
    chunks = -(-shape[0] // samples)
    mean, var = np.empty(shape[:2]), np.empty(shape[:2])
    y, dx = np.full_like(x, 9), np.full_like(x, 9)
    dgammas, dbetas = np.empty((chunks, *shape[1:])), np.empty((chunks, *shape[1:]))
    common = (gamma, beta, EPS, slope, centered, mean, var)
    rows.row_forward(0, mean.size, x, valid, *common, y)
    rows.row_backward(0, chunks, x, dy, valid, samples, *common, dx, dgammas, dbetas)
    arguments = (valid, gamma, beta, EPS, slope, centered)
    exact = rows.reference_row_forward(x, *arguments)
    naive = rows.reference_row_forward(x, *arguments, dtype=kind)
    _compare((y, mean, var), exact, naive, (10, 5, 20), "forward")
    exact = rows.reference_row_backward(x, dy, *arguments)
    naive = rows.reference_row_backward(x, dy, *arguments, dtype=kind)
    sizes = _row_sizes(dy, exact, gamma, 1 / np.sqrt(var.min() + EPS))
    ours = (dx, dgammas.sum(0).astype(kind), dbetas.sum(0).astype(kind))
    _compare(ours, exact, naive, sizes, "backward")


@pytest.mark.parametrize("shape", [(70, 11), (16, 5), (3, 40)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", SLOPES)
def test_column_kernels(shape: tuple[int, int], dtype: str, activation: str) -> None:
    x, dy, gamma, shift = _numbers(shape, dtype)
    slope, at_once = SLOPES[activation], 16
    chunks = -(-shape[0] // at_once)
    near, rstd, tilt, level = (
        np.random.default_rng(5).uniform(0.2, 1, (4, shape[1])).astype(dtype)
    )  # fmt: skip
    one, two = np.empty((chunks, shape[1])), np.empty((chunks, shape[1]))
    columns.column_statistics(0, chunks, x, at_once, one, two)
    exact = columns.reference_column_statistics(x, at_once)
    np.testing.assert_allclose(one, exact[0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(two, exact[1], rtol=1e-13, atol=1e-12)
    mean, spread = np.empty(shape[1]), np.empty(shape[1])
    columns.join_columns(shape[0], at_once, one, two, mean, spread)
    expected = columns.reference_join_columns(shape[0], at_once, one, two)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(spread, expected[1], rtol=1e-13)
    np.testing.assert_allclose(mean, x.astype("float64").mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(spread / shape[0], x.astype("float64").var(0), rtol=1e-12)
    terms = (near, rstd, gamma, shift)
    y = np.full_like(x, 9)
    columns.column_apply(0, chunks, x, at_once, *terms, slope, y)
    tolerance = 16 * np.finfo(dtype).eps
    expected = columns.reference_column_apply(x, *terms, slope)
    np.testing.assert_allclose(y, expected, rtol=0, atol=10 * tolerance)
    columns.column_gradient_sums(0, chunks, x, dy, at_once, *terms, slope, one, two)
    exact = columns.reference_column_gradient_sums(x, dy, *terms, slope, at_once)
    np.testing.assert_allclose(one, exact[0], rtol=0, atol=40 * tolerance)
    np.testing.assert_allclose(two, exact[1], rtol=0, atol=100 * tolerance)
    dx = np.full_like(x, 9)
    columns.column_gradient(0, chunks, x, dy, at_once, *terms, slope, tilt, level, dx)
    expected = columns.reference_column_gradient(x, dy, *terms, slope, tilt, level)
    np.testing.assert_allclose(dx, expected, rtol=0, atol=10 * tolerance)


def test_only_the_given_share_is_written() -> None:
    """A kernel does items first to last and leaves the others alone."""
    x, _, gamma, beta = _numbers((4, 5, 33), "float64")
    y, mean, var = np.full_like(x, 9), np.full(5, 9.0), np.full(5, 9.0)
    batch.batch_forward(1, 3, x, None, 132, gamma, beta, EPS, 1.0, True, mean, var, y)
    np.testing.assert_array_equal(y[:, [0, 3, 4]], 9)
    np.testing.assert_array_equal(mean[[0, 3, 4]], 9)
    assert np.abs(y[:, 1:3]).max() < 9


def test_one_pass_would_fail_here() -> None:
    """At mean 1,000 a one-pass float32 variance is some 20 % off; two passes are not."""
    x = (np.random.default_rng(0).standard_normal((64, 1, 256)) + 1000).astype("float32")
    exact = x.astype("float64").var(axis=(0, 2))
    one_pass = (x * x).mean(dtype="float32") - x.mean(dtype="float32") ** 2
    assert abs(one_pass / exact[0] - 1) > 0.01
    mean, var, y = np.empty(1), np.empty(1), np.empty_like(x)
    unit = np.ones(1, "float32")
    batch.batch_forward(
        0, 1, x, None, x.size, unit, 0 * unit, EPS, np.float32(-np.inf), True, mean, var, y
    )
    assert var == pytest.approx(exact, rel=1e-12)
