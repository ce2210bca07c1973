"""Losses and their gradients, accuracy and squared error.

Held against the float64 reference: |kernel − ref64| ≤ 2·|naive float32 − ref64| + floor; the floor
is 4 units in the last place of the largest logit (of a row's probability mass, for the gradient).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._lanes import padded
from evenbatch.kernels.engine import losses
from workbench import Workbench, as_good_as_float32

cross_entropy, squared_error = cached(losses.cross_entropy), cached(losses.squared_error)
count_correct, sum_squared = cached(losses.count_correct), cached(losses.sum_squared_error)

SHAPES = [(1, 2), (2, 3), (3, 15), (5, 16), (7, 17), (33, 33), (32, 10), (1, 48)]
FIRST = 4  # where the batch begins in the index


def draw(rows: int, classes: int, spread: float, dtype: Any) -> tuple[Any, Any, Any]:
    """(logits, all labels, index): the batch is index[FIRST : FIRST + rows]."""
    random = np.random.default_rng([rows, classes])
    z = random.normal(0, spread, (rows, classes)).astype(dtype)
    return z, random.integers(0, classes, 50), random.integers(0, 50, FIRST + rows + 3)


def run(z: Any, labels: Any, index: Any) -> tuple[float, Any]:
    rows, classes = z.shape
    bench = Workbench(z.dtype)
    at, d = bench.put(z, padding=losses.LOGIT_PADDING), bench.room(rows, classes)
    with np.errstate(over="ignore", under="ignore"):
        loss = cross_entropy(bench.flat, at, rows, padded(classes), labels, index, FIRST, d)
    bench.check_guards()
    if math.isfinite(loss):
        assert not bench.padding(d, rows, classes).any(), "the padding has no probability"
    np.testing.assert_array_equal(bench.get(at, rows, classes), z)
    return loss, bench.get(d, rows, classes)


def naive(z: Any, labels: Any) -> tuple[Any, Any]:
    kind, rows = z.dtype.type, np.arange(len(z))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    mass = e.sum(axis=1, keepdims=True)
    loss = (np.log(mass)[:, 0] + z.max(axis=1) - z[rows, labels]).sum() / kind(len(z))
    p = e / mass
    p[rows, labels] -= kind(1)
    return loss, p / kind(len(z))


@pytest.mark.parametrize("spread", [0.0, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy(dtype: Any, spread: float) -> None:
    unit = np.finfo(dtype).eps
    for rows, classes in SHAPES:
        z, labels, index = draw(rows, classes, spread, dtype)
        mine = labels[index[FIRST : FIRST + rows]]
        # From the formula, not the reference: its log of a vanished probability would be −inf.
        exact = z.astype(np.float64)
        top = exact.max(axis=1)
        mass = np.exp(exact - top[:, None]).sum(axis=1)
        loss = (np.log(mass) + top - exact[np.arange(rows), mine]).mean()
        with np.errstate(divide="ignore", under="ignore"):
            gradient = losses.reference_cross_entropy(z, mine)[1]
            plain, plain_gradient = naive(z, mine)
        found, d = run(z, labels, index)
        floor = 4 * unit * (1 + np.abs(z).max())
        as_good_as_float32(found, plain, loss, floor, "loss")
        # exp of a float32 logit difference is off by its own size in units.
        as_good_as_float32(d, plain_gradient, gradient, 8 * unit / rows, "gradient")


def test_cross_entropy_equals_its_reference() -> None:
    """The reference written in the kernel's file, where no probability vanishes."""
    z, labels, index = draw(7, 17, 1.0, np.float64)
    loss, gradient = losses.reference_cross_entropy(z, labels[index[FIRST : FIRST + 7]])
    found, d = run(z, labels, index)
    np.testing.assert_allclose(found, loss, rtol=1e-14)
    np.testing.assert_allclose(d, gradient, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sure_and_right_network_has_no_loss_and_a_sure_and_wrong_one_a_large_one(
    dtype: Any,
) -> None:
    z = np.full((2, 5), -1e4, dtype)
    z[:, 2] = 1e4
    labels, index = np.array([2, 0]), np.zeros(FIRST + 2, np.int64)
    loss, d = run(z, labels, index)
    assert loss == 0
    assert not d.any()
    index[FIRST + 1] = 1
    loss, d = run(z, labels, index)
    assert loss == 1e4
    np.testing.assert_array_equal(d, np.array([[0, 0, 0, 0, 0], [-0.5, 0, 0.5, 0, 0]], dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_cross_entropy_of_what_is_not_a_number_is_not_a_number(bad: float) -> None:
    for place in (0, 3, 16):
        z, labels, index = draw(3, 17, 1.0, np.float32)
        z[1, place] = bad
        with np.errstate(invalid="ignore"):
            loss, _ = run(z, labels, index)
        assert not math.isfinite(loss)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squared_error(dtype: Any) -> None:
    unit = np.finfo(dtype).eps
    for rows, columns in (*SHAPES, (9, 1)):
        random = np.random.default_rng([rows, columns, 1])
        z = random.normal(0, 2, (rows, columns)).astype(dtype)
        stored = random.normal(0, 2, (50, columns)).astype(dtype)
        index = random.integers(0, 50, FIRST + rows)
        bench = Workbench(dtype)
        at, target, d = bench.put(z), bench.put(stored), bench.room(rows, columns)
        flat = bench.flat[target : target + 50 * padded(columns)]
        found = squared_error(bench.flat, at, rows, padded(columns), columns, flat, index, FIRST, d)
        goal = stored[index[FIRST:]]
        loss, gradient = losses.reference_squared_error(z, goal)
        plain = (((z - goal) ** 2).sum() / dtype(z.size), dtype(2) * (z - goal) / dtype(z.size))
        as_good_as_float32(found, plain[0], loss, 4 * unit * loss, "loss")
        as_good_as_float32(
            bench.get(d, rows, columns), plain[1], gradient, 4 * unit * np.abs(gradient).max(), "d"
        )
        assert not bench.padding(d, rows, columns).any()
        bench.check_guards()
        total = sum_squared(bench.flat, at, rows, padded(columns), flat, 7)
        wanted = ((z.astype(np.float64) - stored[7 : 7 + rows]) ** 2).sum()
        np.testing.assert_allclose(total, wanted, rtol=8 * unit * columns)


# ---- accuracy ------------------------------------------------------------------------------------


def correct(z: Any, labels: Any, first: int = 0) -> tuple[float, int]:
    rows, classes = z.shape
    bench = Workbench(z.dtype)
    at = bench.put(z, padding=losses.LOGIT_PADDING)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        loss, right = count_correct(bench.flat, at, rows, padded(classes), labels, first)
    bench.check_guards()
    return float(loss), int(right)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_count_correct(dtype: Any) -> None:
    for rows, classes in SHAPES:
        z, labels, _ = draw(rows, classes, 1.0, dtype)
        mine = labels[3 : 3 + rows]
        loss, right = correct(z, labels, 3)
        assert right == (z.argmax(axis=1) == mine).sum()
        wanted = rows * losses.reference_cross_entropy(z, mine)[0]
        np.testing.assert_allclose(loss, wanted, rtol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("classes", [2, 16, 17, 33])
def test_of_equal_logits_the_first_counts(classes: int) -> None:
    z = np.zeros((classes, classes), np.float32)
    _, right = correct(z, np.arange(classes))
    assert right == 1, "equal logits: chance, not 100 %"
    z[:, classes // 2 :] = 1.0
    assert correct(z, np.full(classes, classes // 2))[1] == classes
    assert correct(z, np.full(classes, classes - 1))[1] == (classes if classes == 2 else 0)


def test_nan_logits_are_never_right_and_show_in_the_loss() -> None:
    for bad in (slice(None), 0, 1, 2):
        z = np.zeros((3, 3), np.float32)
        z[1, bad] = np.nan
        loss, right = correct(z, np.array([1, 1, 1]))
        assert math.isnan(loss)
        assert right == 0
