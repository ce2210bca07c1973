"""Claims of the lesson as conditions: in what share of the settings each holds, and of which.

Each sentence is computed from the rows; only where it looks is written here. Shares are of the
settings in which either network learned anything, but for the third, which is about just that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenbatch.atlas import findings as f
from evenbatch.atlas.measure import Row
from evenbatch.protocol.verdict import ExperimentError

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
        more, less: words and factors of settings in which it is true more often, and less.
    """

    claim: str
    norm: str
    says: str
    event: Event
    among: Callable[[f.Columns], f.Columns]
    more: tuple[str, f.Where]
    less: tuple[str, f.Where]

    def shares(self, rows: Sequence[Row]) -> tuple[f.Share, f.Share, f.Share]:
        """Where it is true: of all settings, where it is more often, and less."""
        found = self.among(f.columns(rows, self.norm))
        event = self.event(found)
        more, less = (f.share(event[f.at(found, where)]) for _, where in (self.more, self.less))
        return f.share(event), more, less

    def sentence(self, rows: Sequence[Row]) -> str:
        """The sentence, with its shares and their 95 % intervals."""
        every, more, less = map(_said, self.shares(rows))
        parts = f"{self.more[0]} in {more}, {self.less[0]} in {less}"
        return f"{self.says} in {every} of the settings: {parts}."


def _said(found: f.Share) -> str:
    return f"{found} ({found.between})" if found.whole else "none measured"


def _everything(found: f.Columns) -> f.Columns:
    return found


CONDITIONS = (
    Condition(
        "speed", "batch", "Batch norm needs at least 3 times fewer steps",
        lambda c: c["ratio"] >= 3, f.raced,
        ("on digits or cookies with batches of 16 or more",
         {"data": ("digits", "cookies"), "batch_size": (16, 32, 64, 128)}),
        ("on MNIST-1D", {"data": ("mnist1d",)}),
    ),
    Condition(
        "learning-rate", "batch",
        "Batch norm widens the usable learning rates by half a decade or more",
        lambda c: c["width_norm"] - c["width_none"] >= 0.5, f.raced,
        ("with sigmoid", {"activation": ("sigmoid",)}),
        ("with tanh", {"activation": ("tanh",)}),
    ),
    Condition(
        "depth", "batch", "Only the network with batch norm learns anything",
        lambda c: c["learned_norm"] & ~c["learned_none"], _everything,
        ("with 20 layers", {"depth": (20,)}),
        ("with 2 to 6", {"depth": (2, 3, 4, 6)}),
    ),
    Condition(
        "batch-size", "batch", "Batch norm needs more steps (a ratio below 0.9)",
        lambda c: c["ratio"] < f.SLOWER, f.raced,
        ("with batches of 4", {"batch_size": (4,)}),
        ("with batches of 16 to 64", {"batch_size": (16, 32, 64)}),
    ),
    Condition(
        "layer-norm", "layer", "Layer norm needs fewer steps (1.1 times or more)",
        lambda c: c["ratio"] >= f.FASTER, f.raced,
        ("with PyTorch’s initial weights", {"init": ("torch",)}),
        ("with He’s or Xavier’s", {"init": ("he", "xavier")}),
    ),
)  # fmt: skip
"""Five claims of the lesson. Where each looks was chosen when 290 settings were known."""


def sentences(rows: Sequence[Row]) -> list[str]:
    """All of them.

    Raises:
        ExperimentError: there are no rows.
    """
    if not rows:
        raise ExperimentError(
            "this atlas has no whole setting yet. Measure some with the same --file: "
            "evenbatch atlas --settings 100"
        )
    with np.errstate(invalid="ignore"):
        return [one.sentence(rows) for one in CONDITIONS]


def measured(rows: Sequence[Row]) -> dict[str, int]:
    """How many settings and runs the sentences rest on."""
    runs = sum(row["runs"] for row in rows if row["norm"] == rows[0]["norm"])
    return {"settings": len({row["setting"] for row in rows}), "runs": runs}


def source(rows: Sequence[Row]) -> str:
    """What the sentences rest on."""
    found = measured(rows)
    return (
        f"Measured in {found['settings']:,} settings of small fully connected networks on three "
        f"data sets ({found['runs']:,} runs), each arm at its own best learning rate."
    )


def written(rows: Sequence[Row]) -> dict[str, Any]:
    """What the report and the lesson have of the atlas: the sentences, and their shares in percent
    (of all settings, where it is more, where it is less) by claim."""
    with np.errstate(invalid="ignore"):
        shares = {
            one.claim: [round(100 * share.value) for share in one.shares(rows)]
            for one in CONDITIONS
        }
    said = {"source": source(rows), "sentences": sentences(rows)}
    return {**said, **measured(rows), "shares": shares}
