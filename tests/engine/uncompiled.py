"""Train with the compiler off and print what came of it; `test_engine_uncompiled.py` runs this.

Run with NUMBA_DISABLE_JIT=1: ``python -m uncompiled curves`` or ``python -m uncompiled clock``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from evenbatch.engine import Curve, Network, Trial, probing, train
from evenbatch.engine.network import ACTIVATIONS, AFFINE, NORMALIZERS
from evenbatch.engine.trial import STATISTICS
from evenbatch.kernels import _clock, _jit
from evenbatch.kernels.engine import losses, optimizers
from harness import classification, regression, sequences

SEQUENCES = sequences(classification(5, 4, n_test=17), 4, 3)
DATA = {
    d.name: d for d in (classification(9, 4, n_test=17), regression(7, 2, n_test=17), SEQUENCES)
}


def trials() -> list[Trial]:
    """Every normalizer, activation, optimizer and placement; few and small, for Python is slow."""
    found = []
    for i, norm in enumerate(NORMALIZERS):
        for data in list(DATA.values())[:2]:
            n = len(found)
            network = Network(
                data.n_features,
                (12, 12, 18),
                data.n_outputs,
                norm=norm,
                activation=ACTIVATIONS[(i + n) % len(ACTIVATIONS)],
                placement=("before", "after")[n % 2],
                affine=AFFINE[n % 4],
                residual=n % 2,
                dropout=0.1 * (n % 3),
                drift=0.5 * (n % 4 == 1),
                groups=2,
            )
            found.append(
                Trial(
                    network,
                    data.name,
                    optimizer=("sgd", "momentum", "adam", "adamw")[n % 4],
                    schedule=("constant", "cosine")[n % 2],
                    learning_rate=0.01,
                    weight_decay=0.01,
                    batch_size=(7, 8, 10)[n % 3],
                    steps=25,
                    seed=n,
                    evaluate_every=5,
                    evaluate_train=n == 0,
                    statistics=STATISTICS[n % 3],
                    probe_every=10,
                )
            )
    for norm in ("none", "batch", "layer"):
        network = Network(3, (12, 6), 4, activation="tanh", norm=norm, eps=0.1, time_steps=4)
        found.append(
            Trial(
                network, SEQUENCES.name, batch_size=5, steps=15, evaluate_every=5, probe_every=5,
            )
        )  # fmt: skip
    return found


def numbers(curve: Curve) -> list[list[float]]:
    """Everything in a curve that is a number, seconds aside."""
    assert curve.probes is not None
    fields = ("train_loss", "test_loss", "metric", "train_eval_loss", "train_metric")
    parts = [np.nan_to_num(getattr(curve, name)) for name in fields]
    parts += [values.ravel().astype(float) for values in vars(curve.probes).values()]
    return [[float(v) for v in part] for part in parts]


def seconds_by_a_made_up_clock() -> list[float]:
    """The clock moves by 1 in each step, and by 1000 in an evaluation or a probe."""
    now = [0.0]

    def slow(function: Any, cost: float) -> Any:
        def run(*args: Any) -> Any:
            now[0] += cost
            return function(*args)

        return run

    _clock.seconds = lambda address, clock_id: now[0]
    optimizers.update = slow(optimizers.update, 1.0)
    losses.count_correct = slow(losses.count_correct, 1000.0)  # called to evaluate only
    probing.probe_layers = slow(probing.probe_layers, 1000.0)
    return [float(s) for s in train([trials()[0]], DATA)[0].seconds]


def main() -> None:
    assert not _jit.jit_enabled(), "set NUMBA_DISABLE_JIT=1"
    np.seterr(over="ignore", under="ignore")  # hashes wrap around, exp vanishes: both are meant
    if sys.argv[1] == "clock":
        print(json.dumps(seconds_by_a_made_up_clock()))
    else:
        print(json.dumps([numbers(curve) for curve in train(trials(), DATA)]))


if __name__ == "__main__":
    main()
