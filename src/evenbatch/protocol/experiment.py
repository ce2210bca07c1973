"""A question as data: arms and axes, plan, measures and effects by name, the rule with its numbers.

An `Experiment` is a tree of frozen structs and nothing else, so it can be written to JSON and
carried out by another program: `written` and `read`. `study` carries it out here.

    Block      cells (the product of its axes), the learning rates tried for each, its seeds
    Goal       a metric to be reached, chosen from curves by a rule that does not know the arms
    Effect     what is computed from the measured values (`values`), with its 95 % interval
    Rule       from effects to an answer; what is printed is what is applied (`rule`)
    Figure     what is drawn of it, and listed (`drawn`, `tables`)
"""

from __future__ import annotations

from functools import partial

import msgspec

from evenbatch.protocol.block import Axis, Block, Changes
from evenbatch.protocol.figures import FigureSpec
from evenbatch.protocol.recipes import Recipe
from evenbatch.protocol.rule import AnyRule
from evenbatch.protocol.tables import TableSpec
from evenbatch.protocol.values import BEST, EffectSpec


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A metric to be reached.

    `share` of the way from chance to the best level of the weaker arm, so that both can reach it;
    if that arm learned next to nothing, to the best of the other. (`goals.chosen`)

    Attributes:
        id: its name in measures.
        block, axis, levels: the arms it is chosen from.
        at: the learning rates whose runs are looked at; "search" for those of the tuning seeds.
        share: of the way.
        own: one goal for each arm, the same share of the way to its own best.
    """

    levels: tuple[str, ...]
    id: str = "goal"
    block: str = ""
    axis: str = "arm"
    at: str = BEST
    share: float = 0.9
    own: bool = False


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """A level chosen by what was measured: the first at which an effect is clearly large enough.

    Cells name it by its id with a $: ``{"arm": "$drifted"}``.

    Attributes:
        id: its name.
        levels: candidates in order; the last one if none is good enough.
        effect: computed for each candidate, which stands in it as "$".
        least: the low end of its interval must reach this.
    """

    id: str
    levels: tuple[str, ...]
    effect: EffectSpec
    least: float


class RacePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two arms to a goal, in steps and in seconds (`race.Race`).

    Attributes:
        base: settings that both have.
        arms: both, the plainest first.
        steps: the budget.
        rates: learning rates tried first for each arm.
        growing: whether they are continued until each arm's best lies inside, and refined by
            quarter decades around it.
        seeds, tuning, first: how many measurement and tuning seeds, and the first one.
        goal: the metric to reach; None for one chosen by `goals.chosen`.
    """

    base: Changes
    arms: Axis
    steps: int
    rates: tuple[float, ...]
    growing: bool
    seeds: int
    tuning: int
    first: int = 0
    goal: float | None = None


class Experiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked, fixed before any result.

    Attributes:
        claim: id of the claim.
        phrase: the claim in a few words: "even 50+ layers train".
        states: the claim in a sentence.
        question: what is asked of it here.
        measure: what is measured, with its unit.
        fairness: what makes the comparison a fair one, beyond what follows from the plan.
        source: the claim in the literature.
        change: what would change the answer.
        data: name of the data set it is about.
        on: what its verdict is said to be on, where that is not the data set alone: "digits by
            convolution".
        metric: "accuracy" or "R²".
        recipes: how the data sets are made from it, by name.
        blocks: what is trained.
        race: two arms to a goal, in place of blocks and effects.
        goals, picks, effects, rule: from curves to an answer.
        figures, tables: what is drawn, and what is listed.
        trained: False if nothing is trained, so that nothing can be learned.
    """

    claim: str
    phrase: str
    states: str
    question: str
    measure: str
    source: str
    data: str
    metric: str
    blocks: tuple[Block, ...]
    effects: tuple[EffectSpec, ...]
    rule: AnyRule
    fairness: str = ""
    change: str = ""
    recipes: dict[str, Recipe] = {}
    goals: tuple[Goal, ...] = ()
    picks: tuple[Pick, ...] = ()
    figures: tuple[FigureSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()
    trained: bool = True
    race: RacePlan | None = None
    on: str = ""

    def block(self, name: str = "") -> Block:
        """The block of this id; the first if none is named."""
        return next(block for block in self.blocks if name in ("", block.id))


def from_seed(experiment: Experiment, first: int) -> Experiment:
    """The same question on other seeds: measurement begins at `first`, and tuning as much later."""
    move = partial(msgspec.structs.replace, first=first)
    blocks = tuple(move(block) for block in experiment.blocks)
    race = None if experiment.race is None else move(experiment.race)
    return msgspec.structs.replace(experiment, blocks=blocks, race=race)


def written(experiment: Experiment) -> bytes:
    """The experiment as JSON."""
    return msgspec.json.format(msgspec.json.encode(experiment), indent=1)


def read(text: bytes) -> Experiment:
    """The experiment in a JSON text.

    Raises:
        msgspec.ValidationError: it is none; the message says where.
    """
    return msgspec.json.decode(text, type=Experiment)
