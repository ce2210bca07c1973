"""Networks with convolutions agree with PyTorch step by step, as the others do.

Compared and allowed is what `test_engine_trajectories.py` says; the twin is made of PyTorch's own
convolutions, pools and norms.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from agreement import EXACT, Engines, compare, distance, run_engines, series
from conv_twin import ConvTwin
from torch_twin import compare_probes, train_twin

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Conv, Network, Session, Trial, initial_weights, minibatches, train
from harness import classification, planes, random_weights, regression

LINE = planes(classification(20, 4), 20, 1)
IMAGE = planes(regression(36, 3), 6, 6, 1)
COLOURS = planes(classification(60, 5), 5, 4, 3)
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity")
RATES = {"sgd": 0.03, "momentum": 0.005, "adam": 0.0005, "adamw": 0.0005}
SHAPES: tuple[Any, ...] = (
    (6, Conv(6, pool="max")),
    (Conv(5, kernel=5, stride=2), 18),
    (Conv(17, kernel=2, padding=1), Conv(8, pool="average")),
    (8, 8, 8),
    (Conv(12, kernel=4, padding=0),),
)
DEPTHWISE = (24, Conv(24, groups=24), Conv(20, kernel=1, groups=4))


def trial(data: Dataset, network: dict[str, Any], **settings: Any) -> tuple[Trial, Dataset]:
    defaults: dict[str, Any] = {"conv": (6,), "hidden": (), "activation": "tanh", "groups": 1}
    made = Network(
        data.n_features, outputs=data.n_outputs, shape=data.shape, **(defaults | network)
    )
    settings = {"steps": 100, "batch_size": 9, "learning_rate": 0.02, "seed": 5} | settings
    return Trial(made, data.name, evaluate_every=1, **settings), data


def crossed() -> dict[str, tuple[Trial, Dataset]]:
    """Every activation with every normalizer and placement; the rest dealt out in turn."""
    found = {}
    for norm, placement, activation in product(
        ("none", "batch", "layer", "rms", "group"), ("before", "after"), ACTIVATIONS
    ):
        if norm == "none" and placement == "after":
            continue
        n = len(found)
        optimizer = tuple(RATES)[n % 4]
        network = {"norm": norm, "placement": placement, "activation": activation, "eps": 0.1}
        network |= {"conv": SHAPES[n % 5], "hidden": ((), (12,), (9, 9))[n % 3]}
        if activation == "identity":
            # Batch norm in a layer above would cancel this one's beta: its gradient is rounding.
            network |= {"conv": (7,), "hidden": ()}
        network |= {"residual": n % 3 % 2, "dropout": 0.2 * (n % 5 == 0), "flatten": n % 4 > 1}
        if norm == "group":
            network |= {"conv": (6, 12, 12), "hidden": (9,) * (n % 2), "groups": 3}
        found[f"{norm}-{placement}-{activation}"] = trial(
            (LINE, IMAGE, COLOURS)[n % 3], network, optimizer=optimizer, seed=n,
            learning_rate=RATES[optimizer], weight_decay=0.05 * (n % 2),
            statistics=("running", "population", "batch")[n % 3],
        )  # fmt: skip
    return found


def unusual() -> dict[str, tuple[Trial, Dataset]]:
    batch = {"norm": "batch", "eps": 0.1}
    tall, point = planes(classification(24, 4), 12, 2, 1), planes(classification(7, 4), 1, 1, 7)
    large = planes(classification(768, 4), 16, 16, 3)
    two = Conv(16, stride=2)
    return {
        "kernel of 1": trial(IMAGE, {"conv": (Conv(9, kernel=1), Conv(20, kernel=1))}),
        "kernel as large as the image": trial(IMAGE, {"conv": (Conv(9, kernel=6, padding=0),)}),
        "padding alone in the corner": trial(IMAGE, {"conv": (Conv(4, kernel=5, padding=4),)}),
        "stride beyond the kernel": trial(LINE, batch | {"conv": (Conv(4, kernel=2, stride=5),)}),
        "pool with rest": trial(IMAGE, {"conv": (Conv(5, pool="max", window=4), 6)}),
        "average with rest": trial(LINE, {"conv": (Conv(5, pool="average", window=3), 6)}),
        "one position": trial(point, batch | {"conv": (6, 6)}),
        "one position, flattened": trial(
            point, {"conv": (Conv(70, kernel=1),), "flatten": True, "hidden": (70,)}
        ),
        "taller than wide": trial(tall, batch | {"conv": (6, Conv(6, pool="max"), 6)}),
        "residual": trial(IMAGE, batch | {"conv": (8, 8, 8, 8, 8), "residual": 2}),
        "residual, flat": trial(
            LINE, batch | {"conv": (16, 16, two, 16), "residual": 1, "hidden": (9, 9)}
        ),
        "dropout": trial(IMAGE, {"conv": (8, 8), "dropout": 0.3, "flatten": True}),
        "large": trial(large, batch | {"conv": (33, Conv(64, pool="max"), 48)}, steps=30),
        "large, flat end": trial(
            large, batch | {"conv": (16, two), "flatten": True, "hidden": (40,)}, steps=30
        ),
        "depthwise": trial(IMAGE, batch | {"conv": DEPTHWISE}, weight_decay=0.05),
        "depthwise, flat end": trial(
            COLOURS,
            {"conv": (Conv(6, groups=3), 16), "flatten": True, "hidden": (9,)},
            optimizer="adam",
            learning_rate=0.001,
        ),
        "two groups over patches": trial(
            large,
            batch | {"conv": (16, Conv(34, groups=2, pool="max"))},
            steps=30,
            optimizer="adamw",
            learning_rate=0.001,
            weight_decay=0.05,
        ),
        "instance norm": trial(IMAGE, {"norm": "group", "groups": 8, "conv": (8, 16), "eps": 0.1}),
        "batch of 1": trial(IMAGE, {"norm": "layer", "conv": (8, 8)}, batch_size=1),
        "batch of 2": trial(IMAGE, batch | {"conv": (8, 8)}, batch_size=2),
        "batch of 64": trial(IMAGE, {"norm": "batch", "conv": (8, 8)}, batch_size=64),
        "gamma alone learns": trial(LINE, batch | {"affine": "gamma"}),
        "no knob learns": trial(LINE, {"norm": "layer", "affine": "none", "eps": 0.1}),
        "batches of their own": trial(LINE, batch, statistics="batch", evaluation_batch=10),
        "schedule": trial(LINE, batch, schedule="cosine", warmup=20),
    }


def engines(trials: dict[str, tuple[Trial, Dataset]]) -> Engines:
    return run_engines([t for t, _ in trials.values()], [d for _, d in trials.values()])


@pytest.fixture(scope="module")
def crossed_engines() -> Engines:
    return engines(crossed())


@pytest.fixture(scope="module")
def unusual_engines() -> Engines:
    return engines(unusual())


@pytest.mark.parametrize("name", crossed())
def test_crossed(crossed_engines: Engines, name: str) -> None:
    compare(crossed_engines, list(crossed()).index(name), ConvTwin)


@pytest.mark.parametrize("name", unusual())
def test_unusual(unusual_engines: Engines, name: str) -> None:
    compare(unusual_engines, list(unusual()).index(name), ConvTwin)


@pytest.mark.parametrize("init", ["torch", "he", "xavier", "gaussian"])
def test_training_from_a_seed_is_training_from_its_weights_and_minibatches(init: str) -> None:
    made, data = trial(
        IMAGE, {"conv": (6, Conv(9, pool="max")), "norm": "batch", "init": init, "sigma": 0.2},
        dtype="float64",
    )  # fmt: skip
    [curve] = train([made], {data.name: data}, keep_weights=True)
    weights = initial_weights(made.network, made.seed, np.float64)
    batches = minibatches(data.n_train, made.batch_size, made.steps, made.seed)
    at = (0, 10, 50)
    found = series(train_twin(made, data, weights, batches, torch.float64, at, ConvTwin), at)
    for name, values in series(curve, at).items():
        assert distance(values, found[name]) <= EXACT, name


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("init", ["torch", "he", "xavier"])
def test_initial_weights_are_as_large_as_pytorchs(init: str, groups: int) -> None:
    """The fan-in of a convolution is that of its window, and so is its fan-out for Xavier's."""
    conv = (64, Conv(96, kernel=5, groups=groups))
    network = Network(64, (), 10, conv=conv, shape=(8, 8, 1), init=init)
    ours = initial_weights(network, 0).linears[1]
    theirs = torch.nn.Conv2d(64, 96, 5, groups=groups)
    torch.manual_seed(0)
    if init == "he":
        torch.nn.init.kaiming_normal_(theirs.weight, nonlinearity="relu")
    if init == "xavier":
        torch.nn.init.xavier_uniform_(theirs.weight)
    assert ours.weight.shape == theirs.weight.shape
    spread = float(theirs.weight.detach().std())
    assert ours.weight.std() == pytest.approx(spread, rel=0.02)
    if init == "torch":
        assert ours.bias is not None
        assert np.abs(ours.bias).max() == pytest.approx(1 / np.sqrt(64 // groups * 25), rel=0.1)


PROBED: dict[str, tuple[Dataset, dict[str, Any]]] = {
    "pools and a head": (
        IMAGE, {"norm": "batch", "conv": (6, Conv(9, pool="max"), 9), "activation": "relu"}
    ),
    "flattened": (LINE, {"norm": "layer", "conv": (5, Conv(7, stride=2)), "flatten": True}),
    "hidden layers behind": (
        COLOURS, {"conv": (6, Conv(6, kernel=1, groups=2)), "hidden": (9,), "activation": "relu"}
    ),
    "flattened, then hidden": (
        COLOURS, {"conv": (6, 6), "hidden": (9, 9), "flatten": True, "residual": 1,
                  "dropout": 0.2, "activation": "relu", "norm": "group", "groups": 3}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBED)
def test_probes_are_what_the_twin_sees(name: str) -> None:
    """Large weights, so that channels saturate and some die."""
    data, network = PROBED[name]
    made, _ = trial(
        data, network | {"init": "gaussian", "sigma": 1.5}, steps=9, probe_every=4,
        dtype="float64", learning_rate=0.01,
    )  # fmt: skip
    weights = random_weights(made.network, made.seed, np.float64)
    with Session([made], {data.name: data}, weights={0: weights}) as session:
        session.advance(made.steps)
        [curve] = session.curves()
    probes = curve.probes
    assert probes is not None
    assert 0.02 < probes.saturated[:, :-1].max() < 1
    twin = ConvTwin(made.network, weights, made.seed, torch.float64)
    compare_probes(made, data, probes, twin)
