"""Experiments: one claim, one file, and the table below to find it.

To add a claim, write `<claim>.py` with a class that has the members of `protocol.Experiment` and a
function ``on(data, effort)`` that makes one for a data set. Then add its line to `CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evenbatch.data.dataset import Dataset
from evenbatch.experiments import (
    batch_size,
    covariate_shift,
    depth,
    epsilon,
    feature_scaling,
    gamma_beta,
    gradients,
    initialization,
    ioffe_2015,
    layer_norm,
    learning_rate,
    placement,
    regularization,
    sequences,
    smoothness,
    speed,
    train_eval,
    yang_2019,
)
from evenbatch.experiments.carry_out import Outcome, carry_out
from evenbatch.experiments.protocol import (
    ANSWERS,
    Effect,
    Experiment,
    ExperimentError,
    NotHere,
    Round,
    Statement,
    Verdict,
)
from evenbatch.experiments.setup import EFFORTS, Effort
from evenbatch.experiments.wording import listed_answers

__all__ = [
    "ANSWERS",
    "CLAIMS",
    "EFFORTS",
    "Claim",
    "Effect",
    "Effort",
    "Experiment",
    "ExperimentError",
    "NotHere",
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
        on: makes the experiment: ``on(data, effort)``.
        data: names of the data sets it is measured on.
        phrase: the claim in the few words that a table has room for.
        summary: one sentence from the verdicts by data set; made from `phrase` if left out.
        absent: why the claim is skipped where its own data are not there; "" if they always are.
        alone: makes the experiment of a claim that brings its own data: ``alone(effort)``. Its
            `data` are empty, and `on` says that it is about no other.
    """

    on: Callable[[Dataset, Effort], Experiment]
    data: tuple[str, ...]
    phrase: str
    summary: Callable[[Mapping[str, Verdict]], str] | None = None
    absent: str = ""
    alone: Callable[[Effort], Experiment] | None = None

    def conclude(self, verdicts: Mapping[str, Verdict]) -> str:
        """One sentence on all data sets."""
        if self.summary is not None:
            return self.summary(verdicts)
        return f"“{self.phrase}” {listed_answers(verdicts)}."


CLAIMS: dict[str, Claim] = {
    "speed": Claim(speed.on, ("digits", "cookies"), speed.CLAIM, speed.summary),
    "depth": Claim(depth.on, ("digits", "cookies"), depth.CLAIM),
    "gradients": Claim(gradients.on, ("digits", "cookies"), gradients.CLAIM),
    "initialization": Claim(initialization.on, ("digits", "cookies"), initialization.CLAIM),
    "covariate-shift": Claim(covariate_shift.on, ("digits", "cookies"), covariate_shift.CLAIM),
    "smoothness": Claim(smoothness.on, ("digits", "cookies"), smoothness.CLAIM),
    "learning-rate": Claim(learning_rate.on, ("digits", "cookies"), learning_rate.CLAIM),
    "layer-norm": Claim(layer_norm.on, ("digits", "mnist1d"), layer_norm.CLAIM),
    "sequences": Claim(sequences.on, ("stories", "stories:longest=12"), sequences.CLAIM),
    "placement": Claim(placement.on, ("digits", "cookies"), placement.CLAIM),
    "regularization": Claim(regularization.on, ("digits", "cookies"), regularization.CLAIM),
    "batch-size": Claim(batch_size.on, ("digits", "cookies"), batch_size.CLAIM),
    "epsilon": Claim(epsilon.on, ("digits", "cookies"), epsilon.CLAIM),
    "gamma-beta": Claim(gamma_beta.on, ("digits", "cookies"), gamma_beta.CLAIM),
    "train-eval": Claim(train_eval.on, ("digits", "cookies"), train_eval.CLAIM),
    "feature-scaling": Claim(feature_scaling.on, ("digits", "cookies"), feature_scaling.CLAIM),
    "yang-2019": Claim(yang_2019.on, (), yang_2019.CLAIM, alone=yang_2019.alone),
    "ioffe-2015": Claim(ioffe_2015.on, ("mnist",), ioffe_2015.CLAIM, absent=ioffe_2015.ABSENT),
}
