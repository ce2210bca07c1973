"""The question about two arms, and its rule, fixed before any result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evenbatch.protocol import race_shown
from evenbatch.protocol.effects import PENALTY
from evenbatch.protocol.race import Finding, Race, Seconds
from evenbatch.protocol.rule import OnePart, PerPart
from evenbatch.protocol.study import sentence
from evenbatch.protocol.verdict import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    Curves,
    Statement,
    Verdict,
)
from evenbatch.protocol.wording import count
from evenbatch.torch.comparing.measures import Scale
from evenbatch.torch.comparing.training import Training

LEAST = 1.1
"""A ratio that matters: a tenth."""


@dataclass(frozen=True)
class Models:
    """Two arms of a model, as a race wants them (`evenbatch.protocol.race.Field`).

    Args:
        arms: names, the plainer first.
        template: a run; the others differ in arm, learning rate and seed.
        scale: how the metric is read.
    """

    arms: tuple[str, str]
    template: Training
    scale: Scale

    @property
    def steps(self) -> int:
        """The budget."""
        return self.template.steps

    def name(self, arm: str) -> str:
        """An arm is called as the user calls it."""
        return arm

    def trial(self, arm: str, rate: float, seed: int, _every: float) -> Training:
        """A run; how often it is evaluated is the user's choice."""
        return replace(self.template, arm=arm, learning_rate=rate, seed=seed)


def rule(least: float = LEAST) -> PerPart:
    """From both ratios with their 95 % intervals to an answer.

    >>> rule().parts[0].least
    1.1
    """
    return PerPart(
        parts=(OnePart("steps/best", "steps", least), OnePart("time/best", "time", least)),
        gain="the ratio",
        because={
            HOLDS: "{where} saved",
            IN_PART: f"{{where}} saved, but perhaps less than {least:g} times",
            FAILS: f"{{where}} not saved, or less than {least:g} times",
            CANNOT_TELL: f"{{where}} open: the interval includes both no gain and {least:g} times",
        },
        where="best against best",
        zero=1.0,
        needs={"time/best": "the steps were not timed"},
    )


@dataclass(frozen=True)
class Judge:
    """States the question of two arms and answers it.

    Args:
        race: the arms.
        data: name of the data.
        setting: data, training and machine in words.
        shared: share of the other arm's weights that start as the first arm's do.
        least: the ratio that matters.
    """

    race: Race
    data: str
    setting: str
    shared: float
    least: float = LEAST

    @property
    def arms(self) -> tuple[str, str]:
        """Both arms."""
        return self.race.field.arms

    @property
    def phrase(self) -> str:
        """The claim in a few words."""
        return f"{self.arms[1]} trains faster than {self.arms[0]}"

    @property
    def statement(self) -> Statement:
        """What is stated before any result."""
        race, (first, other) = self.race, self.arms
        tried = "; ".join(
            f"{arm}: {', '.join(f'{rate:g}' for rate in race.rates[arm])}" for arm in self.arms
        )
        grown = ", continued in half decades until the best lies inside" if race.growths else ""
        return Statement(
            claim=f"This model trains faster with {other} than with {first}.",
            question=f"How many times fewer steps, and how many times less time, does the model "
            f"need with {other} to reach the same {race.field.scale.name} as with {first}?",
            arms=((first, f"make_model({first!r})"), (other, f"make_model({other!r})")),
            grid=f"learning rates {tried}{grown}",
            fairness="Same initial weights where both arms have them, same batches in the same "
            "order, seed by seed. One goal for both, which the weaker arm's best learning rate "
            f"reaches. Goal and learning rates are chosen on {count(race.tuning, 'seed')}, the "
            f"ratio is measured on {race.seeds} others. Best against best, and both arms at each "
            "other's best learning rate.",
            measure=f"Ratio of the steps and of the seconds to the goal, {first} divided by "
            f"{other}: geometric mean over seeds, 95 % paired bootstrap interval. Seconds are "
            "steps times what a step costs, timed with the arms taking turns. A run that never "
            f"gets there counts as 1 to {PENALTY} budgets, whichever is worse for that end of the "
            "interval.",
            rule=rule(self.least).text(),
            source="The protocol is that of docs/race.md.",
        )

    def finding(self, curves: Curves, seconds: Mapping[str, Sequence[float]]) -> Finding | None:
        """What the curves show."""
        own: Seconds = {arm: seconds[arm] for arm in self.arms} if seconds else {}
        return self.race.finding(curves, own)

    def verdict(self, found: Finding | None) -> Verdict:
        """The verdict; `found` is None if nothing is chosen yet."""
        missing = race_shown.nothing_yet(self.race, found)
        if missing or found is None:
            return Verdict(CANNOT_TELL, missing, f"{self.data}: {missing}.", (), self.setting)
        decided = rule(self.least).apply(found.effects)
        happened = race_shown.happened(self.race, found)
        return Verdict(
            answer=decided.answer,
            reason=decided.reason,
            sentence=sentence(self.data, happened, self.phrase, decided),
            effects=tuple(found.effects.values()),
            measured_on=f"{self.setting}, {count(len(found.meetings[0].curves), 'seed')}",
            notes=(*race_shown.notes(self.race, found), *self._shared()),
            figures=race_shown.figures(self.race.field, found),
            tables=tuple(race_shown.tables(self.race, found)),
            change="Another optimizer, initialization or batch size does part of what "
            "normalization does, or takes part of it away; a faster layer makes a step cheaper.",
        )

    def _shared(self) -> tuple[str, ...]:
        if self.shared == 1:
            return ()
        first, other = self.arms
        return (
            f"{100 * self.shared:.0f} % of the weights of {other} have a counterpart in {first} "
            "and start from its values; the others start from the same seed.",
        )
