"""What a race shows: curves over steps and over time, learning rates, and both arms in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve
from evenbatch.experiments.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    numbers,
)
from evenbatch.experiments.protocol import Effect
from evenbatch.experiments.race import Comparison, Finding, Race
from evenbatch.experiments.selection import chance
from evenbatch.experiments.setup import ARM_NAMES
from evenbatch.experiments.wording import amount, digits, span

AHEAD = 1.45  # how far a figure goes on after the slower arm has reached the goal


@dataclass(frozen=True, eq=False)
class Band:
    """An arm over its seeds: the median and the middle half at each evaluated step."""

    step: NDArray[np.int64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]


def band(curves: Sequence[Curve], floor: float) -> Band:
    """Quartiles over the seeds; a run that diverged counts as guessing from there on."""
    step = max((curve.step for curve in curves), key=len)
    metric = np.full((len(curves), len(step)), floor)
    for row, curve in zip(metric, curves, strict=True):
        row[: len(curve.metric)] = np.where(np.isfinite(curve.metric), curve.metric, floor)
    low, middle, high = np.quantile(metric, [0.25, 0.5, 0.75], axis=0)
    return Band(step, low, middle, high)


@dataclass(frozen=True, eq=False)
class Side:
    """One figure: its unit, what a step of each arm is in that unit, and the ratio in it.

    Attributes:
        unit: for the axis: "training steps".
        short: for labels: "steps".
        scale: units per step, (without, with).
        reach: median of what each arm needed to the goal, in the unit; infinity for never.
        end: where the axis ends.
    """

    unit: str
    short: str
    scale: tuple[float, float]
    reach: tuple[float, float]
    end: float
    effect: Effect


def sides(race: Race, found: Finding) -> list[Side]:
    """Steps, and time if steps were timed."""
    best = found.comparisons[0]
    steps = [float(np.median(s)) for s in (best.steps.without, best.steps.with_norm)]
    units: list[tuple[str, str, tuple[float, float]]] = [("training steps", "steps", (1.0, 1.0))]
    if found.step_seconds:
        a, b = (1000 * float(np.median(found.step_seconds[arm])) for arm in race.arms)
        units.append(("milliseconds of training", "ms", (a, b)))
    made = []
    for (unit, short, scale), effect in zip(units, best.effects, strict=True):
        reach = (steps[0] * scale[0], steps[1] * scale[1])
        budget = race.steps * min(scale)
        end = min(budget, AHEAD * max(reach)) if np.isfinite(reach).all() else budget
        made.append(Side(unit, short, scale, reach, end, effect))
    return made


def figures(race: Race, found: Finding) -> tuple[Figure, ...]:
    """Curves of best against best over each unit, and what each learning rate led to."""
    drawn = [_curves(race, found, side) for side in sides(race, found)]
    return (*drawn, _learning_rates(race, found))


def _curves(race: Race, found: Finding, side: Side) -> Figure:
    assert found.goal is not None
    best, floor = found.comparisons[0], chance(race.data)
    series = []
    for place, arm in enumerate(race.arms):
        shape = band([pair[place] for pair in best.curves], floor)
        x = shape.step * side.scale[place]
        seen = x <= side.end
        parts = (numbers(v[seen]) for v in (x, shape.middle, shape.low, shape.high))
        series.append(Series(ARM_NAMES[arm], *parts))
    marks = [Mark(f"goal {amount(race.data, found.goal.value)}", found.goal.value)]
    told = []
    for arm, reach in zip(race.arms, side.reach, strict=True):
        if np.isfinite(reach):
            needed = digits(reach) if side.short == "ms" else f"{reach:.0f}"
            marks.append(Mark(f"{needed} {side.short}", reach, "x", ARM_NAMES[arm]))
            told.append(f"{ARM_NAMES[arm]} after {needed} {side.short}")
        else:
            told.append(f"{ARM_NAMES[arm]} mostly never")
    return Figure(
        LINES,
        f"Both arms at their best learning rates, over {side.unit}",
        f"Curves of the {race.metric} on test rows, median and middle half over seeds. The goal "
        f"is reached by {' and by '.join(told)}.",
        Axis(side.unit),
        Axis(f"{race.metric} on test rows", percent=race.data.task == "classification"),
        tuple(series),
        tuple(marks),
    )


def _learning_rates(race: Race, found: Finding) -> Figure:
    assert found.goal is not None
    rows = []
    for arm in race.arms:
        tried = found.grids[arm]
        rates, levels = [row.learning_rate for row in tried], [row.level for row in tried]
        rows.append(Series(ARM_NAMES[arm], numbers(rates), numbers(levels)))
    return Figure(
        STRIPS,
        f"The {race.metric} that each learning rate led to, on the selection seeds",
        "A strip for each arm; the stronger the shade of a learning rate, the better the network "
        "it leads to.",
        Axis("learning rate", log=True),
        Axis(race.metric, percent=race.data.task == "classification"),
        tuple(rows),
        (Mark("goal", found.goal.value),),
    )


# Numbers.


def tables(race: Race, found: Finding) -> tuple[Table, ...]:
    """Each arm at each learning rate that was measured, and the learning rates tried before."""
    return _measured(race, found), _tried(race, found)


def _measured(race: Race, found: Finding) -> Table:
    rows, keys = [], []
    for comparison in found.comparisons:
        for place, arm in enumerate(race.arms):
            cells = arm_cells(race, found, comparison, place)
            row = (ARM_NAMES[arm], *cells)
            if row not in rows:
                rows.append(row)
                keys.append(tuple(pair[place].trial.key for pair in comparison.curves))
    columns = ("arm", "learning rate", "steps to goal", "one step", "time to goal", "reached goal")
    return Table(
        "Measured: both arms at each other's best learning rate; best against best comes first",
        (*columns, f"{race.metric} at end"),
        tuple(rows),
        tuple(keys),
    )


def arm_cells(race: Race, found: Finding, comparison: Comparison, place: int) -> tuple[str, ...]:
    """An arm of a comparison: learning rate, steps to the goal, what one costs, time to the goal,
    seeds that reached it, and the metric at the end."""
    steps = (comparison.steps.without, comparison.steps.with_norm)[place]
    seconds = (found.step_seconds or {}).get(race.arms[place])
    each = float(np.median(seconds)) if seconds else None
    middle = float(np.median(steps))
    return (
        f"{comparison.rates[place]:g}",
        median_steps(steps),
        span(each) if each else "–",
        span(each * middle) if each and np.isfinite(middle) else "–",
        f"{np.isfinite(steps).sum()} of {len(steps)}",
        final_metric(race, [pair[place].metric[-1] for pair in comparison.curves]),
    )


def _tried(race: Race, found: Finding) -> Table:
    rates = sorted({row.learning_rate for tried in found.grids.values() for row in tried})
    rows, keys = [], []
    for rate in rates:
        cells: list[str | float] = [f"{rate:g}"]
        used: list[str] = []
        for arm in race.arms:
            row = next((r for r in found.grids[arm] if r.learning_rate == rate), None)
            best = " (best)" if rate == found.rates[arm] else ""
            cells.append(amount(race.data, row.level) if row else "–")
            cells.append(f"{row.reached} of {race.tuning_seeds}{best}" if row else "–")
            used += race.tuning_keys(arm, rate) if row else ()
        rows.append(tuple(cells))
        keys.append(tuple(used))
    names = [ARM_NAMES[arm] for arm in race.arms]
    columns = [f"{name}: {what}" for name in names for what in (race.metric, "reached goal")]
    return Table(
        "Learning rates tried on the selection seeds",
        ("learning rate", *columns),
        tuple(rows),
        tuple(keys),
    )


def median_steps(steps: NDArray[np.float64]) -> str:
    """Median and range of steps to the goal; "never" where more than half did not get there.

    >>> median_steps(np.array([20.0, 24, 30])), median_steps(np.array([20.0, np.inf, np.inf]))
    ('24 (20–30)', 'never (20–∞)')
    """
    low, middle, high = (float(v) for v in (steps.min(), np.median(steps), steps.max()))
    text = [f"{v:.0f}" if np.isfinite(v) else "∞" for v in (low, high)]
    if not np.isfinite(middle):
        return "never" if not np.isfinite(low) else f"never ({text[0]}–{text[1]})"
    return f"{middle:.0f} ({text[0]}–{text[1]})"


def final_metric(race: Race, values: list[float]) -> str:
    """The median metric at the end of the budget."""
    finite = [v if np.isfinite(v) else -np.inf for v in values]
    middle = float(np.median(finite))
    return amount(race.data, middle) if np.isfinite(middle) else "diverged"
