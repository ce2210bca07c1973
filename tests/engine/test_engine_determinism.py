"""The same trial gives the same curve to the bit, whatever trains beside it and however it is cut.

Also: paired arms start from the same weights and minibatches; and what minibatches are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    Conv,
    Curve,
    Network,
    Session,
    SettingError,
    Trial,
    initial_weights,
    minibatches,
    train,
)
from evenbatch.engine.network import ACTIVATIONS, AFFINE, NORMALIZERS, PLACEMENTS
from evenbatch.engine.trial import DTYPES, STATISTICS
from harness import arrays, assert_same_curves, classification, planes, regression, same_bits

IMAGES = planes(classification(64, 3), 8, 8, 1)
TABLES = (classification(9, 4), classification(21, 3, n_train=150), regression(7, 2))
DATA: dict[str, Dataset] = {d.name: d for d in (*TABLES, IMAGES)}
CLASSES, WIDE, TARGETS, _ = DATA


@cache
def trials() -> tuple[Trial, ...]:
    """Small and large, of every normalizer and optimizer, with probes and evaluations between."""
    found = []
    for i, norm in enumerate(NORMALIZERS):
        for data in TABLES:
            network = Network(
                data.n_features,
                ((24, 24, 24), (40,), (12, 36, 12))[i % 3],
                data.n_outputs,
                norm=norm,
                activation=ACTIVATIONS[(i + len(found)) % len(ACTIVATIONS)],
                placement=("before", "after")[len(found) % 2],
                affine=AFFINE[len(found) % 4],
                residual=i % 3,
                dropout=0.2 * (i % 2),
                drift=1.0 * (len(found) % 4 == 2),
            )
            found.append(
                Trial(
                    network,
                    data.name,
                    optimizer=("sgd", "momentum", "adam", "adamw")[len(found) % 4],
                    learning_rate=0.01,
                    batch_size=(7, 16, 33)[len(found) % 3],
                    steps=140 + len(found),
                    seed=len(found),
                    evaluate_every=25,
                    evaluate_train=i % 2 == 0,
                    probe_every=20 * (len(found) % 2),
                    statistics=STATISTICS[len(found) % 3],
                    landscape_every=30 * (len(found) % 3 == 1),
                    dtype=DTYPES[len(found) % 5 == 4],
                )
            )
    for n, norm in enumerate(NORMALIZERS):
        network = Network(
            64, (12,) * (n % 2), 3, norm=norm, conv=(8, Conv(24, pool="max"), 24), residual=n % 2,
            shape=IMAGES.shape, flatten=n % 3 == 1, dropout=0.2 * (n % 2),
        )  # fmt: skip
        found.append(
            Trial(
                network, IMAGES.name, steps=60 + n, batch_size=(7, 33)[n % 2], seed=n,
                evaluate_every=25, landscape_every=20, learning_rate=0.02,
                statistics=STATISTICS[n % 3], dtype=DTYPES[n == 1],
            )
        )  # fmt: skip
    large = Network(21, (300, 310), 3, norm="batch")  # its products go to BLAS
    found.append(Trial(large, WIDE, batch_size=100, steps=20, learning_rate=0.01))
    return tuple(found)


@cache
def alone() -> tuple[Curve, ...]:
    """Each trial trained by itself on one thread."""
    return tuple(train([t], DATA, threads=1, keep_weights=True)[0] for t in trials())


def check(curves: list[Curve], wanted: Any = None) -> None:
    for one, other in zip(curves, alone() if wanted is None else wanted, strict=True):
        assert_same_curves(one, other)


def test_the_curves_are_worth_comparing() -> None:
    for curve in alone():
        assert curve.ended == "finished"
        assert np.isfinite(curve.test_loss).all()
        assert curve.test_loss[-1] != curve.test_loss[0]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads: int) -> None:
    check(train(trials(), DATA, threads=threads, keep_weights=True))


def test_any_order() -> None:
    check(train(trials()[::-1], DATA, threads=2, keep_weights=True)[::-1])


def test_twins_in_one_call_are_equal() -> None:
    curves = train([trials()[4]] * 5, DATA, threads=2, keep_weights=True)
    check(curves, [alone()[4]] * 5)


@pytest.mark.parametrize("chunk", [1, 7, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_any_chunk(chunk: int, threads: int) -> None:
    with Session(trials(), DATA, threads=threads, keep_weights=True) as session:
        for _ in session.stream(chunk):
            session.curves()  # looking changes nothing
        check(session.curves())


def test_uneven_chunks() -> None:
    with Session(trials(), DATA, keep_weights=True) as session:
        for chunk in (3, 1, 50, 17, 1000):
            session.advance(chunk)
        assert session.finished
        check(session.curves())


def test_sessions_side_by_side() -> None:
    """Two callers at once, each with threads of its own."""
    found: dict[int, list[Curve]] = {}

    def call(place: int) -> None:
        found[place] = train(trials(), DATA, threads=2, keep_weights=True)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    check(found[0])
    check(found[1])


def test_what_an_earlier_trial_left_behind_does_not_matter() -> None:
    """A diverged trial fills its thread's workspace with NaN; all that follow there agree."""
    wide = Network(21, (300, 40), 3, init="gaussian", sigma=1e3)
    spoiler = Trial(wide, WIDE, learning_rate=1e6, batch_size=150, steps=50)
    mixed = [t for trial in trials() for t in (spoiler, trial)]
    curves = train(mixed, DATA, threads=1, keep_weights=True)
    assert all(curve.diverged for curve in curves[::2])
    check(curves[1::2])


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_an_eps_of_zero_stays_out_of_the_live_columns(activation: str) -> None:
    """Padding columns have no variance: they divide by zero, and no weight may notice."""
    zero = Network(
        9, (13, 13, 13), 4, norm="batch", eps=0.0, activation=activation, residual=1, dropout=0.1
    )
    made = [
        Trial(
            replace(zero, eps=eps), CLASSES, steps=60, optimizer="adam", learning_rate=0.01,
            dtype="float64",
        )
        for eps in (0.0, 1e-300)
    ]  # fmt: skip
    one, other = train(made, DATA, keep_weights=True)
    assert one.weights is not None
    assert other.weights is not None
    for (name, a), (_, b) in zip(arrays(one.weights), arrays(other.weights), strict=True):
        assert np.isfinite(a).all(), name
        assert same_bits(a, b), name


