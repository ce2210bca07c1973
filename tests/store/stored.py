"""Trials and curves at hand, and when two curves are the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from evenbatch.engine import Curve, Network, Trial

NET = Network(inputs=64, hidden=(8, 8), outputs=10, norm="batch")


def some_trials(count: int = 6, **settings: Any) -> list[Trial]:
    settings = {"steps": 30, "evaluate_every": 10, "probe_every": 10} | settings
    return [Trial(NET, "digits", seed=seed, **settings) for seed in range(count)]


def same(a: Any, b: Any, skip: tuple[str, ...] = ()) -> bool:
    """Equal to the bit, with NaN equal to itself and types too."""
    if is_dataclass(a) and not isinstance(a, Trial):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name), skip)
            for f in fields(a)
            if f.name not in skip
        )
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b)


def of_seed(curve: Curve, seed: int) -> Curve:
    """The same curve, as if another seed had given it: many curves without training."""
    return replace(curve, trial=replace(curve.trial, seed=seed))
