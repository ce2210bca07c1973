"""The race: two arms, to the same goal, in steps and in seconds.

Three parts, each only looking at the curves of those before:

1. Tuning. A grid of learning rates for each arm, on seeds of its own. It fixes the goal and each
   arm's best learning rate. The grid grows until the best lies inside it.
2. Measurement. Fresh seeds. Both arms at both best learning rates, so that best meets best and both
   also meet at equal settings.
3. Timing. A step of each arm, the arms taking turns, alone on the machine.

Who races is a `Field`: networks of the engine (`evenbatch.protocol.networks`), or PyTorch models
(`evenbatch.torch.compare`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.protocol import goals
from evenbatch.protocol.cells import TUNING_SEED, rate_at
from evenbatch.protocol.contestants import Field
from evenbatch.protocol.effects import PENALTY, Pairs, mean_effect
from evenbatch.protocol.measures import About, level, steps_to
from evenbatch.protocol.values import BEST
from evenbatch.protocol.verdict import Curves, Effect, ExperimentError, Round

BEST_WORDS = "best against best"
STEPS, TIME = "times fewer steps", "times less time"
START = tuple(rate_at(k / 2) for k in range(-6, 1))
"""Learning rates tried first: 0.001 to 1 in half decades."""
LOWEST, HIGHEST = -6.0, 2.0  # decades a grid may grow to
RESOLUTION = 8  # evaluations until the faster arm reaches the goal

Seconds = Mapping[str, Sequence[float]]
"""Seconds per step of each arm, turn by turn."""


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
        return {arm: _best(rows).rate for arm, rows in self.tried.items()}

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Arms whose best learning rate is the lowest or the highest tried."""
        return tuple(arm for arm, rows in self.tried.items() if _best(rows) in (rows[0], rows[-1]))


@dataclass(frozen=True, eq=False)
class Meeting:
    """Both arms on the measurement seeds, each at one learning rate.

    Attributes:
        at: id of the learning rates: "best", "at-none", "at-batch".
        label: in words: "both at learning rate 0.1".
        rates: of the first and of the other arm.
        curves: (first, other) of each seed that both finished.
        steps: their steps to the goal.
        effects: ratio of the steps; of the seconds, if steps were timed; difference at the end.
    """

    at: str
    label: str
    rates: tuple[float, float]
    curves: tuple[tuple[Curve, Curve], ...]
    steps: Pairs
    effects: tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Finding:
    """All that a race found: its tuning, its meetings (best against best first), and the seconds
    per step of each arm ({} if none were timed)."""

    search: Search
    meetings: tuple[Meeting, ...] = ()
    seconds: Seconds = field(default_factory=dict)

    @property
    def goal(self) -> goals.Chosen:
        """The goal; there is one if there are meetings."""
        assert self.search.goal is not None
        return self.search.goal

    @property
    def effects(self) -> dict[str, Effect]:
        """All effects by their ids."""
        return {effect.id: effect for meeting in self.meetings for effect in meeting.effects}


