"""What a claim is made of: a question as data, carried out and judged::

    experiment   Experiment, Block, Axis, Level: what is asked, as data
    values       measures of cells, arithmetic with them, effects
    rule         from effects to an answer; what is printed is what is applied (conditions)
    figures      figures as data; drawn: how they get their values
    recipes      data sets made from others, step by step
    measures     what is read off a curve, by name: one number, or a path for a figure (paths)
    goals        chance, and a goal that arms can reach
    cells        a block's trials and best learning rates
    reading      what the curves show: values, goals, effects
    study        an experiment on its data: rounds of trials, then the verdict
    tables       tables as data; tabled: how they get their values
    shown        values over seeds in words
    race         two arms to a goal, in steps and in seconds (tuning, contestants); networks: those
                 of the engine
    carry_out    looks up what is stored, has the rest trained, round after round
    verdict      the types of answers; exhibits: of figures and tables
    wording      numbers in words; phrases: effects and answers in words

The names below are what a claim's file uses.
"""

from collections.abc import Iterable

from evenbatch.protocol.block import (
    Among,
    Axis,
    Best,
    Block,
    Changes,
    Equal,
    HostRate,
    Level,
    RateOf,
    changes,
    numbered,
)
from evenbatch.protocol.cells import rates_between
from evenbatch.protocol.conditions import Each, Interval, above, below, beyond, up_to
from evenbatch.protocol.exhibits import DOTS, LINES, STRIPS
from evenbatch.protocol.experiment import Experiment, Goal, Pick, RacePlan
from evenbatch.protocol.figures import CHANCE, GOAL, FigureSpec, MarkSpec, Over, Rates, Row, Ways
from evenbatch.protocol.phrases import ahead, compared, gain, times
from evenbatch.protocol.reading import Floats, Reading
from evenbatch.protocol.recipes import Prepared
from evenbatch.protocol.rule import (
    POINT,
    OnePart,
    PerPart,
    Rule,
    fails,
    holds,
    in_part,
    undecided,
)
from evenbatch.protocol.study import Telling, verdict_on
from evenbatch.protocol.tables import Column, TableSpec
from evenbatch.protocol.values import (
    BEST,
    Along,
    Clip,
    Computed,
    EffectSpec,
    Expr,
    Fewer,
    LogSteps,
    Mean,
    Measure,
    Minus,
    Part,
    Ratio,
    Value,
    WayToGoal,
)
from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, NotHere
from evenbatch.protocol.wording import (
    amount,
    count,
    digits,
    fold,
    listed,
    metric_name,
    points_unit,
    signed,
)

EffectSpecs = Iterable[EffectSpec]
FigureSpecs = Iterable[FigureSpec]
TableSpecs = Iterable[TableSpec]
Notes = Iterable[str]
"""What the functions of a claim give."""

__all__ = [
    "BEST",
    "CANNOT_TELL",
    "CHANCE",
    "DOTS",
    "FAILS",
    "GOAL",
    "HOLDS",
    "IN_PART",
    "LINES",
    "POINT",
    "STRIPS",
    "Along",
    "Among",
    "Axis",
    "Best",
    "Block",
    "Changes",
    "Clip",
    "Column",
    "Computed",
    "Each",
    "EffectSpecs",
    "Equal",
    "Experiment",
    "Expr",
    "Fewer",
    "FigureSpecs",
    "Floats",
    "Goal",
    "HostRate",
    "Interval",
    "Level",
    "LogSteps",
    "MarkSpec",
    "Mean",
    "Measure",
    "Minus",
    "NotHere",
    "Notes",
    "OnePart",
    "Over",
    "Part",
    "PerPart",
    "Pick",
    "Prepared",
    "RacePlan",
    "RateOf",
    "Rates",
    "Ratio",
    "Reading",
    "Row",
    "Rule",
    "TableSpec",
    "TableSpecs",
    "Telling",
    "Value",
    "WayToGoal",
    "Ways",
    "above",
    "ahead",
    "amount",
    "below",
    "beyond",
    "changes",
    "compared",
    "count",
    "digits",
    "fails",
    "fold",
    "gain",
    "holds",
    "in_part",
    "listed",
    "metric_name",
    "numbered",
    "points_unit",
    "rates_between",
    "signed",
    "times",
    "undecided",
    "up_to",
    "verdict_on",
]
