"""Experiments: one claim, one file, and the table below to find it.

To add a claim, write `<claim>.py` with a class that has the members of `protocol.Experiment`, a
function ``on(data, quick, seeds)`` that makes one for a data set, and a function
``summary(verdicts)`` that says in one sentence what came out on all of them. Then add its line to
`CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evenbatch.data.dataset import Dataset
from evenbatch.experiments import speed
from evenbatch.experiments.carry_out import Outcome, carry_out
from evenbatch.experiments.protocol import (
    ANSWERS,
    Effect,
    Experiment,
    ExperimentError,
    Round,
    Statement,
    Verdict,
)

__all__ = [
    "ANSWERS",
    "CLAIMS",
    "Claim",
    "Effect",
    "Experiment",
    "ExperimentError",
    "Outcome",
    "Round",
    "Statement",
    "Verdict",
    "carry_out",
]


@dataclass(frozen=True)
class Claim:
    """Where to find a claim's experiment.

    Attributes:
        on: makes the experiment: ``on(data, quick, seeds)``; seeds None for its own number.
        data: names of the data sets it is measured on.
        summary: one sentence from the verdicts by data set.
    """

    on: Callable[[Dataset, bool, int | None], Experiment]
    data: tuple[str, ...]
    summary: Callable[[Mapping[str, Verdict]], str]


CLAIMS: dict[str, Claim] = {
    "speed": Claim(speed.on, ("digits", "cookies"), speed.summary),
}
