"""Batch normalization down the columns: statistics, forward, backward, running statistics.

Held against the float64 reference: |kernel − ref64| ≤ 2·|naive float32 − ref64| + floor. The floor
is 4 units in the last place of the largest input or output, as the function magnifies them. `run`
alone knows how the kernels are called.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels.engine import columns
from workbench import Workbench, as_good_as_float32

statistics = cached(columns.batch_statistics)
normalize = cached(columns.batch_normalize)
update_running = cached(columns.update_running)
running_to_scale = cached(columns.running_to_scale)
backward = cached(columns.batch_backward)

ROWS, COLUMNS = (1, 2, 3, 4, 5, 7, 11, 32, 33), (1, 13, 16, 17, 37)
EPS = 1e-5


@dataclass
class Batch:
    """What the kernels made of one matrix."""

    bench: Workbench
    y: Any
    mean: Any
    variance: Any
    rstd: Any
    dz: Any
    dgamma: Any
    dbeta: Any
    at: dict[str, int]


def run(
    z: Any, gamma: Any, beta: Any, dy: Any, slope: float, dtype: Any, eps: float = EPS
) -> Batch:
    rows, count = z.shape
    bench = Workbench(dtype)
    at = {"z": bench.put(z), "y": bench.room(rows, count), "d": bench.put(dy)}
    at |= {name: bench.room(1, count) for name in ("mean", "rstd", "var", "scale")}
    at |= {"gamma": bench.put(gamma), "beta": bench.put(beta)}
    ws, stride = bench.flat, bench.padded(at["gamma"], 1, count).size
    grad = np.full_like(ws, np.nan)
    statistics(ws, at["z"], rows, stride, at["mean"], at["rstd"], at["var"], eps)
    normalize(
        ws, at["z"], at["y"], rows, stride, at["mean"], at["rstd"], at["scale"], ws, at["gamma"],
        at["beta"], slope,
    )  # fmt: skip
    backward(
        ws, at["d"], at["z"], rows, stride, at["mean"], at["rstd"], at["scale"], ws, at["gamma"],
        at["beta"], grad, slope, True,
    )  # fmt: skip
    bench.check_guards()
    written = np.flatnonzero(~np.isnan(grad))
    inside = [*range(at["gamma"], at["gamma"] + stride), *range(at["beta"], at["beta"] + stride)]
    assert set(written) <= set(inside), "a gradient was written outside its place"
    for name in ("y", "d"):
        assert not bench.padding(at[name], rows, count).any(), f"padding of {name}"
    for name in ("gamma", "beta"):
        assert not grad[at[name] + count : at[name] + stride].any(), f"padding of d{name}"
    return Batch(
        bench,
        bench.get(at["y"], rows, count),
        bench.get(at["mean"], 1, count)[0],
        bench.get(at["var"], 1, count)[0],
        bench.get(at["rstd"], 1, count)[0],
        bench.get(at["d"], rows, count),
        grad[at["gamma"] : at["gamma"] + count].copy(),
        grad[at["beta"] : at["beta"] + count].copy(),
        at,
    )


def draw(rows: int, count: int, offset: float, scale: float, dtype: Any, seed: int = 0) -> Any:
    """(z, gamma, beta, dy); gammas of both signs."""
    random = np.random.default_rng([seed, rows, count])
    z = random.normal(offset, scale, (rows, count))
    gamma, beta = random.normal(0, 1, count), random.normal(0, 1, count)
    return tuple(a.astype(dtype) for a in (z, gamma, beta, random.normal(0, 1, (rows, count))))


def naive(
    z: Any, gamma: Any, beta: Any, dy: Any, slope: float, eps: float = EPS
) -> tuple[Any, ...]:
    """The textbook formulas, every step in the precision of z."""
    kind = z.dtype.type
    n, eps, slope = kind(len(z)), kind(eps), kind(slope)
    mean = z.sum(axis=0) / n
    variance = ((z - mean) ** 2).sum(axis=0) / n
    rstd = kind(1) / np.sqrt(variance + eps)
    xhat = (z - mean) * rstd
    y = gamma * xhat + beta
    d = np.where(y > 0, dy, slope * dy)
    dgamma, dbeta = (d * xhat).sum(axis=0), d.sum(axis=0)
    dz = gamma * rstd * (d - dbeta / n - xhat * dgamma / n)
    return np.where(y > 0, y, slope * y), mean, variance, dz, dgamma, dbeta


def check(z: Any, gamma: Any, beta: Any, dy: Any, slope: float, eps: float = EPS) -> None:
    """The rule for forward and backward, where no output stands on relu's corner."""
    unit = np.finfo(z.dtype).eps
    y, _, mean, variance = columns.reference_forward(z, gamma, beta, eps, slope)
    magnified = np.abs(gamma) / np.sqrt(variance + eps)
    blur = 4 * unit * (1 + np.abs(z).max(axis=0)) * magnified  # what rounding z does to y
    pre = gamma * (z - mean) / np.sqrt(variance + eps) + beta
    if slope != 1 and (np.abs(pre) <= blur).any():
        beta = beta + (np.abs(pre) <= blur).any(axis=0) * 8 * blur.astype(z.dtype)
        y, _, mean, variance = columns.reference_forward(z, gamma, beta, eps, slope)
    dz, dgamma, dbeta = columns.reference_backward(dy, z, gamma, beta, eps, slope)
    found = run(z, gamma, beta, dy, slope, z.dtype, eps)
    plain = naive(z, gamma, beta, dy, slope, eps)
    top = np.abs(z).max() + 1
    amount = np.abs(dy).sum(axis=0).max() + 1
    floors = {
        "y": blur.max() + 4 * unit * (np.abs(y).max() + 1),
        "mean": 4 * unit * top,
        "variance": 4 * unit * (variance.max() + np.sqrt(variance.max()) * top + unit * top**2),
        "dz": 4 * unit * amount * magnified.max() * (1 + top / np.sqrt(variance.min() + eps)),
        "dgamma": 4 * unit * amount * (1 + top / np.sqrt(variance.min() + eps)),
        "dbeta": 4 * unit * amount,
    }
    exact = (y, mean, variance, dz, dgamma, dbeta)
    for name, reference, other in zip(floors, exact, plain, strict=True):
        as_good_as_float32(getattr(found, name), other, reference, floors[name], name)


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_shape(dtype: Any, slope: float) -> None:
    for rows, count in product(ROWS, COLUMNS):
        check(*draw(rows, count, 0.3, 1.0, dtype), slope)


