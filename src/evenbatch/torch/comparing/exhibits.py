"""What a comparison shows: curves over steps and time, learning rates, both arms in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
from evenbatch.experiments.race_exhibits import AHEAD, band, median_steps
from evenbatch.experiments.wording import digits, span
from evenbatch.torch.comparing.pairing import Found, Meeting, Pairing


def figures(pairing: Pairing, found: Found) -> tuple[Figure, ...]:
    """Curves of best against best over steps and over milliseconds, and the learning rates."""
    drawn = [_curves(pairing, found, "training steps", "steps", (1.0, 1.0))]
    if found.seconds:
        each = tuple(1000 * float(np.median(found.seconds[arm])) for arm in pairing.arms)
        drawn.append(_curves(pairing, found, "milliseconds of training", "ms", each))
    return (*drawn, _learning_rates(pairing, found))


def _curves(
    pairing: Pairing, found: Found, unit: str, short: str, scale: Sequence[float]
) -> Figure:
    assert found.goal is not None
    best, sign, name = found.meetings[0], pairing.scale.sign, pairing.scale.name
    steps = (best.steps.without, best.steps.with_norm)
    reach = [float(np.median(own)) * each for own, each in zip(steps, scale, strict=True)]
    end = best.steps.budget * min(scale)
    if np.isfinite(reach).all():
        end = min(end, max(AHEAD * max(reach), end / 20))
    marks = [Mark(f"goal {pairing.scale.said(found.goal.value)}", sign * found.goal.value)]
    series, told = [], []
    for place, arm in enumerate(pairing.arms):
        shape = band([pair[place] for pair in best.curves], found.floor)
        x = shape.step * scale[place]
        seen = x <= end
        low, high = (shape.low, shape.high)[::sign]
        lines = (sign * part[seen] for part in (shape.middle, low, high))
        series.append(Series(arm, numbers(x[seen]), *(numbers(line) for line in lines)))
        if np.isfinite(reach[place]):
            needed = digits(reach[place]) if short == "ms" else f"{reach[place]:.0f}"
            marks.append(Mark(f"{needed} {short}", reach[place], "x", arm))
            told.append(f"{arm} after {needed} {short}")
        else:
            told.append(f"{arm} mostly never")
    return Figure(
        LINES,
        f"Both arms at their best learning rates, over {unit}",
        f"Curves of the {name} on test data, median and middle half over seeds. The goal is "
        f"reached by {' and by '.join(told)}.",
        Axis(unit),
        Axis(f"{name} on test data", percent=pairing.scale.percent),
        tuple(series),
        tuple(marks),
    )


def _learning_rates(pairing: Pairing, found: Found) -> Figure:
    assert found.goal is not None
    scale = pairing.scale
    rows = []
    for arm in pairing.arms:
        tried = found.tables[arm]
        rates, levels = [row.learning_rate for row in tried], [row.level for row in tried]
        rows.append(Series(arm, numbers(rates), numbers(levels)))
    # The darker the better: a loss is shown as what is below guessing.
    name = scale.name if scale.sign > 0 else f"{scale.name}, times −1"
    return Figure(
        STRIPS,
        f"The {scale.name} that each learning rate led to, on the selection seeds",
        "A strip for each arm; the stronger the shade of a learning rate, the better the model it "
        "leads to.",
        Axis("learning rate", log=True),
        Axis(name, percent=scale.percent),
        tuple(rows),
        (Mark("goal", found.goal.value),),
    )


def tables(pairing: Pairing, found: Found) -> tuple[Table, ...]:
    """Each arm at each learning rate that was measured, and the learning rates tried before."""
    return _measured(pairing, found), _tried(pairing, found)


def arm_cells(pairing: Pairing, found: Found, meeting: Meeting, place: int) -> tuple[str, ...]:
    """An arm: learning rate, steps to the goal, what one costs, time to the goal, seeds that
    reached it, and the metric at the end."""
    steps = (meeting.steps.without, meeting.steps.with_norm)[place]
    seconds = found.seconds.get(pairing.arms[place])
    each = float(np.median(seconds)) if seconds else None
    middle = float(np.median(steps))
    return (
        f"{meeting.rates[place]:g}",
        median_steps(steps),
        span(each) if each else "–",
        span(each * middle) if each and np.isfinite(middle) else "–",
        f"{np.isfinite(steps).sum()} of {len(steps)}",
        _end(pairing, [pair[place] for pair in meeting.curves]),
    )


def _end(pairing: Pairing, curves: Sequence[Curve]) -> str:
    last = [float(curve.metric[-1]) for curve in curves]
    middle = float(np.median([value if np.isfinite(value) else -np.inf for value in last]))
    return pairing.scale.said(middle) if np.isfinite(middle) else "diverged"


def _measured(pairing: Pairing, found: Found) -> Table:
    rows, keys = [], []
    for meeting in found.meetings:
        for place, arm in enumerate(pairing.arms):
            row = (arm, *arm_cells(pairing, found, meeting, place))
            if row not in rows:
                rows.append(row)
                keys.append(tuple(pair[place].trial.key for pair in meeting.curves))
    columns = ("arm", "learning rate", "steps to goal", "one step", "time to goal", "reached goal")
    return Table(
        "Measured: both arms at each other's best learning rate; best against best comes first",
        (*columns, f"{pairing.scale.name} at end"),
        tuple(rows),
        tuple(keys),
    )


def _tried(pairing: Pairing, found: Found) -> Table:
    rates = sorted({row.learning_rate for tried in found.tables.values() for row in tried})
    rows, keys = [], []
    for rate in rates:
        cells: list[str | float] = [f"{rate:g}"]
        used: list[str] = []
        for arm in pairing.arms:
            row = next((r for r in found.tables[arm] if r.learning_rate == rate), None)
            best = " (best)" if rate == found.rates[arm] else ""
            cells.append(pairing.scale.said(row.level) if row else "–")
            cells.append(f"{row.reached} of {pairing.tuning}{best}" if row else "–")
            used += [t.key for t in pairing.tuning_trials(arm, rate)] if row else ()
        rows.append(tuple(cells))
        keys.append(tuple(used))
    heads = [f"{arm}: {what}" for arm in pairing.arms for what in (pairing.scale.name, "reached")]
    return Table(
        "Learning rates tried on the selection seeds",
        ("learning rate", *heads),
        tuple(rows),
        tuple(keys),
    )
