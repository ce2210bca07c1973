"""Claim "sequences": layer norm is the one to take for sequences.

    evenbatch prove sequences

A recurrent network reads stories of different lengths word by word. Batch norm needs statistics for
each word's place, from the stories of the batch that are still going on; layer norm needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import DOTS, LINES, Axis, Figure, Mark, Series, Table, band
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    NotHere,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid, Tuned, rates_between
from evenbatch.experiments.wording import amount, count, points, points_unit

CLAIM = "layer norm suits sequences better"
ARMS = ("none", "batch", "layer")
ENOUGH = 2.0  # points of the metric
POINTS = 25  # of a curve


def judge(batch: Effect, none: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from how much better layer norm learned than batch norm and than none.

    >>> better, same = Effect("", 10.0, 8.0, 12.0, ""), Effect("", 0.0, -1.0, 1.0, "")
    >>> [judge(a, b, seeds=5)[0] for a, b in ((better, better), (better, same), (same, same))]
    ['holds', 'holds in part', 'does not hold']
    >>> judge(same, better, seeds=5)[0], judge(better, better, seeds=4)[0]
    ('does not hold', 'cannot tell')
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    if batch.low >= ENOUGH and none.low >= ENOUGH:
        return HOLDS, "better than batch norm and than no normalization"
    if batch.low >= ENOUGH:
        return IN_PART, "better than batch norm, but not surely better than no normalization"
    if batch.high < ENOUGH:
        return FAILS, "not better than batch norm by as much as matters"
    return CANNOT_TELL, "the interval holds both no difference and one that matters"


@dataclass(frozen=True, eq=False)
class Sequences(Untimed):
    """A recurrent network on sequences of varying length, three arms.

    Args:
        setup: data, network and training.
        effort: seeds.
        rates: learning rates tried for each arm.
    """

    setup: Setup
    effort: Effort
    rates: tuple[float, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def steps(self) -> int:
        return self.setup.trial(0).steps

    @property
    def tuned(self) -> Tuned:
        every = max(1, self.steps // POINTS)
        cells = {arm: self.setup.rated(norm=arm, evaluate_every=every) for arm in ARMS}
        return Tuned(cells, self.rates, self.effort.seeds, self.effort.tuning, self.learned)

    def learned(self, curve: Curve) -> float:
        """The mean of the test metric over the training; chance from where it diverged."""
        floor = selection.chance(self.setup.data)
        metric = np.full(len(curve.trial.evaluation_steps()), floor)
        metric[: len(curve.metric)] = np.where(np.isfinite(curve.metric), curve.metric, floor)
        return float(metric[1:].mean())

    def end(self, curve: Curve) -> float:
        """The test metric at the end; chance if it diverged."""
        return selection.level(curve, selection.chance(self.setup.data))

    @property
    def statement(self) -> Statement:
        data = self.setup.data
        return Statement(
            claim="For sequences, like reading a story word by word, layer norm is the better one.",
            question=f"How much better does a recurrent network learn with layer norm than with "
            f"batch norm, and than without, on {data.name}?",
            arms=tuple((arm, ARM_NAMES[arm]) for arm in ARMS),
            grid=f"learning rates {', '.join(f'{rate:g}' for rate in self.rates)} for each arm",
            fairness="Each arm at its own best learning rate, chosen on seeds that the measurement "
            "does not use. Same initial weights, minibatches and order in all arms. Padding is "
            "masked: a story that has ended changes neither the state nor the batch's statistics.",
            measure=f"Mean of the test {self.setup.metric} over the training, which rewards "
            "learning early and ending high; layer norm minus the other arm, paired by seed, mean "
            "with 95 % interval.",
            rule=f"Holds: both intervals at or above {ENOUGH:g} points. In part: that against "
            f"batch norm. Does not hold: that against batch norm below {ENOUGH:g}. Cannot tell: "
            f"else, or fewer than {MIN_SEEDS} seeds.",
            source="Ba, Kiros & Hinton 2016, arXiv:1607.06450, section 3.1; batch norm over time "
            "as Cooijmans et al. 2016, arXiv:1603.09025.",
        )

    def trials(self, curves: Curves) -> Round:
        return self.tuned.trials(curves)

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        name, tuned = self.setup.data.name, self.tuned
        if not tuned.ready(curves):
            reason = "the learning rates are not chosen yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), self.setup.words(0))
        grid = tuned.measured(curves)
        seeds = grid.complete(curves)
        setting = self.setup.words(seeds)
        means, ends = (
            np.array([grid.read(arm, curves, read)[:seeds] for arm in ARMS])
            for read in (self.learned, self.end)
        )
        floor = selection.chance(self.setup.data)
        if not seeds or ends.max() - floor < selection.noise(self.setup.data):
            reason = "no arm learned anything" if seeds else "no seed is complete yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        unit = points_unit(self.setup.data)
        effects = tuple(
            mean_effect(
                f"layer norm against {ARM_NAMES[arm]}", 100 * (means[2] - means[place]), unit
            )
            for arm, place in (("batch", 1), ("none", 0))
        )
        answer, reason = judge(effects[0], effects[1], seeds)
        gains = " and ".join(
            f"{points(effect.value / 100, self.setup.data)} against {ARM_NAMES[arm]}"
            for arm, effect in zip(("batch", "none"), effects, strict=True)
        )
        last = ", ".join(
            f"{amount(self.setup.data, float(np.median(ends[i])))} with {ARM_NAMES[arm]}"
            for i, arm in enumerate(ARMS)
        )
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}: over the training layer norm was {gains} (at the end: {last}); "
            f"“{CLAIM}” {answer}: {reason}.",
            effects=effects,
            measured_on=setting,
            notes=tuple(
                f"The best learning rate of {ARM_NAMES[arm]} is the lowest or highest tried: a "
                "better one may lie beyond."
                for arm in tuned.at_edge(curves)
            ),
            figures=self._figures(grid, curves, means),
            tables=(self._table(grid, curves, means, ends),),
            change="More steps let all arms end at about the same height; then only the way there "
            "differs. Stories that all have one length spare batch norm the thinning batch.",
        )

    def _figures(
        self, grid: Grid, curves: Curves, means: NDArray[np.float64]
    ) -> tuple[Figure, ...]:
        lines, dots = [], []
        for place, arm in enumerate(ARMS):
            found = [c for c in grid.curves(arm, curves) if c is not None]
            step = max((c.step for c in found), key=len)
            runs = np.full((len(found), len(step)), np.nan)
            for row, curve in zip(runs, found, strict=True):
                row[: len(curve.metric)] = curve.metric
            lines.append(band(ARM_NAMES[arm], step, runs))
            each = mean_effect(arm, means[place], "")
            dots.append(Series(ARM_NAMES[arm], (0.0,), (each.value,), (each.low,), (each.high,)))
        percent = self.setup.metric == "accuracy"
        chance = selection.chance(self.setup.data)
        return (
            Figure(
                LINES,
                f"Learning to read: {self.setup.data.name}",
                "Test metric over the training, each arm at its best learning rate, median and "
                "middle half of the seeds.",
                Axis("step"),
                Axis(f"test {self.setup.metric}", percent=percent),
                tuple(lines),
                (Mark("chance", chance),),
            ),
            Figure(
                DOTS,
                "Mean over the training",
                "The mean of each curve, with its 95 % interval over seeds.",
                Axis("", names=("mean over the training",)),
                Axis(f"test {self.setup.metric}", percent=percent),
                tuple(dots),
            ),
        )

    def _table(
        self,
        grid: Grid,
        curves: Curves,
        means: NDArray[np.float64],
        ends: NDArray[np.float64],
    ) -> Table:
        best = self.tuned.best(curves)
        rows = tuple(
            (
                ARM_NAMES[arm],
                f"{best[arm]:g}",
                amount(self.setup.data, float(means[i].mean())),
                amount(self.setup.data, float(ends[i].mean())),
            )
            for i, arm in enumerate(ARMS)
        )
        metric = self.setup.metric
        return Table(
            "Each arm at its best learning rate",
            ("arm", "learning rate", f"mean {metric}", f"{metric} at the end"),
            rows,
            tuple(grid.keys(arm) for arm in ARMS),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> Sequences:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Raises:
        NotHere: the rows are no sequences.
    """
    if not data.time_steps:
        raise NotHere(f"It is about sequences, and the rows of {data.name} are none.")
    settings = {
        "steps": 400 if effort.quick else 800,
        "optimizer": "adam",
        "activation": "tanh",
    }
    rates = rates_between(-2.5, -1.5, 0.5) if effort.quick else rates_between(-3, -1, 0.5)
    return Sequences(Setup(data, depth=1, width=32, settings=settings), effort, rates)
