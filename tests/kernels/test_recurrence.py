"""What running over time takes: order by length, rows that end, shared gradients, known steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels._lanes import PAD
from evenbatch.kernels.engine import recurrence
from workbench import Workbench

order_by_length = cached(recurrence.order_by_length)
move_rows = cached(recurrence.move_rows)
share_gradient = cached(recurrence.share_gradient)
known_step = cached(recurrence.known_step)
note_step = cached(recurrence.note_step)

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
    move_rows(bench.flat, source, target, 3, 5, 32, places, False)
    move_rows(bench.flat, source, target, 0, 3, 32, places, False)
    np.testing.assert_array_equal(bench.get(target, 5, 19)[order], matrix)
    move_rows(bench.flat, back, target, 1, 4, 32, places, True)
    found = bench.get(back, 5, 19)
    np.testing.assert_array_equal(found[1:4], matrix[1:4])
    assert np.isnan(found[[0, 4]]).all()
    move_rows(bench.flat, source, back, 2, 2, 32, places, False)  # nobody ends here
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
        share_gradient(grad, at, size, bench.flat, total, recurrence.CLEAR)
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
