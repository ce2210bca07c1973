"""Claim "batch-size": batch norm works better with larger batches.

evenbatch prove batch-size
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import batch_spread, selection
from evenbatch.experiments.derived import alike, learnable, standardized
from evenbatch.experiments.effects import intervals, mean_effect
from evenbatch.experiments.exhibits import DOTS, Axis, Figure, Mark, Table
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    ExperimentError,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.rules import POINT, gained, joined, too_few
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid, Tuned, rates_between
from evenbatch.experiments.wording import compared, gain, listed, points_unit, share

CLAIM = "works better with larger batches"
ARMS = ("none", "batch")
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
UPDATES, EXAMPLES = "equal updates", "equal examples"
BUDGETS = (UPDATES, EXAMPLES)
STEPS = 200
SEEN = 32 * STEPS  # examples a training sees at equal examples

Floats = NDArray[np.float64]


def judge(growth: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from how much batch norm's lead grows from the smallest to the largest batch.

    >>> more, none = Effect("", 9, 8, 10, ""), Effect("", 0, -0.5, 0.5, "")
    >>> judge({"equal updates": more, "equal examples": more}, seeds=5)[0]
    'holds'
    >>> judge({"equal updates": none, "equal examples": none}, seeds=5)[0]
    'does not hold'
    """
    if few := too_few(seeds):
        return few
    answers = {budget: gained(effect) for budget, effect in growth.items()}
    answer = joined(list(answers.values()))
    grew = [f"at {budget}" for budget in growth if answers[budget] in (HOLDS, IN_PART)]
    if grew:
        return answer, f"{listed(grew)}, its lead over no normalization grew with the batch"
    return answer, "its lead over no normalization did not surely grow with the batch"


@dataclass(frozen=True, eq=False)
class Levels:
    """What the trainings at one budget came to.

    Attributes:
        budget: `UPDATES` or `EXAMPLES`.
        best: (arms, sizes, seeds) test metric, each cell at its best learning rate.
        equal: the same, both arms at one rate for each size.
        unit: of a difference times 100.
    """

    budget: str
    best: Floats
    equal: Floats
    unit: str

    @cached_property
    def leads(self) -> list[Effect]:
        """For each size, points that batch norm is ahead."""
        ahead = 100 * (self.best[1] - self.best[0])
        return [mean_effect(f"batch norm over none, {self.budget}", a, self.unit) for a in ahead]

    @cached_property
    def growth(self) -> Effect:
        """How much the lead grows from the smallest batch to the largest, in points."""
        return self._grown(self.best, "best against best")

    @cached_property
    def equal_growth(self) -> Effect:
        """The same with one rate for both arms."""
        return self._grown(self.equal, "one rate for both")

    def _grown(self, levels: Floats, rates: str) -> Effect:
        lead = 100 * (levels[1] - levels[0])
        label = f"lead grown, {self.budget}, {rates}"
        return mean_effect(label, lead[-1] - lead[0], self.unit)

    @cached_property
    def rise(self) -> Effect:
        """What batch norm itself gains from the smallest batch to the largest."""
        risen = 100 * (self.best[1, -1] - self.best[1, 0])
        return mean_effect(f"batch norm itself, {self.budget}", risen, self.unit)


