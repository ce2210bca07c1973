"""Every peer trains the same networks: same weights and minibatches, same losses and statistics.

The eager loop is PyTorch's own modules and optimizer, so it is the truth for the others; the eager
loop itself is held against the workload written out in float64 NumPy.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from bench.peers import work as floor
from bench.peers.work import EPS, Workload

pytestmark = pytest.mark.xdist_group("peers")  # one process imports JAX, and trains the eager loop

SIZES = Workload("tiny", 5, (7, 11, 3), 4, batch=13, trials=3, learning_rate=0.2, rows=97)
CONVOLVED = Workload(
    "tiny", 25, (), 4, batch=13, trials=3, learning_rate=0.2, rows=97, conv=((5, 1), (7, 2)), side=5
)  # fmt: skip
STEPS = 20
# Losses differed by at most 3e-7 of their value in these steps; tolerances are ten times that.
PEERS: list[tuple[str, dict[str, Any]]] = [
    ("torch_eager", {"optimizer": "foreach"}),
    ("torch_eager", {"optimizer": "plain"}),
    ("torch_batched", {}),
    ("torch_batched", {"threads": 2}),
    ("torch_func", {}),
    ("jax_scan", {}),
    ("jax_scan", {"chunk": 2, "unroll": 2}),
]


CONVOLVING: list[tuple[str, dict[str, Any]]] = [
    ("torch_func", {}),
    ("jax_scan", {}),
    ("jax_scan", {"chunk": 2, "patches": True}),
]


def trajectory(module: str, options: dict[str, Any], sizes: Workload = SIZES) -> tuple[Any, Any]:
    """Losses (steps, trials), and running means and variances, layers side by side."""
    setup = importlib.import_module(f"bench.peers.{module}").setup
    runner = setup(sizes, range(sizes.trials), 5, **options)
    losses = np.stack([runner(1) for _ in range(STEPS)])
    means, variances = runner.running()
    return losses, np.concatenate([*means, *variances], axis=1)


@pytest.fixture(scope="module")
def eager() -> tuple[Any, Any]:
    return trajectory("torch_eager", {"optimizer": "fused"})


@pytest.mark.parametrize(("module", "options"), PEERS)
def test_a_peer_follows_the_eager_loop(
    module: str, options: dict[str, Any], eager: tuple[Any, Any]
) -> None:
    losses, running = trajectory(module, options)
    assert losses.shape == (STEPS, SIZES.trials)
    np.testing.assert_allclose(losses, eager[0], rtol=3e-6, atol=1e-6)
    np.testing.assert_allclose(running, eager[1], rtol=3e-6, atol=1e-6)


def test_peers_convolve_as_the_eager_loop() -> None:
    losses, running = trajectory("torch_eager", {}, CONVOLVED)
    for module, options in CONVOLVING:
        found = trajectory(module, options, CONVOLVED)
        np.testing.assert_allclose(found[0], losses, rtol=3e-6, atol=1e-6, err_msg=module)
        np.testing.assert_allclose(found[1], running, rtol=3e-6, atol=1e-6, err_msg=module)


@pytest.mark.parametrize("module", ["torch_eager", "torch_batched", "torch_func", "jax_scan"])
def test_one_call_of_many_steps_is_many_calls_of_one(module: str) -> None:
    setup = importlib.import_module(f"bench.peers.{module}").setup
    many, single = (setup(SIZES, range(SIZES.trials), 5) for _ in range(2))
    for _ in range(9):
        last = single(1)
    np.testing.assert_allclose(many(9), last, rtol=1e-6)


@pytest.mark.parametrize("module", ["torch_eager", "torch_batched"])
def test_a_trial_is_the_same_in_any_share(module: str, eager: tuple[Any, Any]) -> None:
    """Processes and groups cut the trials; the last trial alone is still the last trial."""
    setup = importlib.import_module(f"bench.peers.{module}").setup
    runner = setup(SIZES, range(2, 3), 5)
    losses = np.stack([runner(1) for _ in range(STEPS)])
    np.testing.assert_allclose(losses, eager[0][:, 2:], rtol=3e-6, atol=1e-6)


def test_the_eager_loop_is_the_workload(eager: tuple[Any, Any]) -> None:
    losses = np.stack([in_float64(trial) for trial in range(SIZES.trials)], axis=1)
    np.testing.assert_allclose(eager[0], losses, rtol=3e-6, atol=1e-6)
    assert losses[-4:].mean() < 0.9 * losses[:4].mean()  # something was learned


def in_float64(trial: int) -> Any:
    """One trial's losses, forward and backward written out."""
    rows, labels = floor.dataset(SIZES)
    order = floor.orders(SIZES, range(trial, trial + 1), 5)[0]
    stacked = floor.initial(SIZES, range(trial, trial + 1), 5)
    layers = [{name: array[0].astype(float) for name, array in layer.items()} for layer in stacked]
    losses = []
    for step in range(STEPS):
        index = order[step % len(order)]
        losses.append(step_in_float64(layers, rows[index].astype(float), labels[index]))
    return losses


def step_in_float64(layers: list[dict[str, Any]], x: Any, label: Any) -> float:
    kept = []
    for layer in layers[:-1]:
        z = x @ layer["weight"]
        spread = np.sqrt(z.var(0) + EPS)
        xhat = (z - z.mean(0)) / spread
        y = xhat * layer["gamma"] + layer["beta"]
        kept.append((x, xhat, spread, y > 0))
        x = np.maximum(y, 0)
    logits = x @ layers[-1]["weight"] + layers[-1]["bias"]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    chosen = np.arange(len(label)), label
    loss = -np.log(share[chosen]).mean()
    share[chosen] -= 1
    dy = share / len(label)
    slopes = [{"weight": x.T @ dy, "bias": dy.sum(0)}]
    dy = dy @ layers[-1]["weight"].T
    for layer, (x, xhat, spread, alive) in zip(layers[-2::-1], kept[::-1], strict=True):
        dy = dy * alive
        slope = {"gamma": (dy * xhat).sum(0), "beta": dy.sum(0)}
        dxhat = dy * layer["gamma"]
        dz = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / spread
        slopes.append({"weight": x.T @ dz, **slope})
        dy = dz @ layer["weight"].T
    for layer, slope in zip(layers, slopes[::-1], strict=True):
        for name, gradient in slope.items():
            layer[name] -= SIZES.learning_rate * gradient
    return float(loss)
