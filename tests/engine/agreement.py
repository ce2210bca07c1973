"""Trainings of the engine held against their PyTorch twins, step by step.

What must agree, and how closely, says `test_engine_trajectories.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch_twin import Run, Twin, train_twin

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Session, Trial, Weights
from harness import arrays, random_batches, random_weights

EXACT = 1e-11
FLOOR = 1e-5
WORST = 1e-3
NUDGED = 4
"""More runs of PyTorch, from weights a rounding away, where its own error was small by luck."""
EVALUATED = (0, 10, 50, 110)


@dataclass
class Engines:
    """Curves of the same trials in float64 and float32, with what they started from."""

    trials: list[Trial]
    data: dict[str, Dataset]
    weights: dict[int, Weights]
    batches: dict[int, Any]
    curves64: list[Curve]
    curves32: list[Curve]


def run_engines(
    trials: Sequence[Trial],
    datasets: Sequence[Dataset],
    start: Callable[..., Weights] = random_weights,
) -> Engines:
    """Train all trials in one session for each precision, from the weights that `start` makes."""
    data = {d.name: d for d in datasets}
    # Both precisions and PyTorch start from the same numbers, those of float32.
    weights = {i: start(t.network, t.seed, np.float32) for i, t in enumerate(trials)}
    batches = {
        i: random_batches(data[t.data].n_train, t.batch_size, t.steps, t.seed)
        for i, t in enumerate(trials)
    }
    curves = []
    for dtype in ("float64", "float32"):
        with Session(
            [replace(t, dtype=dtype) for t in trials],
            data,
            weights=weights,
            batches=batches,
            keep_weights=True,
            threads=1,
        ) as session:
            session.advance(max(t.steps for t in trials))
            curves.append(session.curves())
    return Engines(list(trials), data, weights, batches, *curves)


def series(found: Curve | Run, at: Sequence[int]) -> dict[str, Any]:
    """What is compared, by name, from either side."""
    if isinstance(found, Curve):
        places = [list(found.step).index(step) for step in at]
        values = {
            "loss": found.train_loss[1:],
            "test loss": found.test_loss[places],
            "metric": found.metric[places],
        }
    else:
        points = np.array([found.evaluated[step] for step in at])
        values = {"loss": np.array(found.losses), "test loss": points[:, 0], "metric": points[:, 1]}
    assert found.weights is not None
    return values | {name: np.asarray(a, np.float64) for name, a in arrays(found.weights)}


def distance(a: Any, b: Any) -> float:
    """Largest difference, in units of the larger of 1 and b's root mean square."""
    return float(np.abs(a - b).max() / max(1.0, np.sqrt((b**2).mean())))


def nudged(weights: Weights, seed: int) -> Weights:
    """Each number one unit in the last place of float32 up or down."""
    made, random = copy.deepcopy(weights), np.random.default_rng(seed)
    for _, values in arrays(made):
        values *= 1 + np.finfo(np.float32).eps * random.choice([-1, 1], values.shape)
    return made


def compare(engines: Engines, place: int, kind: type[Twin] = Twin) -> None:
    """Raise unless a trial's curves agree with those of its twin."""
    trial = engines.trials[place]
    data = engines.data[trial.data]
    start, batches = engines.weights[place], engines.batches[place]
    at = [step for step in EVALUATED if step <= trial.steps]
    exact = series(train_twin(trial, data, start, batches, torch.float64, at, kind), at)
    rounded = series(train_twin(trial, data, start, batches, torch.float32, at, kind), at)
    engine64 = series(engines.curves64[place], at)
    engine32 = series(engines.curves32[place], at)
    assert list(exact) == list(engine64) == list(engine32) == list(rounded)
    for name, truth in exact.items():
        assert truth.shape == engine64[name].shape == engine32[name].shape
        assert np.isfinite(truth).all(), f"{name}: PyTorch's own training is not finite"
        off = distance(engine64[name], truth)
        assert off <= EXACT, f"float64 {name}: off by {off:.3g}"
    found = {name: distance(engine32[name], truth) for name, truth in exact.items()}
    allowed = {name: distance(rounded[name], truth) for name, truth in exact.items()}
    for seed in range(NUDGED):
        if all(off <= 4 * allowed[name] + FLOOR for name, off in found.items()):
            break
        near = train_twin(trial, data, nudged(start, seed), batches, torch.float32, at, kind)
        for name, values in series(near, at).items():
            allowed[name] = max(allowed[name], distance(values, exact[name]))
    for name, off in found.items():
        torch_off = allowed[name]
        if name == "metric" and data.task == "classification":
            # One example on the border may change sides.
            assert off <= 1.01 / data.n_test, f"float32 {name}: off by {off:.3g}"
            continue
        assert off <= 4 * torch_off + FLOOR, (
            f"float32 {name}: off by {off:.3g}, PyTorch by {torch_off:.3g}"
        )
        assert off <= WORST, f"float32 {name}: off by {off:.3g}; the training is chaotic"
