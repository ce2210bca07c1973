"""Experiments: one claim, one file, and the table below to find it.

To add a claim, write `<claim>.py` with a class that has the members of `protocol.Experiment` and a
function ``on(data, quick, seeds)`` that makes one for a data set, and add its line to `CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Callable

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
    "Effect",
    "Experiment",
    "ExperimentError",
    "Outcome",
    "Round",
    "Statement",
    "Verdict",
    "carry_out",
]

CLAIMS: dict[str, Callable[[Dataset, bool, int | None], Experiment]] = {
    "speed": speed.on,
}
