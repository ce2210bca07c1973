"""Data sets made from others, and the recipes that make them again."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from evenbatch.data import Dataset, load
from evenbatch.protocol.recipes import Prepared, Recipe, alike, made
from evenbatch.protocol.verdict import NotHere
from support.curves import tea


def prices(scale: float) -> Dataset:
    """A regression whose targets are of the size of `scale`."""
    x = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    y = (scale * x).astype(np.float32)
    return Dataset("prices", "regression", x, y, x[:9], y[:9], ("x",), ())


def test_standardizing_uses_training_rows_only_and_leaves_constants_at_zero() -> None:
    flat = Prepared(load("digits")).with_constant(0.1)
    data, even = flat.data, flat.standardized().data
    spread = data.x_train.std(axis=0)
    assert even.x_train.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert even.x_train.std(axis=0)[spread > 1e-3] == pytest.approx(1, abs=1e-4)
    assert not even.x_train[:, -1].any()
    assert not even.x_test[:, -1].any()
    column = int(spread.argmax())
    mean = data.x_train[:, column].mean(dtype=np.float64)
    by_hand = (data.x_test[:, column] - mean) / data.x_train[:, column].std(dtype=np.float64)
    assert even.x_test[:, column] == pytest.approx(by_hand, abs=1e-4)


def test_fewer_rows_keep_each_class_at_its_share() -> None:
    few = Prepared(load("digits")).fewer_rows(200).data
    counts = np.bincount(few.y_train)
    assert counts.sum() == 200
    assert counts.min() >= 18
    assert np.array_equal(few.x_test, load("digits").x_test)


def test_shuffling_keeps_the_targets_but_not_their_rows() -> None:
    data = load("digits")
    noisy = Prepared(data).shuffled_targets(0.5).data
    assert np.array_equal(np.bincount(noisy.y_train), np.bincount(data.y_train))
    changed = (noisy.y_train != data.y_train).mean()
    assert changed == pytest.approx(0.45, abs=0.03)  # a tenth is dealt its own class again
    assert np.array_equal(noisy.y_test, data.y_test)


def test_test_rows_in_another_order_are_the_same_rows() -> None:
    data = load("cookies")
    other = Prepared(data).shuffled_tests().data
    assert not np.array_equal(other.x_test, data.x_test)
    assert np.array_equal(np.sort(other.x_test, axis=0), np.sort(data.x_test, axis=0))
    pairs = {tuple(row): label for row, label in zip(data.x_test, data.y_test, strict=True)}
    assert all(pairs[tuple(row)] == y for row, y in zip(other.x_test, other.y_test, strict=True))


EVERY: dict[str, Any] = {
    "columns standardized": lambda p: p.standardized(),
    "with a column of 1": lambda p: p.with_constant(1),
    "20 rows": lambda p: p.fewer_rows(20),
    "50 % labels shuffled": lambda p: p.shuffled_targets(0.5),
    "times three": lambda p: p.rescaled(3, "times three"),
    "black and white": lambda p: p.black_and_white(),
    "test rows shuffled": lambda p: p.shuffled_tests(),
}


def test_each_has_a_name_and_a_fingerprint_of_its_own() -> None:
    plain = Prepared(tea(40))
    found = [step(plain).data for step in EVERY.values()]
    assert [data.name for data in found] == [f"tea, {suffix}" for suffix in EVERY]
    fingerprints = {data.fingerprint for data in (plain.data, *found)}
    # In black and white, tea stays what it is; its name does not.
    assert len(fingerprints) >= len(EVERY)


@pytest.mark.parametrize("step", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("name", ["cookies", "cookies-taste"])
def test_a_recipe_makes_the_data_again_to_the_bit(name: str, step: Any) -> None:
    """Two steps, through JSON."""
    data = load(name)
    prepared = step(Prepared(data).learnable().of_one_scale())
    text = msgspec.json.encode(prepared.recipe)
    again = made(data, msgspec.json.decode(text, type=Recipe))
    assert again.name == prepared.data.name
    assert again.fingerprint == prepared.data.fingerprint
    for part in ("x_train", "y_train", "x_test", "y_test"):
        one, other = getattr(again, part), getattr(prepared.data, part)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def test_rows_of_sequences_keep_their_lengths() -> None:
    stories = load("stories:n=200")
    few = Prepared(stories).fewer_rows(20)
    other = few.shuffled_tests().shuffled_targets(0.5).data
    assert (other.n_train, other.n_test) == (20, stories.n_test)
    assert other.lengths_test is not None
    assert stories.lengths_test is not None
    assert sorted(other.lengths_test) == sorted(stories.lengths_test)
    assert made(stories, few.recipe).fingerprint == few.data.fingerprint


@pytest.mark.parametrize("name", ["columns standardized", "with a column of 1", "times three"])
def test_columns_of_sequences_are_left_alone(name: str) -> None:
    with pytest.raises(NotHere, match="the rows of stories:n=200 are sequences"):
        EVERY[name](Prepared(load("stories:n=200")))


def test_targets_far_from_one_are_standardized_and_others_left() -> None:
    assert Prepared(prices(3)).learnable().data.name == "prices"
    rich = Prepared(prices(250_000)).learnable().data
    assert rich.name == "prices, target standardized"
    assert rich.y_train.std() == pytest.approx(1, abs=1e-5)
    assert rich.y_test[0] == rich.y_train[0]
    assert Prepared(prices(1e-5)).learnable().data.name == "prices, target standardized"


def test_columns_of_one_scale_are_left_as_they_are() -> None:
    assert alike(load("digits"))
    assert Prepared(load("digits")).of_one_scale().data is load("digits")
    assert Prepared(load("cookies")).of_one_scale().data.name == "cookies, columns standardized"
    flat = np.ones((30, 2), np.float32)
    y = tea(30).y_train
    none = Dataset("flat", "classification", flat, y, flat, y, ("a", "b"), ("no", "yes"))
    assert alike(none), "columns that do not vary have no scale"
