"""Gradients agree with finite differences, on a loss with random weights, for every operation.

The loss is Σ R·output with R random and of both signs, so that no symmetry (a gradient that sums to
zero, an output pushed one way) can hide an error. Five-point differences in float64 are right to
about 1e-10 of the gradient's size here; 1e-7 is allowed, and a gradient wrong by 0.1 % is caught.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from direct import Direct
from torch_twin import inputs_of

from evenbatch.engine import Conv, Network, Trial
from evenbatch.engine.network import ACTIVATIONS
from harness import random_weights, regression, sequences

ROWS, INPUTS, OUTPUTS = 9, 5, 3
OF_LENGTHS = 13  # the seed of the lengths: four times 1, four times 2, and 5
STEP = 3e-5
TOLERANCE = 1e-7

CASES = {
    f"{activation} {norm} {placement}": {
        "activation": activation,
        "norm": norm,
        "placement": placement,
    }
    for activation in ACTIVATIONS
    for norm in ("none", "batch", "layer", "rms", "group")
    for placement in ("before", "after", "input")
    if norm != "none" or placement == "before"
} | {
    "one hidden layer": {"hidden": (7,)},
    "residual 1": {"hidden": (6, 6, 6, 6), "residual": 1, "norm": "batch"},
    "residual 2": {"hidden": (6, 6, 6, 6, 6), "residual": 2, "norm": "layer"},
    "residual, ragged": {"hidden": (6, 4, 6, 3, 3), "residual": 2},
    "residual after": {"hidden": (6, 6, 6), "residual": 1, "norm": "batch", "placement": "after"},
    "dropout": {"dropout": 0.4, "hidden": (12, 12), "activation": "tanh"},
    "dropout, batch, residual": {
        "dropout": 0.3, "hidden": (12, 12, 12), "norm": "batch", "residual": 1,
    },
    "wider than a vector": {"hidden": (17, 33), "norm": "rms", "activation": "gelu"},
    "one wide": {"hidden": (1, 1), "activation": "sigmoid", "norm": "batch"},
    "large eps": {"norm": "batch", "eps": 0.5},
    "drift": {"drift": 1.0, "activation": "tanh"},
    "drift, relu": {"drift": 1.0},
    "drift, batch": {"drift": 1.0, "norm": "batch"},
    "drift, batch, gelu": {"drift": 2.0, "norm": "batch", "activation": "gelu"},
    "drift, layer, after, dropout": {
        "drift": 0.5, "norm": "layer", "placement": "after", "dropout": 0.3, "hidden": (12, 12),
    },
    "drift, group": {"drift": 1.0, "norm": "group"},
    "drift, rms, input": {"drift": 1.0, "norm": "rms", "placement": "input"},
    "drift, residual": {"drift": 1.0, "norm": "batch", "hidden": (6, 6, 6), "residual": 1},
    "gamma alone": {"norm": "batch", "affine": "gamma"},
    "beta alone": {"norm": "layer", "affine": "beta"},
    "over time, dropout, residual": {
        "time_steps": 4, "hidden": (12, 12), "dropout": 0.3, "residual": 1, "norm": "layer",
    },
    "over time, gelu, wide": {"time_steps": 3, "hidden": (17, 6), "activation": "gelu"},
    "over time, group": {"time_steps": 4, "norm": "group", "activation": "tanh"},
    "over time, rms": {"time_steps": 4, "norm": "rms", "activation": "leaky_relu"},
} | {
    f"over time, {activation} {norm} {placement}": {
        "activation": activation, "norm": norm, "placement": placement, "time_steps": 5,
        "hidden": (12,),
    }
    for activation in ("relu", "tanh", "sigmoid", "identity")
    for norm in ("none", "batch", "layer")
    for placement in ("before", "after")
    if norm != "none" or placement == "before"
} | {
    f"convolution, {norm} {placement}": {
        "conv": (6, Conv(9, kernel=2, stride=2)), "norm": norm, "placement": placement,
        "activation": "tanh", "hidden": (), "groups": 3, "shape": (4, 3, 1),
    }
    for norm in ("none", "batch", "layer", "rms", "group")
    for placement in ("before", "after")
    if norm != "none" or placement == "before"
} | {
    # A finite difference must not change which is largest, as gelu near its minimum does.
    "convolution, flat": {
        "conv": (Conv(17, kernel=5), Conv(5, pool="max")), "hidden": (6,), "shape": (8, 1),
        "activation": "tanh",
    },
    "convolution, flattened": {
        "conv": (Conv(5, pool="average", window=3),), "hidden": (), "shape": (4, 4, 2),
        "flatten": True, "activation": "gelu", "norm": "layer",
    },
    "convolution, residual, dropout": {
        "conv": (6, 6, 6), "hidden": (7,), "shape": (3, 3, 1), "residual": 1, "dropout": 0.3,
        "norm": "batch", "activation": "sigmoid",
    },
}  # fmt: skip


# In a linear network batch norm subtracts whatever constant was added before it.
CANCELLED = {
    "identity batch before": ("norm 0 beta",),
    "identity batch after": ("linear 0 bias", "linear 1 bias", "norm 0 beta"),
}


class Probe:
    """A network, a minibatch and a random weighting of its output."""

    def __init__(self, settings: dict[str, Any]) -> None:
        groups = 1 if settings.get("placement") == "input" else 2
        # Few columns and a small eps make a normalized row bend too sharply for differences.
        defaults = {"hidden": (12, 10), "groups": groups, "eps": 0.01}
        settings = defaults | settings
        inputs = prod(settings.get("shape", (INPUTS,)))
        network = Network(inputs, outputs=OUTPUTS, **settings)
        data = replace(
            regression(inputs, OUTPUTS, n_train=ROWS, seed=4), shape=settings.get("shape", ())
        )
        if network.time_steps:
            # Of 5 steps the last three are reached by one example alone.
            data = sequences(data, network.time_steps, INPUTS, seed=OF_LENGTHS)
        trial = Trial(network, data.name, batch_size=ROWS, seed=11)
        self.direct = Direct(trial, data, random_weights(network, 11, np.float64), np.float64)
        self.theta = self.direct.theta
        self.x = inputs_of(data, "train", torch.float64).numpy()
        self.by_output = np.random.default_rng(12).normal(0, 1, (ROWS, OUTPUTS))

    def loss(self, theta: Any) -> float:
        return float((self.by_output * self.direct.output(self.x, theta, step=3)).sum())

    def analytic(self) -> Any:
        return self.direct.gradient(self.x, self.theta, self.by_output, step=3)

    def numeric(self, places: Any) -> Any:
        found = np.zeros(len(places))
        for i, place in enumerate(places):
            for steps, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
                theta = self.theta.copy()
                theta[place] += steps * STEP
                found[i] += weight * self.loss(theta) / (12 * STEP)
        return found


def check_gradient(analytic: Any, numeric: Any, what: str) -> None:
    """Raise unless the two agree to `TOLERANCE` of the numeric gradient's root mean square."""
    size = np.sqrt((numeric**2).mean())
    error = np.abs(analytic - numeric).max()
    assert error <= TOLERANCE * max(size, 1e-3), f"{what}: off by {error:.3g}, gradient {size:.3g}"


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_finite_difference(name: str) -> None:
    probe = Probe(CASES[name])
    analytic = probe.analytic()
    for block, places in probe.direct.blocks().items():
        check_gradient(analytic[places], probe.numeric(places), f"{name}, {block}")
    # What lies between the parameters must not move, whatever the workspace held before.
    np.testing.assert_array_equal(analytic[probe.direct.padding()], 0.0)


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms", "group"])
@pytest.mark.parametrize("conv", [{}, CASES["convolution, none before"]], ids=["dense", "conv"])
def test_a_gradient_wrong_by_a_thousandth_is_caught(norm: str, conv: dict[str, Any]) -> None:
    """Plant 0.1 % in each parameter in turn, in all of it and in its largest element alone."""
    probe = Probe(conv | {"norm": norm, "activation": "tanh"})
    analytic = probe.analytic()
    for block, places in probe.direct.blocks().items():
        numeric = probe.numeric(places)
        check_gradient(analytic[places], numeric, block)
        with pytest.raises(AssertionError, match="off by"):
            check_gradient(analytic[places] * 1.001, numeric, block)
        one = analytic[places].copy()
        one[np.abs(one).argmax()] *= 1.001
        with pytest.raises(AssertionError, match="off by"):
            check_gradient(one, numeric, block)


def test_the_random_loss_moves_every_parameter() -> None:
    """A check on parameters that do nothing would prove nothing."""
    for name, settings in CASES.items():
        probe = Probe(settings)
        analytic = probe.analytic()
        for block, places in probe.direct.blocks().items():
            if block in CANCELLED.get(name, ()):
                assert np.abs(analytic[places]).max() < 1e-13
                continue
            assert np.abs(analytic[places]).max() > 1e-6, f"{name}: {block} has no gradient"
