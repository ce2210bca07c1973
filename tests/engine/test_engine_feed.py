"""The engine trains on a data set's rows where they lie, if they lie as it needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evenbatch import Network, Trial, train
from evenbatch.data import Dataset, load_table
from evenbatch.data.dataset import ROOM, roomy
from evenbatch.engine.feed import make_feed
from evenbatch.kernels._lanes import PAD


def dataset(x: np.ndarray) -> Dataset:
    y = np.arange(len(x)) % 2
    names = tuple(f"f{i}" for i in range(x.shape[1]))
    return Dataset("rows", "classification", x, y, x[:8], y[:8], names, ("no", "yes"))


def filled(columns: int) -> np.ndarray:
    x = roomy(40, columns)
    x[:] = np.random.default_rng(0).normal(size=x.shape)
    return x


def test_the_rooms_are_the_engines() -> None:
    assert ROOM == PAD


@pytest.mark.parametrize("columns", [5, 16, 20, 784])
def test_no_second_copy_is_made(columns: int) -> None:
    x = filled(columns)
    data = dataset(x)
    feed = make_feed(data, np.dtype(np.float32))
    assert np.shares_memory(feed.data.x, x)
    assert np.shares_memory(feed.data.x_test, x)
    assert feed.data.x.flags.writeable
    assert not data.x_train.flags.writeable
    copied = make_feed(dataset(np.array(x)), np.dtype(np.float32))
    np.testing.assert_array_equal(feed.data.x, copied.data.x)
    np.testing.assert_array_equal(feed.data.x_test, copied.data.x_test)


def test_rows_that_lie_otherwise_are_copied() -> None:
    whole = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)
    beside = whole[:, :5]  # what stands behind the row is not zero
    reversed_rows = filled(5)[::-1]
    read_only = filled(16)
    read_only.base.flags.writeable = read_only.flags.writeable = False
    for x in (beside, reversed_rows, read_only, np.asfortranarray(filled(5))):
        feed = make_feed(dataset(x), np.dtype(np.float32))
        assert not np.shares_memory(feed.data.x, x)
        np.testing.assert_array_equal(feed.data.x.reshape(40, -1)[:, : x.shape[1]], x)
        assert not feed.data.x.reshape(40, -1)[:, x.shape[1] :].any()
    wide = make_feed(dataset(filled(5)), np.dtype(np.float64))
    assert wide.data.x.dtype == np.float64


def test_curves_are_the_same_to_the_bit() -> None:
    x = filled(5)
    network = Network(inputs=5, hidden=(8,), outputs=2, norm="batch")
    trial = Trial(network, data="rows", learning_rate=0.1, steps=50, batch_size=8)
    before = x.copy()
    (here,) = train([trial], {"rows": dataset(x)})
    (copied,) = train([trial], {"rows": dataset(np.array(x))})
    np.testing.assert_array_equal(here.test_loss, copied.test_loss)
    np.testing.assert_array_equal(x, before)  # and the rows are not written


@pytest.mark.parametrize("columns", [4, 16])
def test_a_table_lies_as_the_engine_needs_it(tmp_path: Path, columns: int) -> None:
    x = np.random.default_rng(0).normal(size=(60, columns)).astype(np.float32)
    y = np.arange(60) % 3
    makers: dict[str, Callable[[Path], None]] = {
        "t.npz": lambda path: np.savez(path, x=x, y=y),
        "t.csv": lambda path: np.savetxt(
            path,
            np.column_stack([x, y]),
            delimiter=",",
            header=",".join([*(f"x[{j}]" for j in range(columns)), "y"]),
            comments="",
            fmt="%.9g",
        ),
    }
    prints = set()
    for name, make in makers.items():
        make(tmp_path / name)
        data = load_table(tmp_path / name, "y")
        feed = make_feed(data, np.dtype(np.float32))
        assert np.shares_memory(feed.data.x, data.x_train)
        assert np.shares_memory(feed.data.x_test, data.x_test)
        prints.add(data.fingerprint)
    assert len(prints) == 1
