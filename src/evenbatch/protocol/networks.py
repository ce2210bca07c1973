"""Networks of the engine in a race: with and without a normalizer, described as data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.protocol import goals, race_shown
from evenbatch.protocol.block import Changes
from evenbatch.protocol.cells import make_trial, rate_at
from evenbatch.protocol.experiment import Experiment, RacePlan
from evenbatch.protocol.race import Finding, Race, Seconds
from evenbatch.protocol.statement import race_setting, statement
from evenbatch.protocol.study import sentence
from evenbatch.protocol.tuning import LOWEST
from evenbatch.protocol.verdict import CANNOT_TELL, Curves, Round, Statement, Verdict
from evenbatch.protocol.wording import amount, metric_name

TIMED_PAIRS = 51
GROWTHS = 18  # enough for a grid that begins at 0.001 to 1 to reach both its limits


@dataclass(frozen=True)
class DataScale:
    """The metric of a data set."""

    data: Dataset

    @property
    def name(self) -> str:
        """Accuracy or R²."""
        return metric_name(self.data)

    @property
    def percent(self) -> bool:
        """Accuracy is a share."""
        return self.data.task == "classification"

    @property
    def sign(self) -> int:
        """Higher is better."""
        return 1

    @property
    def unit(self) -> str:
        """Of a difference, times 100 for shares."""
        return "percentage points" if self.percent else "of R²"

    @property
    def rows(self) -> int:
        """Of the test set."""
        return self.data.n_test

    def said(self, signed: float) -> str:
        """A metric in words."""
        return amount(self.data, signed)

    def floor(self, _curves: Sequence[Curve]) -> float:
        """Chance."""
        return goals.chance(self.data)

    def noise(self, _curves: Sequence[Curve]) -> float:
        """How far above it a metric must be."""
        return goals.noise(self.data)


@dataclass(frozen=True, eq=False)
class Networks:
    """The networks of a plan, on a data set (a `race.Field`)."""

    plan: RacePlan
    data: Dataset

    @property
    def arms(self) -> tuple[str, str]:
        """Ids of both."""
        first, other = (level.id for level in self.plan.arms.levels)
        return first, other

    @property
    def steps(self) -> int:
        """The budget."""
        return self.plan.steps

    @property
    def scale(self) -> DataScale:
        """How the metric is read."""
        return DataScale(self.data)

    def name(self, arm: str) -> str:
        """An arm in words."""
        return self.plan.arms[arm].name

    def trial(self, arm: str, rate: float, seed: int, every: float, steps: int = 0) -> Trial:
        """A run of one arm. Both start from the same weights and see the same batches.

        It is evaluated about as often as wanted, unless testing would outweigh training; never on
        the way for 0.
        """
        affordable = self.data.n_test / (24 * self._batch_size)
        spacing = max(1, int(every), math.ceil(affordable)) if every else 0
        own = Changes(
            trial={
                "learning_rate": rate,
                "steps": steps or self.steps,
                "evaluate_every": spacing,
            }
        )
        settings = own.over(self.plan.arms[arm].changes.over(self.plan.base))
        return make_trial(settings, self.data, seed)

    @property
    def _batch_size(self) -> int:
        size: int = self.plan.base.trial.get("batch_size", Trial.batch_size)
        return size

    def timed_steps(self) -> int:
        """Steps of a timed run: some milliseconds, so that turns are short and many."""
        network = self.trial(self.arms[0], 0.1, 0, 0).network
        # A step: three products, two operations each.
        operations = 6 * network.multiplications * self._batch_size
        return min(self.steps, max(20, min(200, int(5e8 / operations))))


@dataclass(frozen=True, eq=False)
class RaceStudy:
    """A race of the engine's networks as a study (`verdict.Study`).

    Args:
        experiment: what is asked, with a race plan.
        data: the data set.
    """

    experiment: Experiment
    data: Dataset

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """The one data set."""
        return {self.data.name: self.data}

    @property
    def statement(self) -> Statement:
        """What is stated before any result."""
        return statement(self.experiment)

    @cached_property
    def race(self) -> Race:
        """The race that follows from the plan."""
        plan = self.plan
        return Race(
            Networks(plan, self.data),
            dict.fromkeys((level.id for level in plan.arms.levels), plan.rates),
            GROWTHS if plan.growing else 0,
            plan.growing,
            plan.seeds,
            plan.tuning,
            plan.first,
            plan.goal,
        )

    @property
    def plan(self) -> RacePlan:
        """The plan."""
        assert self.experiment.race is not None
        return self.experiment.race

    @property
    def networks(self) -> Networks:
        """Who races."""
        return Networks(self.plan, self.data)

    def trials(self, curves: Curves) -> Round:
        """The runs still wanted."""
        return self.race.trials(curves)

    def timing(self, curves: Curves) -> Sequence[Trial]:
        """Both arms in turns, each pair the other way round; the first pair only warms up.

        A step takes as long at any learning rate, and a run that diverges cannot be timed: the
        lowest rate is used that was tried, or that a grid may grow to if runs diverged there.
        """
        found = self.race.search(curves)
        if found.wanted or found.goal is None:
            return ()
        lowest = min(row.rate for rows in found.tried.values() for row in rows)
        if any(row.diverged for rows in found.tried.values() for row in rows if row.rate == lowest):
            lowest = rate_at(LOWEST)
        networks, first = self.networks, self.plan.first
        steps = networks.timed_steps()
        pair = [networks.trial(arm, lowest, first, 0, steps) for arm in networks.arms]
        return tuple(t for i in range(TIMED_PAIRS) for t in (pair if i % 2 else reversed(pair)))

    def seconds(self, timed: Sequence[Curve]) -> Seconds:
        """Seconds per step, per arm, pair by pair; {} unless at least one pair was timed."""
        norms = {self.networks.trial(a, 0.1, 0, 0).network: a for a in self.networks.arms}
        found: dict[str, list[float]] = {arm: [] for arm in self.networks.arms}
        for i in range(2, len(timed) - 1, 2):
            pair = timed[i : i + 2]
            if all(curve.ended == "finished" for curve in pair):
                for curve in pair:
                    each = float(curve.seconds[-1]) / curve.ended_at
                    found[norms[curve.trial.network]].append(each)
        return found if all(found.values()) else {}

    def finding(self, curves: Curves, timed: Sequence[Curve]) -> Finding | None:
        """What the curves show so far."""
        return self.race.finding(curves, self.seconds(timed))

    def verdict(self, curves: Curves, timed: Sequence[Curve]) -> Verdict:
        """What follows from the curves, also from a part of them."""
        found, name = self.finding(curves, timed), self.experiment.on or self.data.name
        missing = race_shown.nothing_yet(self.race, found)
        if missing or found is None:
            words = race_setting(self.experiment, self.data, 0)
            return Verdict(CANNOT_TELL, missing, f"{name}: {missing}.", (), words)
        decided = self.experiment.rule.apply(found.effects)
        said = race_shown.happened(self.race, found)
        return Verdict(
            answer=decided.answer,
            reason=decided.reason,
            sentence=sentence(name, said, self.experiment.phrase, decided),
            effects=tuple(found.effects.values()),
            measured_on=race_setting(self.experiment, self.data, len(found.meetings[0].curves)),
            notes=tuple(race_shown.notes(self.race, found)),
            figures=race_shown.figures(self.race.field, found),
            tables=tuple(race_shown.tables(self.race, found)),
            change=self.experiment.change,
            note=decided.note,
        )
