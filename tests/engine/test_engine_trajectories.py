"""Trainings agree with PyTorch step by step, for every operation and every pair of settings.

From the same weights and minibatches, over 100 steps and more, three things are compared: the loss
of every minibatch, test loss and metric in evaluation mode, and at the end all parameters and
running statistics.

In float64 both sides must agree to 1e-11 (the worst measured was 6e-14). In float32 rounding grows
along a training, on both sides alike, so what is allowed is derived: the engine may be at most 4
times as far from PyTorch in float64 as PyTorch in float32 is, plus a floor of 1e-5. Where it is
further off, PyTorch trains four times more, from weights one unit in the last place away, and the
worst of its errors counts: one is a single draw (at 50 layers, five lay from 6e-6 to 9e-5). Nothing
may be further off than 1e-3 (the worst measured was 6e-5, 99 % stay below 5e-6), so that a training
chaotic enough to hide an error behind its own rounding is itself a failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
import torch
from agreement import EVALUATED, EXACT, Engines, compare, distance, run_engines, series
from torch_twin import train_twin

from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    Network,
    Trial,
    initial_weights,
    minibatches,
    train,
)
from harness import classification, regression

# ---- every pair of settings ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def covering() -> Engines:
    trials = [cases.trial_for(case, seed) for seed, case in enumerate(cases.covering())]
    return run_engines(trials, [cases.dataset_for(case) for case in cases.covering()])


def test_no_pair_of_settings_is_missing() -> None:
    missing = cases.all_pairs()
    for case in cases.covering():
        missing -= cases.pairs(case)
    assert not missing


@pytest.mark.parametrize("place", range(78), ids=[cases.name_of(c) for c in cases.covering()])
def test_covering(covering: Engines, place: int) -> None:
    compare(covering, place)


# ---- every width, and unusual shapes -------------------------------------------------------------


def width_trials() -> list[tuple[Trial, Dataset]]:
    """Output widths 1 to 33 (a row is padded to 16), with as many widths elsewhere."""
    found = []
    for outputs in range(1, 34):
        inputs, hidden = outputs * 7 % 34 or 1, (outputs * 5 % 37 or 37, outputs * 11 % 31 or 31)
        norm = ("batch", "layer", "rms", "none")[outputs % 4]
        if min(hidden) < 4:  # a normalized row of very few columns is ±1 or 0: chaos
            norm = "batch"
        network = Network(inputs, hidden, outputs, activation="tanh", norm=norm)
        for data in (
            (regression(inputs, outputs), classification(inputs, outputs))
            if outputs > 1
            else (regression(inputs, outputs),)
        ):
            trial = Trial(
                network, data.name, learning_rate=0.02, batch_size=17, steps=100, seed=outputs,
                evaluate_every=1,
            )  # fmt: skip
            found.append((trial, data))
    return found


def unusual_trials() -> dict[str, tuple[Trial, Dataset]]:
    small, wide = classification(9, 4), classification(17, 3, n_train=301)
    curve, line = regression(6, 2), regression(1, 1)

    def trial(data: Dataset, hidden: tuple[int, ...], network: Any = (), **settings: Any) -> Any:
        made = Network(data.n_features, hidden, data.n_outputs, **dict(network))
        settings = {"learning_rate": 0.01, "batch_size": 16, "steps": 100, "seed": 3} | settings
        return Trial(made, data.name, evaluate_every=1, **settings), data

    deep = {"init": "he", "activation": "gelu"}
    batch, layer = {"norm": "batch"}, {"norm": "layer"}
    frozen = batch | {"affine": "none"}
    return {
        "linear, 25 layers": trial(
            curve, (9,) * 25, {"activation": "identity", "init": "xavier"}, learning_rate=1e-3
        ),
        "frozen": trial(small, (13, 7), frozen | {"activation": "identity"}),
        "frozen, after, decay": trial(
            curve,
            (13, 7),
            frozen | {"placement": "after", "activation": "tanh"},
            optimizer="adamw",
            weight_decay=1.0,
            learning_rate=0.002,
        ),
        "gamma alone, adam": trial(
            small,
            (13, 7),
            layer | {"affine": "gamma", "eps": 0.1},
            optimizer="adam",
            learning_rate=0.001,
        ),
        "beta alone, momentum": trial(
            curve, (12, 8), {"norm": "group", "affine": "beta", "eps": 0.1}, optimizer="momentum"
        ),
        "one unit wide": trial(line, (1, 1), {"activation": "tanh"}),
        "one unit wide, batch": trial(line, (1, 1), batch | {"activation": "sigmoid"}),
        "50 layers": trial(small, (11,) * 50, deep, learning_rate=0.003),
        "50 layers, batch, residual": trial(small, (11,) * 50, deep | batch | {"residual": 2}),
        "50 layers, layer, residual": trial(
            small, (11,) * 50, layer | {"residual": 1, "eps": 0.1}, learning_rate=1e-3
        ),
        "200 layers, residual": trial(
            curve, (5,) * 200, {"residual": 1, "activation": "tanh", "init": "gaussian"}, steps=30
        ),
        "blocks of 7": trial(small, (11,) * 16, {"residual": 7, "init": "he"}),
        "batch of 1": trial(curve, (13, 7), layer | {"activation": "gelu"}, batch_size=1),
        "batch of 2": trial(small, (13, 7), batch | {"eps": 0.1}, batch_size=2),
        "batch of 3": trial(small, (13, 7), batch | {"eps": 0.1}, batch_size=3),
        "batch of 5, group": trial(small, (12, 12), {"norm": "group", "groups": 3}, batch_size=5),
        "batch of 130": trial(wide, (19,), batch, batch_size=130),
        "the whole training set": trial(small, (19,), batch, batch_size=97),
        "large products": trial(wide, (300, 290), batch | {"init": "he"}, batch_size=101),
        "large products, none": trial(wide, (331, 256), {"init": "he"}, batch_size=128),
        "eps 0.3": trial(small, (13, 7), batch | {"eps": 0.3}),
        "eps 0": trial(small, (13, 7), layer | {"eps": 0.0, "activation": "tanh"}),
        "eps 0, rms": trial(small, (13, 7), {"norm": "rms", "eps": 0.0}),
        "running momentum 0": trial(small, (13,), batch | {"momentum": 0.0}),
        "running momentum 1": trial(small, (13,), batch | {"momentum": 1.0}),
        "momentum 0.5": trial(curve, (13,), optimizer="momentum", momentum=0.5),
        "momentum 0.99": trial(
            curve, (13,), optimizer="momentum", momentum=0.99, learning_rate=0.001
        ),
        "strong decay": trial(
            curve, (13,), batch, optimizer="adamw", weight_decay=5.0, learning_rate=0.002
        ),
        "warm-up beyond the end": trial(curve, (13,), warmup=400, schedule="cosine"),
        "half dropped": trial(small, (40, 33), batch | {"dropout": 0.5}),
        "ragged residual": trial(small, (13, 7, 7, 13, 13, 13), {"residual": 2, "init": "he"}),
        "batch statistics in evaluation": trial(
            small, (13, 7), batch, statistics="batch", evaluation_batch=10
        ),
        "drift": trial(small, (13, 7), {"drift": 1.0}),
        "drift, batch": trial(small, (13, 7), batch | {"drift": 1.0}, batch_size=32),
        "strong drift, dropout, large seed": trial(
            small, (13, 7), layer | {"drift": 3.0, "dropout": 0.2, "eps": 0.1}, seed=(1 << 63) - 1
        ),
        "large seed": trial(small, (13,), {"dropout": 0.3}, seed=(1 << 63) - 1),
    }


@pytest.fixture(scope="module")
def widths() -> Engines:
    trials = width_trials()
    return run_engines([t for t, _ in trials], [d for _, d in trials])


@pytest.fixture(scope="module")
def unusual() -> Engines:
    trials = unusual_trials().values()
    return run_engines([t for t, _ in trials], [d for _, d in trials])


@pytest.mark.parametrize(
    "place", range(65), ids=[f"{t.network.outputs}-{d.task}" for t, d in width_trials()]
)
def test_width(widths: Engines, place: int) -> None:
    compare(widths, place)


@pytest.mark.parametrize("name", unusual_trials())
def test_unusual(unusual: Engines, name: str) -> None:
    compare(unusual, list(unusual_trials()).index(name))


# ---- the engine's own weights and minibatches ----------------------------------------------------


@pytest.mark.parametrize("init", ["torch", "he", "xavier", "gaussian"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_training_from_a_seed_is_training_from_its_weights_and_minibatches(
    init: str, norm: str
) -> None:
    """`train` starts from `initial_weights` and follows `minibatches`, dropping the ragged rest."""
    data = classification(11, 4)
    network = Network(11, (23, 14), 4, norm=norm, init=init, sigma=0.2, dropout=0.1)
    trial = Trial(
        network, data.name, learning_rate=0.05, batch_size=10, steps=120, seed=(5 << 32) + 7
    )
    [curve] = train(
        [replace(trial, evaluate_every=1, dtype="float64")], {data.name: data}, keep_weights=True
    )
    weights = initial_weights(network, trial.seed, np.float64)
    batches = minibatches(data.n_train, trial.batch_size, trial.steps, trial.seed)
    twin = series(train_twin(trial, data, weights, batches, torch.float64, EVALUATED), EVALUATED)
    for name, values in series(curve, EVALUATED).items():
        assert distance(values, twin[name]) <= EXACT, name
