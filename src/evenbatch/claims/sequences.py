"""Claim "sequences": layer norm is the one to take for sequences.

A recurrent network reads stories of different lengths word by word. Batch norm needs statistics for
each word's place, from the stories of the batch that are still going on; layer norm needs none.
"""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
from evenbatch.data.dataset import Dataset

PHRASE = "layer norm suits sequences better"
BATCH, NONE = "gain/arms/best/layer/batch", "gain/arms/best/layer/none"

RULE = p.Rule(
    clauses=(
        p.holds(
            p.above(BATCH, c.TWO_POINTS) & p.above(NONE, c.TWO_POINTS),
            "better than batch norm and than no normalization",
        ),
        p.in_part(
            p.above(BATCH, c.TWO_POINTS),
            "better than batch norm, but not clearly better than no normalization",
        ),
        p.fails(p.below(BATCH, c.TWO_POINTS), "not better than batch norm by 2 points"),
    ),
    names={
        BATCH: "the points gained over batch norm",
        NONE: "those gained over no normalization",
    },
    otherwise="the interval includes both no difference and one of 2 points",
)


def make(data: Dataset, effort: Effort) -> Made:
    """A recurrent network on sequences of varying length, three arms."""
    if not data.time_steps:
        raise p.NotHere(f"It is about sequences, and the rows of {data.name} are not.")
    steps = 400 if effort.quick else 800
    network = {"depth": 1, "width": 32, "activation": "tanh"}
    base = p.changes(steps=steps, evaluate_every=steps // 25, optimizer="adam", **network)
    rates = p.rates_between(-2.5, -1.5, 0.5) if effort.quick else p.rates_between(-3, -1, 0.5)
    compared = Comparison(c.arms("none", "batch", "layer"), effort, base, rates)
    return asked(
        p.Prepared(data),
        claim="sequences",
        phrase=PHRASE,
        states="For sequences, like reading a story word by word, layer norm is the better one.",
        question="How much better does a recurrent network learn with layer norm than with batch "
        f"norm, and than without, on {data.name}?",
        measure="Test {metric} averaged over the run, which rewards learning early and ending "
        "high; layer norm minus the other arm in {points}, paired by seed, mean with 95 % "
        "interval.",
        fairness="Padding is masked: a story that has ended changes neither the state nor the "
        "batch's statistics.",
        source="Ba, Kiros & Hinton 2016, arXiv:1607.06450, section 3.1; batch norm over time as "
        "Cooijmans et al. 2016, arXiv:1603.09025.",
        change="More steps let all arms end at about the same height; then only the way there "
        "differs. Stories that all have one length spare batch norm the thinning batch.",
        blocks=(compared.block,),
        effects=(compared.gain("layer", "batch"), compared.gain("layer", "none")),
        rule=RULE,
        figures=(compared.ways("Learning to read"),),
        tables=(compared.table("Each arm at its best learning rate", "average"),),
    )


def happened(reading: p.Reading) -> str:
    """How far layer norm is ahead, and how all end."""
    batch, none = (
        p.ahead(reading.effects[id], c.ARM_NAMES[arm])
        for id, arm in ((BATCH, "batch"), (NONE, "none"))
    )
    ends = (
        f"{reading.shown(c.LEVEL.of(arm=arm), words='amount')} with {c.ARM_NAMES[arm]}"
        for arm in ("none", "batch", "layer")
    )
    return (
        f"averaged over the run layer norm was {batch}, and {none} (at the end: {', '.join(ends)})"
    )


DATA = ("stories", "stories:longest=12")
CLAIM = Claim("sequences", PHRASE, make, p.Telling(happened), data=DATA)
