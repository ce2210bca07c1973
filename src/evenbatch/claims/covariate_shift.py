"""Claim "covariate-shift": batch norm helps because it steadies what the layers receive."""

from __future__ import annotations

import numpy as np

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "it works by steadying what layers receive"
HALF, STEPS = 0.5, 500
REACHED, DRIFT = p.Measure("steps-to", goal="goal"), p.Measure("drift")
BACK = {f"drift-{s:g}": s for s in (1.0, 2.0, 3.0, 4.0)}  # 1 is that of Santurkar et al.
ADDED = (
    p.Level(id, f"drift {s:g} put back", p.changes(norm="batch", drift=s)) for id, s in BACK.items()
)
ARMS = p.Axis("arm", "arm", (*c.arms("none", "batch").levels, *ADDED))
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
ENOUGH, PUT_BACK = p.above("restored", 1), "with as much drift put back,"
RULE = p.Rule(
    clauses=(
        p.undecided(~p.beyond("gain", 1), "it is not clear that batch norm saves steps here, so "
                    "there is nothing to explain"),
        p.fails(p.up_to("steadier", 1), "with batch norm the layers' inputs drift no less"),
        p.undecided(~p.beyond("steadier", 1), "whether the layers' inputs drift less with batch "
                    "norm is not settled"),
        p.holds(p.above("lost", HALF), f"{PUT_BACK} half of the gain or more is gone"),
        p.fails(ENOUGH & p.below("lost", HALF), f"{PUT_BACK} more than half of the gain remains"),
        p.in_part(ENOUGH & p.beyond("lost"), f"{PUT_BACK} a part of it is gone"),
        p.undecided(~ENOUGH, "no amount of added drift is clearly as "
                    "large as that without batch norm"),
    ),
    names={"gain": "the factor of steps saved", "steadier": "the factor by which inputs drift less",
           "lost": "the share of the gain lost with added drift",
           "restored": "that drift as a multiple of the one without batch norm"},
    otherwise="how much of the gain the drift takes away is not settled", where="best against best",
)  # fmt: skip


def more_drift(arm: str, label: str = "") -> p.Ratio:
    """How many times more the layers' inputs drift in an arm than without batch norm."""
    return p.Ratio("restored", label, "times more drift", DRIFT.of(arm=arm), DRIFT.of(arm="none"))


def effects() -> p.EffectSpecs:
    """What the rule looks at, at the best rates; share and gain at equal rates too."""
    for at, end in ((p.BEST, ""), ("equal", "/equal")):
        none, batch, back = (REACHED.of(at=at, arm=a) for a in ("none", "batch", "$drifted"))
        part, whole = (p.LogSteps(slow) - p.LogSteps(batch) for slow in (back, none))
        yield p.Part(f"lost{end}", "{drifted}, {at}", "of the gain gone", part, whole)
        label = "batch norm against none, {at}"
        yield p.Fewer(f"gain{end}", label, "times fewer steps", none, batch)
    steadier = "batch norm against none, {at}", "times less drift"
    yield p.Ratio("steadier", *steadier, *c.both(DRIFT.of()))
    yield more_drift("$drifted", "batch norm and {drifted} against none")


LINES = "A line for each arm at its best learning rate"
FIGURES = (
    p.Ways(id="ways", title="Learning with drift put back", alt=f"{LINES}: the test metric.",
           y="test {metric}", rows=c.ways(ARMS)),
    p.Over(id="steps", kind=p.DOTS, axis="arm", show="exp", title="Steps to the goal",
           alt="A dot with its interval for each arm; runs that never got there count as the "
           "budget.", y="steps", y_id="steps", log="y", percent=False,
           rows=(p.Row("steps", "steps", p.LogSteps(REACHED.of())),)),
    p.Ways(id="drift", path="drift", title="How much the layers' inputs drift",
           alt=f"{LINES}: how far mean and standard deviation of the layers' inputs move from step "
           "to step.", y="drift a step", y_id="drift", log="y", percent=False, rows=c.ways(ARMS)),
)  # fmt: skip
COLUMNS = c.at_each(
    p.Column("rate ({at})", "rate"),
    p.Column("steps to the goal ({at})", "median", REACHED.of(), "steps"),
    p.Column("drift a step ({at})", "mean", DRIFT.of(), "digits"),
)
TABLE = p.TableSpec(f"Steps to the goal (median) and drift, {STEPS} steps", COLUMNS)


def make(data: Dataset, effort: Effort) -> Made:
    """Steps to a goal without batch norm, with it, and with it and drift put back."""
    if data.time_steps:
        raise p.NotHere(f"It is about added drift, which the rows of {data.name} cannot have.")
    base = p.changes(depth=3, width=64, steps=STEPS, evaluate_every=STEPS // 50)
    at = p.Best(name="best rates"), p.Equal(levels=("none", "batch"), name="equal rates")
    plan = {"at": at, "rates": p.rates_between(-3 if effort.quick else -4, 0, 0.5)}
    probing = p.changes(probe_every=1)  # of measured runs alone: each probe costs a step
    block = c.searched("arms", effort, base, (ARMS,), score=c.AVERAGE, measuring=probing, **plan)
    return asked(
        p.Prepared(data).learnable(), claim="covariate-shift", **WORDS, blocks=(block,),
        goals=(p.Goal(levels=("none", "batch"), at="search"),),
        picks=(p.Pick(id="drifted", levels=tuple(BACK), effect=more_drift("$"), least=1),),
        effects=effects(), rule=RULE, figures=FIGURES, tables=(TABLE,),
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """Steps to the goal of three arms."""
    reached = (REACHED.of(arm=arm) for arm in ("none", "batch", "$drifted"))
    none, batch, back = (reading.shown(of, "median", "steps") for of in reached)
    goal, more = p.amount(reading.data, reading.goal()), reading.effects["restored"].value
    return (
        f"steps to {goal} were {none} without normalization, {batch} with batch norm, and {back} "
        f"with batch norm and drift put back ({p.digits(more)} times that without it)"
    )


def notes(reading: p.Reading) -> p.Notes:
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


CLAIM = Claim("covariate-shift", PHRASE, make, p.Telling(happened, notes))
