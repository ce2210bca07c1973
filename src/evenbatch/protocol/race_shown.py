"""What a race shows: curves over steps and over time, learning rates, and both arms in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve
from evenbatch.protocol.contestants import Field
from evenbatch.protocol.effects import PENALTY
from evenbatch.protocol.exhibits import (
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    numbers,
)
from evenbatch.protocol.measures import About, level
from evenbatch.protocol.phrases import compared, ratio, times
from evenbatch.protocol.race import Finding, Meeting, Race
from evenbatch.protocol.tuning import Search
from evenbatch.protocol.wording import count, digits, span

AHEAD = 1.45  # how far a figure goes on after the slower arm has reached the goal

Floats = NDArray[np.float64]


def quartiles(curves: Sequence[Curve], floor: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Evaluated steps, lower quartile, median and upper quartile over the seeds; a run that
    diverged counts as guessing from there on."""
    step = max((curve.step for curve in curves), key=len)
    metric = np.full((len(curves), len(step)), floor)
    for row, curve in zip(metric, curves, strict=True):
        row[: len(curve.metric)] = np.where(np.isfinite(curve.metric), curve.metric, floor)
    low, middle, high = np.quantile(metric, [0.25, 0.5, 0.75], axis=0)
    return step.astype(float), low, middle, high


def figures(field: Field, found: Finding) -> tuple[Figure, ...]:
    """Curves of best against best over steps, and over time if steps were timed; and what each
    learning rate led to."""
    drawn = [_curves(field, found, "steps", "steps", (1.0, 1.0))]
    if found.seconds:
        each = [1000 * float(np.median(found.seconds[arm])) for arm in field.arms]
        drawn.append(_curves(field, found, "milliseconds of training", "ms", each))
    return (*drawn, _learning_rates(field, found))


def _curves(field: Field, found: Finding, unit: str, short: str, scale: Sequence[float]) -> Figure:
    best, sign, metric = found.meetings[0], field.scale.sign, field.scale.name
    steps = (best.steps.without, best.steps.with_norm)
    reach = [float(np.median(own)) * each for own, each in zip(steps, scale, strict=True)]
    end = best.steps.budget * min(scale)
    if np.isfinite(reach).all():
        end = min(end, AHEAD * max(reach))
    goal = field.scale.said(found.goal.value)
    marks = [Mark(f"goal {goal}", sign * found.goal.value, id="goal")]
    series, said = [], []
    for place, arm in enumerate(field.arms):
        step, *parts = quartiles([pair[place] for pair in best.curves], found.search.floor)
        x = step * scale[place]
        low, middle, high = (sign * part[x <= end] for part in parts)
        ends = (low, high)[::sign]
        lines = (numbers(line) for line in (x[x <= end], middle, *ends))
        series.append(Series(field.name(arm), *lines, id=arm))
        if math.isfinite(reach[place]):
            needed = digits(reach[place]) if short == "ms" else f"{reach[place]:.0f}"
            marks.append(Mark(f"{needed} {short}", reach[place], "x", arm, id=short))
            said.append(f"{field.name(arm)} after {needed} {short}")
        else:
            said.append(f"{field.name(arm)} mostly never")
    return Figure(
        LINES,
        f"Both arms at their best learning rates, over {unit}",
        f"Curves of the {metric} on test data, median and middle half over seeds. The goal is "
        f"reached by {' and by '.join(said)}.",
        Axis(unit, id=short),
        Axis(f"{metric} on test data", percent=field.scale.percent, id="metric"),
        tuple(series),
        tuple(marks),
        id=f"curves/{short}",
    )


def _learning_rates(field: Field, found: Finding) -> Figure:
    scale, rows = field.scale, []
    for arm in field.arms:
        tried = found.search.tried[arm]
        parts = ([row.rate for row in tried], [row.level for row in tried])
        rows.append(Series(field.name(arm), *map(numbers, parts), id=arm))
    # The darker the better: of a loss, times −1 is shown.
    name = scale.name if scale.sign > 0 else f"{scale.name}, times −1"
    return Figure(
        STRIPS,
        f"The {scale.name} that each learning rate led to, on the tuning seeds",
        "A strip for each arm; the stronger the shade of a learning rate, the better the network "
        "it leads to.",
        Axis("learning rate", log=True, id="rate"),
        Axis(name, percent=scale.percent, id="metric"),
        tuple(rows),
        (Mark("goal", found.goal.value, id="goal"),),
        id="rates",
    )


# ---- numbers -------------------------------------------------------------------------------------


def tables(race: Race, found: Finding) -> Iterable[Table]:
    """Each arm at its best; the ratios; all that was measured; the learning rates; the seeds."""
    best, rest = found.meetings[0], found.meetings[1:]
    yield _arms(race.field, found, (best,), "Each arm at its best learning rate")
    yield _ratios(race.field, found)
    if rest:
        yield _arms(race.field, found, rest, "Both arms at each other's best learning rate")
    yield _tried(race, found)
    yield _seeds(race.field, best)


