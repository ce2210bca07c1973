"""Claim "covariate-shift": batch norm helps because it steadies what the layers receive."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, Claim, Effort, Made, asked, ways
from evenbatch.claims.comparison import AVERAGE
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.measures import drift_steps
from evenbatch.protocol.tables import number, of_cells, rate

PHRASE = "it works by steadying what layers receive"
STRENGTHS = (1.0, 2.0, 3.0, 4.0)  # of the added drift; 1 is that of Santurkar et al.
HALF = 0.5
STEPS = 500
WINDOW = 25  # steps over which drift is averaged to be drawn
REACHED, DRIFT = p.Measure("steps-to", goal="goal"), p.Measure("drift")
NONE, BATCH, DRIFTED = "none", "batch", "$drifted"
ARMS = p.Axis(
    "arm",
    "arm",
    (
        *(p.Level(id, ARM_NAMES[id], p.changes(norm=id)) for id in (NONE, BATCH)),
        *(
            p.Level(f"drift-{s:g}", f"drift {s:g} put back", p.changes(norm=BATCH, drift=s))
            for s in STRENGTHS
        ),
    ),
)
BACK = tuple(level.id for level in ARMS.levels[2:])
KINDS = (
    p.Best(name="best learning rates"),
    p.Equal(levels=(NONE, BATCH), name="equal learning rates"),
)


def more_drift(arm: str, label: str = "", at: str = p.BEST) -> p.Ratio:
    """How many times more the layers' inputs drift in an arm than without batch norm."""
    above, below = DRIFT.of(at=at, arm=arm), DRIFT.of(at=at, arm=NONE)
    return p.Ratio(id="restored", label=label, unit="times more drift", above=above, below=below)


def effects() -> Iterable[p.Fewer | p.Ratio | p.Part]:
    """What the rule looks at, at the best learning rates; two of them at equal ones too."""
    for at in KINDS:
        none, batch, back = (REACHED.of(at=at.id, arm=arm) for arm in (NONE, BATCH, DRIFTED))
        end = "" if at.id == p.BEST else f"/{at.id}"
        yield p.Part(
            id=f"lost{end}",
            label=f"{{drifted}}, {at.name}",
            unit="of the gain gone",
            part=p.LogSteps(back) - p.LogSteps(batch),
            whole=p.LogSteps(none) - p.LogSteps(batch),
        )
        label = f"batch norm against none, {at.name}"
        yield p.Fewer(id=f"gain{end}", label=label, unit="times fewer steps", slow=none, fast=batch)
        if at.id == p.BEST:
            above, below = DRIFT.of(arm=NONE), DRIFT.of(arm=BATCH)
            unit = "times less drift"
            yield p.Ratio(id="steadier", label=label, unit=unit, above=above, below=below)
            yield more_drift(DRIFTED, f"batch norm and {{drifted}} against none, {at.name}")


