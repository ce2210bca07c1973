"""The cookie factory: its truth, its balance, its drift, and that it can be learned."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from evenbatch.data import DataError, Dataset, load
from evenbatch.data.cookies import CLASSES, INGREDIENTS, Floats, generate, truth
from evenbatch.data.split import split_rows

TRAYS = generate()


def plain_truth(row: dict[str, float]) -> tuple[str, float]:
    """docs/data.md again, one row at a time in plain Python, without noise."""
    h = (
        math.log(row["bake_s"] / 720)
        + (row["oven_c"] - 180) / 80
        - 2 / 3 * math.log(row["cookie_g"] / 40)
    )
    w = math.log((row["butter_g"] + 20 * row["eggs"] + 30 * row["sugar_cups"]) / row["flour_g"])
    if h > 0.28:
        cookie = "burnt"
    elif h < -0.28:
        cookie = "raw"
    elif w > 0.12:
        cookie = "flat"
    elif w < -0.14:
        cookie = "crumbly"
    else:
        cookie = "perfect"
    taste = 1 + 6 * math.exp(-((h / 0.6) ** 2) - (w / 0.45) ** 2)
    taste += 2 * math.tanh((row["chocolate_pieces"] - 100) / 40)
    taste -= ((row["salt_pinches"] - 12) / 8) ** 2
    taste += 0.5 * math.tanh((row["vanilla_ml"] - 15) / 5)
    return cookie, min(max(taste, 0), 10)


def test_truth_is_the_documented_one() -> None:
    cookie, taste = truth(TRAYS.x[:500], np.zeros((500, 2)))
    for i in range(500):
        kind, points = plain_truth(dict(zip(TRAYS.columns, TRAYS.x[i], strict=True)))
        assert CLASSES[cookie[i]] == kind
        assert taste[i] == pytest.approx(points, abs=0.0500001)


def test_documented_figures() -> None:
    """docs/data.md states every ingredient's figures and every class's share at seed 0."""
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for i in INGREDIENTS:
        row = f"| `{i.name}` | {i.typical} | {i.drift} | {i.spread} | {i.step} |"
        assert row in text, row
    for name, count in zip(CLASSES, np.bincount(TRAYS.cookie), strict=True):
        assert re.search(rf"\| {name} \|.*\| {count / 40:.0f} % \|", text), name
    cookie, _ = truth(TRAYS.x, np.zeros((4000, 2)))
    assert f"in {100 * np.mean(cookie == TRAYS.cookie):.1f} % of trays" in text


def test_noise_is_small() -> None:
    cookie, taste = truth(TRAYS.x, np.zeros((4000, 2)))
    assert 0.98 < np.mean(cookie == TRAYS.cookie) < 1
    assert 0.1 < np.std(taste - TRAYS.taste) < 0.2


def test_soda_and_humidity_change_nothing() -> None:
    x = TRAYS.x.copy()
    for name in ("soda_kg", "humidity_pct"):
        x[:, TRAYS.columns.index(name)] = 1.0
    before, after = truth(TRAYS.x, np.zeros((4000, 2))), truth(x, np.zeros((4000, 2)))
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_reasonably_balanced(seed: int) -> None:
    shares = np.bincount(generate(seed=seed).cookie, minlength=5) / 4000
    assert shares.min() > 0.1
    assert shares.max() < 0.36


def test_scales_differ_wildly() -> None:
    means = TRAYS.x.mean(axis=0)
    assert means.max() / means.min() > 50_000
    spreads = TRAYS.x.std(axis=0)
    assert spreads.max() / spreads.min() > 40_000


def test_shifts_drift() -> None:
    """The means of shifts vary far more than those of 40 random groups of 100 would."""
    assert TRAYS.shift.tolist() == [i // 100 for i in range(4000)]
    means = TRAYS.x.reshape(40, 100, 12).mean(axis=1)
    by_chance = TRAYS.x.std(axis=0) / 10
    assert (means.std(axis=0) > 2.5 * by_chance).all()
    following = np.corrcoef(
        *((means - means.mean(0)) / means.std(0))[np.array([range(39), range(1, 40)])].reshape(
            2, -1
        )
    )[0, 1]
    assert following > 0.4  # and a shift resembles the one before


def test_readings_are_what_a_scale_shows() -> None:
    for i, column in zip(INGREDIENTS, TRAYS.x.T, strict=True):
        np.testing.assert_allclose(column / i.step, np.rint(column / i.step), atol=1e-9)
        assert column.min() >= i.least
    np.testing.assert_allclose(TRAYS.taste * 10, np.rint(TRAYS.taste * 10), atol=1e-9)
    assert TRAYS.taste.min() >= 0
    assert TRAYS.taste.max() <= 10


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = generate(137, seed=5), generate(1050, seed=5)
    np.testing.assert_array_equal(long.x[:137], short.x)
    np.testing.assert_array_equal(long.cookie[:137], short.cookie)
    np.testing.assert_array_equal(long.taste[:137], short.taste)
    assert generate(1).x.shape == (1, 12)


def test_seeds_differ() -> None:
    assert not np.array_equal(generate(100, seed=1).x, generate(100, seed=2).x)


def test_fingerprints_are_pinned() -> None:
    """If this fails the data has changed, and every stored curve on it is worth nothing."""
    assert load("cookies").fingerprint == "f9abcd1cbc110461"
    assert load("cookies-taste").fingerprint == "b1efcea7d7c20a94"


def test_rows_of_a_shift_can_be_found_in_the_data_set() -> None:
    """What docs/data.md tells an experiment on drift to do."""
    data = load("cookies")
    train, test = split_rows(4000, test_share=0.2, seed=0, labels=TRAYS.cookie)
    np.testing.assert_array_equal(data.x_train, TRAYS.x[train].astype(np.float32))
    np.testing.assert_array_equal(data.y_test, TRAYS.cookie[test])
    assert (np.bincount(TRAYS.shift[train]) > 60).all()
    assert (np.bincount(TRAYS.shift[test]) > 5).all()


@pytest.mark.parametrize(
    ("n", "seed", "message"),
    [
        (0, 0, "cookies: n is 0; a whole number of at least 1"),
        (2.5, 0, "n is 2.5"),
        (True, 0, "n is True"),
        (10, -1, "seed is -1; a whole number of at least 0"),
        (10, "0", "seed is '0'"),
    ],
)
def test_wrong_arguments(n: Any, seed: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        generate(n, seed)


def test_a_small_network_learns_it_once_the_scales_are_even() -> None:
    """Standardized, 90 % at least; as it comes, far less from the same training."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    def evened(dataset: Dataset) -> tuple[Floats, Floats]:
        mean, spread = dataset.x_train.mean(axis=0), dataset.x_train.std(axis=0)
        return (dataset.x_train - mean) / spread, (dataset.x_test - mean) / spread

    data, taste = load("cookies"), load("cookies-taste")
    (x, x_test), (t, t_test) = evened(data), evened(taste)
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (32, 32),
        "batch_size": 32,
        "max_iter": 12,
        "learning_rate_init": 0.005,
        "random_state": 0,
    }
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        even = MLPClassifier(**settings).fit(x, data.y_train)
        raw = MLPClassifier(**settings).fit(data.x_train, data.y_train)
        line = MLPRegressor(**settings).fit(t, taste.y_train[:, 0])
    accuracy = even.score(x_test, data.y_test)
    assert accuracy > 0.9
    assert raw.score(data.x_test, data.y_test) < accuracy - 0.1
    assert line.score(t_test, taste.y_test[:, 0]) > 0.9
