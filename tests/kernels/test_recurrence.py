"""What running over time takes: order by length, rows that end, shared gradients, known steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels import columns, recurrence
from evenbatch.kernels._lanes import PAD
from workbench import Workbench, as_good_as_float32

order_by_length = cached(recurrence.order_by_length)
put_rows = cached(recurrence.put_rows)
take_rows = cached(recurrence.take_rows)
clear = cached(recurrence.clear)
share_gradient = cached(recurrence.share_gradient)
known_step = cached(recurrence.known_step)
note_step = cached(recurrence.note_step)
fixed_backward = cached(recurrence.fixed_backward)
running_to_scale = cached(columns.running_to_scale)
batch_normalize = cached(columns.batch_normalize)

DTYPES = (np.float32, np.float64)


def sequences(lengths: list[int], steps: int, features: int) -> Any:
    """Rows of numbers that tell where they stood, NaN after the end, the length behind them."""
    rows = len(lengths)
    x = np.arange(rows * steps * features, dtype=np.float64).reshape(rows, steps, features)
    x[np.arange(steps) >= np.array(lengths)[:, None]] = np.nan
    return np.column_stack([x.reshape(rows, -1), lengths])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "lengths",
    [[1], [3, 3, 3], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 5, 2, 1, 5, 4, 2], [4, 4], [5]],
)
@pytest.mark.parametrize("features", [1, 3, 17])
def test_rows_are_ordered_by_length(lengths: list[int], features: int, dtype: Any) -> None:
    steps, rows = 5, len(lengths)
    bench = Workbench(dtype)
    x = sequences(lengths, steps, features)
    source, width = bench.put(x), x.shape[1]
    target = bench.room(rows, width)
    meta = bench.take(2 * (steps + 1) + rows)
    stride = bench.padded(source, 1, width).size
    order_by_length(bench.flat, source, target, rows, stride, steps, features, meta)
    bench.check_guards()
    places, counts = recurrence.reference_order(lengths, steps)
    np.testing.assert_array_equal(bench.flat[meta : meta + steps + 1], counts)
    found = bench.flat[meta + 2 * (steps + 1) : meta + 2 * (steps + 1) + rows]
    np.testing.assert_array_equal(found, places)
    ordered = bench.get(target, rows, width)
    for place, row in enumerate(places):
        used = lengths[row] * features
        np.testing.assert_array_equal(ordered[place, :used], x[row, :used].astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_go_out_and_their_gradients_come_back(dtype: Any) -> None:
    bench = Workbench(dtype)
    matrix = np.arange(5 * 19.0).reshape(5, 19)
    order = np.array([3, 0, 4, 1, 2])
    source, target, back = bench.put(matrix), bench.room(5, 19), bench.room(5, 19)
    places = bench.put(order)
    put_rows(bench.flat, source, target, 3, 5, 32, places)
    put_rows(bench.flat, source, target, 0, 3, 32, places)
    np.testing.assert_array_equal(bench.get(target, 5, 19)[order], matrix)
    take_rows(bench.flat, target, back, 1, 4, 32, places)
    found = bench.get(back, 5, 19)
    np.testing.assert_array_equal(found[1:4], matrix[1:4])
    assert np.isnan(found[[0, 4]]).all()
    put_rows(bench.flat, source, back, 2, 2, 32, places)  # nobody ends here
    np.testing.assert_array_equal(bench.get(back, 5, 19), found)
    bench.check_guards()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_all_steps_are_added_up(dtype: Any) -> None:
    size, at = 48, 16
    draw = np.random.default_rng(0)
    steps = draw.integers(-9, 9, (4, size)).astype(dtype)
    for first, wanted in (
        (recurrence.FINISH, steps.sum(axis=0)),
        (recurrence.ONLY_SUM, steps[:3].sum(axis=0)),
    ):
        bench = Workbench(dtype)
        total = bench.take(size)
        grad = np.full(at + size + 16, np.nan, dtype)
        clear(bench.flat, total, size)
        for step, code in zip(steps, [recurrence.ADD] * 3 + [first], strict=True):
            grad[at : at + size] = step
            share_gradient(grad, at, size, bench.flat, total, code)
        np.testing.assert_array_equal(grad[at : at + size], wanted)
        assert np.isnan(grad[:at]).all()
        assert np.isnan(grad[at + size :]).all()
        bench.check_guards()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_that_was_never_seen_takes_the_last_that_was(dtype: Any) -> None:
    stride, begin = 16, 32
    running = np.zeros(begin + PAD + 5 * 2 * stride, dtype)
    at = [begin + PAD + t * 2 * stride for t in range(5)]

    def read() -> list[int]:
        return [at.index(known_step(running, at[t], t + 1, stride)) for t in range(5)]

    assert read() == [0, 1, 2, 3, 4], "nothing was seen yet: each its own"
    for step in (0, 1, 2, 1):
        note_step(running, at[step], step + 1, stride)
    assert read() == [0, 1, 2, 2, 2]
    assert running[begin] == 3
    assert np.count_nonzero(running) == 1
    before = running.copy()
    note_step(running, at[1], 0, stride)  # a normalizer that has no steps
    assert known_step(running, at[4], 0, stride) == at[4]
    np.testing.assert_array_equal(running, before)


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
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
    batch_normalize(ws, at["z"], at["y"], rows, stride, *places, slope)
    fixed_backward(ws, at["d"], at["z"], rows, stride, *places, grad, slope)
    bench.check_guards()
    assert not bench.padding(at["d"], rows, count).any()

    rstd = 1 / np.sqrt(variance.astype(np.float64) + 1e-5)
    exact = recurrence.reference_fixed_backward(dy, z, mean, rstd, gamma, beta, slope)
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
