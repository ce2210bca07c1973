"""Claim "initialization": with normalization the scale of the initial weights matters less.

evenbatch prove initialization
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
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
from evenbatch.experiments.tuned import Floats, Grid, Tuned, rates_between
from evenbatch.experiments.wording import amount, count, digits

CLAIM = "less sensitive to the initial weights"
ARMS = ("none", "batch", "layer")
LOWEST, HIGHEST = -4.0, 2.0  # decades of the scale
WIDER = 1.0  # decades by which the range must be wider


def judge(wider: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from how many decades wider the usable range is to an answer and its reason.

    >>> judge(Effect("", 2.0, 1.5, 2.5, ""), seeds=5)[0]
    'holds'
    >>> judge(Effect("", -0.1, -0.3, 0.1, ""), seeds=5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    if wider.low >= WIDER:
        return HOLDS, "the range of scales is at least ten times as wide"
    if wider.low > 0:
        return IN_PART, "the range of scales is wider, but not surely ten times"
    if wider.high < WIDER:
        return FAILS, "the range of scales is not surely wider, and ten times is ruled out"
    return CANNOT_TELL, "the interval holds both no gain and a factor of ten"


@dataclass(frozen=True, eq=False)
class Found:
    """What was measured at each arm's best learning rates, or at equal ones.

    Attributes:
        grid: the trainings.
        levels: for each arm (scales, seeds) the metric at the end.
        usable: for each arm (scales, seeds): it reached the goal.
        widths: for each arm (seeds,): decades of scale with which it did.
    """

    grid: Grid
    levels: Mapping[str, Floats]
    usable: Mapping[str, Floats]
    widths: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class Initialization(Untimed):
    """How wide the range of initial scales is that reaches the goal.

    Args:
        setup: data, network and training.
        seeds, tuning: measurement and selection seeds.
        rates: learning rates tried at each scale.
        spacing: decades between scales.
    """

    setup: Setup
    seeds: int
    tuning: int
    rates: tuple[float, ...]
    spacing: float

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def scales(self) -> tuple[float, ...]:
        """Standard deviations of the initial weights."""
        return rates_between(LOWEST, HIGHEST, self.spacing)

    @cached_property
    def tuned(self) -> Tuned:
        cells = {
            (arm, scale): self.setup.rated(norm=arm, init="gaussian", sigma=scale)
            for scale in self.scales
            for arm in ARMS
        }
        return Tuned(cells, self.rates, self.seeds, self.tuning, self._level)

    @property
    def floor(self) -> float:
        return selection.chance(self.setup.data)

    def _level(self, curve: Curve) -> float:
        return selection.level(curve, self.floor)

    @property
    def statement(self) -> Statement:
        low, high = self.rates[0], self.rates[-1]
        return Statement(
            claim="With normalization the scale of the initial weights matters less.",
            question="Over how many decades can the standard deviation of the initial weights vary "
            f"so that the network still reaches the same {self.setup.metric}?",
            arms=tuple((arm, f"with {ARM_NAMES[arm]}") for arm in ARMS),
            grid=f"standard deviations from {self.scales[0]:g} to {self.scales[-1]:g} in all "
            f"layers, {self.spacing:g} decades apart, biases 0; {len(self.rates)} learning rates "
            f"from {low:g} to {high:g}",
            fairness="Same initial weights, minibatches and order in all arms, seed by seed. Every "
            "arm at every scale has its own best learning rate, chosen on other seeds; and all "
            "arms at the one that is best for them together. One goal for all: "
            f"{100 * selection.SHARE:.0f} % of the way from chance to the best that the weaker of "
            "batch norm and none reaches at any scale.",
            measure="Width of the usable range in decades: scales that end at or above the goal, "
            "times their distance. Batch norm's less that without normalization, paired by seed, "
            "mean with 95 % interval. Shown too, with a goal for each arm, the same share of the "
            "way to its own best.",
            rule=f"Holds: the interval lies at or above {WIDER:g} decade (10 times). In part: "
            f"above 0. Does not hold: else, if it lies below {WIDER:g}. Cannot tell: else, or "
            f"fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3: the output of a "
            "normalized layer does not change if its weights are scaled.",
        )

    def trials(self, curves: Curves) -> Round:
        search = self.tuned.trials(curves)
        if not self.tuned.ready(curves):
            return search
        grids = self.tuned.measured(curves), self._equal(curves)
        wanted = {trial.key: trial for grid in grids for trial in grid.wanted(curves)}
        return Round(search.title, tuple(wanted.values()))

    def _equal(self, curves: Curves) -> Grid:
        groups = [[(arm, scale) for arm in ARMS] for scale in self.scales]
        return self.tuned.at(self.tuned.together(curves, *groups))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        data = self.setup.data
        measured: list[Grid] = []
        if self.tuned.ready(curves):
            measured = [self.tuned.measured(curves), self._equal(curves)]
        seeds = min((grid.complete(curves) for grid in measured), default=0)
        setting = self.setup.words(seeds, "normal initial weights of varied scale")
        goal = self._goal(measured[0], curves, seeds) if seeds else None
        if goal is None:
            reason = "no network learned anything" if seeds else "nothing is measured yet"
            return Verdict(CANNOT_TELL, reason, f"{data.name}: {reason}.", (), setting)
        goals = dict.fromkeys(ARMS, goal.value)
        best, equal = (self._found(grid, curves, seeds, goals) for grid in measured)
        tops = {arm: float(np.median(of, axis=1).max()) for arm, of in best.levels.items()}
        goals = {
            arm: self.floor + selection.SHARE * (top - self.floor) for arm, top in tops.items()
        }
        own = self._found(measured[0], curves, seeds, goals)
        wider, *others = (
            mean_effect(label, of.widths[arm] - of.widths["none"], "decades wider")
            for label, of, arm in (
                ("batch norm against none", best, "batch"),
                ("batch norm against none, equal learning rates", equal, "batch"),
                ("batch norm against none, each to its own goal", own, "batch"),
                ("layer norm against none", best, "layer"),
            )
        )
        answer, reason = judge(wider, seeds)
        told = [f"{ARM_NAMES[arm]} {self._range(best, arm)}" for arm in ARMS]
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: {amount(data, goal.value)} was reached with initial weights of "
            f"standard deviation: {'; '.join(told)}. “{CLAIM}” {answer}: {reason}.",
            effects=(wider, *others),
            measured_on=setting,
            notes=self._notes(curves, best, goal),
            figures=(self._figure(best, goal.value),),
            tables=(self._table(best, "own best"), self._table(equal, "equal")),
            change="More layers: without normalization a wrong scale counts once for each of them. "
            "A smaller eps lets batch norm begin with smaller weights.",
        )

    def _goal(self, grid: Grid, curves: Curves, seeds: int) -> selection.Goal | None:
        arms = {
            arm: {
                scale: [c for c in grid.curves((arm, scale), curves)[:seeds] if c is not None]
                for scale in self.scales
            }
            for arm in ("none", "batch")
        }
        return selection.choose_goal(self.setup.data, arms, None)

    def _found(self, grid: Grid, curves: Curves, seeds: int, goals: Mapping[str, float]) -> Found:
        """What was reached of these goals, one for each arm."""
        levels = {
            arm: np.array(
                [grid.read((arm, scale), curves, self._level)[:seeds] for scale in self.scales]
            )
            for arm in ARMS
        }
        usable = {arm: (level >= goals[arm]).astype(float) for arm, level in levels.items()}
        widths = {arm: self.spacing * of.sum(axis=0) for arm, of in usable.items()}
        return Found(grid, levels, usable, widths)

    def _range(self, found: Found, arm: str) -> str:
        """The scales at which most seeds reach the goal, in words."""
        often = [s for s, u in zip(self.scales, found.usable[arm], strict=True) if u.mean() > 0.5]
        if not often:
            return "at none"
        return f"{often[0]:g} to {often[-1]:g} ({digits(float(found.widths[arm].mean()))} decades)"

    def _notes(self, curves: Curves, best: Found, goal: selection.Goal) -> tuple[str, ...]:
        least = self.floor + selection.noise(self.setup.data)
        edges = self.tuned.at_edge(curves, least)
        open_ends = [
            f"The range of {ARM_NAMES[arm]} reaches the {end} scale tried: it may be wider."
            for arm in ARMS
            for end, place in (("smallest", 0), ("largest", -1))
            if best.usable[arm][place].mean() > 0.5
        ]
        if edges:
            open_ends.append(
                f"For {len(edges)} of {len(self.tuned.cells)} combinations of arm and scale the "
                "best learning rate is the lowest or highest tried."
            )
        output = (
            "The output layer is not normalized, so large initial weights make wrong answers "
            "certain ones in every arm."
        )
        return (f"The goal is {goal.rule}.", *open_ends, output)

    def _figure(self, best: Found, goal: float) -> Figure:
        data = self.setup.data
        rows = tuple(
            Series(
                ARM_NAMES[arm], numbers(self.scales), numbers(np.median(best.levels[arm], axis=1))
            )
            for arm in ARMS
        )
        he = math.sqrt(2 / self.setup.width)
        return Figure(
            STRIPS,
            f"Which initial weights train: {data.name}",
            "A strip for each arm; the stronger the shade of a scale of the initial weights, the "
            "better the network trained from it, at its best learning rate. Outlined: it reached "
            "the goal.",
            Axis("standard deviation of the initial weights", log=True),
            Axis(self.setup.metric, percent=self.setup.metric == "accuracy"),
            rows,
            (Mark("goal", goal), Mark("He initialization", he, "x")),
        )

    def _table(self, found: Found, rates: str) -> Table:
        rows, keys = [], []
        for i, scale in enumerate(self.scales):
            cells = [f"{scale:g}"]
            for arm in ARMS:
                level, used = found.levels[arm][i], found.usable[arm][i]
                middle = amount(self.setup.data, float(np.median(level)))
                cells.append(f"{middle}, {used.sum():.0f}/{len(used)}")
            rows.append(tuple(cells))
            keys.append(found.grid.keys(*((arm, scale) for arm in ARMS)))
        return Table(
            f"Median {self.setup.metric} at {rates} learning rates; seeds that reached the goal",
            ("standard deviation", *(ARM_NAMES[arm] for arm in ARMS)),
            tuple(rows),
            tuple(keys),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> Initialization:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    # The rate falls to 0, so that one evaluation at the end tells.
    settings = {"steps": 300 if effort.quick else 500, "schedule": "cosine"}
    rates = rates_between(-3, 0, 1.0) if effort.quick else rates_between(-4, 0, 0.5)
    tuning = min(2, effort.tuning)
    return Initialization(Setup(data, settings=settings), effort.seeds, tuning, rates, 0.5)