def _arms(field: Field, found: Finding, meetings: Sequence[Meeting], title: str) -> Table:
    rows, keys = [], []
    for meeting in meetings:
        for place, arm in enumerate(field.arms):
            rows.append((field.name(arm), *arm_cells(field, found, meeting, place)))
            keys.append(tuple(pair[place].trial.key for pair in meeting.curves))
    columns = ("arm", "learning rate", "steps to goal", "one step", "time to goal", "reached goal")
    return Table(title, (*columns, f"{field.scale.name} at end"), tuple(rows), tuple(keys))


def arm_cells(field: Field, found: Finding, meeting: Meeting, place: int) -> tuple[str, ...]:
    """An arm: learning rate, steps to the goal, what one costs, time to the goal, seeds that
    reached it, and the metric at the end."""
    steps = (meeting.steps.without, meeting.steps.with_norm)[place]
    seconds = found.seconds.get(field.arms[place])
    each = float(np.median(seconds)) if seconds else None
    middle = float(np.median(steps))
    ends = [float(pair[place].metric[-1]) for pair in meeting.curves]
    end = float(np.median([value if math.isfinite(value) else -math.inf for value in ends]))
    return (
        f"{meeting.rates[place]:g}",
        median_steps(steps),
        span(each) if each else "–",
        span(each * middle) if each and math.isfinite(middle) else "–",
        f"{np.isfinite(steps).sum()} of {len(steps)}",
        field.scale.said(end) if math.isfinite(end) else "diverged",
    )


def _ratios(field: Field, found: Finding) -> Table:
    rows, keys = [], []
    for meeting in found.meetings:
        by_kind = {effect.id.split("/")[0]: effect for effect in meeting.effects}
        cells = [ratio(by_kind[kind]) if kind in by_kind else "–" for kind in ("steps", "time")]
        rates = " / ".join(f"{rate:g}" for rate in dict.fromkeys(meeting.rates))
        rows.append((meeting.label, rates, *cells))
        keys.append(tuple(run.trial.key for pair in meeting.curves for run in pair))
    first, other = (field.name(arm) for arm in field.arms)
    return Table(
        f"{first} ÷ {other} [95 % interval]",
        ("comparison", "learning rate", "steps", "time"),
        tuple(rows),
        tuple(keys),
    )


def _tried(race: Race, found: Finding) -> Table:
    field, search = race.field, found.search
    rates = sorted({row.rate for rows in search.tried.values() for row in rows})
    made, keys = [], []
    for rate in rates:
        cells: list[str] = [f"{rate:g}"]
        used: list[str] = []
        for arm in field.arms:
            row = next((row for row in search.tried[arm] if row.rate == rate), None)
            best = " (best)" if rate == search.best[arm] else ""
            cells.append(field.scale.said(row.level) if row else "–")
            cells.append(f"{row.reached} of {race.tuning}{best}" if row else "–")
            used += row.keys if row else ()
        made.append(tuple(cells))
        keys.append(tuple(used))
    heads = [f"{field.name(arm)}: {w}" for arm in field.arms for w in (field.scale.name, "reached")]
    return Table(
        "Learning rates tried on the tuning seeds",
        ("learning rate", *heads),
        tuple(made),
        tuple(keys),
    )


def _seeds(field: Field, best: Meeting) -> Table:
    rows, keys = [], []
    for pair, steps in zip(
        best.curves, zip(best.steps.without, best.steps.with_norm, strict=True), strict=True
    ):
        seed = pair[0].trial.seed
        rows.append((str(seed), *(f"{s:.1f}" if math.isfinite(s) else "never" for s in steps)))
        keys.append(tuple(run.trial.key for run in pair))
    heads = (f"steps, {field.name(arm)}" for arm in field.arms)
    return Table(
        "Steps to the goal, seed by seed, best against best",
        ("seed", *heads),
        tuple(rows),
        tuple(keys),
    )


def median_steps(steps: Floats) -> str:
    """Median and range of steps to the goal; "never" where more than half did not get there.

    >>> median_steps(np.array([20.0, 24, 30])), median_steps(np.array([20.0, np.inf, np.inf]))
    ('24 (20–30)', 'never (20–∞)')
    """
    low, middle, high = (float(v) for v in (steps.min(), np.median(steps), steps.max()))
    text = [f"{v:.0f}" if math.isfinite(v) else "∞" for v in (low, high)]
    if not math.isfinite(middle):
        return "never" if not math.isfinite(low) else f"never ({text[0]}–{text[1]})"
    return f"{middle:.0f} ({text[0]}–{text[1]})"


# ---- words ---------------------------------------------------------------------------------------


