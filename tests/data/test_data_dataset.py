"""The Dataset itself, its fingerprint, the split, and the batch size it allows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenbatch.data import DataError, Dataset, check_batch_size
from evenbatch.data.dataset import from_rows
from evenbatch.data.errors import did_you_mean, listed
from evenbatch.data.split import random_order, split_rows


def make(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "toy",
        "task": "classification",
        "x_train": np.arange(21, dtype=np.float32).reshape(7, 3),
        "y_train": np.array([0, 1, 2, 0, 1, 2, 0]),
        "x_test": np.ones((2, 3), dtype=np.float32),
        "y_test": np.array([1, 2]),
        "features": ("a", "b", "c"),
        "classes": ("x", "y", "z"),
    }
    return Dataset(**{**fields, **changes})


def regression(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "task": "regression",
        "y_train": np.arange(14, dtype=np.float32).reshape(7, 2),
        "y_test": np.zeros((2, 2), dtype=np.float32),
        "classes": (),
    }
    return make(**{**fields, **changes})


def test_sizes_and_one_line_repr() -> None:
    data = make()
    assert (data.n_features, data.n_outputs, data.n_train, data.n_test) == (3, 3, 7, 2)
    assert repr(data) == (
        "Dataset('toy': classification, 3 features, 3 classes, 7 training + 2 test rows, "
        f"{data.fingerprint})"
    )
    assert regression().n_outputs == 2
    assert "3 features, 2 targets, 7 training" in repr(regression())


def test_arrays_are_contiguous_and_read_only_and_the_callers_stay_writable() -> None:
    x = np.asfortranarray(np.arange(21, dtype=np.float32).reshape(7, 3))
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    data = make(x_train=x, y_train=y)
    assert data.x_train.flags.c_contiguous
    np.testing.assert_array_equal(data.x_train, x)
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    x[0], y[0] = 1, 1


def test_fingerprint_is_the_content_and_nothing_else() -> None:
    base = make().fingerprint
    assert len(base) == 16
    assert make(name="other", features=("d", "e", "f"), source="elsewhere").fingerprint == base
    strided = np.repeat(np.arange(21, dtype=np.float32).reshape(7, 3), 2, axis=1)[:, ::2]
    assert make(x_train=strided).fingerprint == base
    for field in ("x_train", "y_train", "x_test", "y_test"):
        changed = getattr(make(), field).copy()
        changed[-1] = 2 if field == "x_test" else changed[-2]
        assert make(**{field: changed}).fingerprint != base, field
    swapped = make(x_train=make().x_train[::-1].copy(), y_train=make().y_train[::-1].copy())
    assert swapped.fingerprint != base


def test_fingerprint_is_what_its_docstring_says() -> None:
    data = make()
    digest = hashlib.sha256()
    for field, kind, shape in (
        ("x_train", "<f4", "(7, 3)"),
        ("y_train", "<i8", "(7,)"),
        ("x_test", "<f4", "(2, 3)"),
        ("y_test", "<i8", "(2,)"),
    ):
        digest.update(f"{field} {kind} {shape}".encode() + getattr(data, field).tobytes())
    assert data.fingerprint == digest.hexdigest()[:16]


NAN = np.array([[1, 2, 3], [1, np.nan, 3]], dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "ranking"}, "task is 'ranking', not one of"),
        ({"x_train": np.zeros((7, 3))}, r"x_train is float64 \(7, 3\); it must be float32"),
        ({"x_test": np.zeros((0, 3), dtype=np.float32)}, r"x_test is float32 \(0, 3\)"),
        ({"x_test": np.zeros(3, dtype=np.float32)}, r"x_test is float32 \(3,\)"),
        ({"features": ("a", "b")}, "x_train has 3 columns, but 2 feature names"),
        ({"x_test": np.zeros((2, 4), dtype=np.float32)}, "x_test has 4 columns"),
        ({"x_test": NAN}, r"x_test\[1, 1\] is nan, not a number"),
        ({"y_train": np.array([0, 1])}, "y_train has 2 rows, its inputs have 7"),
        ({"y_test": np.array([1.0, 2.0])}, r"y_test is float64 \(2,\) with 3 classes"),
        ({"y_test": np.array([1, 3])}, "y_test holds class 3, but the classes are 0 to 2"),
        ({"y_test": np.array([-1, 2])}, "y_test holds class -1"),
        ({"classes": ("x",)}, "at least two classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"toy: .*{message}"):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": np.zeros(2, dtype=np.float32)}, r"y_test is float32 \(2,\)"),
        ({"classes": ("x", "y")}, "without classes"),
        ({"y_test": NAN[:, 1:]}, r"y_test\[1, 0\] is nan"),
    ],
)
def test_regression_targets_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        regression(**changes)


def test_batch_size_that_cannot_be_filled() -> None:
    check_batch_size(make(), 7)
    check_batch_size(make(), np.int64(1))
    with pytest.raises(
        DataError, match="batch of 8 rows cannot be filled from 7 training rows"
    ) as e:
        check_batch_size(make(), 8)
    assert "(9 rows in all, 2 kept for testing)" in str(e.value)
    assert "at most 7" in str(e.value)
    with pytest.raises(DataError, match="batch size is 0; it must be at least 1"):
        check_batch_size(make(), 0)
    for wrong in (2.0, "8", True):
        with pytest.raises(DataError, match="must be a whole number"):
            check_batch_size(make(), wrong)  # type: ignore[arg-type]


def test_random_order_is_pinned() -> None:
    """These rows must never change: every stored curve was trained on them."""
    assert random_order(10, 0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert random_order(10, 1).tolist() == [9, 2, 4, 7, 5, 0, 8, 6, 3, 1]


@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=80),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64),
)
def test_split_is_a_partition_with_every_class_in_training(
    labels: list[int], share: float, seed: int
) -> None:
    y = np.array(labels)
    train, test = split_rows(len(y), share, seed, labels=y)
    assert sorted([*train, *test]) == list(range(len(y)))
    assert len(train) >= 1
    assert len(test) >= 1
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(test) > 0)
    if np.bincount(y).max() > 1:
        assert set(y[train]) == set(y)
    sizes = np.bincount(y)
    given_up = np.bincount(y[test], minlength=len(sizes))
    assert np.all(given_up <= sizes * share + 1)
    wanted = max(1, int(len(y) * share + 0.5))
    assert len(test) <= wanted
    if np.all((sizes == 0) | (sizes * share + 1 <= sizes - 1)):  # no class is too small to give
        assert len(test) == wanted
        assert np.all(given_up >= np.floor(sizes * share))
    again = split_rows(len(y), share, seed, labels=y)
    np.testing.assert_array_equal(again[1], test)


@given(n=st.integers(2, 200), share=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_split_without_labels_keeps_the_share(n: int, share: float, seed: int) -> None:
    train, test = split_rows(n, share, seed)
    assert len(test) == min(max(1, int(n * share + 0.5)), n - 1)
    assert len(train) + len(test) == n


def test_split_depends_on_the_seed() -> None:
    tests = {tuple(split_rows(50, 0.2, seed)[1].tolist()) for seed in range(20)}
    assert len(tests) == 20


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_split_refuses_a_share_that_is_none(share: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        split_rows(10, share, 0)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_split_refuses_a_seed_that_is_none(seed: Any) -> None:
    with pytest.raises(DataError, match=r"seed is .* whole number"):
        split_rows(10, 0.2, seed)


@pytest.mark.parametrize(("n", "rows"), [(0, "0 rows"), (1, "1 row ")])
def test_split_refuses_too_few_rows(n: int, rows: str) -> None:
    with pytest.raises(DataError, match=f"{rows}.*need 2"):
        split_rows(n, 0.2, 0)


def test_from_rows_keeps_rows_and_targets_together() -> None:
    y = np.arange(30, dtype=np.float64)
    x = np.stack([y, -y], axis=1)
    data = from_rows(
        "line", x, y[:, None], features=["a", "b"], test_share=0.3, seed=4, source="here"
    )
    assert (data.n_train, data.n_test) == (21, 9)
    for inputs, target in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        np.testing.assert_array_equal(inputs[:, 0], target[:, 0])
        np.testing.assert_array_equal(inputs[:, 1], -target[:, 0])


def test_suggestions() -> None:
    assert did_you_mean("sugr", ["flour", "sugar"]) == " Did you mean 'sugar'?"
    assert did_you_mean("SUGAR ", ["flour", "sugar"]) == " Did you mean 'sugar'?"
    assert did_you_mean("x", ["flour", "sugar"]) == ""
    assert listed(range(4), 2) == "0, 1 and 2 more"
