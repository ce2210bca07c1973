"""Finding each arm's best learning rate, and with it the goal: the first part of a race."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.protocol import goals
from evenbatch.protocol.cells import TUNING_SEED, rate_at
from evenbatch.protocol.contestants import Field
from evenbatch.protocol.effects import PENALTY
from evenbatch.protocol.measures import About, level, steps_to
from evenbatch.protocol.verdict import Curves, ExperimentError

START = tuple(rate_at(k / 2) for k in range(-6, 1))
"""Learning rates tried first: 0.001 to 1 in half decades."""
LOWEST, HIGHEST, BELOW = -12.0, 2.0, 2.5  # decades a grid may grow to


@dataclass(frozen=True)
class Tried:
    """One learning rate of one arm on the tuning seeds.

    Attributes:
        rate: the learning rate.
        level: where it ends, median over seeds.
        steps: to the goal, geometric mean over seeds; an unfinished run counts PENALTY budgets.
        reached: seeds that reached the goal.
        diverged: seeds that diverged.
        keys: of the runs.
    """

    rate: float
    level: float
    steps: float
    reached: int
    diverged: int
    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Search:
    """The state of the tuning.

    Attributes:
        wanted: runs still missing; what follows is known once there are none.
        floor: chance.
        noise: how far above it a metric must be to have learned anything.
        goal: the metric to reach; None if no arm learned anything.
        tried: by arm, its learning rates from low to high.
    """

    wanted: tuple[Any, ...] = ()
    floor: float = math.nan
    noise: float = math.nan
    goal: goals.Chosen | None = None
    tried: Mapping[str, Sequence[Tried]] = field(default_factory=dict)

    @property
    def best(self) -> dict[str, float]:
        """Each arm's best learning rate: fewest steps, then the highest end, then the lowest."""
        return {arm: best_of(rows).rate for arm, rows in self.tried.items()}

    @property
    def fastest(self) -> float:
        """Steps to the goal of the faster arm at its best."""
        return min(best_of(rows).steps for rows in self.tried.values())

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Arms whose best learning rate is the lowest or the highest tried."""
        return tuple(
            arm for arm, rows in self.tried.items() if best_of(rows) in (rows[0], rows[-1])
        )


@dataclass(frozen=True, eq=False)
class Tuning:
    """The tuning of a race, with the arguments of `Race`."""

    field: Field
    rates: Mapping[str, Sequence[float]]
    growths: int
    refined: bool
    seeds: int
    first: int
    goal: float | None

    def trials(self, arm: str, rate: float) -> list[Any]:
        """An arm's tuning runs at a learning rate."""
        first = self.first + TUNING_SEED
        every = self.field.steps / 200
        return [self.field.trial(arm, rate, s, every) for s in range(first, first + self.seeds)]

    def search(self, curves: Curves) -> Search:
        """Goal and best learning rates; or, while curves are missing, the runs still wanted."""
        grids = {arm: sorted(set(self.rates[arm])) for arm in self.field.arms}
        growths, refined = self.growths, not self.refined
        while True:
            wanted = [
                trial
                for arm, grid in grids.items()
                for rate in grid
                for trial in self.trials(arm, rate)
                if trial.key not in curves
            ]
            if wanted:
                return Search(tuple(wanted))
            found = self._state(grids, curves)
            added: dict[str, list[float]] = {}
            if growths:
                growths -= 1
                added = {arm: _grown(found, rows) for arm, rows in found.tried.items()}
            if not any(added.values()):
                growths = 0
                if not refined and found.goal is not None:
                    refined = True
                    added = {arm: _around(rows) for arm, rows in found.tried.items()}
            if not any(added.values()):
                break
            grids = {arm: sorted({*grid, *added[arm]}) for arm, grid in grids.items()}
        if self.goal is not None and not any(
            row.reached for t in found.tried.values() for row in t
        ):
            raise ExperimentError(self._unreachable(found))
        return found

    def _state(self, grids: Mapping[str, Sequence[float]], curves: Curves) -> Search:
        runs = {
            arm: {rate: [curves[t.key] for t in self.trials(arm, rate)] for rate in grid}
            for arm, grid in grids.items()
        }
        every = [run for own in runs.values() for group in own.values() for run in group]
        scale = self.field.scale
        floor, noise = scale.floor(every), scale.noise(every)
        about = About(floor)
        tops = {
            arm: goals.best_median([[level(run, about) for run in group] for group in own.values()])
            for arm, own in runs.items()
        }
        goal = self._goal(tops, floor, noise)
        passing = About(floor, math.inf if goal is None else goal.value)
        tried = {
            arm: [self._row(rate, group, passing) for rate, group in own.items()]
            for arm, own in runs.items()
        }
        return Search((), floor, noise, goal, tried)

    def _goal(self, tops: Mapping[str, float], floor: float, noise: float) -> goals.Chosen | None:
        if self.goal is None:
            return goals.chosen(tops, floor, noise)
        if not self.goal > floor:
            said = self.field.scale.said
            raise ExperimentError(
                f"the goal, {said(self.goal)}, is not above chance, {said(floor)}: guessing "
                "reaches it. Choose another one, or leave it out"
            )
        return goals.Chosen(self.goal)

    def _row(self, rate: float, runs: Sequence[Curve], about: About) -> Tried:
        steps = np.array([steps_to(run, about) for run in runs])
        counted = np.where(np.isfinite(steps), np.maximum(steps, 1), PENALTY * self.field.steps)
        return Tried(
            rate,
            float(np.median([level(run, about) for run in runs])),
            # Rounded: neither a tie nor how often a run is evaluated may hang on a last bit.
            round(math.exp(float(np.log(counted).mean())), 6),
            int(np.isfinite(steps).sum()),
            sum(run.diverged for run in runs),
            tuple(run.trial.key for run in runs),
        )

    def _unreachable(self, found: Search) -> str:
        said = self.field.scale.said
        ends = " and ".join(
            f"{self.field.name(arm)} at {said(max(row.level for row in rows))}"
            for arm, rows in found.tried.items()
        )
        return (
            f"no run of either arm reached the goal {said(self.goal or 0)} in {self.field.steps} "
            f"steps at any learning rate; the best ended with {ends}. Lower the goal or raise the "
            "steps"
        )


def best_of(rows: Sequence[Tried]) -> Tried:
    """Fewest steps, then the highest end, then the lowest rate."""
    return min(rows, key=lambda row: (row.steps, -row.level, row.rate))


def _grown(found: Search, rows: Sequence[Tried]) -> list[float]:
    """Learning rates to add so that the best one gets a neighbour on both sides. An arm that
    learned nothing is given higher ones as long as they do not diverge, and lower ones down to
    `BELOW` the first that did: there training may be unstable still, but not far below.
    """
    learned = max(row.level for row in rows) - found.floor >= found.noise
    low, high, top = _decades(rows[0].rate), _decades(rows[-1].rate), best_of(rows)
    gone = min((_decades(row.rate) for row in rows if row.diverged), default=-math.inf)
    added = []
    if (top == rows[0] if learned else low - 0.5 >= gone - BELOW > -math.inf) and low > LOWEST:
        added.append(rate_at(low - 0.5))
    if (top == rows[-1] if learned else not rows[-1].diverged) and high < HIGHEST:
        added.append(rate_at(high + 0.5))
    return added


def _decades(rate: float) -> float:
    return round(4 * math.log10(rate)) / 4


def _around(rows: Sequence[Tried]) -> list[float]:
    """The two learning rates a quarter of a decade beside the best one."""
    at = _decades(best_of(rows).rate)
    return [rate_at(at - 0.25), rate_at(at + 0.25)]
