"""Rows of settings that nobody measured: their ratios follow a rule, with noise."""

from __future__ import annotations

import numpy as np

from evenbatch.atlas.design import NORMS, settings
from evenbatch.atlas.measure import Row

NOISE = 0.25
"""Standard deviation of the log ratio around the rule."""


def rule(norm: str, row: Row) -> float:
    """The log ratio that the rule gives."""
    found = 0.4 * (row["data"] == "cookies") + 0.12 * np.log2(row["batch_size"]) - 0.5
    found += 0.5 * (row["optimizer"] == "sgd") + 0.05 * row["depth"]
    return float(found if norm == "batch" else 0.3 * found)


def rows(first: int, count: int, seed: int = 0, noise: float = NOISE) -> list[Row]:
    """Rows of so many settings of the design; about one in ten learned nothing."""
    rng, found = np.random.default_rng(seed), []
    for number, setting in settings(first, count):
        nothing = rng.random() < 0.1
        for norm in NORMS:
            row: Row = {"setting": number, "norm": norm, **vars(setting)}
            ratio = np.nan if nothing else float(np.exp(rule(norm, row) + noise * rng.normal()))
            row |= {"ratio": ratio, "low": 0.8 * ratio, "high": 1.25 * ratio, "bound": ""}
            row |= {"time_ratio": 0.8 * ratio, "time_low": 0.6 * ratio, "time_high": ratio}
            row |= {"end": np.nan if nothing else 1.0, "end_low": 0.5, "end_high": 1.5}
            row |= {"chance": 0.1, "goal": 0.8, "goal_of_weaker": True, "runs": 90}
            for side in ("none", "norm"):
                row |= {
                    f"rate_{side}": 0.1, f"best_{side}": 0.9, f"learned_{side}": not nothing,
                    f"width_{side}": 1.5 + 0.5 * (side == "norm"), f"cut_{side}": False,
                    f"diverged_{side}": 0.25, f"lost_{side}": 0, f"steps_{side}": 100.0,
                }  # fmt: skip
            found.append(row)
    return found
