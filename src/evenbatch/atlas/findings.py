"""What the rows show: shares of settings and medians, with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.atlas.design import AXES, SEEDS, STEPS
from evenbatch.atlas.measure import SPACINGS, Row
from evenbatch.protocol.intervals import median_interval

Columns = Mapping[str, NDArray[Any]]
Mask = NDArray[np.bool_]
Where = Mapping[str, tuple[Any, ...]]
"""Values of factors: ``{"optimizer": ("sgd",)}``."""

SLOWER, FASTER = 0.9, 1.1
"""A ratio between them is called "about the same"."""


@dataclass(frozen=True)
class Share:
    """How many of some settings, with the 95 % Wilson interval of the share.

    Attributes:
        part, whole: numbers of settings.
        low, high: ends of the interval.
    """

    part: int
    whole: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share."""
        return self.part / self.whole if self.whole else float("nan")

    def __str__(self) -> str:
        if not self.whole:
            return "none measured"
        return f"{100 * self.value:.0f} %"

    @property
    def between(self) -> str:
        """The interval in words."""
        return f"{100 * self.low:.0f} to {100 * self.high:.0f} %"


def share(event: Mask) -> Share:
    """The share of settings of which something is true.

    >>> found = share(np.arange(100) < 30)
    >>> str(found), found.between
    ('30 %', '22 to 40 %')
    """
    from scipy.stats import binomtest

    part, whole = int(event.sum()), len(event)
    if not whole:
        return Share(0, 0, 0.0, 1.0)
    ends = binomtest(part, whole).proportion_ci(method="wilson")
    return Share(part, whole, float(ends.low), float(ends.high))


def columns(rows: Sequence[Row], norm: str = "") -> Columns:
    """The rows as arrays by name; those of one normalizer, if it is named."""
    chosen = [row for row in rows if not norm or row["norm"] == norm]
    names = chosen[0] if chosen else rows[0]
    return {name: np.array([row[name] for row in chosen]) for name in names}


def chosen(found: Columns, mask: Mask) -> Columns:
    """Some of the rows."""
    return {name: values[mask] for name, values in found.items()}


def at(found: Columns, where: Where) -> Mask:
    """The rows whose factors have these values."""
    mask = np.ones(len(found["setting"]), bool)
    for name, values in where.items():
        mask &= np.isin(found[name], values)
    return mask


def raced(found: Columns) -> Columns:
    """The settings in which at least one of both arms learned anything: they have a ratio."""
    return chosen(found, np.isfinite(found["ratio"].astype(float)))


def median(values: NDArray[Any]) -> tuple[float, float, float]:
    """The median and its 95 % interval; NaN if there are no values."""
    if not len(values):
        return (float("nan"),) * 3
    return (float(np.median(values)), *median_interval(values.astype(float)))


OUTCOMES = (
    "only the normalized network learns",
    "both learn, with it in 3 times fewer steps or more",
    "both learn, with it in 1.1 to 3 times fewer",
    "both learn, with it about as fast",
    "both learn, with it more slowly",
    "only the network without learns",
    "neither learns",
)
"""Every setting is exactly one of them."""


def outcomes(found: Columns) -> dict[str, Share]:
    """How many settings have each of `OUTCOMES`."""
    ratio = found["ratio"].astype(float)
    alone, without = found["learned_norm"], found["learned_none"]
    both = alone & without
    return {
        name: share(mask)
        for name, mask in zip(
            OUTCOMES,
            (
                alone & ~without,
                both & (ratio >= 3),
                both & (ratio >= FASTER) & (ratio < 3),
                both & (ratio >= SLOWER) & (ratio < FASTER),
                both & (ratio < SLOWER),
                without & ~alone,
                ~alone & ~without,
            ),
            strict=True,
        )
    }


def by_factor(found: Columns, name: str) -> list[tuple[Any, tuple[float, float, float], int]]:
    """For each value of a factor: the median ratio with its interval, and how many settings."""
    there = raced(found)
    levels = []
    for value in AXES[name]:
        ratios = there["ratio"][there[name] == value]
        levels.append((value, median(ratios), len(ratios)))
    return levels


def toml_of(row: Row) -> str:
    """A sweep that carries the row's best runs out again: `evenbatch sweep` reads it.

    >>> from evenbatch.atlas.design import Setting
    >>> print(toml_of({**vars(Setting("digits", 2, 8, "relu", "he", "sgd", 32, 0, "before")),
    ...                "norm": "batch", "rate_none": 0.1, "rate_norm": 0.316}))
    data = "digits"
    seeds = 5
    [network]
    hidden = [8, 8]
    norm = ["none", "batch"]
    activation = "relu"
    init = "he"
    placement = "before"
    residual = 0
    [trial]
    optimizer = "sgd"
    batch_size = 32
    learning_rate = [0.1, 0.316]
    steps = 300
    evaluate_every = 5
    """
    rates = sorted({float(f"{row[f'rate_{side}']:.3g}") for side in ("none", "norm")})
    return "\n".join(
        [
            f'data = "{row["data"]}"',
            f"seeds = {SEEDS}",
            "[network]",
            f"hidden = {[row['width']] * row['depth']}",
            f'norm = ["none", "{row["norm"]}"]',
            *(f'{name} = "{row[name]}"' for name in ("activation", "init", "placement")),
            f"residual = {row['residual']}",
            "[trial]",
            f'optimizer = "{row["optimizer"]}"',
            f"batch_size = {row['batch_size']}",
            f"learning_rate = {rates}",
            f"steps = {STEPS}",
            f"evaluate_every = {SPACINGS[0]}",
        ]
    )
