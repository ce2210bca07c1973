"""Drift: the noise is what its source says, keyed, and applied as its reference has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import drift
from workbench import Workbench, as_good_as_float32

add_drift = cached(drift.add_drift)
SHAPES = [(1, 1), (2, 13), (3, 16), (5, 17), (7, 37), (33, 31)]


def run(z: Any, key: int, strength: float) -> tuple[Any, Any]:
    """(y, s) of the kernel."""
    rows, columns = z.shape
    bench, stride = Workbench(z.dtype), padded(columns)
    at, scale, units = bench.put(z), bench.room(rows, columns), bench.take(2 * stride)
    with np.errstate(over="ignore"):
        add_drift(bench.flat, at, rows, stride, columns, scale, units, np.int64(key), strength)
    bench.check_guards()
    assert not bench.padding(at, rows, columns).any()
    assert not bench.padding(scale, rows, columns).any()
    return bench.get(at, rows, columns), bench.get(scale, rows, columns)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_noise_is_the_references(dtype: Any, strength: float) -> None:
    unit = np.finfo(dtype).eps
    for rows, columns in SHAPES:
        z = np.random.default_rng([rows, columns]).normal(0, 2, (rows, columns)).astype(dtype)
        for key in (0, 12345, 0xFFFFFFFF):
            s, m = drift.reference_noise(key, rows, columns, strength)
            y, scale = run(z, key, strength)
            top = 1 + 3 * strength
            as_good_as_float32(scale, s.astype(dtype), s, 4 * unit * top, "s")
            plain = s.astype(dtype) * z + m.astype(dtype)
            floor = 8 * unit * top * (1 + np.abs(z).max())
            as_good_as_float32(y, plain, s * z + m, floor, "y")


def test_no_strength_is_no_noise() -> None:
    z = np.random.default_rng(0).normal(0, 1, (5, 17)).astype(np.float32)
    y, scale = run(z, 7, 0.0)
    np.testing.assert_array_equal(y, z)
    np.testing.assert_array_equal(scale, 1)


def test_nan_is_not_hidden() -> None:
    z = np.zeros((3, 17), np.float32)
    z[1, 4] = np.nan
    y, _ = run(z, 7, 1.0)
    assert np.isnan(y[1, 4])
    assert np.isnan(y).sum() == 1


def test_the_noise_has_the_moments_its_source_says() -> None:
    """σ in 1 … 1.25 and μ in ±0.5 by unit; 0.1 of jitter by example around both."""
    rows, columns = 400, 500
    s, m = drift.reference_noise(99, rows, columns, 1.0)
    unit_s, unit_m = s.mean(axis=0), m.mean(axis=0)
    slack = 4 * 0.1 / np.sqrt(rows)
    assert 1 - slack < unit_s.min() < 1.01
    assert 1.24 < unit_s.max() < 1.25 + slack
    assert -0.5 - slack < unit_m.min() < -0.48
    assert 0.48 < unit_m.max() < 0.5 + slack
    # Uniform: mean in the middle, standard deviation of the range over √12.
    np.testing.assert_allclose(unit_s.mean(), 1.125, atol=0.01)
    np.testing.assert_allclose(unit_s.std(), 0.25 / np.sqrt(12), rtol=0.1)
    np.testing.assert_allclose(unit_m.mean(), 0.0, atol=0.05)
    np.testing.assert_allclose(unit_m.std(), 1 / np.sqrt(12), rtol=0.1)
    around_s, around_m = s - unit_s, m - unit_m
    np.testing.assert_allclose(around_s.std(), 0.1, rtol=0.01)
    np.testing.assert_allclose(around_m.std(), 0.1 / np.sqrt(3), rtol=0.01)
    assert np.abs(around_m).max() < 0.1 + slack
    assert 0.25 < np.abs(around_s).max() < 0.345 + slack
    # A bell: 68.3 % of a normal lie within one standard deviation.
    np.testing.assert_allclose((np.abs(around_s) < 0.1).mean(), 0.683, atol=0.02)


def test_the_four_draws_are_independent_and_so_are_keys() -> None:
    s, m = drift.reference_noise(5, 300, 40, 1.0)
    other_s, other_m = drift.reference_noise(6, 300, 40, 1.0)
    units = [a.mean(axis=0) for a in (s, m, other_s, other_m)]
    jitter = [(a - a.mean(axis=0)).ravel() for a in (s, m, other_s, other_m)]
    assert np.abs(np.corrcoef(units) - np.eye(4)).max() < 4 / np.sqrt(40)
    assert np.abs(np.corrcoef(jitter) - np.eye(4)).max() < 4 / np.sqrt(12_000)


def test_noise_is_paired_whatever_follows() -> None:
    """A longer batch begins with the same noise."""
    for short, long in zip(
        drift.reference_noise(5, 3, 17, 1.0), drift.reference_noise(5, 9, 17, 1.0), strict=True
    ):
        np.testing.assert_array_equal(short, long[:3])