def rule() -> p.Rule:
    """Is there a gain, are the inputs steadier, and is the gain lost when the drift is back?"""
    enough = p.above("restored", 1)
    return p.Rule(
        clauses=(
            p.undecided(
                p.not_beyond("gain", 1),
                "it is not clear that batch norm saves steps here, so there is nothing to explain",
            ),
            p.fails(p.up_to("steadier", 1), "with batch norm the layers' inputs drift no less"),
            p.undecided(
                p.not_beyond("steadier", 1),
                "whether the layers' inputs drift less with batch norm is not settled",
            ),
            p.holds(p.above("lost", HALF), "with drift put back, half of the gain or more is gone"),
            p.fails(
                p.Both((enough, p.below("lost", HALF))),
                "with as much drift put back, more than half of the gain remains",
            ),
            p.in_part(
                p.Both((enough, p.beyond("lost"))),
                "with as much drift put back, a part of the gain is gone",
            ),
            p.undecided(
                p.Interval("restored", "low", "<", 1),
                "no amount of added drift is clearly as large as that without batch norm",
            ),
        ),
        names={
            "gain": "the factor of steps saved",
            "steadier": "the factor by which inputs drift less",
            "lost": "the share of the gain lost with added drift",
            "restored": "that drift as a multiple of the one without batch norm",
        },
        otherwise="how much of the gain the drift takes away is not settled",
        where="best against best",
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Steps to a goal without batch norm, with it, and with it and drift put back."""
    metric, every = p.metric_name(data), STEPS // 50
    low = -3 if effort.quick else -4
    return asked(
        (p.Prepared(data),),
        claim="covariate-shift",
        phrase=PHRASE,
        states="Batch norm speeds training up because it keeps what the layers receive from "
        "changing all the time (internal covariate shift).",
        question="Do the layers' inputs drift less with batch norm, and is its gain lost when as "
        "much drift is put back behind it, as a new random shift and scale of every unit at every "
        "step?",
        measure="Drift: how far mean and standard deviation of what a hidden layer receives move "
        "from step to step, in standard deviations, over batch and units. Gain: the logarithm of "
        "steps to the goal, without less with batch norm. Share of the gain that added drift takes "
        "away: means over paired seeds, 95 % interval.",
        fairness="The added drift that counts is the weakest with which the inputs drift at least "
        "as much as without batch norm.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167; against it Santurkar et al. 2018, "
        "arXiv:1805.11604, section 2.1.",
        change="Stronger drift stops any training (see the table). Mean and standard deviation "
        "over all units are what is measured here; drift of single units is larger.",
        blocks=(
            p.Block(
                id="arms",
                base=p.changes(depth=3, width=64, steps=STEPS, evaluate_every=every),
                measuring=p.changes(probe_every=1),  # the search needs none: each costs a step
                axes=(ARMS,),
                at=KINDS,
                rates=p.rates_between(low, 0, 0.5),
                score=AVERAGE,
                seeds=effort.seeds,
                tuning=effort.tuning,
            ),
        ),
        goals=(p.Goal(levels=(NONE, BATCH), at="search"),),
        picks=(p.Pick(id="drifted", levels=BACK, effect=more_drift("$"), least=1),),
        effects=tuple(effects()),
        rule=rule(),
        figures=(
            p.Ways(
                id="ways",
                title="Learning with drift put back",
                alt="A line for each arm at its best learning rate: without normalization, with "
                "batch norm, and with batch norm and added drift of growing strength.",
                rows=ways(ARMS),
                y=f"test {metric}",
            ),
        ),
    )


def median_steps(values: p.Floats) -> str:
    """Median steps to the goal, in words.

    >>> median_steps(np.array([20.0, 22.0, 30.0])), median_steps(np.array([20.0, np.inf, np.inf]))
    ('22', 'over 500')
    """
    middle = float(np.median(values))
    return f"{middle:.0f}" if np.isfinite(middle) else f"over {STEPS}"


def happened(reading: p.Reading) -> str:
    """Steps to the goal of three arms."""
    none, batch, back = (
        median_steps(reading.values(REACHED.of(arm=arm))) for arm in (NONE, BATCH, DRIFTED)
    )
    more = p.digits(reading.effects["restored"].value)
    return (
        f"steps to {p.amount(reading.data, reading.goal())} were {none} without normalization, "
        f"{batch} with batch norm, and {back} with batch norm and drift put back ({more} times "
        "that without it)"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """What added drift is besides; runs that count as the budget; equal learning rates."""
    yield (
        "Added drift is noise, too, and noise slows training by itself: what it takes away is at "
        "most what steadier inputs explain."
    )
    missed = []
    for level in ARMS.levels:
        late = int(np.isinf(reading.values(REACHED.of(arm=level.id))).sum())
        dead = int(np.isnan(reading.values(DRIFT.of(arm=level.id))).sum())
        missed += [f"{level.name} ({late})"] * (late > 0)
        if dead:
            yield f"{level.name}: {p.count(dead, 'run')} diverged or died: not in the drift."
    if missed:
        yield (
            f"Runs that did not reach the goal in {STEPS} steps count as {STEPS}: "
            f"{'; '.join(missed)}."
        )
    gain, lost = reading.effects["gain/equal"], reading.effects["lost/equal"]
    if gain.low > 1:
        yield (
            f"At equal learning rates batch norm needs {p.times(gain)}, and {100 * lost.value:.0f} "
            f"% of that gain is gone with {lost.label}."
        )


def figures(reading: p.Reading) -> Iterable[p.Figure]:
    """Steps to the goal by strength of drift; and the drift itself."""
    name, windows = reading.data.name, (STEPS - 1) // WINDOW
    steps = [reading.values(REACHED.of(arm=level.id)) for level in ARMS.levels]
    logs = [np.log10(np.maximum(np.minimum(found, STEPS), 1)) for found in steps]
    each = p.means("steps", "steps", logs)
    ends = ([min(10**v, STEPS) for v in part] for part in (each.y, each.low, each.high))
    yield p.Figure(
        p.DOTS,
        f"Steps to the goal: {name}",
        "A dot with its interval for each arm, fewer steps are better. Runs that did not reach the "
        "goal count as the whole budget.",
        p.FigureAxis("arm", names=tuple(level.name for level in ARMS.levels)),
        p.FigureAxis("steps", log=True),
        (p.Series("steps", each.x, *map(p.numbers, ends), id="steps"),),
        id="steps",
    )
    middles = [WINDOW * (k + 0.5) for k in range(windows)]
    series = []
    for level in ARMS.levels:
        runs = []
        for moved in map(drift_steps, reading.runs((level.id,))):
            whole = len(moved) // WINDOW
            found = moved[: whole * WINDOW].reshape(whole, WINDOW).mean(axis=1)
            runs.append((middles[:whole], found))
        series.append(p.way_of(level.id, level.name, runs, middles))
    yield p.Figure(
        p.LINES,
        f"How much the layers' inputs drift: {name}",
        "A line for each arm: how far mean and standard deviation of what the hidden layers "
        "receive move from step to step, in standard deviations, averaged over "
        f"{WINDOW} steps.",
        p.FigureAxis("steps"),
        p.FigureAxis("drift a step", log=True),
        tuple(series),
        id="drift",
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every arm at both kinds of learning rates."""
    columns = {}
    for at in KINDS:
        words = at.name.split()[0]
        columns[f"{words} learning rate"] = rate(at.id)
        columns[f"steps to the goal, {words}"] = number(REACHED, _steps, at.id, middle=True)
        columns[f"drift a step, {words}"] = number(DRIFT, p.digits, at.id)
    title = f"Steps to the goal (median) and drift of the layers' inputs, {STEPS} steps"
    yield of_cells(reading, title, columns)


def _steps(middle: float) -> str:
    return median_steps(np.array([middle]))


CLAIM = Claim("covariate-shift", PHRASE, make, p.Telling(happened, notes, figures, tables))
