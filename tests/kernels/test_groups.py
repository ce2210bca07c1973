"""Layer, RMS and group normalization along the rows: forward and backward.

Held against the float64 reference: |kernel − ref64| ≤ 2·|naive float32 − ref64| + floor. The floor
is 4 units in the last place of the largest number met, as the function magnifies it. `run` alone
knows how the kernels are called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels.engine import groups
from workbench import Workbench, as_good_as_float32

row_normalize, row_backward = cached(groups.row_normalize), cached(groups.row_backward)
group_normalize, group_backward = cached(groups.group_normalize), cached(groups.group_backward)

EPS = 1e-5
ROW_SHAPES = [(1, 1), (1, 13), (2, 16), (3, 17), (5, 2), (7, 37), (32, 31), (33, 48)]
GROUP_SHAPES = [(1, 2, 2), (2, 12, 3), (3, 26, 13), (5, 16, 4), (7, 36, 6), (31, 34, 2), (4, 5, 1)]
CASES = [(n, c, 1, center) for n, c in ROW_SHAPES for center in (True, False)]
CASES += [(n, c, g, True) for n, c, g in GROUP_SHAPES if g > 1]


@dataclass
class Rows:
    """What the kernels made of one matrix."""

    y: Any
    dz: Any
    dgamma: Any
    dbeta: Any


def run(
    z: Any, gamma: Any, beta: Any, dy: Any, count: int, center: bool, slope: float, eps: float = EPS
) -> Rows:
    rows, columns = z.shape
    bench = Workbench(z.dtype)
    ws, stats = bench.flat, bench.take(2 * rows * count)
    places = [bench.put(z), bench.room(rows, columns), bench.put(dy), bench.put(gamma)]
    zat, y, d, gamma_at = places
    beta_at, live = bench.put(beta), bench.put(np.ones(columns))
    stride = bench.padded(live, 1, columns).size
    grad = np.full_like(ws, np.nan)
    if count == 1:
        row_normalize(
            ws, zat, y, rows, stride, columns, stats, live, ws, gamma_at, beta_at, center, eps,
            slope,
        )  # fmt: skip
        row_backward(
            ws, d, zat, rows, stride, columns, stats, live, ws, gamma_at, beta_at, grad, center,
            slope,
        )  # fmt: skip
    else:
        group_normalize(
            ws, zat, y, rows, stride, columns, count, stats, ws, gamma_at, beta_at, eps, slope
        )
        group_backward(
            ws, d, zat, rows, stride, columns, count, stats, ws, gamma_at, beta_at, grad, slope
        )
    bench.check_guards()
    written = set(np.flatnonzero(~np.isnan(grad)))
    inside = {*range(gamma_at, gamma_at + stride), *range(beta_at, beta_at + stride)}
    assert written == inside, "the gradient fills its place and nothing else"
    for name, at in (("y", y), ("d", d)):
        assert not bench.padding(at, rows, columns).any(), f"padding of {name}"
    for at in (gamma_at, beta_at):
        assert not grad[at + columns : at + stride].any(), "padding of a gradient"
    return Rows(
        bench.get(y, rows, columns),
        bench.get(d, rows, columns),
        grad[gamma_at : gamma_at + columns].copy(),
        grad[beta_at : beta_at + columns].copy(),
    )


def draw(rows: int, columns: int, offset: float, scale: float, dtype: Any) -> Any:
    """(z, gamma, beta, dy); gammas of both signs."""
    random = np.random.default_rng([rows, columns, 3])
    z = random.normal(offset, scale, (rows, columns))
    gamma, beta = random.normal(0, 1, columns), random.normal(0, 1, columns)
    return tuple(a.astype(dtype) for a in (z, gamma, beta, random.normal(0, 1, (rows, columns))))


def naive(
    z: Any, gamma: Any, beta: Any, dy: Any, count: int, center: bool, slope: float, eps: float
) -> Rows:
    """The textbook formulas, every step in the precision of z."""
    kind = z.dtype.type
    size = kind(z.shape[1] // count)
    parts = z.reshape(len(z), count, -1)
    if center:
        parts = parts - parts.sum(axis=2, keepdims=True) / size
    rstd = kind(1) / np.sqrt((parts**2).sum(axis=2, keepdims=True) / size + kind(eps))
    x = parts * rstd
    xhat = x.reshape(z.shape)
    y = gamma * xhat + beta
    d = np.where(y > 0, dy, kind(slope) * dy)
    e = (d * gamma).reshape(x.shape)
    dz = e - x * ((e * x).sum(axis=2, keepdims=True) / size)
    if center:
        dz = dz - e.sum(axis=2, keepdims=True) / size
    y = np.where(y > 0, y, kind(slope) * y)
    return Rows(y, (dz * rstd).reshape(z.shape), (d * xhat).sum(axis=0), d.sum(axis=0))


def check(
    z: Any, gamma: Any, beta: Any, dy: Any, count: int, center: bool, slope: float, eps: float = EPS
) -> None:
    unit = np.finfo(z.dtype).eps
    _, xhat, rstd = groups.reference_forward(z, gamma, beta, count, center, eps, slope)
    blur = 4 * unit * (1 + np.abs(z).max()) * rstd.max() * np.abs(gamma).max()
    if slope != 1:  # move outputs off relu's corner, where rounding decides the gradient
        near = (np.abs(gamma * xhat + beta) <= 2 * blur).any(axis=0)
        beta = (beta + near * np.sign(beta) * 16 * blur).astype(z.dtype)
    y, _, _ = groups.reference_forward(z, gamma, beta, count, center, eps, slope)
    dz, dgamma, dbeta = groups.reference_backward(dy, z, gamma, beta, count, center, eps, slope)
    found = run(z, gamma, beta, dy, count, center, slope, eps)
    plain = naive(z, gamma, beta, dy, count, center, slope, eps)
    top = (1 + np.abs(z).max()) * rstd.max()
    size = z.shape[1] / count
    amount = 1 + np.abs(dy).sum(axis=0).max()
    sharp = size * rstd.max() * (np.abs(dy).max() * np.abs(gamma).max() + 1)
    exact = Rows(y, dz, dgamma, dbeta)
    floors = Rows(
        blur + 4 * unit * (1 + np.abs(y).max()),
        4 * unit * sharp * (1 + top),
        4 * unit * amount * (1 + top),
        4 * unit * amount,
    )
    for name, floor in vars(floors).items():
        as_good_as_float32(
            getattr(found, name), getattr(plain, name), getattr(exact, name), floor, name
        )


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_shape(dtype: Any, slope: float) -> None:
    for rows, columns, count, center in CASES:
        check(*draw(rows, columns, 0.3, 1.0, dtype), count, center, slope)


@pytest.mark.parametrize("offset", [1e3, -1e4, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_offsets(dtype: Any, offset: float) -> None:
    for rows, columns, count, center in CASES:
        if columns // count > 2:
            check(*draw(rows, columns, offset, 1.0, dtype), count, center, 1.0)


def test_the_padding_does_not_enter_a_spread() -> None:
    """At mean 1,000 a padding column taken for a 0 would be the largest deviation by far."""
    z, _, _, dy = draw(5, 17, 1e3, 1.0, np.float32)
    found = run(z, np.ones(17, np.float32), np.zeros(17, np.float32), dy, 1, True, 1.0)
    exact = z.astype(np.float64)
    wanted = (exact - exact.mean(axis=1, keepdims=True)) / exact.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found.y, wanted, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4, 1e12])
def test_scales(scale: float) -> None:
    for dtype in (np.float32, np.float64):
        for count, center in ((1, True), (1, False), (3, True)):
            check(*draw(7, 18, 0.0, scale, dtype), count, center, 1.0)


def test_a_constant_row_becomes_beta_and_an_rms_row_does_not() -> None:
    z, gamma, beta, dy = draw(4, 18, 0.0, 1.0, np.float32)
    z[2] = 3.0
    for count in (1, 3):
        np.testing.assert_array_equal(run(z, gamma, beta, dy, count, True, 1.0).y[2], beta)
    np.testing.assert_allclose(
        run(z, gamma, beta, dy, 1, False, 1.0).y[2], gamma + beta, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("count", "center"), [(1, True), (1, False), (3, True)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_stays_in_its_row_and_is_not_hidden(
    bad: float, count: int, center: bool
) -> None:
    z, gamma, beta, dy = draw(5, 18, 0.0, 1.0, np.float32)
    clean = run(z, gamma, beta, dy, count, center, 0.0)
    z[3, 7] = bad  # in the second of three groups
    with np.errstate(invalid="ignore"):
        found = run_without_padding_checks(z, gamma, beta, dy, count, center)
    others = np.arange(5) != 3
    assert np.isnan(found[3, 7]), "relu must not turn NaN into 0"
    np.testing.assert_array_equal(found[others], clean.y[others])
    if count == 3:
        np.testing.assert_array_equal(found[3, :6], clean.y[3, :6])
        np.testing.assert_array_equal(found[3, 12:], clean.y[3, 12:])


def run_without_padding_checks(
    z: Any, gamma: Any, beta: Any, dy: Any, count: int, center: bool
) -> Any:
    """Only y: where a row is NaN its padding may be, too."""
    rows, columns = z.shape
    bench = Workbench(z.dtype)
    zat, y, gamma_at = bench.put(z), bench.room(rows, columns), bench.put(gamma)
    beta_at, live, stats = (
        bench.put(beta),
        bench.put(np.ones(columns)),
        bench.take(2 * rows * count),
    )
    ws, stride = bench.flat, bench.padded(live, 1, columns).size
    if count == 1:
        row_normalize(
            ws, zat, y, rows, stride, columns, stats, live, ws, gamma_at, beta_at, center, EPS, 0.0
        )
    else:
        group_normalize(
            ws, zat, y, rows, stride, columns, count, stats, ws, gamma_at, beta_at, EPS, 0.0
        )
    return bench.get(y, rows, columns)


@pytest.mark.parametrize("eps", [1e-12, 1e-3, 0.5])
def test_eps(eps: float) -> None:
    for count, center in ((1, True), (1, False), (3, True)):
        check(*draw(6, 18, 0.0, 1.0, np.float32), count, center, 1.0, eps)
