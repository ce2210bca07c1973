"""Claims of the lesson as conditions: in what share of the settings each holds, and of which.

Each sentence is computed from the rows; only where it looks is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evenbatch.atlas import findings as f
from evenbatch.atlas.measure import Row

Event = Callable[[f.Columns], f.Mask]


@dataclass(frozen=True)
class Condition:
    """A claim that holds in some settings and not in others.

    Attributes:
        claim: name of the lesson's claim.
        norm: which normalizer it is about.
        says: what happens, as a sentence begins.
        event: of which rows it is true.
        among: of which rows it is asked: those with a ratio, or all.
        where: words and factors of settings in which it is true more often, or less.
    """

    claim: str
    norm: str
    says: str
    event: Event
    among: Callable[[f.Columns], f.Columns]
    where: tuple[tuple[str, f.Where], ...]

    def sentence(self, rows: Sequence[Row]) -> str:
        """The sentence, with its shares and their 95 % intervals."""
        found = self.among(f.columns(rows, self.norm))
        event = self.event(found)
        whole = f.share(event)
        parts = [f"{words} in {_said(f.share(event[f.at(found, w)]))}" for words, w in self.where]
        return f"{self.says} in {_said(whole)} of the settings; {', '.join(parts)}."


def _said(found: f.Share) -> str:
    return f"{found} ({found.between})" if found.whole else "none measured"


def _everything(found: f.Columns) -> f.Columns:
    return found


CONDITIONS = (
    Condition(
        "speed", "batch", "Batch norm needs at least 3 times fewer steps",
        lambda c: c["ratio"] >= 3, f.raced,
        (
            ("on columns of unlike scales (cookies)", {"data": ("cookies",)}),
            ("with batches of 4", {"batch_size": (4,)}),
        ),
    ),
    Condition(
        "learning-rate", "batch", "Batch norm lets at least half a decade more learning rates work",
        lambda c: c["width_norm"] - c["width_none"] >= 0.5, f.raced,
        (
            ("with sgd", {"optimizer": ("sgd",)}),
            ("with Adam", {"optimizer": ("adam",)}),
        ),
    ),
    Condition(
        "depth", "batch", "Only the network with batch norm learns anything",
        lambda c: c["learned_norm"] & ~c["learned_none"], _everything,
        (
            ("with 12 or 20 layers and no shortcuts", {"depth": (12, 20), "residual": (0,)}),
            ("with 1 to 4 layers", {"depth": (1, 2, 3, 4)}),
        ),
    ),
    Condition(
        "batch-size", "batch", "Batch norm is slower than no normalization",
        lambda c: c["ratio"] < f.SLOWER, f.raced,
        (
            ("with batches of 4", {"batch_size": (4,)}),
            ("with batches of 32 or more", {"batch_size": (32, 64, 128)}),
        ),
    ),
    Condition(
        "layer-norm", "layer", "Layer norm saves steps at all (1.1 times or more)",
        lambda c: c["ratio"] >= f.FASTER, f.raced,
        (
            ("with sigmoid", {"activation": ("sigmoid",)}),
            ("with relu", {"activation": ("relu",)}),
        ),
    ),
)  # fmt: skip
"""Five claims of the lesson."""


def sentences(rows: Sequence[Row]) -> list[str]:
    """All of them."""
    assert rows
    with np.errstate(invalid="ignore"):
        return [one.sentence(rows) for one in CONDITIONS]


def source(rows: Sequence[Row]) -> str:
    """What the sentences rest on."""
    many = len({row["setting"] for row in rows})
    runs = sum(row["runs"] for row in rows if row["norm"] == rows[0]["norm"])
    return (
        f"Measured in {many:,} settings of small fully connected networks on three data sets "
        f"({runs:,} runs), each arm at its own best learning rate."
    )
