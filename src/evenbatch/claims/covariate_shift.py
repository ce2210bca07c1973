"""Claim "covariate-shift": batch norm helps because it steadies what the layers receive."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims.claim import ARM_NAMES, Claim, Effort, Made, asked, searched, ways
from evenbatch.claims.comparison import AVERAGE
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import number, of_cells, rate

PHRASE = "it works by steadying what layers receive"
HALF, STEPS = 0.5, 500
REACHED, DRIFT = p.Measure("steps-to", goal="goal"), p.Measure("drift")
BACK = {f"drift-{s:g}": s for s in (1.0, 2.0, 3.0, 4.0)}  # 1 is that of Santurkar et al.
ADDED = (
    p.Level(id, f"drift {s:g} put back", p.changes(norm="batch", drift=s)) for id, s in BACK.items()
)
PLAIN = (p.Level(id, ARM_NAMES[id], p.changes(norm=id)) for id in ("none", "batch"))
ARMS = p.Axis("arm", "arm", (*PLAIN, *ADDED))
BEST, EQUAL = p.Best(name="best rates"), p.Equal(levels=("none", "batch"), name="equal rates")
WORDS = {
    "phrase": PHRASE,
    "states": "Batch norm speeds training up because it keeps what the layers receive from "
    "changing all the time (internal covariate shift).",
    "question": "Do the layers' inputs drift less with batch norm, and is its gain lost when as "
    "much drift is put back behind it, as a new random shift and scale of every unit at every "
    "step?",
    "measure": "Drift: how far mean and standard deviation of what a hidden layer receives move "
    "from step to step, in standard deviations, over batch and units. Gain: the logarithm of steps "
    "to the goal, without less with batch norm. Share of the gain that added drift takes away: "
    "means over paired seeds, 95 % interval.",
    "fairness": "The added drift that counts is the weakest with which the inputs drift at least "
    "as much as without batch norm.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167; against it Santurkar et al. 2018, "
    "arXiv:1805.11604, section 2.1.",
    "change": "Stronger drift stops any training (see the table). Mean and standard deviation over "
    "all units are what is measured here; drift of single units is larger.",
}
NAMES = {
    "gain": "the factor of steps saved",
    "steadier": "the factor by which inputs drift less",
    "lost": "the share of the gain lost with added drift",
    "restored": "that drift as a multiple of the one without batch norm",
}


def more_drift(arm: str, label: str = "") -> p.Ratio:
    """How many times more the layers' inputs drift in an arm than without batch norm."""
    above, below = DRIFT.of(arm=arm), DRIFT.of(arm="none")
    return p.Ratio(id="restored", label=label, unit="times more drift", above=above, below=below)


def effects() -> Iterable[p.Fewer | p.Ratio | p.Part]:
    """What the rule looks at, at the best rates; share and gain at equal rates too."""
    for at, end in ((BEST, ""), (EQUAL, "/equal")):
        none, batch, back = (REACHED.of(at=at.id, arm=a) for a in ("none", "batch", "$drifted"))
        part, whole = (p.LogSteps(slow) - p.LogSteps(batch) for slow in (back, none))
        label, unit = f"{{drifted}}, {at.name}", "of the gain gone"
        yield p.Part(id=f"lost{end}", label=label, unit=unit, part=part, whole=whole)
        label, unit = f"batch norm against none, {at.name}", "times fewer steps"
        yield p.Fewer(id=f"gain{end}", label=label, unit=unit, slow=none, fast=batch)
    label, unit = "batch norm against none, best rates", "times less drift"
    above, below = DRIFT.of(arm="none"), DRIFT.of(arm="batch")
    yield p.Ratio(id="steadier", label=label, unit=unit, above=above, below=below)
    yield more_drift("$drifted", "batch norm and {drifted} against none")


def rule() -> p.Rule:
    """Is there a gain, are the inputs steadier, and is the gain lost when the drift is back?"""
    enough, put_back = p.above("restored", 1), "with as much drift put back,"
    no_gain = "it is not clear that batch norm saves steps here, so there is nothing to explain"
    steadier = "whether the layers' inputs drift less with batch norm is not settled"
    most = p.Both((enough, p.below("lost", HALF)))
    no_drift = "no amount of added drift is clearly as large as that without batch norm"
    return p.Rule(
        clauses=(
            p.undecided(p.not_beyond("gain", 1), no_gain),
            p.fails(p.up_to("steadier", 1), "with batch norm the layers' inputs drift no less"),
            p.undecided(p.not_beyond("steadier", 1), steadier),
            p.holds(p.above("lost", HALF), f"{put_back} half of the gain or more is gone"),
            p.fails(most, f"{put_back} more than half of the gain remains"),
            p.in_part(p.Both((enough, p.beyond("lost"))), f"{put_back} a part of it is gone"),
            p.undecided(p.Interval("restored", "low", "<", 1), no_drift),
        ),
        names=NAMES,
        otherwise="how much of the gain the drift takes away is not settled",
        where="best against best",
    )


