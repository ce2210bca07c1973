"""A claim: where its experiment is made, on which data, and how its result is put."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from evenbatch import protocol as p
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.phrases import by_name, listed_answers
from evenbatch.protocol.study import ClaimStudy, Telling
from evenbatch.protocol.verdict import Verdict


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

    def rates(self, low: float, high: float, spacing: float = 0.25) -> tuple[float, ...]:
        """Learning rates from 10 to the power of `low` to that of `high`, `spacing` decades apart;
        a quick effort tries every other one.

        >>> QUICK.rates(-1, 0), DEFAULT.rates(-1, 0)
        ((0.1, 0.316, 1.0), (0.1, 0.178, 0.316, 0.562, 1.0))
        """
        return p.rates_between(low, high, 2 * spacing if self.quick else spacing)


QUICK, DEFAULT, FULL = Effort("quick", 5, 2), Effort("default", 10, 3), Effort("full", 20, 5)
EFFORTS = {effort.name: effort for effort in (QUICK, DEFAULT, FULL)}

Made = tuple[p.Experiment, Sequence[p.Prepared]]
"""An experiment and the data sets it names."""


def same(made: Made) -> Made:
    """As it is."""
    return made


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
    named: Callable[[str, Verdict], str] = by_name

    def on(
        self, data: Dataset, effort: Effort = DEFAULT, networks: Callable[[Made], Made] = same
    ) -> ClaimStudy | RaceStudy:
        """The experiment on a data set, as `evenbatch prove` carries it out.

        Args:
            data: the data set.
            effort: how much is trained.
            networks: what its networks are made into (`convolutional.by_convolution`).

        Raises:
            NotHere: the claim is not about these data.
            ExperimentError: it cannot be measured on them; the message says what to change.
        """
        experiment, prepared = networks(self.make(data, effort))
        if experiment.race is not None:
            return RaceStudy(experiment, prepared[0].data)
        return ClaimStudy(experiment, {one.data.name: one.data for one in prepared}, self.telling)

    def conclude(self, verdicts: Mapping[str, Verdict]) -> str:
        """One sentence on all data sets."""
        return f"“{self.phrase}” {listed_answers(verdicts, self.named)}."


def asked(*prepared: p.Prepared, **described: Any) -> Made:
    """An experiment on data sets, of which the first is the one it is about.

    In every text, {metric} stands for what its metric is called, and {points} for the unit of a
    difference of metrics times 100.
    """
    data, recipes = prepared[0].data, {one.data.name: one.recipe for one in prepared}
    metric = p.metric_name(data)
    words = {"{metric}": metric, "{points}": p.points_unit(data)}

    def filled(part: Any) -> Any:
        if isinstance(part, str):
            for name, word in words.items():
                part = part.replace(name, word)
        return part

    texts = {name: each(part, filled) for name, part in described.items()}
    return p.Experiment(data=data.name, metric=metric, recipes=recipes, **texts), prepared


def each(part: Any, change: Callable[[Any], Any]) -> Any:
    """A part of a description, with `change` made to it and to all that is in it."""
    part = change(part)
    made = part
    if isinstance(part, (tuple, Iterator)):
        made = tuple(each(one, change) for one in part)
    elif isinstance(part, dict):
        made = {name: each(one, change) for name, one in part.items()}
    elif isinstance(part, msgspec.Struct):
        own = {name: each(getattr(part, name), change) for name in part.__struct_fields__}
        made = msgspec.structs.replace(part, **own)
    return part if made == part else made
