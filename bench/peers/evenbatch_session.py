"""evenbatch itself, under the same protocol: a `Session` of all trials, advanced by steps.

Its shuffles are drawn while it trains, one an epoch; the other peers' are drawn ahead. It reports
no losses here: the engine's own tests hold its trajectories against PyTorch's.
"""

from __future__ import annotations

import numpy as np

from bench.peers.work import Floats, Workload, dataset
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Conv, Network, Session, Trial, cores

ENDLESS = 10_000_000


def setup(work: Workload, trials: range, seed: int, *, threads: int | None = None) -> Advance:
    """Prepare a session of `trials` on `threads` cores, by default all."""
    return Advance(work, trials, seed, threads)


def bench_trials(work: Workload, trials: range, seed: int, steps: int) -> list[Trial]:
    """The workload as the engine's trials, on the data set called "bench"."""
    network = Network(
        inputs=work.inputs, hidden=work.hidden, outputs=work.outputs, activation="relu",
        norm="batch", placement="before", init="torch",
        conv=tuple(Conv(channels, stride=stride) for channels, stride in work.conv),
        shape=(work.side, work.side, 1) if work.conv else (),
    )  # fmt: skip
    return [
        Trial(
            network, "bench", optimizer="sgd", learning_rate=work.learning_rate,
            batch_size=work.batch, steps=steps, seed=seed + trial, evaluate_every=0,
        )
        for trial in trials
    ]  # fmt: skip


def bench_data(work: Workload) -> Dataset:
    """The workload's rows to train on; the first hundred again as the test set."""
    rows, labels = dataset(work)
    features = tuple(f"x{column}" for column in range(work.inputs))
    classes = tuple(f"class {label}" for label in range(work.outputs))
    return Dataset(
        "bench", "classification", rows, labels, rows[:100], labels[:100], features, classes,
        shape=(work.side, work.side, 1) if work.conv else (),
    )  # fmt: skip


class Advance:
    """A session that is advanced and never ends."""

    def __init__(self, work: Workload, trials: range, seed: int, threads: int | None) -> None:
        self.session = Session(
            bench_trials(work, trials, seed, ENDLESS),
            {"bench": bench_data(work)},
            threads=threads or cores(),
        )

    def __call__(self, steps: int) -> Floats:
        self.session.advance(steps)
        return np.zeros(0, np.float32)