def figures(metric: str) -> tuple[p.Ways, p.Over, p.Ways]:
    """Learning; steps to the goal by strength of drift; and the drift itself."""
    steps = (p.Row("steps", "steps", p.LogSteps(REACHED.of(arm="$"))),)
    lines = "A line for each arm at its best learning rate"
    dots = "A dot with its interval for each arm; runs that never got there count as the budget."
    moved = "how far mean and standard deviation of the layers' inputs move from step to step"
    return (
        p.Ways(id="ways", title="Learning with drift put back", alt=f"{lines}: the test metric.",
               rows=ways(ARMS), y=f"test {metric}"),
        p.Over(id="steps", kind=p.DOTS, axis="arm", show="exp", title="Steps to the goal", alt=dots,
               y="steps", y_id="steps", log="y", percent=False, rows=steps),
        p.Ways(id="drift", title="How much the layers' inputs drift", alt=f"{lines}: {moved}.",
               rows=ways(ARMS), y="drift a step", y_id="drift", log="y", percent=False,
               path="drift"),
    )  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """Steps to a goal without batch norm, with it, and with it and drift put back."""
    if data.time_steps:
        raise p.NotHere(f"It is about added drift, which the rows of {data.name} cannot have.")
    base = p.changes(depth=3, width=64, steps=STEPS, evaluate_every=STEPS // 50)
    plan = {
        "at": (BEST, EQUAL),
        "rates": p.rates_between(-3 if effort.quick else -4, 0, 0.5),
        "score": AVERAGE,
        "measuring": p.changes(probe_every=1),  # the search needs none: each costs a step
    }
    return asked(
        (p.Prepared(data),),
        claim="covariate-shift",
        **WORDS,
        blocks=(searched("arms", effort, base, (ARMS,), **plan),),
        goals=(p.Goal(levels=("none", "batch"), at="search"),),
        picks=(p.Pick(id="drifted", levels=tuple(BACK), effect=more_drift("$"), least=1),),
        effects=tuple(effects()),
        rule=rule(),
        figures=figures(p.metric_name(data)),
    )


def median_steps(middle: float) -> str:
    """Median steps to the goal, in words.

    >>> median_steps(22.0), median_steps(np.inf)
    ('22', 'over 500')
    """
    return f"{middle:.0f}" if np.isfinite(middle) else f"over {STEPS}"


def happened(reading: p.Reading) -> str:
    """Steps to the goal of three arms."""
    none, batch, back = (
        median_steps(float(np.median(reading.values(REACHED.of(arm=arm)))))
        for arm in ("none", "batch", "$drifted")
    )
    goal, more = p.amount(reading.data, reading.goal()), reading.effects["restored"].value
    return (
        f"steps to {goal} were {none} without normalization, {batch} with batch norm, and {back} "
        f"with batch norm and drift put back ({p.digits(more)} times that without it)"
    )


def notes(reading: p.Reading) -> Iterable[str]:
    """What added drift is besides; runs that never got there or died; equal learning rates."""
    yield (
        "Added drift is noise, too, and noise slows training by itself: what it takes away is at "
        "most what steadier inputs explain."
    )
    for level in ARMS.levels:
        late = int(np.isinf(reading.values(REACHED.of(arm=level.id))).sum())
        dead = int(np.isnan(reading.values(DRIFT.of(arm=level.id))).sum())
        if late:
            yield f"{level.name}: {p.count(late, 'run')} never got there; each counts as {STEPS}."
        if dead:
            yield f"{level.name}: {p.count(dead, 'run')} diverged or died: not in the drift."
    gain, lost = reading.effects["gain/equal"], reading.effects["lost/equal"]
    if gain.low > 1:
        gone = f"{100 * lost.value:.0f} % of that gain is gone with {lost.label}"
        yield f"At equal learning rates batch norm needs {p.times(gain)}, and {gone}."


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every arm at both kinds of learning rates."""
    columns = {}
    for at in (BEST, EQUAL):
        columns[f"rate ({at.name})"] = rate(at.id)
        columns[f"steps to the goal ({at.name})"] = number(REACHED, median_steps, at.id, True)
        columns[f"drift a step ({at.name})"] = number(DRIFT, p.digits, at.id)
    yield of_cells(reading, f"Steps to the goal (median) and drift, {STEPS} steps", columns)


CLAIM = Claim("covariate-shift", PHRASE, make, p.Telling(happened, notes, tables))
