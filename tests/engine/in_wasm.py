"""The module of `web/kernels.py` in wasmtime, called on the arrays that Python makes for its loop;
and the trials on which it is held against Numba.

    python in_wasm.py FILE    train them natively and write all that was learned and logged to FILE
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cases import RATES, covering, dataset_for, trial_for

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial, loop
from evenbatch.engine.feed import make_feed
from evenbatch.engine.layout import GROUPS, Plan, Sum
from evenbatch.engine.state import Scratch, TrialState
from harness import classification, regression, sequences

SEQUENCES = (
    sequences(classification(5, 4, n_train=83, n_test=37), 6, 5),
    sequences(regression(5, 3, n_train=83, n_test=37), 5, 4),
)
WRITTEN = ("learner", "log")  # groups of arrays that are compared


class Module:
    """A module's functions on NumPy arrays, which are copied in and out."""

    def __init__(self, file: Path) -> None:
        import wasmtime

        self.store = wasmtime.Store()
        module = wasmtime.Module(self.store.engine, file.read_bytes())
        assert not module.imports, "it is to need nothing"
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = self.exports["memory"]
        self.base = self.exports["__heap_base"].value(self.store)
        self.tables = json.loads((file.parent / "kernels.json").read_text("utf-8"))["tables"]

    def call(self, export: str, **given: Any) -> None:
        """Call by the names of `kernels.json`; arrays are changed in place."""
        table, arrays, at = [], [], (self.base + 63) & ~63
        assert list(given) == [name for name, _, _ in self.tables[export]]
        for (name, kind, dimensions), value in zip(
            self.tables[export], given.values(), strict=True
        ):
            if not dimensions:
                table.append(int(value))
                continue
            assert value.flags.c_contiguous
            assert value.ndim == dimensions, name
            assert value.dtype.name in (kind, "float64"), name  # which may be a trial's own type
            table += [at, *value.shape, *[0] * (3 - dimensions)]
            arrays.append((at, value))
            at = (at + value.nbytes + 63) & ~63
        words = np.array(table, np.int64)
        missing = at + words.nbytes - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, -(-missing // 65536))
        for place, value in [*arrays, (at, words)]:
            self.memory.write(self.store, value.tobytes(), place)
        assert self.exports[export](self.store, at) == 0
        for place, value in arrays:
            raw = bytes(self.memory.read(self.store, place, place + value.nbytes))
            value[...] = np.frombuffer(raw, value.dtype).reshape(value.shape)


def advance_in(modules: dict[str, Module]) -> Callable[[TrialState], None]:
    """`TrialState.advance` to the end, in the module of the trial's precision."""

    def advance(state: TrialState) -> None:
        groups = (state.program, state.feed.data, state.learner, Scratch().room(state), state.log)
        given = {
            f"{group.__name__.lower()}.{name}": array
            for group, arrays in zip(GROUPS, groups, strict=True)
            for name, array in arrays._asdict().items()
        }
        modules[state.trial.dtype].call("advance", **given, until=state.trial.steps)

    return advance


def advance_natively(state: TrialState) -> None:
    state.advance(state.trial.steps, Scratch())


@cache
def trials() -> tuple[tuple[str, Trial, Dataset], ...]:
    """(what is tried, trial, data): every pair of settings, and what no pair shows."""
    found = []
    for place, case in enumerate(covering()):
        trial = replace(
            trial_for(case, seed=place),
            steps=40,
            evaluate_every=10,
            evaluate_train=place % 2 == 0,
            probe_every=9 if place % 3 == 0 else 0,
            landscape_every=15 if place % 4 == 0 else 0,
            dtype="float64" if place % 5 == 0 else "float32",
        )
        found.append((f"case {place}", trial, dataset_for(case)))
    found += [
        (f"over time, {norm}, {data.task}", _over_time(data, norm, optimizer, place), data)
        for place, (norm, optimizer) in enumerate(
            zip(("none", "batch", "layer", "rms", "group"), (*RATES, "sgd"), strict=True)
        )
        for data in SEQUENCES
    ]
    data = classification(16, 4)
    small = Network(16, (32, 32), 4, norm="batch")
    wild = Network(16, (32,) * 5, 4)
    long = Trial(small, data.name, steps=3000, evaluate_every=1000, probe_every=500)
    found += [
        ("3,000 steps", long, data),
        ("unstable", replace(long, network=wild, learning_rate=0.3), data),
        ("diverges", replace(long, network=wild, learning_rate=1e6, steps=200), data),
        ("large products", replace(long, network=Network(16, (520, 512), 4, norm="batch"), steps=3,
                                   evaluate_every=3, probe_every=0), data),
        ("adam, cosine", replace(long, optimizer="adam", schedule="cosine", learning_rate=0.01,
                                 warmup=100), data),
    ]  # fmt: skip
    return tuple(found)


def _over_time(data: Dataset, norm: str, optimizer: str, place: int) -> Trial:
    network = Network(
        data.n_features, (12, 12), data.n_outputs, norm=norm, time_steps=data.time_steps, groups=4,
        dropout=0.1 * (place % 2), activation=("tanh", "relu", "gelu")[place % 3],
    )  # fmt: skip
    return Trial(
        network, data.name, optimizer=optimizer, learning_rate=RATES[optimizer], steps=40,
        batch_size=16, evaluate_every=10, probe_every=7, landscape_every=20, seed=place,
    )  # fmt: skip


def learned(advance: Callable[[TrialState], None]) -> Iterator[tuple[str, Any]]:
    """(name, array) of all that the trials learn and log, but for seconds."""
    for what, trial, data in trials():
        state = TrialState(trial, data, make_feed(data, np.dtype(trial.dtype)))
        state.program.plan[Plan.CLOCK] = 0
        advance(state)
        for group in WRITTEN:
            for name, array in getattr(state, group)._asdict().items():
                yield f"{what}: {name}", array
        assert state.log.sums[Sum.SECONDS] == 0


def draws() -> Any:
    """`web/draws.py`, which is no module of a package."""
    path = Path(__file__).parents[2] / "web" / "draws.py"
    spec = importlib.util.spec_from_file_location("draws", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def orders(shuffle: Callable[..., None]) -> Iterator[tuple[str, Any]]:
    """(name, order) of some epochs."""
    for n, seed, epoch in ((1, 0, 0), (97, 5, 3), (1500, (7 << 32) + 1, 12)):
        order = np.zeros(n, np.int64)
        shuffle(order=order, seed_low=seed & 0xFFFFFFFF, seed_high=seed >> 32, epoch=epoch)
        yield f"order of {n}", order


def main() -> None:
    found = [*learned(advance_natively), *orders(lambda **given: loop.shuffle(*given.values()))]
    np.savez(sys.argv[1], **dict(found))


if __name__ == "__main__":
    main()