def nothing_yet(race: Race, found: Finding | None) -> str:
    """Why there is no verdict yet, or none at all; "" if there is one."""
    if found is None:
        return "goal and learning rates are not chosen yet, so nothing is measured"
    if found.search.goal is None:
        return nothing_learned(race, found.search)
    return "" if found.meetings else "no seed was measured with both arms yet"


def nothing_learned(race: Race, search: Search) -> str:
    """Why there is no goal to race to: all diverged, too few test rows to tell, or nothing learned;
    with the numbers it rests on."""
    field, said = race.field, race.field.scale.said
    rows = [(row, arm) for arm, tried in search.tried.items() for row in tried]
    best, arm = max(rows, key=lambda each: each[0].level)
    low, high = (pick(row.rate for row, _ in rows) for pick in (min, max))
    tried = f"at learning rates from {low:g} to {high:g}"
    gone, runs = (sum(n) for n in zip(*((r.diverged, len(r.keys)) for r, _ in rows), strict=True))
    if gone == runs:
        return f"all {runs} runs diverged {tried}, so there is nothing to compare"
    ends = (
        f"the best, {field.name(arm)} at {best.rate:g}, ended with {said(best.level)}, and "
        f"guessing reaches {said(search.floor)}"
    )
    if gone:
        ends += f"; {gone} of {runs} runs diverged"
    if best.level > search.floor and field.scale.rows:
        return (
            f"{count(field.scale.rows, 'test row')} cannot tell what was learned from luck: "
            f"{ends}; it would take {said(search.floor + search.noise)}"
        )
    return f"neither arm learned anything in {field.steps} steps {tried}: {ends}"


def happened(race: Race, found: Finding) -> str:
    """Steps of both arms to the goal, the ratios, and the difference at the end."""
    field, best = race.field, found.meetings[0]
    goal = field.scale.said(found.goal.value)
    first, other = (field.name(arm) for arm in field.arms)
    if best.steps.told == 0:
        return f"no run of either arm reached {goal} in {field.steps} steps"
    said = []
    for name, own in ((other, best.steps.with_norm), (first, best.steps.without)):
        middle, reached = float(np.median(own)), int(np.isfinite(own).sum())
        how = f"in {middle:.0f} steps"
        if not math.isfinite(middle):
            how = f"in {reached or 'none'} of {count(len(own), 'run')} within {field.steps} steps"
        said.append(f"with {name} {how}")
    ratios = [times(e) for e in best.effects if e.id.split("/")[0] in ("steps", "time")]
    ahead = replace(best.effects[-1], unit=field.scale.unit)
    end = compared(ahead, "ahead of", "behind", "level with", f"{first}")
    return (
        f"{goal} was reached {' and '.join(said)}, {' and '.join(ratios)}; after {field.steps} "
        f"steps {other} was {end}{''.join(_lost(field, found))}"
    )


def _lost(field: Field, found: Finding) -> Iterable[str]:
    """Arms that ended no better than a guess, or diverged."""
    floor, noise = found.search.floor, found.search.noise
    for place, arm in enumerate(field.arms):
        runs = [pair[place] for pair in found.meetings[0].curves]
        gone = sum(run.diverged for run in runs)
        end = float(np.mean([level(run, About(floor)) for run in runs]))
        if gone == len(runs):
            yield f"; {field.name(arm)} diverged in every run"
        elif end < floor + noise:
            yield f"; {field.name(arm)} ended at chance ({field.scale.said(end)})"


def notes(race: Race, found: Finding) -> Iterable[str]:
    """The goal; best rates at an edge; runs that did not get there; seeds that are missing."""
    field, best = race.field, found.meetings[0]
    said = field.scale.said
    if math.isfinite(found.goal.bar):
        yield (
            f"The goal, {said(found.goal.value)}, is {found.goal.rule()} (from "
            f"{said(found.search.floor)} to {said(found.goal.bar)})."
        )
    for arm in found.search.at_edge:
        yield (
            f"The best learning rate with {field.name(arm)}, {found.search.best[arm]:g}, is the "
            "lowest or highest tried: a better one may lie beyond."
        )
    for place, steps in enumerate((best.steps.without, best.steps.with_norm)):
        late = int((~np.isfinite(steps)).sum())
        gone = sum(pair[place].diverged for pair in best.curves)
        if late:
            diverged = f" ({gone} diverged)" if gone else ""
            runs = f"{count(len(steps), 'run')} with {field.name(field.arms[place])}"
            yield (
                f"{late} of {runs} did not reach the goal in {field.steps} steps{diverged}. Such a "
                f"run counts as {field.steps} in the ratio and as up to {PENALTY * field.steps} in "
                "its interval."
            )
    if len(best.curves) < race.seeds:
        yield f"Only {len(best.curves)} of {race.seeds} seeds were measured."
