"""Before the measurement: a goal both arms can reach, and each arm's best learning rate.

Everything here looks only at curves of the selection seeds, which the measurement does not use: a
learning rate that won by luck wins nothing on fresh seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments.protocol import ExperimentError
from evenbatch.experiments.ratios import PENALTY
from evenbatch.experiments.wording import amount, metric_name

SHARE = 0.9  # of the way from chance to the weaker arm's best
NOTHING = 0.1  # of the stronger arm's gain: with less, the weaker arm has learned nothing
HELD = 0.05  # of the budget: for so long the goal must be held on average
LOWEST, HIGHEST = -6.0, 2.0  # decades a grid may grow to


def rate_at(decades: float) -> float:
    """10 to the power of `decades`, in three digits, as one would write it down.

    >>> rate_at(-0.5)
    0.316
    """
    return float(f"{10.0**decades:.3g}")


START = tuple(rate_at(k / 2) for k in range(-6, 1))  # 0.001 to 1 in half decades

Arm = Mapping[Any, Sequence[Curve]]
"""The curves of one arm by learning rate (or whatever was varied), in a race those of the selection
seeds."""


def chance(data: Dataset) -> float:
    """The metric of the best guess that does not look at the input.

    Classification: the share of test rows in the class most frequent in training. Regression: R² =
    0, which the mean of the targets reaches.
    """
    if data.task == "regression":
        return 0.0
    favourite = np.bincount(data.y_train, minlength=data.n_outputs).argmax()
    return float((data.y_test == favourite).mean())


def noise(data: Dataset) -> float:
    """How far above chance a metric must be to have learned anything.

    Classification: three standard errors of a share of the test rows. Regression: R² of 0.05.
    """
    if data.task == "regression":
        return 0.05
    p = chance(data)
    return 3 * math.sqrt(max(p * (1 - p), 1e-9) / data.n_test)


def level(curve: Curve, floor: float) -> float:
    """The metric at the end: mean of the last tenth of the evaluations; `floor` if it diverged."""
    last = curve.metric[-max(1, len(curve.metric) // 10) :]
    if curve.diverged or not np.isfinite(last).all():
        return floor
    return max(float(last.mean()), floor)


def average(curve: Curve, floor: float) -> float:
    """The metric averaged over the training: how good the network was on the way.

    Quick learning and a good end both raise it, and it needs no goal. Below `floor` it counts as
    `floor`, and so does all of a run that diverged.

    >>> import numpy as np
    >>> from evenbatch.engine import Network, Trial
    >>> trial, no = Trial(Network(inputs=1, hidden=(1,), outputs=2), steps=100), np.zeros(3)
    >>> step, metric = np.array([0, 50, 100]), np.array([0.5, 0.9, 0.9])
    >>> average(Curve(trial, step, no, no, no, metric, no, no, "finished", 100), 0.5)
    0.8
    """
    metric = np.maximum(np.where(np.isfinite(curve.metric), curve.metric, floor), floor)
    if curve.diverged or len(metric) < 2:
        return floor
    steps = np.diff(curve.step)
    return float(((metric[1:] + metric[:-1]) / 2 * steps).sum() / steps.sum())


def best_level(arm: Arm, floor: float) -> float:
    """The highest median level over the seeds that any learning rate gave."""
    return max(float(np.median([level(c, floor) for c in curves])) for curves in arm.values())


def steps_to(curve: Curve, goal: float) -> float:
    """Steps until the goal was reached and held; infinity if it was not.

    The first evaluation at which the metric is at or above the goal and stays there on average over
    the next `HELD` of the budget, at least three evaluations; without the second half a noisy curve
    that touches the goal once by luck would count. The step is read off the straight line from the
    evaluation before, so that the distance between evaluations does not lengthen a fast arm's way.

    >>> import numpy as np
    >>> from evenbatch.engine import Network, Trial
    >>> trial, no = Trial(Network(inputs=1, hidden=(1,), outputs=2), steps=100), np.zeros(6)
    >>> step, metric = np.array([0, 20, 22, 60, 80, 100]), np.array([0.1, 0.9, 0.2, 0.8, 0.9, 0.9])
    >>> round(steps_to(Curve(trial, step, no, no, no, metric, no, no, "finished", 100), 0.7), 1)
    53.7
    """
    step, metric = curve.step, curve.metric
    for place in np.flatnonzero(metric >= goal).tolist():
        until = step[place] + HELD * curve.trial.steps
        stop = max(int(np.searchsorted(step, until, "right")), place + 3)
        if until > step[-1] or stop > len(step):
            break
        if metric[place:stop].mean() >= goal:
            if place == 0 or not metric[place - 1] < goal:
                return float(step[place])
            share = (goal - metric[place - 1]) / (metric[place] - metric[place - 1])
            return float(step[place - 1] + share * (step[place] - step[place - 1]))
    return math.inf


@dataclass(frozen=True)
class Goal:
    """The metric to be reached, and in words why it is this one."""

    value: float
    rule: str


def check_goal(data: Dataset, goal: float) -> None:
    """Raise an `ExperimentError` for a goal below chance or above what the metric can be."""
    floor = chance(data)
    if not goal > floor:
        raise ExperimentError(
            f"the goal {goal:g} is not above chance, which is {floor:.3g} on {data.name}: guessing "
            "reaches it. Choose a higher one, or leave it out"
        )
    if goal > 1:
        raise ExperimentError(
            f"the goal is {goal:g}, but {metric_name(data)} cannot exceed 1. A goal of 93 % is "
            "written 0.93"
        )


def bar_of(levels: Mapping[str, float], floor: float, least: float) -> str | None:
    """The arm whose best level sets the goal: the weaker one, or the stronger one if the weaker has
    learned next to nothing; None if no arm learned anything.

    Args:
        levels: the best level of each of two arms.
        floor: chance.
        least: how far above chance a level must be to have learned anything (`noise`).

    >>> bar_of({"a": 0.8, "b": 0.9}, 0.1, 0.05), bar_of({"a": 0.11, "b": 0.9}, 0.1, 0.05)
    ('a', 'b')
    """
    weaker, stronger = sorted(levels, key=lambda name: levels[name])
    if levels[stronger] - floor < least:
        return None
    if levels[weaker] - floor < max(NOTHING * (levels[stronger] - floor), least):
        return stronger
    return weaker


def choose_goal(
    data: Dataset, arms: Mapping[str, Arm], asked: float | None, share: float = SHARE
) -> Goal | None:
    """The goal, by a rule that does not know which arm is which.

    `share` of the way from chance to the best level of the weaker arm, whichever it is: both arms
    can reach it. If the weaker arm gained less than `NOTHING` of what the other gained, its best is
    no goal worth the name; the stronger arm's best then takes its place, and the ratio will only be
    a bound. None if no arm learned anything.
    """
    floor = chance(data)
    if asked is not None:
        check_goal(data, asked)
        return Goal(asked, "asked for")
    levels = {name: best_level(arm, floor) for name, arm in arms.items()}
    bar = bar_of(levels, floor, noise(data))
    if bar is None:
        return None
    weaker = min(levels, key=lambda name: levels[name])
    value = floor + share * (levels[bar] - floor)
    which = "weaker" if bar == weaker else "stronger"
    rule = (
        f"{100 * share:.0f} % of the way from chance, {amount(data, floor)}, to the best the "
        f"{which} arm reached, {amount(data, levels[bar])}"
    )
    if bar != weaker:
        rule += "; the other learned next to nothing"
    return Goal(value, rule)


@dataclass(frozen=True)
class Row:
    """One learning rate of one arm on the selection seeds."""

    learning_rate: float
    level: float  # median over seeds
    steps: float  # geometric mean over seeds; an unfinished run counts PENALTY budgets
    reached: int  # seeds that reached the goal


def rows(arm: Arm, goal: Goal, floor: float) -> list[Row]:
    """The arm's learning rates from low to high."""
    found = []
    for rate in sorted(arm):
        curves = arm[rate]
        steps = np.array([steps_to(c, goal.value) for c in curves])
        budget = curves[0].trial.steps
        counted = np.where(np.isfinite(steps), np.maximum(steps, 1), PENALTY * budget)
        median = float(np.median([level(c, floor) for c in curves]))
        mean = math.exp(float(np.log(counted).mean()))
        found.append(Row(rate, median, mean, int(np.isfinite(steps).sum())))
    return found


