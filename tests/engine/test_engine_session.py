"""What stands around a training: what a network says of itself, injected starts, messages."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from evenbatch.engine import (
    Network,
    Session,
    Trial,
    cores,
    initial_weights,
    kernels_ready,
    minibatches,
    session,
    train,
)
from evenbatch.engine.trial import DTYPES
from harness import (
    assert_same_curves,
    classification,
    random_batches,
    random_weights,
    same_bits,
)

MEASURED = ("seconds", "train_loss", "test_loss", "metric", "train_eval_loss", "train_metric")

CLASSES = classification(9, 4)
DATA = {CLASSES.name: CLASSES}


def trial(**settings: int | float | str) -> Trial:
    return Trial(Network(9, (16, 8), 4, norm="batch"), CLASSES.name, **settings)  # type: ignore[arg-type]


# ---- a network -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "residual", "wanted"),
    [
        ((8, 8, 8, 8), 0, {}),
        ((8, 8, 8, 8), 1, {1: 0, 2: 1, 3: 2}),
        ((8, 8, 8, 8, 8), 2, {2: 0, 4: 2}),
        ((8, 8, 8, 8, 8, 8), 2, {2: 0, 4: 2}),  # the sixth layer completes no block
        ((8, 8, 8), 3, {}),
        ((8, 8, 8, 8), 3, {3: 0}),
        ((8, 5, 8, 5, 8), 1, {}),
        ((8, 5, 8, 5, 8), 2, {2: 0, 4: 2}),
        ((8, 8, 5, 5, 5), 1, {1: 0, 3: 2, 4: 3}),  # no way around where the width changes
        ((8,), 1, {}),
    ],
)
def test_skips(hidden: tuple[int, ...], residual: int, wanted: dict[int, int]) -> None:
    """The first layer stands alone; then each block of `residual` layers adds its input."""
    assert Network(9, hidden, 4, residual=residual).skips() == wanted


def test_a_layer_right_before_a_batch_normalizer_has_no_bias() -> None:
    for norm, placement, wanted in (
        ("batch", "before", [False, False, True]),
        ("batch", "after", [True] * 3),
        ("batch", "input", [True] * 3),
        ("layer", "before", [True] * 3),
        ("none", "before", [True] * 3),
    ):
        network = Network(9, (16, 8), 4, norm=norm, placement=placement)
        assert [network.has_bias(layer) for layer in range(3)] == wanted
        weights = initial_weights(network, 0)
        assert [layer.bias is not None for layer in weights.linears] == wanted
        assert len(weights.norms) == len(network.normalized_widths)


def test_weights_have_pytorchs_shapes() -> None:
    weights = initial_weights(Network(9, (16, 8), 4, norm="batch"), 0)
    assert [layer.weight.shape for layer in weights.linears] == [(16, 9), (8, 16), (4, 8)]
    for norm, width in zip(weights.norms, (16, 8), strict=True):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        np.testing.assert_array_equal(norm.running_mean, np.zeros(width))
        np.testing.assert_array_equal(norm.running_var, np.ones(width))
    assert initial_weights(Network(9, (4,), 4), 0, np.float64).linears[0].weight.dtype == np.float64


# ---- injected starts -----------------------------------------------------------------------------


def test_what_is_injected_for_one_trial_leaves_the_others_alone() -> None:
    made = trial(steps=40, batch_size=16, evaluate_every=10)
    weights = random_weights(made.network, 5, np.float32)
    batches = random_batches(CLASSES.n_train, 16, 40, 5)
    with Session([made, made], DATA, weights={1: weights}, batches={1: batches}) as running:
        running.advance(40)
        plain, changed = running.curves()
    assert_same_curves(plain, train([made], DATA)[0])
    assert (plain.test_loss != changed.test_loss).all()


def test_injecting_what_the_seed_gives_changes_nothing() -> None:
    made = trial(steps=40, batch_size=16, evaluate_every=10, seed=9)
    weights = initial_weights(made.network, 9)
    batches = minibatches(CLASSES.n_train, 16, 40, 9)
    with Session([made], DATA, weights={0: weights}, batches={0: batches}) as running:
        for _ in running.stream(7):
            pass
        assert_same_curves(running.curves()[0], train([made], DATA)[0])


def test_a_data_set_given_by_name_comes_before_one_that_is_known() -> None:
    named = Trial(Network(9, (4,), 4), "digits", steps=5)
    [curve] = train([named], {"digits": CLASSES})
    assert curve.ended == "finished"


def test_weights_are_kept_only_when_asked_for_and_are_copies() -> None:
    assert train([trial(steps=3)], DATA)[0].weights is None
    with Session([trial(steps=30)], DATA, keep_weights=True) as running:
        running.advance(10)
        early = running.curves()[0].weights
        assert early is not None
        before = early.linears[0].weight.copy()
        running.advance(10)
        np.testing.assert_array_equal(early.linears[0].weight, before)


# ---- messages ------------------------------------------------------------------------------------


def test_a_curve_says_how_it_went() -> None:
    [curve] = train([trial(steps=12)], DATA)
    assert repr(curve) == (
        f"<Curve {curve.trial.key[:8]}: finished at step 12, metric {curve.metric[-1]:.4g}>"
    )
    with Session([trial(steps=12)], DATA) as running:
        assert repr(running.curves()[0]).endswith(": running at step 0>")


def test_compiling_is_announced_once_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train([trial(steps=1)], DATA)
    assert kernels_ready()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(session, "kernels_ready", lambda: False)
    train([trial(steps=1)], DATA)
    assert "evenbatch: compiling its kernels (" in capsys.readouterr().err
    monkeypatch.setattr(session, "cache_folder", lambda: None)
    with Session([trial(steps=1)], DATA) as running:
        running.advance(1)
    assert "in each process: no cache folder can be written" in capsys.readouterr().err


def test_cores() -> None:
    assert cores() >= 1


# ---- curves kept elsewhere -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_curve_rounded_to_float32_survives_being_kept_as_float32(dtype: str) -> None:
    made = trial(steps=40, evaluate_train=True, probe_every=20, landscape_every=9, dtype=dtype)
    [curve] = train([made], DATA, keep_weights=True)
    rounded = curve.rounded()
    for name in MEASURED:
        found, exact = getattr(rounded, name), getattr(curve, name)
        assert found.dtype == exact.dtype == np.float64
        assert same_bits(found, found.astype(np.float32).astype(np.float64)), name
        np.testing.assert_allclose(found, exact, rtol=1e-7)
    assert not same_bits(rounded.test_loss, curve.test_loss), "float64 holds more than that"
    assert_same_curves(rounded.rounded(), rounded)
    assert curve.landscape is not None
    assert rounded.landscape is not None
    for name, found in vars(rounded.landscape).items():
        exact = getattr(curve.landscape, name)
        assert found.dtype == exact.dtype
        if name != "step":
            assert same_bits(found, found.astype(np.float32).astype(np.float64)), name
            np.testing.assert_allclose(found, exact, rtol=1e-7)
    measured = {name: getattr(curve, name) for name in (*MEASURED, "landscape")}
    assert_same_curves(replace(rounded, **measured), curve)  # nothing else is touched


def test_every_measured_array_of_a_curve_is_rounded() -> None:
    """All of them are float64: probes are float32 as they are, and steps are whole numbers."""
    [curve] = train([trial(steps=40, probe_every=20)], DATA)
    kinds = {name: value.dtype for name, value in vars(curve).items() if hasattr(value, "dtype")}
    assert {name for name, kind in kinds.items() if kind == np.float64} == set(MEASURED)
    assert {value.dtype.name for value in vars(curve.probes).values()} == {"int64", "float32"}


def test_a_loss_beyond_float32_is_rounded_to_infinity() -> None:
    [curve] = train([trial(steps=3)], DATA)
    huge = replace(curve, test_loss=np.array([1e300, -1e300, np.nan, 1.0]))
    np.testing.assert_array_equal(huge.rounded().test_loss, [np.inf, -np.inf, np.nan, 1.0])


def test_a_curve_can_be_pickled() -> None:
    made = trial(steps=40, probe_every=20, landscape_every=9)
    [curve] = train([made], DATA, keep_weights=True)
    copied = pickle.loads(pickle.dumps(curve))
    assert_same_curves(copied, curve)
    assert same_bits(copied.seconds, curve.seconds)
    assert copied.trial.key == curve.trial.key
