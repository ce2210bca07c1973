"""Claim "feature-scaling": batch norm evens out ingredients of different size.

evenbatch prove feature-scaling
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.data.split import random_order
from evenbatch.experiments.derived import alike, learnable, rescaled, spreads, standardized
from evenbatch.experiments.effects import intervals, mean_effect
from evenbatch.experiments.exhibits import DOTS, Axis, Figure
from evenbatch.experiments.meeting import BEST, Arm, Meeting, Met
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.rules import POINT, too_few
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import rates_between
from evenbatch.experiments.wording import compared, gain, points_unit, share

CLAIM = "makes feature scaling needless"
RAW, EVEN, BATCH, BOTH, INPUT = "raw", "standardized", "batch", "both", "input"
NAMES = {
    RAW: "raw input",
    EVEN: "standardized input",
    BATCH: "raw input, batch norm",
    BOTH: "standardized input, batch norm",
    INPUT: "raw input, batch norm on the input only",
}
MIXED = 1.5  # decades up and down that alike columns are rescaled by
STEPS = 500  # the same at every effort: the average over the training depends on it


def judge(without: Effect, with_norm: Effect, saved: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from what scaling gains without and with batch norm, and the difference of the two.

    >>> much, none, some = Effect("", 40, 38, 42, ""), Effect("", 0, -1, 0.5, ""), Effect(
    ...     "", 20, 15, 25, "")
    >>> judge(much, none, much, seeds=5)[0], judge(much, some, some, seeds=5)[0]
    ('holds', 'holds in part')
    >>> judge(much, much, none, seeds=5)[0], judge(none, none, none, seeds=5)[0]
    ('does not hold', 'cannot tell')
    """
    if few := too_few(seeds):
        return few
    if without.low < POINT:
        return CANNOT_TELL, "without batch norm scaling did not surely gain anything here"
    if with_norm.high < POINT:
        return HOLDS, f"with batch norm scaling gained less than {POINT:g} point"
    if saved.low > 0:
        return IN_PART, "with batch norm scaling gained less than without, but not nothing"
    if with_norm.low > 0:
        return FAILS, "with batch norm scaling gained about as much as without"
    return CANNOT_TELL, "what scaling gained with batch norm is not settled"


@dataclass(frozen=True, eq=False)
class FeatureScaling(Untimed):
    """Raw and standardized input, with and without batch norm.

    Args:
        meeting: the arms.
    """

    meeting: Meeting

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.meeting.datasets

    @property
    def statement(self) -> Statement:
        setup, rates = self.meeting.setup, self.meeting.rates
        sizes = spreads(setup.data)
        apart = float(f"{sizes[-1] / sizes[0]:.1g}")
        return Statement(
            claim="Batch norm makes ingredients of very different size even, as feature scaling "
            "does.",
            question=f"On {setup.data.name}, whose columns spread by factors of up to "
            f"{apart:,.0f}: is standardizing the input still of use once "
            "the network has batch norm?",
            arms=tuple((name, arm.name) for name, arm in self.meeting.arms.items()),
            grid=f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each arm",
            fairness="Same initial weights, minibatches and order in all arms, seed by seed. Each "
            "at its own best learning rate, chosen on other seeds, and all at the best rates of "
            "raw input with batch norm and of standardized input. Means and spreads for "
            "standardizing come from the training rows only.",
            measure=f"Test {setup.metric} averaged over the training, in points (0.01): what "
            "standardizing gains without batch norm, what it gains with it, and the difference of "
            "the two; paired by seed, mean with 95 % interval.",
            rule=f"Best against best. Cannot tell: without batch norm the gain is not surely "
            f"{POINT:g} point, or fewer than {MIN_SEEDS} seeds. Holds: with batch norm it is "
            f"surely below {POINT:g} point. In part: it is surely smaller than without. Does not "
            "hold: else, if there surely is one. Cannot tell: else.",
            source="LeCun et al. 1998, “Efficient BackProp”, section 4.3; Ioffe & Szegedy 2015, "
            "arXiv:1502.03167, section 2.",
        )

    def trials(self, curves: Curves) -> Round:
        return self.meeting.trials(curves)

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        met, setup = self.meeting.met(curves), self.meeting.setup
        data, setting = met.data, setup.words(met.seeds)
        if nothing := met.nothing():
            return Verdict(CANNOT_TELL, nothing, f"{data.name}: {nothing}.", (), setting)
        gains = {label: _gains(met, label) for label in met.grids}
        answer, reason = judge(*gains[BEST], met.seeds)
        without, with_norm, _ = gains[BEST]
        rival = met.gain(BATCH, EVEN)
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: standardizing the input gained {gain(without)} without batch "
            f"norm and {gain(with_norm)} with it, on average over the training; raw input with "
            f"batch norm was {_ahead(rival)}. “{CLAIM}” {answer}: "
            f"{reason}.",
            effects=(
                *(three[i] for three in gains.values() for i in (1, 0, 2)),
                rival,
            ),
            measured_on=setting,
            notes=(
                f"Batch norm on the raw input only was {_ahead(met.gain(INPUT, EVEN))}.",
                *met.notes(),
            ),
            figures=(
                _figure(met, f"What standardizing changes: {data.name}"),
                met.lines(f"Raw and standardized input: {data.name}"),
            ),
            tables=(met.table(f"Test {setup.metric} of each arm", "average"),),
            change="Columns of one scale leave nothing to even out. Batch norm put on the input is "
            "itself feature scaling, batch by batch: the last arm shows what that is worth.",
        )