def test_an_evaluation_or_a_probe_changes_no_weight() -> None:
    for place in (1, 3, 6):
        trial = replace(trials()[place], evaluate_every=0, probe_every=0, evaluate_train=False)
        bare = train([trial], DATA, keep_weights=True)[0]
        watched = alone()[place]
        assert bare.weights is not None
        assert watched.weights is not None
        for (name, a), (_, b) in zip(arrays(bare.weights), arrays(watched.weights), strict=True):
            assert same_bits(a, b), name


# ---- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", ["torch", "he", "xavier", "gaussian"])
def test_paired_networks_start_from_the_same_linear_layers(init: str) -> None:
    plain = initial_weights(Network(9, (16, 16), 4, init=init), seed=5)
    for norm in NORMALIZERS:
        for placement in PLACEMENTS:
            network = Network(
                9, (16, 16), 4, init=init, norm=norm, placement=placement, activation="gelu",
                residual=1, groups=1 if placement == "input" else 4,
            )  # fmt: skip
            found = initial_weights(network, seed=5)
            for layer, (one, other) in enumerate(zip(plain.linears, found.linears, strict=True)):
                assert same_bits(one.weight, other.weight)
                if network.has_bias(layer):
                    assert same_bits(one.bias, other.bias)
                else:
                    assert other.bias is None
            for values in found.norms:
                assert (values.gamma == 1).all()
                assert (values.beta == 0).all()


@pytest.mark.parametrize("init", ["torch", "he", "xavier", "gaussian"])
def test_layers_and_seeds_draw_different_weights(init: str) -> None:
    drawn = [
        layer.weight
        for seed in (0, 1, 1 << 32, (1 << 63) - 1)
        for layer in initial_weights(Network(16, (16, 16), 16, init=init), seed).linears
    ]
    flat = np.array([weight.ravel() for weight in drawn])
    together = np.corrcoef(flat) - np.eye(len(flat))
    # 66 pairs of 256 numbers: chance alone reaches 0.2 once in ten such tables.
    assert np.abs(together).max() < 0.25


