"""Recurrent trainings agree with PyTorch step by step, as the others do.

Compared and allowed is what `test_engine_trajectories.py` says. The twin masks where the engine
sorts and cuts; its batch norm is written out by hand, and held against PyTorch's own here.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from agreement import Engines, compare, run_engines
from recurrent_twin import RecurrentTwin, StepBatchNorm
from torch import nn

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial, initial_weights
from harness import classification, random_weights, regression, sequences

CLASSES = sequences(classification(5, 4, n_train=83, n_test=37), 6, 5)
TARGETS = sequences(regression(5, 3, n_train=83, n_test=37), 5, 4)
ACTIVATIONS = ("tanh", "relu", "leaky_relu", "sigmoid", "gelu", "identity")
RATES = {"sgd": 0.03, "momentum": 0.005, "adam": 0.001, "adamw": 0.001}


# ---- the twin's own batch norm -------------------------------------------------------------------


def test_the_twins_batch_norm_is_pytorchs_where_nothing_has_ended() -> None:
    """On full masks each time step is an `nn.BatchNorm1d`: outputs, gradients, running values."""
    torch.manual_seed(0)
    ours = StepBatchNorm(7, steps=3, eps=1e-3, momentum=0.2).double()
    theirs = [nn.BatchNorm1d(7, eps=1e-3, momentum=0.2).double() for _ in range(3)]
    gamma, beta = torch.rand(7).double() + 0.5, torch.randn(7).double()
    for norm in (ours, *theirs):
        norm.weight.data, norm.bias.data = gamma.clone(), beta.clone()
    everyone = torch.ones(11, dtype=torch.bool)
    for training in (True, True, False):
        ours.train(training)
        sums = torch.zeros(2, 7).double()
        ours.zero_grad()
        for t, norm in enumerate(theirs):
            norm.train(training)
            norm.zero_grad()
            a = (torch.randn(11, 7).double() * (t + 1) + t).requires_grad_()
            b = a.detach().clone().requires_grad_()
            push = torch.randn(11, 7).double()
            mine, other = ours(a, everyone, t), norm(b)
            torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)
            (mine * push).sum().backward()
            (other * push).sum().backward()
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-12)
            sums += torch.stack([norm.weight.grad, norm.bias.grad])
            torch.testing.assert_close(ours.running_mean[t], norm.running_mean)
            torch.testing.assert_close(ours.running_var[t], norm.running_var)
        torch.testing.assert_close(torch.stack([ours.weight.grad, ours.bias.grad]), sums)


def test_the_twins_batch_norm_sees_only_who_goes_on() -> None:
    """With some rows masked it is an `nn.BatchNorm1d` of the others."""
    torch.manual_seed(1)
    ours, theirs = StepBatchNorm(4, 2, 1e-5, 0.1).double(), nn.BatchNorm1d(4).double()
    going = torch.tensor([True, False, True, True, False])
    z = torch.randn(5, 4).double()
    torch.testing.assert_close(ours(z, going, 1)[going], theirs(z[going]))
    torch.testing.assert_close(ours.running_var[1], theirs.running_var)
    assert (ours.running_var[0] == 1).all()


# ---- trainings -----------------------------------------------------------------------------------


def trial(data: Dataset, network: dict[str, Any], **settings: Any) -> tuple[Trial, Dataset]:
    defaults = {"hidden": (13,), "activation": "tanh", "groups": 1}
    made = Network(
        data.n_features, outputs=data.n_outputs, time_steps=data.time_steps, **(defaults | network)
    )
    settings = {"steps": 50, "batch_size": 16, "learning_rate": 0.03, "seed": 5} | settings
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
        # Statistics of two or three examples are a lottery: a large eps keeps rounding small.
        network = {"norm": norm, "placement": placement, "activation": activation, "eps": 0.1}
        network |= {"hidden": ((13,), (12, 12), (18, 7), (12, 12, 12))[n % 4]}
        if activation == "identity":
            # Batch norm in a layer above would cancel this one's beta: its gradient is rounding.
            network["hidden"] = (13,)
        network |= {"residual": n % 3 % 2, "dropout": 0.2 * (n % 5 == 0)}
        if norm == "group":
            network |= {"hidden": (12, 18), "groups": 3}
        found[f"{norm}-{placement}-{activation}"] = trial(
            (CLASSES, TARGETS)[n % 2], network, optimizer=optimizer, seed=n,
            learning_rate=RATES[optimizer], batch_size=(16, 7, 31)[n % 3],
            weight_decay=0.05 * (n % 2), statistics=("running", "population", "batch")[n % 3],
        )  # fmt: skip
    return found


def unusual() -> dict[str, tuple[Trial, Dataset]]:
    batch, layer = {"norm": "batch", "eps": 0.1}, {"norm": "layer"}
    one = sequences(regression(2, 2), 1, 3)
    long = sequences(classification(3, 3), 40, 3)
    equal = sequences(classification(5, 4), 6, 5, lengths=(6,))
    early = sequences(classification(5, 4), 6, 5, lengths=(2, 3))
    wide = sequences(classification(5, 4), 3, 37)
    many = sequences(classification(5, 4, n_test=300), 6, 5)
    return {
        "one step": trial(one, batch),
        "one step, none": trial(one, {}),
        "40 steps, batch": trial(long, batch),
        "40 steps, layer": trial(long, layer),
        "all of one length": trial(equal, {"norm": "batch"}),
        "none as long as there is room": trial(early, batch),
        "batch of 1": trial(CLASSES, layer, batch_size=1),
        "batch of 2": trial(CLASSES, batch, batch_size=2),
        "batch of 3, two layers": trial(CLASSES, batch | {"hidden": (13, 6)}, batch_size=3),
        "the whole training set": trial(CLASSES, batch, batch_size=83),
        "one unit wide": trial(TARGETS, {"hidden": (1,)}),
        "wide": trial(wide, layer | {"hidden": (33, 17)}),
        "large products": trial(wide, batch | {"hidden": (220,)}, batch_size=83, steps=10),
        "gamma alone learns": trial(CLASSES, batch | {"affine": "gamma"}),
        "beta alone learns": trial(CLASSES, layer | {"affine": "beta"}),
        "no knob learns": trial(CLASSES, batch | {"affine": "none"}),
        "running momentum 1": trial(CLASSES, batch | {"momentum": 1.0}),
        "evaluated in parts": trial(many, batch),
        "small eps": trial(CLASSES, {"norm": "batch", "eps": 1e-5}, batch_size=31),
    }


def seldom() -> dict[str, tuple[Trial, Dataset]]:
    """From initial weights, so that the running statistics of late steps have never been seen.

    Few stories are long: for many minibatches nobody, or one example alone, reaches the last steps.
    """
    rare = sequences(classification(5, 4), 9, 5, lengths=(2, 3, 3, 4, 4, 4, 4, 5, 7, 9))
    batch = {"norm": "batch", "eps": 0.1}
    return {
        f"{statistics}, batch of {size}": trial(
            rare, batch, statistics=statistics, batch_size=size, seed=size
        )
        for statistics in ("running", "population", "batch")
        for size in (2, 4, 10)
    }


def engines(trials: dict[str, tuple[Trial, Dataset]], start: Any = random_weights) -> Engines:
    return run_engines([t for t, _ in trials.values()], [d for _, d in trials.values()], start)


@pytest.fixture(scope="module")
def crossed_engines() -> Engines:
    return engines(crossed())


@pytest.fixture(scope="module")
def unusual_engines() -> Engines:
    return engines(unusual())


@pytest.fixture(scope="module")
def seldom_engines() -> Engines:
    return engines(seldom(), initial_weights)


@pytest.mark.parametrize("name", crossed())
def test_crossed(crossed_engines: Engines, name: str) -> None:
    compare(crossed_engines, list(crossed()).index(name), RecurrentTwin)


@pytest.mark.parametrize("name", unusual())
def test_unusual(unusual_engines: Engines, name: str) -> None:
    compare(unusual_engines, list(unusual()).index(name), RecurrentTwin)


@pytest.mark.parametrize("name", seldom())
def test_steps_that_few_examples_reach(seldom_engines: Engines, name: str) -> None:
    compare(seldom_engines, list(seldom()).index(name), RecurrentTwin)


def test_in_some_training_a_step_was_reached_by_one_alone_and_in_some_by_nobody() -> None:
    """Otherwise the cases above would leave out what they are for."""
    made = seldom()["running, batch of 4"]
    lengths = np.asarray(made[1].lengths_train)
    batches = engines({"": made}).batches[0]
    reach = (lengths[batches][:, :, None] > np.arange(9)).sum(axis=1)
    assert {0, 1, 2, 3, 4} <= set(reach.ravel())
    assert (reach[0] > 1).sum() < 9, "the first minibatch leaves some step unseen"
