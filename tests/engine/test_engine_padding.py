"""Rows are padded to 16 columns; what lies there never leaks and never moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from direct import Direct

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial
from evenbatch.engine.network import ACTIVATIONS, NORMALIZERS, PLACEMENTS
from evenbatch.engine.trial import OPTIMIZERS
from evenbatch.kernels.engine.losses import LOGIT_PADDING
from harness import classification, random_weights, regression, same_bits

TASKS = {"classification": classification(9, 4), "regression": regression(9, 3)}


def trained(data: Dataset, network: Network, optimizer: str, fill: float) -> Direct:
    """A trial after 30 steps in a workspace that held `fill` before."""
    trial = Trial(
        network, data.name, optimizer=optimizer, learning_rate=0.01, weight_decay=0.05,
        batch_size=13, steps=30, seed=4, evaluate_every=10, probe_every=7,
    )  # fmt: skip
    weights = random_weights(network, 4, np.float32)
    direct = Direct(trial, data, weights, np.float32, fill)
    direct.state.advance(30, direct.scratch)
    return direct


def networks(data: Dataset) -> list[Network]:
    return [
        Network(
            data.n_features, (13, 13, 6), data.n_outputs, norm=norm, placement=placement,
            activation=ACTIVATIONS[(i + j) % 5], residual=j % 2, dropout=0.2 * (i % 2),
            groups=1,
        )
        for i, norm in enumerate(NORMALIZERS)
        for j, placement in enumerate(PLACEMENTS)
    ] + [
        Network(data.n_features, (12, 18), data.n_outputs, norm="group", groups=3, activation=a)
        for a in ACTIVATIONS
    ]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("task", TASKS)
def test_padding_stays_what_it_was(task: str, optimizer: str) -> None:
    """Zero, but for the logits' bias, which keeps a softmax off the padding; also after NaN."""
    data = TASKS[task]
    for network in networks(data):
        direct = trained(data, network, optimizer, np.nan)
        tape = direct.tape
        padding = direct.theta[direct.padding()]
        last = tape.linears[-1]
        wanted: Any = np.zeros(tape.n_parameters, np.float32)
        if task == "classification":
            wanted[last.bias + last.outputs : last.bias + last.stride] = LOGIT_PADDING
        np.testing.assert_array_equal(padding, wanted[direct.padding()], str(network))
        for norm in tape.norms:
            if norm.running >= 0:
                stored = direct.running[norm.running : norm.running + 2 * norm.stride]
                assert not stored.reshape(2, -1)[:, norm.columns :].any()


@pytest.mark.parametrize("fill", [np.nan, np.inf, -1e30, 1.0])
def test_what_the_workspace_held_before_does_not_matter(fill: float) -> None:
    """To the bit: parameters, running statistics, curve and probes."""
    for data in TASKS.values():
        for network in networks(data):
            one, other = (trained(data, network, "adam", value) for value in (0.0, fill))
            for name, a, b in (
                ("theta", one.theta, other.theta),
                ("running", one.running, other.running),
                ("curve", one.state.log.curve, other.state.log.curve),
                ("probed", one.state.log.probed, other.state.log.probed),
            ):
                if name == "curve":  # its last column is seconds
                    a, b = a[:, :-1], b[:, :-1]
                assert same_bits(a, b), f"{name} of {network}"