def best(table: Sequence[Row]) -> Row:
    """The row with the fewest steps; among equals who ended higher, then the lower rate."""
    return min(table, key=lambda row: (row.steps, -row.level, row.learning_rate))


def at_edge(table: Sequence[Row]) -> bool:
    """True if the best learning rate is the lowest or the highest tried."""
    return best(table) in (table[0], table[-1])


def _decades(rate: float) -> float:
    return round(4 * math.log10(rate)) / 4


def grown(table: Sequence[Row], learned: bool) -> list[float]:
    """Learning rates to add so that the best one gets a neighbour on both sides; [] if it has.

    An arm that learned nothing anywhere is given more on both sides.
    """
    if not table:
        return []
    low, high = _decades(table[0].learning_rate), _decades(table[-1].learning_rate)
    top = best(table)
    added = []
    if (top == table[0] or not learned) and low - 0.5 >= LOWEST:
        added.append(rate_at(low - 0.5))
    if (top == table[-1] or not learned) and high + 0.5 <= HIGHEST:
        added.append(rate_at(high + 0.5))
    return added


def refined(table: Sequence[Row]) -> list[float]:
    """The two learning rates a quarter of a decade beside the best one."""
    at = _decades(best(table).learning_rate)
    return [rate_at(at - 0.25), rate_at(at + 0.25)]
