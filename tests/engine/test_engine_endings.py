"""How a training ends: finished, diverged at a step, stopped; and that no thread is left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch_twin import train_twin

from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    Curve,
    Network,
    Session,
    SettingError,
    Trial,
    initial_weights,
    minibatches,
    session,
    train,
)
from evenbatch.engine.network import ACTIVATIONS, NORMALIZERS
from harness import assert_same_curves, classification, regression

CLASSES, TARGETS = classification(9, 4), regression(7, 2)
DATA = {d.name: d for d in (CLASSES, TARGETS)}
ENDLESS = 10_000_000


def trial(data: Dataset = CLASSES, hidden: Any = (16, 16), **settings: Any) -> Trial:
    network = {k: settings.pop(k) for k in ("norm", "activation", "init") if k in settings}
    return Trial(Network(data.n_features, hidden, data.n_outputs, **network), data.name, **settings)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    yield
    left = [t for t in threading.enumerate() if t.name.startswith("evenbatch_")]
    assert not left, f"still running: {left}"


# ---- diverged ------------------------------------------------------------------------------------

DIVERGING = {
    "relu": trial(TARGETS, learning_rate=30.0),
    "relu, deep": trial(CLASSES, (16,) * 6, learning_rate=100.0, init="he"),
    "leaky relu": trial(TARGETS, activation="leaky_relu", learning_rate=50.0),
    "gelu": trial(TARGETS, activation="gelu", learning_rate=20.0),
    "tanh": trial(TARGETS, activation="tanh", learning_rate=40.0),
    "sigmoid": trial(TARGETS, activation="sigmoid", learning_rate=100.0),
    "momentum": trial(TARGETS, activation="tanh", optimizer="momentum", learning_rate=20.0),
    "adamw, strong decay": trial(
        TARGETS, optimizer="adamw", learning_rate=1e3, weight_decay=10.0, steps=300
    ),
    "batch": trial(TARGETS, norm="batch", learning_rate=300.0),
    "layer": trial(TARGETS, norm="layer", learning_rate=300.0),
    "decay": trial(CLASSES, learning_rate=1.0, weight_decay=30.0),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_divergence_is_noticed_at_the_step_pytorch_notices_it(name: str) -> None:
    made = replace(DIVERGING[name], steps=200, evaluate_every=1, seed=2, batch_size=24)
    data = DATA[made.data]
    [curve] = train([made], DATA)
    weights = initial_weights(made.network, made.seed)
    batches = minibatches(data.n_train, made.batch_size, made.steps, made.seed)
    run = train_twin(made, data, weights, batches, torch.float32)
    assert run.diverged_at is not None, "PyTorch did not diverge; the test proves nothing"
    assert curve.ended == "diverged"
    assert curve.diverged
    assert curve.ended_at == run.diverged_at
    # The steps before are there, the one that failed is not.
    assert curve.step[-1] == curve.ended_at
    assert np.isfinite(curve.train_loss[1:]).all()


def test_an_activation_that_overflows_is_a_divergence() -> None:
    """ReLU of −inf is NaN here, so an overflow is noticed at once. PyTorch makes it 0, and
    the training staggers on for two steps with a loss of 1e34.
    """
    made = trial(
        TARGETS, optimizer="momentum", learning_rate=20.0, batch_size=24, seed=2, steps=200
    )
    [curve] = train([made], DATA)
    weights = initial_weights(made.network, made.seed)
    batches = minibatches(TARGETS.n_train, made.batch_size, made.steps, made.seed)
    run = train_twin(made, TARGETS, weights, batches, torch.float32)
    assert run.diverged_at is not None
    assert (curve.ended, curve.ended_at) == ("diverged", run.diverged_at - 2)
    assert run.losses[curve.ended_at - 1] > 1e30


def test_a_diverged_trial_leaves_the_others_alone() -> None:
    good = [
        trial(steps=60, learning_rate=0.05, norm=norm, seed=i) for i, norm in enumerate(NORMALIZERS)
    ]
    bad = replace(DIVERGING["relu"], evaluate_every=3)
    mixed = [t for one in good for t in (bad, one)]
    curves = train(mixed, DATA, threads=2, keep_weights=True)
    for curve in curves[::2]:
        assert curve.ended == "diverged"
        assert_same_curves(curve, curves[0])
    for curve, one in zip(curves[1::2], good, strict=True):
        assert curve.ended == "finished"
        assert_same_curves(curve, train([one], DATA, keep_weights=True)[0])


def with_value(data: Dataset, row: int, value: float) -> Dataset:
    """The data with one bad cell, which `Dataset` itself would refuse."""
    changed = replace(data, name="bad")
    x = data.x_train.copy()
    x[row, 2] = value
    object.__setattr__(changed, "x_train", x)
    return changed


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMALIZERS)
def test_a_nan_in_the_data_is_not_hidden(activation: str, norm: str) -> None:
    """Not by relu, not by a normalizer: training ends at the first minibatch that holds the row."""
    data = with_value(CLASSES, 13, np.nan)
    made = replace(trial(activation=activation, norm=norm, steps=30), data="bad", seed=3)
    rows = minibatches(data.n_train, made.batch_size, made.steps, made.seed)
    first = int(np.flatnonzero((rows == 13).any(axis=1))[0])
    [curve] = train([made], {"bad": data})
    assert (curve.ended, curve.ended_at) == ("diverged", first)


def test_a_nan_in_the_test_set_shows_in_the_test_loss() -> None:
    data = replace(CLASSES, name="bad")
    x = CLASSES.x_test.copy()
    x[5, 1] = np.nan
    object.__setattr__(data, "x_test", x)
    for norm in NORMALIZERS:
        [curve] = train([replace(trial(norm=norm, steps=3), data="bad")], {"bad": data})
        assert curve.ended == "finished"
        assert np.isnan(curve.test_loss).all()
        assert (curve.metric <= 40 / 41).all(), "a NaN is not a right answer"


def test_a_diverged_trial_keeps_its_probes_and_has_no_more() -> None:
    [curve] = train([replace(DIVERGING["relu"], probe_every=1)], DATA)
    assert curve.probes is not None
    assert list(curve.probes.step) == list(range(curve.ended_at))
    assert curve.probes.input_mean.shape == (curve.ended_at, 3)


# ---- stopped -------------------------------------------------------------------------------------


def test_stop_keeps_the_curve_so_far() -> None:
    trials = [trial(steps=steps, evaluate_every=10) for steps in (20, 50, 200)]
    full = train(trials, DATA)
    running = Session(trials, DATA, threads=2)
    running.advance(35)
    assert [c.ended for c in running.curves()] == ["finished", "running", "running"]
    running.stop()
    assert running.finished
    running.advance(1000)
    running.close()
    curves = running.curves()
    assert [(c.ended, c.ended_at) for c in curves] == [
        ("finished", 20), ("stopped", 35), ("stopped", 35),
    ]  # fmt: skip
    for curve, whole in zip(curves, full, strict=True):
        kept = len(curve.step)
        assert kept == (3 if curve.ended == "finished" else 4)
        np.testing.assert_array_equal(curve.step, whole.step[:kept])
        np.testing.assert_array_equal(curve.test_loss, whole.test_loss[:kept])
        np.testing.assert_array_equal(curve.train_loss[1:], whole.train_loss[1:kept])


def test_stop_from_another_thread_ends_a_long_advance() -> None:
    running = Session([trial(steps=ENDLESS, norm=norm) for norm in NORMALIZERS], DATA, threads=2)
    caller = threading.Thread(target=running.advance, args=(ENDLESS,))
    caller.start()
    while running.curves()[0].ended_at == 0:
        time.sleep(0.01)
    running.stop()
    caller.join(timeout=60)
    assert not caller.is_alive(), "advance goes on after stop"
    running.close()
    for curve in running.curves():
        assert curve.ended == "stopped"
        assert curve.ended_at < ENDLESS
        assert list(curve.step) == ([0] if curve.ended_at else [])


def test_leaving_a_session_ends_its_threads_and_curves_can_still_be_read() -> None:
    with Session([trial(steps=100)], DATA, threads=2) as running:
        running.advance(40)
    assert running.curves()[0].ended == "stopped"
    assert running.curves()[0].ended_at == 40


def test_a_finished_session_stays_finished() -> None:
    with Session([trial(steps=30), DIVERGING["relu"]], DATA) as running:
        running.advance(5000)
        assert running.finished
        before = running.curves()
        running.advance(10)
    for one, other in zip(before, running.curves(), strict=True):
        assert_same_curves(one, other)
    assert [c.ended for c in running.curves()] == ["finished", "diverged"]


def test_advance_by_nothing_is_refused() -> None:
    with (
        Session([trial(steps=10)], DATA) as running,
        pytest.raises(SettingError, match="steps is 0; advance by at least 1"),
    ):
        running.advance(0)


def test_stream_yields_until_the_last_trial_ends() -> None:
    with Session([trial(steps=25), trial(steps=60)], DATA) as running:
        reached = []
        for _ in running.stream(chunk=20):
            reached.append([c.ended_at for c in running.curves()])
    assert reached == [[20, 20], [25, 40], [25, 60]]


# ---- on_curve, errors and interrupts -------------------------------------------------------------


def test_on_curve_is_called_once_for_each_trial_in_the_callers_thread() -> None:
    trials = [trial(steps=20 + 7 * i, seed=i) for i in range(9)] + [DIVERGING["relu"]]
    seen: list[tuple[int, Curve, str]] = []
    curves = train(
        trials, DATA, threads=2,
        on_curve=lambda place, curve: seen.append((place, curve, threading.current_thread().name)),
    )  # fmt: skip
    assert sorted(place for place, _, _ in seen) == list(range(10))
    assert {name for _, _, name in seen} == {threading.current_thread().name}
    for place, curve, _ in seen:
        assert curves[place] is curve
        assert curve.trial == trials[place]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_error_in_on_curve_ends_all_training(error: type[BaseException]) -> None:
    """Trials that would run for hours stop at once; what was finished has been handed over."""
    kept = []

    def on_curve(place: int, curve: Curve) -> None:
        kept.append((place, curve.ended))
        raise error("enough")

    trials = [trial(steps=40), *(trial(steps=ENDLESS, seed=i) for i in range(6))]
    with pytest.raises(error, match="enough"):
        train(trials, DATA, threads=2, on_curve=on_curve)
    assert kept == [(0, "finished")]


def test_ctrl_c_ends_all_training() -> None:
    """A real interrupt, arriving while the caller waits for trials that would run for hours."""
    kept = []

    def on_curve(place: int, curve: Curve) -> None:
        kept.append(place)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    trials = [trial(steps=40), *(trial(steps=ENDLESS, seed=i) for i in range(3))]
    with pytest.raises(KeyboardInterrupt):
        train(trials, DATA, threads=2, on_curve=on_curve)
    assert kept == [0]


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: Any, until: int, scratch: Any) -> None:
        if state.trial.seed == 3:
            raise MemoryError("planted")
        original(state, until, scratch)

    original = session.TrialState.advance
    monkeypatch.setattr(session.TrialState, "advance", fail)
    trials = [trial(steps=ENDLESS, seed=seed) for seed in (1, 3)]
    with pytest.raises(MemoryError, match="planted"):
        train(trials, DATA, threads=2)
    running = Session(trials, DATA, threads=2)
    with pytest.raises(MemoryError, match="planted"):
        running.advance(ENDLESS)
    running.close()
    assert running.finished


def test_nothing_to_train() -> None:
    assert train([], DATA) == []
    with Session([], DATA) as running:
        running.advance(1)
        assert running.finished
        assert running.curves() == []
