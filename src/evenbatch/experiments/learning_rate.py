"""Claim "learning-rate": with batch normalization the learning rate matters less.

evenbatch prove learning-rate
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect, ratio_effect
from evenbatch.experiments.exhibits import STRIPS, Axis, Figure, Mark, Series, Table, numbers
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
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid
from evenbatch.experiments.wording import amount, count, digits

CLAIM = "less sensitive to the learning rate"
ARMS = ("none", "batch")
WIDER = 0.5  # decades by which the range must be wider: about 3 times


def judge(wider: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from how many decades wider the usable range is to an answer and its reason.

    >>> judge(Effect("", 1.0, 0.8, 1.2, ""), seeds=5)[0]
    'holds'
    >>> judge(Effect("", -0.1, -0.3, 0.1, ""), seeds=5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    if wider.low >= WIDER:
        return HOLDS, f"the range is at least {WIDER} decades wider"
    if wider.low > 0:
        return IN_PART, f"the range is wider, but not surely by {WIDER} decades"
    if wider.high < WIDER:
        return FAILS, "the range is not surely wider, and half a decade is ruled out"
    return CANNOT_TELL, "the interval holds both no gain and half a decade"


@dataclass(frozen=True, eq=False)
class LearningRate(Untimed):
    """How wide the range of learning rates is that reaches the goal, for both arms.

    Args:
        setup: data, network and training.
        seeds: seeds of each learning rate.
        spacing: decades between learning rates.
    """

    setup: Setup
    seeds: int
    spacing: float

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def rates(self) -> list[float]:
        steps = round(6 / self.spacing)
        return [selection.rate_at(-4 + i * self.spacing) for i in range(steps + 1)]

    @cached_property
    def grid(self) -> Grid:
        every = self.steps // 20
        cells = {
            (arm, rate): self.setup.cell(norm=arm, learning_rate=rate, evaluate_every=every)
            for rate in self.rates
            for arm in ARMS
        }
        return Grid(cells, self.seeds)

    @property
    def steps(self) -> int:
        return self.setup.trial(0).steps

    @property
    def statement(self) -> Statement:
        return Statement(
            claim="With normalization the learning rate matters less.",
            question="How many decades wide is the range of learning rates with which the network "
            f"reaches the same {self.setup.metric}, with and without batch norm?",
            arms=(("none", "without normalization"), ("batch", "with batch norm")),
            grid=f"learning rates from 0.0001 to 100, {self.spacing:g} decades apart, for each arm",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed; the "
            "same rates and the same budget for both. One goal for both: "
            f"{100 * selection.SHARE:.0f} % of the way from chance to the best the weaker arm "
            "reaches at any rate.",
            measure="Width of the usable range in decades: learning rates that end at or above the "
            "goal, times their distance. Difference of the arms, paired by seed, mean with 95 % "
            "interval.",
            rule=f"Holds: the interval of the difference lies at or above {WIDER} decades (about "
            "3 times). In part: above 0. Does not hold: else, if it lies below "
            f"{WIDER}. Cannot tell: else, or fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; Bjorck et al. 2018, "
            "arXiv:1806.02375.",
        )

    def trials(self, curves: Curves) -> Round:
        return Round("learning rates", tuple(self.grid.wanted(curves)))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        seeds = self.grid.complete(curves)
        setting = self.setup.words(seeds)
        floor = selection.chance(self.setup.data)
        levels = self._levels(curves, floor)[:, :, :seeds]
        best = np.median(levels, axis=2).max(axis=1) if seeds else np.full(2, floor)
        if best.max() - floor < selection.noise(self.setup.data):
            reason = "neither arm learned anything" if seeds else "nothing is measured yet"
            return Verdict(CANNOT_TELL, reason, f"{self.setup.data.name}: {reason}.", (), setting)
        goal = floor + selection.SHARE * (best.min() - floor)
        usable = levels >= goal
        widths = self.spacing * usable.sum(axis=1)
        wider = mean_effect("batch norm against none", widths[1] - widths[0], "decades wider")
        tops = np.array(self.rates)[levels.argmax(axis=1)]
        higher = ratio_effect("batch norm against none", tops[1], tops[0], "times higher best rate")
        answer, reason = judge(wider, seeds)
        means = widths.mean(axis=1)
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{self.setup.data.name}: {amount(self.setup.data, goal)} was reached with "
            f"learning rates over {digits(means[1])} decades with batch norm and "
            f"{digits(means[0])} without; “{CLAIM}” {answer}: {reason}.",
            effects=(wider, higher),
            measured_on=setting,
            notes=self._notes(usable),
            figures=(self._figure(levels, goal),),
            tables=(self._table(levels, usable, widths),),
            change="A longer budget helps low rates, and another initialization or optimizer moves "
            "the range of the arm without normalization.",
        )

    def _levels(self, curves: Curves, floor: float) -> NDArray[np.float64]:
        """(arms, rates, seeds) the metric at the end."""

        def level(curve: Curve) -> float:
            return selection.level(curve, floor)

        return np.array(
            [[self.grid.read((arm, rate), curves, level) for rate in self.rates] for arm in ARMS]
        )

    def _notes(self, usable: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(
            f"The range of {ARM_NAMES[arm]} reaches the {edge} rate tried: it may be wider."
            for arm, row in zip(ARMS, usable, strict=True)
            for edge, place in (("lowest", 0), ("highest", -1))
            if row[place].any()
        )

    def _figure(self, levels: NDArray[np.float64], goal: float) -> Figure:
        rows = tuple(
            Series(ARM_NAMES[arm], numbers(self.rates), numbers(np.median(values, axis=1)))
            for arm, values in zip(ARMS, levels, strict=True)
        )
        return Figure(
            STRIPS,
            f"Where each arm learns: {self.setup.data.name}",
            "A strip for each arm; the stronger the shade of a learning rate, the better the "
            "network it leads to.",
            Axis("learning rate", log=True),
            Axis(self.setup.metric, percent=self.setup.metric == "accuracy"),
            rows,
            (Mark("goal", goal),),
        )

    def _table(
        self, levels: NDArray[np.float64], usable: NDArray[np.bool_], widths: NDArray[np.float64]
    ) -> Table:
        rows, keys = [], []
        for i, rate in enumerate(self.rates):
            rows.append(
                (
                    f"{rate:g}",
                    *(
                        cell
                        for arm in range(2)
                        for cell in (
                            amount(self.setup.data, float(np.median(levels[arm, i]))),
                            f"{usable[arm, i].sum()} of {usable.shape[2]}",
                        )
                    ),
                )
            )
            keys.append(self.grid.keys(*((arm, rate) for arm in ARMS)))
        metric = self.setup.metric
        return Table(
            "Each learning rate: the median at the end, and how many seeds reached the goal",
            ("learning rate", f"none: {metric}", "reached", f"batch norm: {metric}", "reached"),
            tuple(rows),
            tuple(keys),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> LearningRate:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    steps = 500 if effort.quick else 1000
    return LearningRate(
        Setup(data, settings={"steps": steps}), effort.seeds, 0.5 if effort.quick else 0.25
    )
