"""Activations that are computed again on the way back give the curve that kept ones give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evenbatch.engine import Network, Trial, train
from evenbatch.engine.layout import Field, Op
from evenbatch.engine.tape import compile_tape
from harness import classification

BATCH = 64


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("hidden", [(64,) * 60, (48, 112, 64) * 20])
def test_kept_and_recomputed_are_the_same_to_the_bit(hidden, activation) -> None:
    net = Network(inputs=9, hidden=hidden, outputs=4, activation=activation, norm="batch")
    products = [op for op in compile_tape(net, BATCH).ops if op[Field.OP] == Op.PRODUCT]
    assert sum(op[Field.E] > 0 for op in products) == net.depth, (
        "this network is meant to recompute"
    )
    kept = [op for op in compile_tape(net, BATCH, keep=True).ops if op[Field.OP] == Op.PRODUCT]
    assert not any(op[Field.E] for op in kept)

    data = classification(9, 4)
    assert data.n_test <= BATCH, "else the tape of the trial is for more rows than the one above"
    trial = Trial(net, data.name, learning_rate=0.05, batch_size=BATCH, steps=40, evaluate_every=1)
    probed = replace(trial, probe_every=1)  # probes read every activation, so all are kept
    again, once = train([trial, probed], {data.name: data}, keep_weights=True)
    np.testing.assert_array_equal(again.train_loss, once.train_loss)
    np.testing.assert_array_equal(again.metric, once.metric)
    assert again.weights is not None
    assert once.weights is not None
    for one, other in zip(again.weights.linears, once.weights.linears, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
