"""A claim: where its experiment is made, on which data, and how its result is put."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenbatch import protocol as p
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.phrases import listed_answers
from evenbatch.protocol.study import ClaimStudy, Telling
from evenbatch.protocol.verdict import Verdict

ARM_NAMES = {
    "none": "no normalization",
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": "group norm",
}
"""Arms as tables and figures call them; a figure draws an arm of this id the same everywhere."""

INITS = {
    "torch": ("PyTorch init", "PyTorch's initialization"),
    "he": ("He init", "He initialization"),
    "large": ("twice He", "weights twice He's"),
}
"""Initial weights in tables and in sentences."""


TWO_POINTS = 2.0
"""The difference that matters where another kind of normalizer is recommended: twice the point that
matters elsewhere, because whoever follows the advice also gives up what the first one has to offer
(no cost in evaluation, and folding into the layer before)."""


@dataclass(frozen=True)
class Effort:
    """How much is trained for an answer.

    Attributes:
        name: "quick", "default" or "full".
        seeds: measurement seeds.
        tuning: tuning seeds, on which learning rates are chosen.
    """

    name: str
    seeds: int
    tuning: int

    @property
    def quick(self) -> bool:
        return self.name == "quick"


QUICK, DEFAULT, FULL = Effort("quick", 5, 2), Effort("default", 10, 3), Effort("full", 20, 5)
EFFORTS = {effort.name: effort for effort in (QUICK, DEFAULT, FULL)}

Made = tuple[p.Experiment, Sequence[p.Prepared]]
"""An experiment and the data sets it names."""


@dataclass(frozen=True)
class Claim:
    """Where to find a claim's experiment.

    Attributes:
        id: its name on the command line.
        phrase: the claim in the few words that a table has room for.
        make: the experiment on a data set, and the data sets made from it.
        telling: how the result is put.
        data: names of the data sets it is measured on.
        absent: why it is skipped where its own data are not there; "" if they always are.
        alone: makes the data of a claim that brings its own; its `data` are empty.
        named: how a data set is named in the sentence on all of them.
    """

    id: str
    phrase: str
    make: Callable[[Dataset, Effort], Made]
    telling: Telling
    data: tuple[str, ...] = ("digits", "cookies")
    absent: str = ""
    alone: Callable[[Effort], Dataset] | None = None
    named: Callable[[str, Verdict], str] = lambda name, _verdict: name

    def on(self, data: Dataset, effort: Effort = DEFAULT) -> ClaimStudy | RaceStudy:
        """The experiment on a data set, as `evenbatch prove` carries it out.

        Raises:
            NotHere: the claim is not about these data.
            ExperimentError: it cannot be measured on them; the message says what to change.
        """
        experiment, prepared = self.make(data, effort)
        if experiment.race is not None:
            return RaceStudy(experiment, data)
        return ClaimStudy(experiment, {one.data.name: one.data for one in prepared}, self.telling)

    def conclude(self, verdicts: Mapping[str, Verdict]) -> str:
        """One sentence on all data sets."""
        return f"“{self.phrase}” {listed_answers(verdicts, self.named)}."


def asked(prepared: Sequence[p.Prepared], **described: Any) -> Made:
    """An experiment on data sets, of which the first is the one it is about."""
    data = prepared[0].data
    recipes = {one.data.name: one.recipe for one in prepared}
    metric = p.metric_name(data)
    return p.Experiment(data=data.name, metric=metric, recipes=recipes, **described), prepared


def arms(*norms: str) -> p.Axis:
    """The axis of normalizers."""
    return p.Axis(
        "arm", "arm", tuple(p.Level(n, ARM_NAMES.get(n, n), p.changes(norm=n)) for n in norms)
    )


def initial(name: str, width: int) -> dict[str, Any]:
    """Settings of an initialization in `INITS` for a network of this width.

    >>> initial("he", 32)
    {'init': 'he'}
    >>> initial("large", 32)
    {'init': 'gaussian', 'sigma': 0.5}
    """
    if name == "large":
        return {"init": "gaussian", "sigma": round(2 * math.sqrt(2 / width), 6)}
    return {"init": name}


def inits(width: int, *names: str) -> p.Axis:
    """The axis of initializations."""
    levels = (p.Level(n, INITS[n][0], p.changes(**initial(n, width))) for n in names)
    return p.Axis("init", "initialization", tuple(levels))


def points(data: Dataset) -> str:
    """The unit of a difference of metrics times 100.

    >>> from evenbatch.data import load
    >>> points(load("digits")), points(load("cookies-taste"))
    ('percentage points', 'points (0.01) of R²')
    """
    return "points (0.01) of R²" if data.task == "regression" else "percentage points"


def rows(axis: p.Axis, of: Callable[[str], p.Expr]) -> tuple[p.Row, ...]:
    """A row of a figure for each level of an axis."""
    return tuple(p.Row(level.id, level.name, of(level.id)) for level in axis.levels)


def ways(axis: p.Axis, **cell: str) -> tuple[p.Row, ...]:
    """The same for paths of runs; `cell` names the levels of the other axes."""
    return tuple(
        p.Row(level.id, level.name, cell={axis.id: level.id, **cell}) for level in axis.levels
    )


def searched(
    id: str, effort: Effort, base: p.Changes, axes: tuple[p.Axis, ...], **described: Any
) -> p.Block:
    """A block with the seeds of an effort; each cell at its own best learning rate unless said."""
    usual: dict[str, Any] = {"at": (p.Best(),), "seeds": effort.seeds, "tuning": effort.tuning}
    return p.Block(id=id, base=base, axes=axes, **usual | described)