@pytest.mark.parametrize("offset", [1e3, -1e4, 1e5, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_offsets(dtype: Any, offset: float) -> None:
    """One-pass variance is 21 % wrong at mean 1,000; two passes stay right."""
    for rows, count in ((5, 13), (32, 17), (101, 3)):
        check(*draw(rows, count, offset, 1.0, dtype), 1.0)


def test_the_spread_at_mean_1000_is_right() -> None:
    """An absolute figure beside the rule: 1e-4 of the variance, where one pass loses 1e-2."""
    z, gamma, beta, dy = draw(97, 37, 1e3, 1.0, np.float32)
    found = run(z, gamma, beta, dy, 1.0, np.float32)
    exact = z.astype(np.float64).var(axis=0)
    one_pass = (z**2).sum(axis=0) / np.float32(97) - (z.sum(axis=0) / np.float32(97)) ** 2
    assert np.abs(found.variance / exact - 1).max() < 1e-4
    assert np.abs(one_pass / exact - 1).max() > 1e-2


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4, 1e12])
def test_scales(scale: float) -> None:
    for dtype in (np.float32, np.float64):
        check(*draw(19, 17, 0.0, scale, dtype), 1.0)


@pytest.mark.parametrize("value", [0.0, 1.0, -7.5, 0.1, 1e6])
def test_a_constant_feature_becomes_beta(value: float) -> None:
    for dtype in (np.float32, np.float64):
        z, gamma, beta, dy = draw(7, 5, 0.0, 1.0, dtype)
        z[:, 2] = value
        found = run(z, gamma, beta, dy, 1.0, dtype)
        # The mean of equal numbers may be off by rounding, which 1/√eps = 316 magnifies.
        blur = 2 * np.finfo(dtype).eps * abs(value) * 316 * abs(gamma[2])
        np.testing.assert_allclose(found.y[:, 2], beta[2], rtol=1e-6, atol=blur)
        assert np.isfinite(found.dz).all()