@dataclass(frozen=True, eq=False)
class Race:
    """A race of two arms.

    Args:
        field: who races.
        rates: by arm, the learning rates to try first.
        growths: how often they are continued on a side where the best lies at the edge.
        refined: whether quarter decades around the best are tried at the end.
        seeds, tuning, first: how many measurement and tuning seeds, and the first one.
        goal: the metric to reach (times the sign); if left out, chosen by `goals.chosen`.
    """

    field: Field
    rates: Mapping[str, Sequence[float]]
    growths: int
    refined: bool
    seeds: int
    tuning: int
    first: int = 0
    goal: float | None = None

    def trials(self, curves: Curves) -> Round:
        """The runs still wanted."""
        found = self.search(curves)
        if found.wanted:
            return Round("tuning", found.wanted, 4 * self.seeds)
        wanted = {}
        if found.goal is not None:  # pair by pair: a part is worth having
            for seed in range(self.first, self.first + self.seeds):
                for _, _, rates in self._meetings(found):
                    for arm, rate in zip(self.field.arms, rates, strict=True):
                        trial = self._measured(found, arm, rate, seed)
                        if trial.key not in curves:
                            wanted[trial.key] = trial
        return Round("measuring", tuple(wanted.values()))

    # ---- tuning ----

    def tuning_trials(self, arm: str, rate: float) -> list[Any]:
        """An arm's tuning runs at a learning rate."""
        first = self.first + TUNING_SEED
        every = self.field.steps / 200
        return [self.field.trial(arm, rate, s, every) for s in range(first, first + self.tuning)]

    def search(self, curves: Curves) -> Search:
        """Goal and best learning rates; or, while curves are missing, the runs still wanted."""
        grids = {arm: sorted(set(self.rates[arm])) for arm in self.field.arms}
        growths, refined = self.growths, not self.refined
        while True:
            wanted = [
                trial
                for arm, grid in grids.items()
                for rate in grid
                for trial in self.tuning_trials(arm, rate)
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
            arm: {rate: [curves[t.key] for t in self.tuning_trials(arm, rate)] for rate in grid}
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
            math.exp(float(np.log(counted).mean())),
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

    # ---- measurement ----

    def _meetings(self, found: Search) -> Iterator[tuple[str, str, tuple[float, float]]]:
        """Id, label and learning rates of each comparison."""
        a, b = (found.best[arm] for arm in self.field.arms)
        yield BEST, BEST_WORDS, (a, b)
        if a != b:
            for arm, rate in zip(self.field.arms, (a, b), strict=True):
                yield f"at-{arm}", f"both at learning rate {rate:g}", (rate, rate)

    def _measured(self, found: Search, arm: str, rate: float, seed: int) -> Any:
        fastest = min(_best(rows).steps for rows in found.tried.values())
        return self.field.trial(arm, rate, seed, fastest / RESOLUTION)

    def finding(self, curves: Curves, seconds: Seconds) -> Finding | None:
        """What the curves show so far; None before goal and learning rates are chosen."""
        found = self.search(curves)
        if found.wanted:
            return None
        if found.goal is None:
            return Finding(found)
        meetings = (self._meet(found, *each, curves, seconds) for each in self._meetings(found))
        return Finding(found, tuple(meeting for meeting in meetings if meeting), seconds)

    def _meet(
        self,
        found: Search,
        at: str,
        label: str,
        rates: tuple[float, float],
        curves: Curves,
        seconds: Seconds,
    ) -> Meeting | None:
        assert found.goal is not None
        pairs = []
        for seed in range(self.first, self.first + self.seeds):
            keys = [
                self._measured(found, arm, rate, seed).key
                for arm, rate in zip(self.field.arms, rates, strict=True)
            ]
            if all(key in curves for key in keys):
                pairs.append((curves[keys[0]], curves[keys[1]]))
        if not pairs:
            return None
        about = About(found.floor, found.goal.value)
        reached = np.array([[steps_to(run, about) for run in pair] for pair in pairs])
        first, other = np.maximum(reached.T, 1)
        steps = Pairs(first, other, self.field.steps)
        effects = [_named(steps.ratio(STEPS, label), f"steps/{at}", "in steps")]
        if seconds:
            a, b = (np.array(seconds[arm]) for arm in self.field.arms)
            effects.append(_named(steps.ratio(TIME, label, a / b), f"time/{at}", "in time"))
        ends = np.array([[level(run, about) for run in pair] for pair in pairs])
        scale = self.field.scale
        ahead = (100 if scale.percent else 1) * (ends[:, 1] - ends[:, 0])
        better = "higher" if scale.sign > 0 else "lower"
        end = mean_effect(f"at the end, {label}", ahead, f"{scale.unit} {better}")
        effects.append(_named(end, f"end/{at}", "at the end"))
        return Meeting(at, label, rates, tuple(pairs), steps, tuple(effects))


def _named(effect: Effect, name: str, about: str) -> Effect:
    return replace(effect, id=name, about=about)


def _best(rows: Sequence[Tried]) -> Tried:
    return min(rows, key=lambda row: (row.steps, -row.level, row.rate))


def _grown(found: Search, rows: Sequence[Tried]) -> list[float]:
    """Learning rates to add so that the best one gets a neighbour on both sides; an arm that
    learned nothing anywhere is given more on both."""
    learned = max(row.level for row in rows) - found.floor >= found.noise
    low, high, top = _decades(rows[0].rate), _decades(rows[-1].rate), _best(rows)
    added = []
    if (top == rows[0] or not learned) and low - 0.5 >= LOWEST:
        added.append(rate_at(low - 0.5))
    if (top == rows[-1] or not learned) and high + 0.5 <= HIGHEST:
        added.append(rate_at(high + 0.5))
    return added


def _decades(rate: float) -> float:
    return round(4 * math.log10(rate)) / 4


def _around(rows: Sequence[Tried]) -> list[float]:
    """The two learning rates a quarter of a decade beside the best one."""
    at = _decades(_best(rows).rate)
    return [rate_at(at - 0.25), rate_at(at + 0.25)]
