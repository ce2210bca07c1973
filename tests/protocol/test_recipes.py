"""Data sets made from others."""

from __future__ import annotations

import numpy as np
import pytest
from race_models import tea

from evenbatch.data import Dataset, load
from evenbatch.protocol import derived


def prices(scale: float) -> Dataset:
    """A regression whose targets are of the size of `scale`."""
    x = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    y = (scale * x).astype(np.float32)
    return Dataset("prices", "regression", x, y, x[:9], y[:9], ("x",), ())


def test_standardizing_uses_training_rows_only_and_leaves_constants_at_zero() -> None:
    data = derived.with_constant(load("digits"), 0.1)
    even = derived.standardized(data)
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
    few = derived.fewer_rows(load("digits"), 200)
    counts = np.bincount(few.y_train)
    assert counts.sum() == 200
    assert counts.min() >= 18
    assert np.array_equal(few.x_test, load("digits").x_test)


def test_shuffling_keeps_the_targets_but_not_their_rows() -> None:
    data = load("digits")
    noisy = derived.shuffled_targets(data, 0.5)
    assert np.array_equal(np.bincount(noisy.y_train), np.bincount(data.y_train))
    changed = (noisy.y_train != data.y_train).mean()
    assert changed == pytest.approx(0.45, abs=0.03)  # a tenth is dealt its own class again
    assert np.array_equal(noisy.y_test, data.y_test)


def test_a_derived_set_has_a_name_and_a_fingerprint_of_its_own() -> None:
    data = tea(40)
    made = [
        derived.standardized(data),
        derived.with_constant(data, 1),
        derived.fewer_rows(data, 20),
        derived.shuffled_targets(data, 0.5),
        derived.rescaled(data, 3, "times three"),
    ]
    assert len({d.name for d in (data, *made)}) == 6
    assert len({d.fingerprint for d in (data, *made)}) == 6
    assert made[2].name == "tea, 20 rows"


def test_targets_far_from_one_are_standardized_and_others_left() -> None:
    assert derived.learnable(prices(3)).name == "prices"
    rich = derived.learnable(prices(250_000))
    assert rich.name == "prices, target standardized"
    assert rich.y_train.std() == pytest.approx(1, abs=1e-5)
    assert rich.y_test[0] == rich.y_train[0]
    assert derived.learnable(prices(1e-5)).name == "prices, target standardized"