@pytest.mark.parametrize(
    ("init", "spread"),
    [
        ("torch", 1 / np.sqrt(3 * 400)),
        ("he", np.sqrt(2 / 400)),
        ("xavier", np.sqrt(2 / (400 + 300))),
        ("gaussian", 0.07),
    ],
)
def test_initial_weights_have_the_spread_their_source_says(init: str, spread: float) -> None:
    weight = initial_weights(Network(400, (300,), 2, init=init, sigma=0.07), 1).linears[0].weight
    assert weight.shape == (300, 400)
    # 120,000 draws: the sample's standard deviation is within 1 % of the truth.
    np.testing.assert_allclose(weight.std(), spread, rtol=0.01)
    assert abs(weight.mean()) < 0.02 * spread
    top = np.abs(weight).max() / spread
    assert top == pytest.approx(np.sqrt(3), rel=1e-3) if init in ("torch", "xavier") else top > 4


# ---- minibatches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "batch"), [(97, 10), (97, 97), (32, 32), (33, 32), (5, 1), (1, 1)])
def test_an_epoch_visits_each_row_at_most_once(n: int, batch: int) -> None:
    each = n // batch
    rows = minibatches(n, batch, 4 * each + 1, seed=3)
    assert rows.shape == (4 * each + 1, batch)
    assert rows.dtype == np.int64
    epochs = rows[: 4 * each].reshape(4, each * batch)
    for epoch in epochs:
        assert len(set(epoch)) == each * batch
        assert epoch.min() >= 0
        assert epoch.max() < n
    if n > 5:
        assert len({tuple(epoch) for epoch in epochs}) == 4, "epochs differ"


def test_seeds_give_other_minibatches() -> None:
    seeds = (0, 1, 2, 1 << 32, (1 << 32) + 1, (1 << 63) - 1)
    found = {minibatches(50, 10, 5, seed).tobytes() for seed in seeds}
    assert len(found) == len(seeds), "both halves of the seed count"
    assert minibatches(50, 10, 5, 1).tobytes() in found


def test_longer_trainings_begin_the_same() -> None:
    short, long = minibatches(50, 10, 12, 7), minibatches(50, 10, 40, 7)
    np.testing.assert_array_equal(short, long[:12])


def test_rows_are_spread_evenly() -> None:
    """Chi-square over row and place: 12 rows, 6,000 epochs; 3.3 standard deviations are allowed."""
    n, epochs = 12, 6000
    rows = minibatches(n, n, epochs, seed=1)
    counts = np.array([np.bincount(rows[:, place], minlength=n) for place in range(n)])
    expected = epochs / n
    chi = ((counts - expected) ** 2 / expected).sum()
    freedom = (n - 1) ** 2
    assert abs(chi - freedom) < 3.3 * np.sqrt(2 * freedom), chi
    # Which row follows which: no order survives from epoch to epoch either.
    following = np.zeros((n, n))
    np.add.at(following, (rows[:, 0], rows[:, 1]), 1)
    expected = epochs / (n * (n - 1))
    off = following[~np.eye(n, dtype=bool)]
    chi, freedom = ((off - expected) ** 2 / expected).sum(), n * (n - 1) - 1
    assert abs(chi - freedom) < 3.3 * np.sqrt(2 * freedom), chi


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(SettingError, match=r"batch_size is 6 .* only 5 .*at most 5"):
        minibatches(5, 6, 1, seed=0)


TRAINED = """
import hashlib
from evenbatch.engine import Network, Trial, train
trials = [
    Trial(Network(inputs=12, hidden=(24, 24), outputs=5, norm=norm), data="cookies",
          learning_rate=0.1, steps=50, evaluate_every=10)
    for norm in ("none", "batch", "layer")
]
for curve in train(trials):
    print(hashlib.sha256(curve.test_loss.tobytes() + curve.metric.tobytes()).hexdigest())
"""


def test_compiled_just_now_or_read_from_the_cache(tmp_path: Path) -> None:
    """Numba lets a fresh kernel call other kernels' machine code; ours must call its own."""
    where = {**os.environ, "EVENBATCH_CACHE_DIR": str(tmp_path)}
    fresh, cached = (
        subprocess.run(
            [sys.executable, "-c", TRAINED], env=where, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert "compiling" in fresh.stderr
    assert "compiling" not in cached.stderr
    assert fresh.stdout.split() == cached.stdout.split()
