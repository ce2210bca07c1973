"""What recurrent networks promise beside agreement: padding, order and company change nothing;
what does not fit is refused; probes and running statistics tell what they say they do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from direct import Direct
from recurrent_twin import RecurrentTwin
from torch_twin import derivative, inputs_of, loss_of, make_optimizer, steepest

from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    Curve,
    LayerWeights,
    Network,
    NormWeights,
    Session,
    SettingError,
    Trial,
    Weights,
    initial_weights,
    minibatches,
    train,
)
from evenbatch.kernels.engine.losses import LOGIT_PADDING
from harness import (
    arrays,
    assert_same_curves,
    classification,
    random_weights,
    regression,
    same_bits,
    sequences,
)

CLASSES = sequences(classification(5, 4, n_train=83, n_test=37), 6, 5)
TARGETS = sequences(regression(5, 3, n_train=83, n_test=37), 5, 4)
ROWS = classification(5, 4)
DATA = {d.name: d for d in (CLASSES, TARGETS, ROWS)}
NORMS = ("none", "batch", "layer", "rms", "group")


def network(data: Dataset, **settings: Any) -> Network:
    settings = {"hidden": (12, 9), "activation": "tanh", "groups": 3} | settings
    return Network(data.n_features, outputs=data.n_outputs, time_steps=data.time_steps, **settings)


def trial(data: Dataset, made: Network, **settings: Any) -> Trial:
    settings = {
        "steps": 40, "batch_size": 9, "learning_rate": 0.05, "evaluate_every": 10,
        "probe_every": 13, "seed": 2,
    } | settings  # fmt: skip
    return Trial(made, data.name, **settings)


def longer(data: Dataset, time_steps: int) -> Dataset:
    """The same sequences with room for more steps."""
    parts = {}
    for part in ("train", "test"):
        x = getattr(data, f"x_{part}").reshape(-1, data.time_steps, data.n_features)
        room = np.zeros((len(x), time_steps, data.n_features), np.float32)
        room[:, : data.time_steps] = x
        parts[f"x_{part}"] = room.reshape(len(x), -1)
    return replace(data, name="longer", time_steps=time_steps, fingerprint="", **parts)


# ---- padding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("data", [CLASSES, TARGETS], ids=["classes", "targets"])
def test_room_for_more_steps_changes_nothing(data: Dataset, norm: str) -> None:
    """To the bit: curve, probes and weights; the steps nobody reaches keep their statistics."""
    wide = longer(data, data.time_steps + 7)
    curves = [
        train([trial(d, network(d, norm=norm))], {d.name: d}, keep_weights=True)[0]
        for d in (data, wide)
    ]
    short, long = curves
    for name in ("train_loss", "test_loss", "metric"):
        assert same_bits(getattr(short, name), getattr(long, name)), name
    assert short.probes is not None
    assert long.probes is not None
    for name, values in vars(short.probes).items():
        assert same_bits(values, getattr(long.probes, name)), f"probe {name}"
    assert short.weights is not None
    assert long.weights is not None
    for (name, a), (_, b) in zip(arrays(short.weights), arrays(long.weights), strict=True):
        if name.startswith("norm 0 running"):
            assert (b[data.time_steps :] == (0 if name.endswith("mean") else 1)).all()
            b = b[: data.time_steps]
        assert same_bits(a, b), name


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("garbage", [1.0, np.nan, np.inf])
def test_what_stands_after_the_end_is_not_read(norm: str, garbage: float) -> None:
    """To the bit: output and gradient."""
    made = network(CLASSES, norm=norm)
    direct = Direct(trial(CLASSES, made), CLASSES, random_weights(made, 3, np.float32), np.float32)
    clean = inputs_of(CLASSES, "train", torch.float32).numpy()[:9]
    dirty = clean.copy()
    after = np.arange(6) >= clean[:, -1:]
    dirty[:, :-1][np.repeat(after, 5, axis=1)] = garbage
    assert after.any()
    push = np.random.default_rng(0).normal(0, 1, (9, 4))
    theta = direct.theta
    one, other = (direct.gradient(x, theta, push) for x in (clean, dirty))
    assert same_bits(one, other)
    assert np.isfinite(one).all()
    assert np.abs(one).max() > 0
    assert same_bits(direct.output(clean, theta), direct.output(dirty, theta))


@pytest.mark.parametrize("fill", [np.nan, -1e30])
@pytest.mark.parametrize("norm", NORMS)
def test_what_the_workspace_held_before_does_not_matter(norm: str, fill: float) -> None:
    """And the padding of rows to 16 columns stays what it was, zero, also after NaN."""
    for data in (CLASSES, TARGETS):
        made = network(data, norm=norm, dropout=0.1, residual=1, hidden=(12, 12))
        states = []
        for value in (0.0, fill):
            weights = random_weights(made, 4, np.float32)
            direct = Direct(trial(data, made), data, weights, np.float32, value)
            direct.state.advance(40, direct.scratch)
            states.append(direct.state)
            wanted: Any = np.zeros(direct.tape.n_parameters, np.float32)
            if data is CLASSES:
                last = direct.tape.linears[-1]
                wanted[last.bias + last.outputs : last.bias + last.stride] = LOGIT_PADDING
            padding = direct.padding()
            np.testing.assert_array_equal(direct.theta[padding], wanted[padding])
        one, other = states
        for name in ("theta", "running"):
            assert same_bits(getattr(one.learner, name), getattr(other.learner, name)), name
        assert same_bits(one.log.probed, other.log.probed)
        assert same_bits(one.log.curve[:, :-1], other.log.curve[:, :-1])


@pytest.mark.parametrize("norm", NORMS)
def test_the_order_of_a_minibatch_does_not_matter(norm: str) -> None:
    """To rounding: outputs go with their rows, gradients are sums."""
    made = network(CLASSES, norm=norm)
    direct = Direct(trial(CLASSES, made), CLASSES, random_weights(made, 3, np.float64), np.float64)
    x = inputs_of(CLASSES, "train", torch.float64).numpy()[:9]
    push = np.random.default_rng(0).normal(0, 1, (9, 4))
    order = np.random.default_rng(1).permutation(9)
    theta = direct.theta
    np.testing.assert_allclose(
        direct.output(x[order], theta), direct.output(x, theta)[order], atol=1e-12
    )
    np.testing.assert_allclose(
        direct.gradient(x[order], theta, push[order]), direct.gradient(x, theta, push), atol=1e-12
    )


# ---- the same curve, always ----------------------------------------------------------------------


def mixed() -> list[Trial]:
    """Recurrent trials of all normalizers, with others between them in the same workspace."""
    found = []
    for i, norm in enumerate(NORMS):
        data = (CLASSES, TARGETS)[i % 2]
        made = network(data, norm=norm, dropout=0.1 * (i % 2), placement=("before", "after")[i % 2])
        found.append(trial(data, made, steps=120, batch_size=7 + i, seed=i, landscape_every=50))
        found.append(Trial(Network(5, (40,), 4, norm="batch"), ROWS.name, steps=60, seed=i))
        wild = Network(5, (40,), 4, time_steps=6, init="gaussian", sigma=1e3, activation="relu")
        found.append(Trial(wild, CLASSES.name, learning_rate=1e6, steps=20))
    return found


def test_threads_and_company_change_nothing() -> None:
    alone = [train([t], DATA, threads=1, keep_weights=True)[0] for t in mixed()]
    assert [curve.ended for curve in alone[2::3]] == ["diverged"] * 5
    assert {curve.ended for curve in alone[::3]} == {"finished"}
    for threads in (1, 2):
        for one, other in zip(
            train(mixed(), DATA, threads=threads, keep_weights=True), alone, strict=True
        ):
            assert_same_curves(one, other)
    with Session(mixed(), DATA, threads=2, keep_weights=True) as session:
        for _ in session.stream(7):
            pass
        for one, other in zip(session.curves(), alone, strict=True):
            assert_same_curves(one, other)


def test_paired_arms_start_from_the_same_weights() -> None:
    plain = initial_weights(network(CLASSES), seed=5)
    shapes = [layer.weight.shape for layer in plain.linears]
    assert shapes == [(12, 5), (12, 12), (9, 12), (4, 9)]
    assert plain.linears[1].bias is None
    for norm in NORMS[1:]:
        for one, other in zip(
            plain.linears, initial_weights(network(CLASSES, norm=norm), seed=5).linears, strict=True
        ):
            assert same_bits(one.weight, other.weight)


def test_weights_of_a_curve_can_be_trained_on() -> None:
    """Running statistics of the steps come back as they were, those never seen as such."""
    early = longer(sequences(classification(5, 4), 3, 5), 6)
    made = network(early, norm="batch")
    [curve] = train([trial(early, made)], {early.name: early}, keep_weights=True)
    assert curve.weights is not None
    again = trial(early, made, steps=1, evaluate_every=0, probe_every=0)
    with Session([again], {early.name: early}, weights={0: curve.weights}) as session:
        session.advance(1)
        assert session.curves()[0].test_loss[0] == curve.test_loss[-1]


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "made", "wanted"),
    [
        (
            CLASSES,
            Network(5, (8,), 4),
            f"the network has time_steps=0 but data set '{CLASSES.name}' holds sequences of 6 time "
            "steps; use Network(time_steps=6, …)",
        ),
        (
            CLASSES,
            Network(5, (8,), 4, time_steps=7),
            f"the network has time_steps=7 but data set '{CLASSES.name}' holds sequences of 6 time "
            "steps; use Network(time_steps=6, …)",
        ),
        (
            ROWS,
            Network(5, (8,), 4, time_steps=6),
            f"the network has time_steps=6 but data set '{ROWS.name}' holds no sequences; use "
            "Network(time_steps=0, …)",
        ),
        (
            CLASSES,
            Network(30, (8,), 4, time_steps=6),
            f"the network has inputs=30 but data set '{CLASSES.name}' has 5 features; use "
            "Network(inputs=5, …)",
        ),
    ],
)
def test_a_network_that_does_not_fit_its_sequences(
    data: Dataset, made: Network, wanted: str
) -> None:
    for call in (train, Session):
        with pytest.raises(SettingError, match=f"^{re.escape(wanted)}$"):
            call([Trial(made, data.name)], DATA)  # type: ignore[operator]


def test_normalizing_the_input_of_a_recurrent_network_is_refused() -> None:
    wanted = (
        "placement is 'input' with time_steps=6: a recurrent network normalizes its state, not its "
        "input; use placement='before' or 'after'"
    )
    with pytest.raises(SettingError, match=f"^{re.escape(wanted)}$"):
        Network(5, (8,), 4, norm="batch", placement="input", time_steps=6)
    Network(5, (8,), 4, placement="input", time_steps=6)  # without a normalizer it says nothing


def test_injected_weights_must_fit_over_time() -> None:
    made = network(CLASSES, norm="batch")
    good = random_weights(made, 0, np.float32)
    state = LayerWeights(good.linears[1].weight, np.zeros(12))
    biased = Weights((good.linears[0], state, *good.linears[2:]), good.norms)
    first = good.norms[0]
    assert first.running_mean is not None
    assert first.running_var is not None
    one = NormWeights(first.gamma, first.beta, first.running_mean[0], first.running_var[0])
    for weights, wanted in (
        (biased, "layer 1 has no bias in this network (none on a recurrent layer's state)"),
        (
            Weights(good.linears, (one, *good.norms[1:])),
            "running statistics have shapes (12,) and (12,); this network needs (6, 12)",
        ),
    ):
        with pytest.raises(SettingError, match=f"^{re.escape(wanted)}$"):
            Session([trial(CLASSES, made)], DATA, weights={0: weights})


# ---- probes --------------------------------------------------------------------------------------


def over_time(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """All rows of all time steps that still went on."""
    return torch.cat([values[going] for values, going in parts]).detach()


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_probes_are_what_the_twin_sees(activation: str, norm: str, placement: str) -> None:
    made = network(
        CLASSES, activation=activation, norm=norm, placement=placement, init="gaussian", sigma=0.8,
    )  # fmt: skip
    task = trial(CLASSES, made, steps=9, learning_rate=0.01, probe_every=4, dtype="float64")
    [curve] = train([task], DATA)
    assert curve.probes is not None
    twin = RecurrentTwin(made, initial_weights(made, 2, np.float64), 2, torch.float64)
    optimizer = make_optimizer(task, twin)
    x, y = inputs_of(CLASSES, "train", torch.float64), torch.tensor(CLASSES.y_train)
    for step, rows in enumerate(minibatches(CLASSES.n_train, 9, 9, seed=2)):
        optimizer.zero_grad()
        loss_of(twin(x[rows], step), y[rows], "classification").backward()
        if step % 4 == 0:
            check_probes(curve, step // 4, twin)
        optimizer.step()


def check_probes(curve: Curve, place: int, twin: RecurrentTwin) -> None:
    norms = [*twin.norms[:1], *twin.norms]  # a recurrent layer's two products share one
    activation = twin.network.activation
    for layer, linear in enumerate(twin.linears):
        received = over_time(twin.received[layer])
        wanted = {
            "input_mean": received.mean(),
            "input_std": received.std(correction=0),
            "gradient_norm": linear.weight.grad.norm(),
        }
        if layer < len(twin.preactivations):
            slope = derivative(activation, over_time(twin.preactivations[layer])).abs()
            # Among so many values some lie between 5 % of gelu's peak and of the engine's 1.13.
            flat = slope <= 0.05 * (1.13 if activation == "gelu" else steepest(activation))
            wanted["saturated"] = flat.double().mean()
            wanted["dead"] = flat.all(dim=0).double().mean()
        if layer < len(norms):
            wanted["gamma_mean"] = norms[layer].weight.detach().mean()
            wanted["beta_shift"] = norms[layer].bias.detach().square().mean().sqrt()
        for name, value in wanted.items():
            found = getattr(curve.probes, name)[place, layer]
            np.testing.assert_allclose(
                found, float(value), rtol=3e-6, atol=1e-7, err_msg=f"{name}, layer {layer}"
            )


def test_a_state_that_is_never_used_has_no_probe() -> None:
    one = sequences(classification(5, 4), 1, 5)
    [curve] = train([trial(one, network(one))], {one.name: one})
    assert curve.probes is not None
    assert np.isnan(curve.probes.input_mean[:, 1]).all()
    assert np.isnan(curve.probes.saturated[:, 1]).all()
    assert (curve.probes.gradient_norm[:, 1] == 0).all()
    assert np.isfinite(np.delete(curve.probes.dead, 1, axis=1)).all()


# ---- running statistics --------------------------------------------------------------------------


def test_running_statistics_belong_to_time_steps() -> None:
    """A training step on examples of which two reach step 3 and one step 4."""
    made = network(CLASSES, norm="batch", hidden=(12,))
    lengths = np.asarray(CLASSES.lengths_train)
    rows = np.concatenate([np.flatnonzero(lengths == n)[:k] for n, k in ((1, 3), (4, 1), (5, 1))])
    task = trial(CLASSES, made, steps=1, batch_size=5, evaluate_every=0)
    with Session([task], DATA, batches={0: rows[None]}, keep_weights=True) as session:
        session.advance(1)
        weights = session.curves()[0].weights
    assert weights is not None
    mean = weights.norms[0].running_mean
    assert mean is not None
    assert mean.shape == (6, 12)
    moved = (mean != 0).any(axis=1)
    assert list(moved) == [True, True, True, True, False, False]
