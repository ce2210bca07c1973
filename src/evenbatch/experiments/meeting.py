"""Several arms compared: each at its own best learning rate, and all at the same rates.

Best against best alone would hide what a badly chosen rate costs; equal rates alone would favour
the arm whose rate it is. So all arms meet at their own best rates, and again at the best rates of
some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    band,
    numbers,
)
from evenbatch.experiments.protocol import Curves, Effect, Round
from evenbatch.experiments.setup import Setup, key
from evenbatch.experiments.tuned import Grid, Tuned
from evenbatch.experiments.wording import points_unit, share

BEST = "best against best"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Attributes:
        name: as tables and figures call it: "no normalization".
        setup: data, network and training.
        changes: fields of `Network` and `Trial` that make this arm.
    """

    name: str
    setup: Setup
    changes: Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Meeting:
    """Arms at their best learning rates, and at equal ones.

    Args:
        arms: by a short name; the first is the plainest.
        rates: learning rates tried for each arm, from low to high.
        seeds, tuning: measurement and selection seeds.
        hosts: arms at whose best learning rates all are compared.
        measure: from a curve and chance to what is compared; the rate where it is highest on the
            selection seeds is an arm's best.
    """

    arms: Mapping[str, Arm]
    rates: Sequence[float]
    seeds: int
    tuning: int
    hosts: Sequence[str]
    measure: Callable[[Curve, float], float] = selection.average

    @property
    def setup(self) -> Setup:
        return next(iter(self.arms.values())).setup

    @property
    def floor(self) -> float:
        """The metric of the best guess that does not look at the input."""
        return selection.chance(self.setup.data)

    @cached_property
    def tuned(self) -> Tuned:
        floor = self.floor
        cells = {name: arm.setup.rated(**arm.changes) for name, arm in self.arms.items()}
        return Tuned(
            cells, self.rates, self.seeds, self.tuning, lambda curve: self.measure(curve, floor)
        )

    def trials(self, curves: Curves) -> Round:
        """First what finds the learning rates, then what measures, seed by seed."""
        wanted = self.tuned.search.wanted(curves)
        if wanted:
            later = len(self.arms) * self.seeds * (1 + len(self.hosts))
            return Round("finding learning rates", tuple(wanted), later)
        grids = self.met(curves).grids.values()
        missing = {key(trial): trial for grid in grids for trial in grid.wanted(curves)}
        trials = sorted(missing.values(), key=lambda trial: trial.seed)
        return Round("measuring on fresh seeds", tuple(trials))

    def met(self, curves: Curves) -> Met:
        """What these curves show."""
        return Met(self, curves)

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The data sets of all arms, by name."""
        return {arm.setup.data.name: arm.setup.data for arm in self.arms.values()}


@dataclass(frozen=True, eq=False)
class Met:
    """What the curves of a meeting show, read from the seeds that all arms have finished.

    Args:
        meeting: the arms.
        curves: what there is.
    """

    meeting: Meeting
    curves: Curves

    @property
    def data(self) -> Dataset:
        return self.meeting.setup.data

    @property
    def arms(self) -> Mapping[str, Arm]:
        return self.meeting.arms

    @cached_property
    def best(self) -> dict[str, float]:
        """Each arm's best learning rate."""
        return self.meeting.tuned.best(self.curves)

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """The measurement by its label: `BEST`, "all at learning rate 0.1"; {} before that."""
        tuned = self.meeting.tuned
        if not tuned.ready(self.curves):
            return {}
        found = {BEST: tuned.at(self.best)}
        for rate in dict.fromkeys(self.best[host] for host in self.meeting.hosts):
            found[f"all at learning rate {rate:g}"] = tuned.at(rate)
        return found

    @cached_property
    def _whole(self) -> NDArray[np.bool_]:
        """(seeds,) True where every arm has finished at every rate."""
        whole = np.full(self.meeting.seeds, bool(self.grids))
        for grid in self.grids.values():
            for arm in self.arms:
                whole &= [curve is not None for curve in grid.curves(arm, self.curves)]
        return whole

    @property
    def seeds(self) -> int:
        """Seeds that all arms have finished at all rates."""
        return int(self._whole.sum())

    def runs(self, arm: str, label: str = BEST) -> list[Curve]:
        """An arm's curves, seed by seed."""
        found = self.grids[label].curves(arm, self.curves)
        return [c for c, whole in zip(found, self._whole, strict=True) if c is not None and whole]

    def values(self, arm: str, label: str = BEST) -> Floats:
        """(seeds,) what was measured of an arm."""
        return np.array([self.meeting.tuned.score(curve) for curve in self.runs(arm, label)])

    def ends(self, arm: str, label: str = BEST) -> Floats:
        """(seeds,) the metric of an arm at the end."""
        floor = self.meeting.floor
        return np.array([selection.level(curve, floor) for curve in self.runs(arm, label)])

    def nothing(self) -> str:
        """Why there is nothing to compare yet, or at all; "" if there is."""
        if not self.seeds:
            return "nothing is measured yet"
        top = max(float(np.median(self.ends(arm))) for arm in self.arms)
        learned = top - self.meeting.floor >= selection.noise(self.data)
        return "" if learned else "no arm learned anything, so there is nothing to compare"

    def gain(self, arm: str, over: str, label: str = BEST) -> Effect:
        """How much better an arm is than another, in points, paired by seed."""
        names = f"{self.arms[arm].name} over {self.arms[over].name}, {label}"
        ahead = self.values(arm, label) - self.values(over, label)
        return mean_effect(names, 100 * ahead, points_unit(self.data))

    def notes(self) -> tuple[str, ...]:
        """Where a best learning rate lies at the edge of those tried, and what diverged."""
        notes = self.meeting.tuned.edge_notes(
            self.curves,
            lambda arm: f"“{self.arms[arm].name}”",
            self.meeting.floor + selection.noise(self.data),
        )
        for arm in self.arms:
            runs = self.runs(arm)
            gone = sum(curve.diverged for curve in runs)
            if gone:
                notes.append(
                    f"{gone} of {len(runs)} runs diverged at the best learning rate of "
                    f"“{self.arms[arm].name}”; they count as chance."
                )
        return tuple(notes)

    def table(self, title: str, measured: str) -> Table:
        """A row for each arm: at its best rate, how it ended there, and at the equal rates."""
        equal = [label for label in self.grids if label != BEST]
        rows, keys = [], []
        for arm in self.arms:
            cells = [self._mean(self.values(arm)), self._mean(self.ends(arm))]
            cells += [self._mean(self.values(arm, label)) for label in equal]
            rows.append((self.arms[arm].name, f"{self.best[arm]:g}", *cells))
            keys.append(tuple(dict.fromkeys(k for g in self.grids.values() for k in g.keys(arm))))
        heads = tuple(f"{measured}, {label.removeprefix('all ')}" for label in equal)
        end = f"{self.meeting.setup.metric} at the end"
        return Table(
            title,
            ("arm", "best learning rate", f"{measured}, there", end, *heads),
            tuple(rows),
            tuple(keys),
        )

    def _mean(self, values: Floats) -> str:
        return share(self.data, float(values.mean()))

    def lines(self, title: str, label: str = BEST) -> Figure:
        """Each arm's way at its best or at an equal learning rate: median over seeds, middle half
        as a band.
        """
        series = []
        for arm in self.arms:
            runs = self.runs(arm, label)
            longest = max(runs, key=lambda curve: len(curve.step))
            ways = np.full((len(runs), len(longest.step)), np.nan)
            for way, run in zip(ways, runs, strict=True):
                way[: len(run.metric)] = run.metric
            series.append(band(self.arms[arm].name, longest.step, ways))
        metric = self.meeting.setup.metric
        at = "at its own best learning rate" if label == BEST else label
        return Figure(
            LINES,
            title,
            f"A line for each arm: its test {metric} while it trains, {at}; the higher and the "
            "further left it rises, the better.",
            Axis("training steps"),
            self._axis(f"test {metric}"),
            tuple(series),
            (Mark("chance", self.meeting.floor),),
        )

    def strips(self, title: str, measured: str) -> Figure:
        """What each learning rate gave each arm on the selection seeds."""
        scores, rates = self.meeting.tuned.scores(self.curves), numbers(self.meeting.rates)
        return Figure(
            STRIPS,
            title,
            "A strip for each arm; the stronger the shade of a learning rate, the better the "
            "network it leads to.",
            Axis("learning rate", log=True),
            self._axis(measured),
            tuple(Series(self.arms[arm].name, rates, numbers(scores[arm])) for arm in self.arms),
        )

    def _axis(self, label: str) -> Axis:
        return Axis(label, percent=self.meeting.setup.metric == "accuracy")


def together(*rounds: Round) -> Round:
    """One round of several, called as the first that wants something.

    >>> together(Round("", ()), Round("measuring", (), 3)).later
    3
    """
    trials = {key(trial): trial for each in rounds for trial in each.trials}
    title = next((each.title for each in rounds if each.trials), rounds[0].title)
    return Round(title, tuple(trials.values()), sum(each.later for each in rounds))
