"""Two arms of a comparison: a goal, each arm's best learning rate, and what was measured.

As in `evenbatch.experiments.race`: selection on seeds of its own, then measurement on fresh seeds,
best against best and at equal learning rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.protocol import Curves, Effect, Round
from evenbatch.experiments.race import BEST, STEPS, TIME, TUNING_SEED
from evenbatch.experiments.ratios import Pairs
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.measures import Scale
from evenbatch.torch.comparing.training import Training

GROWTHS = 4
"""How often learning rates are added on a side: two decades."""
Seconds = Mapping[str, Sequence[float]]
"""Seconds per step of each arm, round by round."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """Two arms on the measurement seeds, each at one learning rate.

    Attributes:
        label: `BEST`, or "both at learning rate 0.1".
        rates: learning rate of the first and of the other arm.
        curves: (first, other) of each seed that both have ended.
        steps: their steps to the goal.
        effects: ratio of the steps; of the seconds, if steps were timed; difference at the end.
    """

    label: str
    rates: tuple[float, float]
    curves: tuple[tuple[Curve, Curve], ...]
    steps: Pairs
    effects: tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """What two arms' curves show.

    Attributes:
        goal: the metric to reach (times the scale's sign); None if no arm learned anything.
        floor: the metric of guessing.
        tables: per arm, what each learning rate gave on the selection seeds.
        rates: per arm, its best learning rate.
        meetings: best against best first, then at equal learning rates.
        seconds: per arm, seconds per step; {} if none were timed.
    """

    goal: selection.Goal | None
    floor: float
    tables: Mapping[str, Sequence[selection.Row]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    meetings: tuple[Meeting, ...] = ()
    seconds: Seconds = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Another arm against the first.

    Args:
        first, other: names of the arms.
        template: a training; the others differ in arm, learning rate and seed.
        scale: how the metric is read.
        rates: per arm, the learning rates to try.
        growing: whether they are continued until the best lies inside.
        seeds, tuning: measurement and selection seeds.
        goal: the metric to reach (times the sign), if the user said.
    """

    first: str
    other: str
    template: Training
    scale: Scale
    rates: Mapping[str, Sequence[float]]
    growing: bool
    seeds: int
    tuning: int
    goal: float | None = None

    @property
    def arms(self) -> tuple[str, str]:
        return self.first, self.other

    def training(self, arm: str, rate: float, seed: int) -> Training:
        """An arm's training."""
        return replace(self.template, arm=arm, learning_rate=rate, seed=seed)

    def trials(self, curves: Curves) -> Round:
        """The trainings still wanted, given the curves there are."""
        found = self._selected(curves)
        if isinstance(found, list):
            return Round("finding learning rates", _as_trials(found), 4 * self.seeds)
        if found.goal is None:
            return Round("done", ())
        wanted = {
            training.key: training
            for seed in range(self.seeds)
            for rates in self._meetings(found).values()
            for arm, rate in zip(self.arms, rates, strict=True)
            if (training := self.training(arm, rate, seed)).key not in curves
        }
        return Round("measuring on fresh seeds", _as_trials(list(wanted.values())))

    # Selection.

    def tuning_trials(self, arm: str, rate: float) -> list[Training]:
        """An arm's selection trainings at a learning rate."""
        seeds = range(TUNING_SEED, TUNING_SEED + self.tuning)
        return [self.training(arm, rate, seed) for seed in seeds]

    def _selected(self, curves: Curves) -> Found | list[Training]:
        """Goal and best learning rates; or, while curves are missing, the trainings wanted."""
        grids = {arm: list(self.rates[arm]) for arm in self.arms}
        for growths in count():
            wanted = [
                training
                for arm, grid in grids.items()
                for rate in grid
                for training in self.tuning_trials(arm, rate)
                if training.key not in curves
            ]
            if wanted:
                return wanted
            runs = {
                arm: {r: [curves[t.key] for t in self.tuning_trials(arm, r)] for r in grid}
                for arm, grid in grids.items()
            }
            every = [c for own in runs.values() for group in own.values() for c in group]
            floor, least = self.scale.floor(every), self.scale.noise(every)
            goal = self._goal(runs, floor, least)
            # Without a goal the lowest learning rates may still be too high, or the reverse.
            passing = goal or selection.Goal(np.inf, "")
            tables = {arm: selection.rows(runs[arm], passing, floor) for arm in self.arms}
            added = {arm: self._grown(runs[arm], tables[arm], floor, least) for arm in self.arms}
            if growths == GROWTHS or not any(added.values()):
                break
            grids = {arm: grid + added[arm] for arm, grid in grids.items()}
        if goal is None:
            return Found(None, floor)
        if self.goal is not None and not any(row.reached for t in tables.values() for row in t):
            raise CompareError(self._unreachable(runs, floor))
        rates = {arm: selection.best(tables[arm]).learning_rate for arm in self.arms}
        return Found(goal, floor, tables, rates)

    def _grown(
        self, runs: Any, table: Sequence[selection.Row], floor: float, least: float
    ) -> list[float]:
        if not self.growing:
            return []
        learned = selection.best_level(runs, floor) - floor >= least
        return selection.grown(table, learned)

    def _goal(self, runs: Mapping[str, Any], floor: float, least: float) -> selection.Goal | None:
        said = self.scale.said
        if self.goal is not None:
            if not self.goal > floor:
                raise CompareError(
                    f"the goal, {said(self.goal)}, is no better than guessing, {said(floor)}; "
                    "choose another one, or leave it out"
                )
            return selection.Goal(self.goal, "asked for")
        levels = {arm: selection.best_level(runs[arm], floor) for arm in self.arms}
        bar = selection.bar_of(levels, floor, least)
        if bar is None:
            return None
        value = floor + selection.SHARE * (levels[bar] - floor)
        which = "weaker" if levels[bar] == min(levels.values()) else "stronger"
        rule = (
            f"{100 * selection.SHARE:.0f} % of the way from guessing, {said(floor)}, to the best "
            f"the {which} arm reached, {said(levels[bar])}"
        )
        if which == "stronger":
            rule += "; the other learned next to nothing"
        return selection.Goal(value, rule)

    def _unreachable(self, runs: Mapping[str, Any], floor: float) -> str:
        ends = " and ".join(
            f"{arm} at {self.scale.said(selection.best_level(runs[arm], floor))}"
            for arm in self.arms
        )
        goal = "" if self.goal is None else f", {self.scale.said(self.goal)},"
        return (
            f"no training reached the goal{goal} at any learning rate; the best ended with {ends}. "
            "Choose an easier goal or a larger budget"
        )

    # Measurement.

    def _meetings(self, found: Found) -> dict[str, tuple[float, float]]:
        """Learning rates (first, other) by the label of their meeting."""
        a, b = (found.rates[arm] for arm in self.arms)
        equal = {} if a == b else {f"both at learning rate {r:g}": (r, r) for r in (a, b)}
        return {BEST: (a, b), **equal}

    def found(self, curves: Curves, seconds: Seconds) -> Found | None:
        """What the curves show; None before goal and learning rates are chosen."""
        found = self._selected(curves)
        if isinstance(found, list):
            return None
        if found.goal is None:
            return found
        timed = {arm: seconds[arm] for arm in self.arms} if seconds else {}
        meetings = [
            self._meeting(found.goal.value, found.floor, label, rates, curves, timed)
            for label, rates in self._meetings(found).items()
        ]
        there = tuple(meeting for meeting in meetings if meeting is not None)
        return Found(found.goal, found.floor, found.tables, found.rates, there, timed)

    def _meeting(
        self,
        goal: float,
        floor: float,
        label: str,
        rates: tuple[float, float],
        curves: Curves,
        seconds: Seconds,
    ) -> Meeting | None:
        pairs = []
        for seed in range(self.seeds):
            keys = [self.training(a, r, seed).key for a, r in zip(self.arms, rates, strict=True)]
            if all(key in curves for key in keys):
                pairs.append((curves[keys[0]], curves[keys[1]]))
        if not pairs:
            return None
        reached = np.array([[selection.steps_to(c, goal) for c in pair] for pair in pairs])
        first, other = np.maximum(reached.T, 1)
        steps = Pairs(first, other, pairs[0][0].trial.steps)
        effects = [steps.ratio(STEPS, label)]
        if seconds:
            price = np.array(seconds[self.first]) / np.array(seconds[self.other])
            effects.append(steps.ratio(TIME, label, price))
        ends = np.array([[selection.level(c, floor) for c in pair] for pair in pairs])
        size = 100 if self.scale.percent else 1
        ahead = size * (ends[:, 1] - ends[:, 0])
        better = "" if self.scale.sign > 0 else " lower"
        effects.append(
            mean_effect(f"at the end, {label}", ahead, f"{self.scale.unit}{better or ' higher'}")
        )
        return Meeting(label, rates, tuple(pairs), steps, tuple(effects))


def _as_trials(trainings: list[Training]) -> tuple[Any, ...]:
    """A round names `Trial`s; a `Training` has all that is asked of one there."""
    return tuple(trainings)