def test_one_row() -> None:
    """The engine refuses it (nothing is learned); the arithmetic is defined: y = beta, dz = 0."""
    z, gamma, beta, dy = draw(1, 5, 3.0, 1.0, np.float32)
    found = run(z, gamma, beta, dy, 1.0, np.float32)
    np.testing.assert_array_equal(found.y[0], beta)
    np.testing.assert_array_equal(found.dz[0], 0 * z[0])
    np.testing.assert_array_equal(found.dbeta, dy[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_stays_in_its_column_and_is_not_hidden(bad: float) -> None:
    z, gamma, beta, dy = draw(9, 19, 0.0, 1.0, np.float32)
    clean = run(z, gamma, beta, dy, 0.0, np.float32)
    z[4, 3] = bad
    with np.errstate(invalid="ignore"):
        found = run(z, gamma, beta, dy, 0.0, np.float32)
    others = np.arange(19) != 3
    assert np.isnan(found.y[:, 3]).all(), "relu must not turn NaN into 0"
    np.testing.assert_array_equal(found.y[:, others], clean.y[:, others])
    np.testing.assert_array_equal(found.dz[:, others], clean.dz[:, others])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics(dtype: Any) -> None:
    """Momentum weighs the new value; the running variance is the unbiased one, as PyTorch's."""
    for rows, count, momentum in ((2, 13, 0.1), (7, 17, 0.3), (33, 1, 1.0), (5, 16, 0.0)):
        z, gamma, beta, dy = draw(rows, count, 2.0, 1.5, dtype)
        found = run(z, gamma, beta, dy, 1.0, dtype)
        bench, at, stride = found.bench, found.at, -(-count // 16) * 16
        old = np.random.default_rng(1).uniform(0.5, 2, (2, count)).astype(dtype)
        place = bench.put(old)
        update_running(
            bench.flat, at["mean"], at["var"], rows, stride, bench.flat, place, momentum, True
        )
        exact = z.astype(np.float64)
        wanted = np.array([exact.mean(axis=0), exact.var(axis=0, ddof=1)])
        wanted = (1 - momentum) * old.astype(np.float64) + momentum * wanted
        tolerance = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(bench.get(place, 2, count), wanted, rtol=tolerance)
        assert not bench.padding(place, 2, count).any()
        update_running(
            bench.flat, at["mean"], at["var"], rows, stride, bench.flat, place, 1.0, False
        )
        population = np.array([exact.mean(axis=0), exact.var(axis=0)])
        np.testing.assert_allclose(bench.get(place, 2, count), population, rtol=4 * tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics_become_a_scale(dtype: Any) -> None:
    bench, count = Workbench(dtype), 21
    stored = np.random.default_rng(2).uniform(0.1, 3, (2, count)).astype(dtype)
    place, mean, rstd = bench.put(stored), bench.room(1, count), bench.room(1, count)
    running_to_scale(bench.flat, place, bench.flat, 32, mean, rstd, 1e-3)
    np.testing.assert_array_equal(bench.get(mean, 1, count)[0], stored[0])
    wanted = 1 / np.sqrt(stored[1].astype(np.float64) + 1e-3)
    np.testing.assert_allclose(bench.get(rstd, 1, count)[0], wanted, rtol=4 * np.finfo(dtype).eps)
    bench.check_guards()


@pytest.mark.parametrize("eps", [0.0, 1e-3, 0.5])
def test_eps(eps: float) -> None:
    z, gamma, beta, dy = draw(11, 16, 0.0, 1.0, np.float32)
    check(z, gamma, beta, dy, 1.0, eps)


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "count"), [(1, 13), (1, 16), (3, 17), (7, 33)])
def test_backward_of_given_statistics(rows: int, count: int, dtype: Any, slope: float) -> None:
    draw = np.random.default_rng([rows, count])
    z, dy = (draw.normal(0.3, 1, (rows, count)).astype(dtype) for _ in range(2))
    gamma, beta, mean = (draw.normal(0, 1, count).astype(dtype) for _ in range(3))
    variance = draw.uniform(0.5, 2, count).astype(dtype)
    bench = Workbench(dtype)
    at = {"z": bench.put(z), "y": bench.room(rows, count), "d": bench.put(dy)}
    at |= {name: bench.room(1, count) for name in ("mean", "rstd", "scale")}
    at |= {"gamma": bench.put(gamma), "beta": bench.put(beta)}
    ws, stride = bench.flat, bench.padded(at["gamma"], 1, count).size
    running = np.zeros(2 * stride, dtype)
    running[:count], running[stride : stride + count] = mean, variance
    grad = np.full_like(ws, np.nan)
    running_to_scale(running, 0, ws, stride, at["mean"], at["rstd"], 1e-5)
    places = (at["mean"], at["rstd"], at["scale"], ws, at["gamma"], at["beta"])
    normalize(ws, at["z"], at["y"], rows, stride, *places, slope)
    backward(ws, at["d"], at["z"], rows, stride, *places, grad, slope, False)
    bench.check_guards()
    assert not bench.padding(at["d"], rows, count).any()

    rstd = 1 / np.sqrt(variance.astype(np.float64) + 1e-5)
    exact = columns.reference_given(dy, z, mean, rstd, gamma, beta, slope)
    xhat = (z - mean) * rstd.astype(dtype)
    d = np.where(gamma * xhat + beta > 0, dy, dtype(slope) * dy)
    plain = (d * gamma * rstd.astype(dtype), (d * xhat).sum(axis=0), d.sum(axis=0))
    found = (
        bench.get(at["d"], rows, count),
        grad[at["gamma"] : at["gamma"] + count],
        grad[at["beta"] : at["beta"] + count],
    )
    floor = 8 * np.finfo(dtype).eps * (np.abs(dy).sum(axis=0).max() + 1) * np.abs(xhat).max()
    for name, one, other, reference in zip(
        ("dz", "dgamma", "dbeta"), found, plain, exact, strict=True
    ):
        as_good_as_float32(one, other, reference, floor, name)