def _gains(met: Met, label: str) -> tuple[Effect, Effect, Effect]:
    """What scaling gains without batch norm, with it, and by how much less with it."""
    without, with_norm = met.gain(EVEN, RAW, label), met.gain(BOTH, BATCH, label)
    of = {arm: met.values(arm, label) for arm in (RAW, EVEN, BATCH, BOTH)}
    fewer = 100 * ((of[EVEN] - of[RAW]) - (of[BOTH] - of[BATCH]))
    saved = mean_effect(f"gain without minus gain with, {label}", fewer, points_unit(met.data))
    return without, with_norm, saved


def _ahead(effect: Effect) -> str:
    plain = "standardized input without"
    return compared(effect, "ahead of", "behind", "level with", plain)


def _figure(met: Met, title: str) -> Figure:
    """The four arms as two pairs, with the interval of each mean."""
    pairs = (("no normalization", (RAW, EVEN)), ("batch norm", (BATCH, BOTH)))
    series = []
    for name, arms in pairs:
        means = [mean_effect(arm, met.values(arm), "") for arm in arms]
        series.append(intervals(name, (0, 1), means))
    metric = met.meeting.setup.metric
    told = "; ".join(
        f"{NAMES[arm]} {share(met.data, float(met.values(arm).mean()))}"
        for arm in (RAW, EVEN, BATCH, BOTH)
    )
    return Figure(
        DOTS,
        title,
        f"Average test {metric} with raw and with standardized input, without and with batch "
        f"norm: {told}. Flat is even; steep is a network that needs its input scaled.",
        Axis("input", names=("raw", "standardized")),
        Axis(f"test {metric}, average of the training", percent=metric == "accuracy"),
        tuple(series),
    )


def uneven(data: Dataset) -> Dataset:
    """The data set itself if its columns differ in scale; else with columns in mixed units.

    >>> from evenbatch.data import load
    >>> uneven(load("cookies")).name, uneven(load("digits")).name
    ('cookies', 'digits, columns in mixed units')
    """
    if not alike(data):
        return data
    n = data.n_features
    factors = 10 ** np.linspace(-MIXED, MIXED, n)[random_order(n, 0)]
    return rescaled(data, factors, "columns in mixed units")


def on(data: Dataset, effort: Effort = DEFAULT) -> FeatureScaling:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    raw = Setup(uneven(learnable(data)), settings={"steps": STEPS, "evaluate_every": STEPS // 20})
    even = raw.with_data(standardized(raw.data))
    inside = {"norm": "batch", "placement": "before"}
    arms = {
        RAW: Arm(NAMES[RAW], raw, {"norm": "none"}),
        EVEN: Arm(NAMES[EVEN], even, {"norm": "none"}),
        BATCH: Arm(NAMES[BATCH], raw, inside),
        BOTH: Arm(NAMES[BOTH], even, inside),
        INPUT: Arm(NAMES[INPUT], raw, {"norm": "batch", "placement": "input"}),
    }
    rates = rates_between(-5, 1, 0.5 if effort.quick else 0.25)
    return FeatureScaling(Meeting(arms, rates, effort.seeds, effort.tuning, (BATCH, EVEN)))
