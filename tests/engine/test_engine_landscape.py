"""Loss and gradient along the gradient: what PyTorch finds there, and a training left as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch_twin import Twin, loss_of, make_optimizer

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Network, Session, Trial, minibatches, train
from evenbatch.engine.landscape import LANDSCAPE_STEPS
from evenbatch.engine.trial import OPTIMIZERS
from harness import assert_same_curves, classification, random_weights, regression

TASKS = {"classification": classification(9, 4), "regression": regression(9, 3)}
DATA = {d.name: d for d in TASKS.values()}


def trial(data: Dataset, network: Any = (), **settings: Any) -> Trial:
    net = Network(9, (14, 10), data.n_outputs, **{"activation": "tanh"} | dict(network))
    defaults = {"batch_size": 16, "steps": 40, "learning_rate": 0.1, "landscape_every": 12}
    return Trial(net, data.name, **defaults | settings)


def gradient_at(
    twin: Twin, data: Dataset, rows: Any, step: int, moved: Any = None
) -> tuple[float, list[torch.Tensor]]:
    """(loss, gradient by all that learns) of the twin, its parameters moved by `moved`."""
    parameters = [p for p in twin.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    if moved is not None:
        with torch.no_grad():
            for p, by in zip(parameters, moved, strict=True):
                p.add_(by)
    y = torch.tensor(data.y_train[rows])
    if data.task == "regression":
        y = y.double()
    loss = loss_of(twin(torch.tensor(data.x_train[rows]).double(), step), y, data.task)
    found = list(torch.autograd.grad(loss, parameters))
    with torch.no_grad():
        for p, old in zip(parameters, before, strict=True):
            p.copy_(old)
    return loss.item(), found


def distance(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return float(sum(((x - y) ** 2).sum() for x, y in zip(a, b, strict=True)) ** 0.5)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "network",
    [
        {},
        {"norm": "batch"},
        {"norm": "batch", "affine": "none"},
        {"norm": "batch", "drift": 1.0},
        {"norm": "layer", "affine": "gamma", "dropout": 0.3},
        {"norm": "group", "groups": 2, "activation": "relu", "affine": "beta"},
    ],
    ids=str,
)
def test_the_landscape_is_pytorchs(network: dict[str, Any], task: str) -> None:
    """Momentum and a schedule move the weights between surveys; the surveys do not see them."""
    data = TASKS[task]
    made = trial(data, network, optimizer="momentum", schedule="cosine", warmup=5, dtype="float64")
    weights = random_weights(made.network, 3, np.float64)
    with Session([made], DATA, weights={0: weights}) as session:
        session.advance(made.steps)
        found = session.curves()[0].landscape
    assert found is not None
    assert list(found.step) == [0, 12, 24, 36]
    np.testing.assert_array_equal(found.eta, 0.1 * np.arange(0.5, 4.5, 0.5))

    twin = Twin(made.network, weights, made.seed, torch.float64)
    optimizer = make_optimizer(made, twin)
    batches = minibatches(data.n_train, made.batch_size, made.steps, made.seed)
    for step, rows in enumerate(batches):
        loss, here = gradient_at(twin, data, rows, step)
        if step % 12 == 0:
            place = step // 12
            size = distance(here, [torch.zeros_like(g) for g in here])
            np.testing.assert_allclose(found.loss_here[place], loss, rtol=1e-11)
            np.testing.assert_allclose(found.gradient_norm[place], size, rtol=1e-9)
            for k, eta in enumerate(found.eta):
                away, there = gradient_at(twin, data, rows, step, [-eta * g for g in here])
                np.testing.assert_allclose(found.loss[place, k], away, rtol=1e-10)
                wanted = distance(there, here)
                np.testing.assert_allclose(found.gradient_change[place, k], wanted, rtol=1e-8)
        for p, g in zip([p for p in twin.parameters() if p.requires_grad], here, strict=True):
            p.grad = g
        share = (step + 1) / 5 if step < 5 else (1 + np.cos(np.pi * (step - 5) / 35)) / 2
        for group in optimizer.param_groups:
            group["lr"] = made.learning_rate * share
        optimizer.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_survey_leaves_the_training_as_it_was(dtype: str, norm: str, optimizer: str) -> None:
    data = TASKS["classification"]
    bare = trial(
        data, {"norm": norm, "dropout": 0.2}, landscape_every=0, optimizer=optimizer, steps=60,
        evaluate_every=7, probe_every=5, weight_decay=0.01, learning_rate=0.02, dtype=dtype,
        statistics="population",
    )  # fmt: skip
    for every in (1, 7, 100):
        one, other = train([bare, replace(bare, landscape_every=every)], DATA, keep_weights=True)
        assert one.landscape is None
        assert other.landscape is not None
        assert list(other.landscape.step) == list(range(0, 60, every))
        assert_same_curves(replace(other, trial=bare, landscape=None), one)


@pytest.mark.parametrize("chunk", [1, 5, 12, 13])
def test_any_chunk_surveys_the_same(chunk: int) -> None:
    made = trial(TASKS["classification"], {"norm": "batch"})
    [whole] = train([made], DATA)
    with Session([made], DATA) as session:
        for _ in session.stream(chunk):
            seen = session.curves()[0].landscape
            assert seen is not None
            assert len(seen.step) == len(seen.loss) == -(-session.curves()[0].ended_at // 12)
        assert_same_curves(session.curves()[0], whole)


def test_given_minibatches_are_surveyed() -> None:
    made = trial(TASKS["classification"], {"norm": "batch"})
    batches = minibatches(97, made.batch_size, made.steps, made.seed)
    with Session([made], DATA, batches={0: batches}) as session:
        session.advance(made.steps)
        [given] = session.curves()
    assert_same_curves(given, train([made], DATA)[0])


def surveyed(curve: Curve) -> Any:
    assert curve.landscape is not None
    return curve.landscape


def test_no_survey_where_the_training_diverges() -> None:
    """Those before it are kept, and say where the way was too far."""
    made = trial(
        TASKS["regression"], {"activation": "identity"}, learning_rate=1e3, landscape_every=1
    )
    [curve] = train([made], DATA)
    assert curve.diverged
    assert 0 < curve.ended_at < 20
    found = surveyed(curve)
    assert list(found.step) == list(range(curve.ended_at)), "each step whose loss was finite"
    assert np.isfinite(found.loss_here).all()
    assert np.isposinf(found.loss[-1]).any()
    assert np.isnan(found.gradient_change[np.isposinf(found.loss)]).all()
    bare = replace(made, landscape_every=0)
    assert_same_curves(replace(curve, trial=bare, landscape=None), train([bare], DATA)[0])


def test_along_a_straight_line_the_gradient_changes_with_the_way() -> None:
    """A linear network of one layer with its first layer fixed would be exactly quadratic; near
    enough for small steps: twice the way, twice the change.
    """
    made = trial(TASKS["regression"], learning_rate=1e-5, dtype="float64")
    found = surveyed(train([made], DATA)[0])
    per_way = found.gradient_change / (found.eta * found.gradient_norm[:, None])
    np.testing.assert_allclose(per_way / per_way[:, :1], 1, rtol=1e-3)
    # And the loss falls by eta · ‖g‖², to first order.
    fall = found.loss_here[:, None] - found.loss
    np.testing.assert_allclose(fall, found.eta * found.gradient_norm[:, None] ** 2, rtol=1e-3)


def test_a_learning_rate_of_zero_goes_nowhere() -> None:
    found = surveyed(train([trial(TASKS["regression"], learning_rate=0.0)], DATA)[0])
    np.testing.assert_array_equal(found.loss, np.repeat(found.loss_here[:, None], 8, axis=1))
    np.testing.assert_array_equal(found.gradient_change, 0)


def test_the_grid_is_half_to_four_times_the_learning_rate() -> None:
    assert LANDSCAPE_STEPS == (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


def test_no_landscape_unless_asked_for() -> None:
    [curve] = train([trial(TASKS["regression"], landscape_every=0)], DATA)
    assert curve.landscape is None