@dataclass(frozen=True, eq=False)
class BatchSize(Untimed):
    """Batch norm and none over batch sizes, at equal updates and at equal examples.

    Args:
        setup: data and network.
        effort: seeds, and how fine the learning rates are.
        sizes: batch sizes, from small to large.
    """

    setup: Setup
    effort: Effort
    sizes: tuple[int, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @cached_property
    def floor(self) -> float:
        return selection.chance(self.setup.data)

    def level(self, curve: Curve) -> float:
        """The metric at the end; chance if it diverged."""
        return selection.level(curve, self.floor)

    @cached_property
    def tuned(self) -> Tuned:
        cells = {
            (budget, arm, size): self.setup.rated(
                norm=arm, batch_size=size, steps=STEPS if budget == UPDATES else SEEN // size
            )
            for budget in BUDGETS
            for size in self.sizes
            for arm in ARMS
        }
        rates = rates_between(-3, 0.5, 0.5 if self.effort.quick else 0.25)
        return Tuned(cells, rates, self.effort.seeds, self.effort.tuning, self.level)

    def equal(self, curves: Curves) -> Grid:
        """Both arms at one learning rate for each size: where they do best in sum."""
        groups = [[(b, arm, s) for arm in ARMS] for b in BUDGETS for s in self.sizes]
        return self.tuned.at(self.tuned.together(curves, *groups))

    def spread(self, grid: Grid) -> batch_spread.Spread:
        """Of the batch statistics, where the measured trials with batch norm start."""
        cells = {size: grid.trials((UPDATES, "batch", size))[:MIN_SEEDS] for size in self.sizes}
        return batch_spread.measure(self.setup.data, cells)

    @property
    def statement(self) -> Statement:
        metric, rates = self.setup.metric, self.tuned.rates
        first, last = self.sizes[0], self.sizes[-1]
        return Statement(
            claim="Batch norm works better with larger batches.",
            question=f"Does batch norm gain more over no normalization with batches of {last} than "
            f"with batches of {first}? And do batch statistics get steadier as 1/√N?",
            arms=tuple((arm, ARM_NAMES[arm]) for arm in ARMS),
            grid=f"batches of {', '.join(map(str, self.sizes))}, each with {STEPS} updates and "
            f"with {SEEN} examples; {len(rates)} learning rates from {rates[0]:g} to "
            f"{rates[-1]:g} for each arm, size and budget",
            fairness="Same initial weights and minibatches in both arms, seed by seed. Each arm "
            "has its own best learning rate at each size, chosen on other seeds; then once more "
            "both have one rate, the best for the two in sum. Larger batches see more examples at "
            "equal updates and make fewer updates at equal examples, so both are measured, and no "
            "normalization tells what the budget alone does.",
            measure=f"Lead: test {metric} at the end with batch norm minus without, in points "
            f"(0.01). Growth: lead at {last} minus lead at {first}, paired by seed, mean with 95 % "
            "interval. Spread: standard deviation of the batch means of the first layer's sums, "
            "at the start, over 100 batches.",
            rule=f"At each budget: holds if the interval of the growth lies at or above {POINT:g} "
            f"point, does not if below {POINT:g} point, in part if above 0, else cannot tell. "
            "Together: the same at both, that; growth at one, in part; else does not hold if one "
            f"does not. Cannot tell: fewer than {MIN_SEEDS} seeds.",
            source="Ioffe 2017, arXiv:1702.03275, section 3; Wu & He 2018, arXiv:1803.08494, "
            "figure 1; Shallue et al. 2019, arXiv:1811.03600 (equal updates and examples).",
        )

    def trials(self, curves: Curves) -> Round:
        first = self.tuned.trials(curves)
        if not self.tuned.ready(curves):
            return first
        equal = self.equal(curves).wanted(curves)
        wanted = {trial.key: trial for trial in (*first.trials, *equal)}
        return Round(first.title, tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        name, setting = self.setup.data.name, self._setting(0)
        if not self.tuned.ready(curves):
            reason = "the learning rates are not chosen yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        grids = (self.tuned.measured(curves), self.equal(curves))
        seeds = min(grid.complete(curves) for grid in grids)
        found = [self._levels(budget, grids, curves, seeds) for budget in BUDGETS]
        top = max(float(levels.best.mean(axis=2).max()) if seeds else -1.0 for levels in found)
        if not seeds or top - self.floor < selection.noise(self.setup.data):
            reason = "no arm learned anything" if seeds else "no seed is complete yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        growth = {levels.budget: levels.growth for levels in found}
        answer, reason = judge(growth, seeds)
        spread = self.spread(grids[0])
        exponent = spread.exponent()
        power = f"{exponent.value:.2f}".replace("-", "−")
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}: {self._happened(found)}; the spread of batch means fell as N to the "
            f"power of {power}. “{CLAIM}” {answer}: {reason}.",
            effects=(
                *growth.values(),
                *(levels.equal_growth for levels in found),
                *(levels.rise for levels in found),
                exponent,
            ),
            measured_on=self._setting(seeds),
            notes=self._notes(found, curves),
            figures=(*(self._figure(levels) for levels in found), spread.figure(name)),
            tables=(*(self._table(levels, grids, curves) for levels in found), spread.table()),
            change="The budget: the two tables show how much. Where the lead changes sides moves "
            "with it, and with how fast no normalization learns on these data.",
        )

    def _setting(self, seeds: int) -> str:
        words = self.setup.words(seeds, steps=STEPS)
        return words.replace(
            f"batches of {self.setup.trial(0).batch_size}, {STEPS} steps",
            f"batches of {self.sizes[0]} to {self.sizes[-1]}, {STEPS} steps or {SEEN} examples",
        )

    def _levels(self, budget: str, grids: tuple[Grid, Grid], curves: Curves, seeds: int) -> Levels:
        best, equal = (
            np.array(
                [
                    [grid.read((budget, arm, size), curves, self.level) for size in self.sizes]
                    for arm in ARMS
                ]
            )[:, :, :seeds]
            for grid in grids
        )
        return Levels(budget, best, equal, points_unit(self.setup.data))

    def _happened(self, found: list[Levels]) -> str:
        said = []
        for levels in found:
            leads = [compared(levels.leads[place], "ahead", "behind", "level") for place in (0, -1)]
            said.append(
                f"at {levels.budget}, batch norm was {leads[0]} with batches of {self.sizes[0]} "
                f"and {leads[1]} with batches of {self.sizes[-1]}"
            )
        return "; ".join(said)

    def _notes(self, found: list[Levels], curves: Curves) -> tuple[str, ...]:
        notes = []
        for levels in found:
            surely = [lead.low > 0 for lead in levels.leads]
            since = next((i for i in range(len(surely)) if all(surely[i:])), None)
            top = self.sizes[int(levels.best[1].mean(axis=1).argmax())]
            ahead = (
                "never ahead for sure up to the largest"
                if since is None
                else f"ahead for sure with batches of {self.sizes[since]} or more"
            )
            notes.append(
                f"At {levels.budget}, batch norm was {ahead}; it itself did best with batches of "
                f"{top}. With one learning rate for both arms its lead grew by "
                f"{gain(levels.equal_growth)}."
            )
        edge = self.tuned.at_edge(curves)
        if edge:
            cells = sorted({f"{ARM_NAMES[arm]} with batches of {size}" for _, arm, size in edge})
            notes.append(
                f"The best learning rate of {listed(cells)} is the lowest or highest tried: a "
                "better one may lie beyond."
            )
        if self.sizes[0] == 2:
            notes.append(
                "In a batch of 2 the two values of a unit always become −1 and +1, or nearly so: "
                "which of them is larger is all that is left."
            )
        return tuple(notes)

    def _figure(self, levels: Levels) -> Figure:
        series = []
        for arm, by_size in zip(ARMS, levels.best, strict=True):
            means = [mean_effect("", values, "") for values in by_size]
            series.append(intervals(ARM_NAMES[arm], self.sizes, means))
        metric = self.setup.metric
        budget = f"{STEPS} updates" if levels.budget == UPDATES else f"{SEEN} examples"
        return Figure(
            DOTS,
            f"Each batch size with {budget}: {self.setup.data.name}",
            f"Test {metric} at the end over the batch size, each arm at its best learning rate, "
            f"with the interval of the mean. Every training had {budget}.",
            Axis("batch size", log=True),
            Axis(f"test {metric}", percent=metric == "accuracy"),
            tuple(series),
            (Mark("chance", self.floor),),
        )

    def _table(self, levels: Levels, grids: tuple[Grid, Grid], curves: Curves) -> Table:
        rates = self.tuned.best(curves)
        rows, keys = [], []
        for i, size in enumerate(self.sizes):
            cells = [(levels.budget, arm, size) for arm in ARMS]
            lead = gain(levels.leads[i]).replace(f" {levels.unit}", "")
            rows.append(
                (
                    str(size),
                    *(share(self.setup.data, float(levels.best[a, i].mean())) for a in (0, 1)),
                    lead.replace("95 % interval ", ""),
                    *(f"{rates[cell]:g}" for cell in cells),
                    *(share(self.setup.data, float(levels.equal[a, i].mean())) for a in (0, 1)),
                )
            )
            keys.append(tuple(dict.fromkeys(k for grid in grids for k in grid.keys(*cells))))
        return Table(
            f"Test {self.setup.metric} at the end, {levels.budget}",
            (
                "batch size",
                "none",
                "batch norm",
                "lead, points",
                "rate, none",
                "rate, batch norm",
                "none, one rate",
                "batch norm, one rate",
            ),
            tuple(rows),
            tuple(keys),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> BatchSize:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    if data.n_train < 16:
        raise ExperimentError(
            f"{data.name} has {data.n_train} training rows; batch sizes are compared from 2 to 8 "
            "or more, which takes at least 16: give a table with more rows"
        )
    data = learnable(data)
    data = data if alike(data) else standardized(data)
    sizes = tuple(size for size in SIZES if 2 * size <= data.n_train)
    smallest = {"batch_size": min(32, sizes[-1])}
    return BatchSize(Setup(data, depth=2, width=32, settings=smallest), effort, sizes)
