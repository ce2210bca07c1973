"""The rule of a comparison, fixed before any result, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Effect,
    Statement,
    Verdict,
)
from evenbatch.experiments.ratios import PENALTY
from evenbatch.experiments.rules import gained, joined, too_few
from evenbatch.experiments.selection import at_edge
from evenbatch.experiments.wording import compared, count, times
from evenbatch.torch.comparing.exhibits import figures, tables
from evenbatch.torch.comparing.pairing import Found, Meeting, Pairing

LEAST = 1.1
"""A ratio that matters: a tenth."""
_OPEN = {
    HOLDS: "surely saved",
    IN_PART: "saved, but perhaps less than {least:g} times",
    FAILS: "not saved, or less than {least:g} times",
    CANNOT_TELL: "open, the interval holds both no gain and {least:g} times",
}


def judge(
    steps: Effect, seconds: Effect | None, told: int, least: float = LEAST
) -> tuple[str, str]:
    """The rule: from both ratios with their 95 % intervals to an answer and its reason.

    For steps and for seconds: an interval at or above `least` holds, one below does not hold,
    one above 1 holds in part; any other cannot be told. The two answers are joined: the same twice
    is that; one that holds at least in part: in part; else one that does not hold decides.
    With fewer than 5 seeds in which an arm reached the goal, or without seconds, it cannot be told.

    >>> fewer, less = "times fewer steps", "times less time"
    >>> judge(Effect("", 3.0, 2.5, 3.6, fewer), Effect("", 1.5, 1.2, 1.9, less), 5)
    ('holds', 'steps surely saved; time surely saved')
    >>> judge(Effect("", 3.0, 2.5, 3.6, fewer), Effect("", 0.9, 0.8, 1.0, less), 5)[0]
    'holds in part'
    """
    few = too_few(told)
    if few is not None:
        return CANNOT_TELL, few[1].replace("measured", "told anything")
    if seconds is None:
        return CANNOT_TELL, "the steps were not timed"
    answers = [gained(_logs(effect), math.log(least)) for effect in (steps, seconds)]
    said = [_OPEN[answer].format(least=least) for answer in answers]
    return joined(answers), f"steps {said[0]}; time {said[1]}"


def _logs(ratio: Effect) -> Effect:
    low, high = (math.log(v) if v > 0 else -math.inf for v in (ratio.low, ratio.high))
    return replace(ratio, value=math.log(ratio.value), low=low, high=high)


@dataclass(frozen=True)
class Judge:
    """States the question of two arms and answers it.

    Args:
        pairing: the arms.
        data: name of the data.
        setting: data, training and machine in words.
        steps: budget of a training.
        shared: share of the other arm's weights that start as the first arm's do.
        least: the ratio that matters.
    """

    pairing: Pairing
    data: str
    setting: str
    steps: int
    shared: float
    least: float = LEAST

    @property
    def phrase(self) -> str:
        """The claim in a few words."""
        return f"{self.pairing.other} trains faster than {self.pairing.first}"

    @property
    def statement(self) -> Statement:
        """What is stated before any result."""
        pairing, least = self.pairing, f"{self.least:g}"
        first, other = pairing.arms
        tried = "; ".join(
            f"{arm}: {', '.join(f'{r:g}' for r in pairing.rates[arm])}" for arm in pairing.arms
        )
        grown = ", continued in half decades until the best lies inside" if pairing.growing else ""
        return Statement(
            claim=f"This model trains faster with {other} than with {first}.",
            question=f"How many times fewer steps, and how many times less time, does the model "
            f"need with {other} to reach the same {pairing.scale.name} as with {first}?",
            arms=((first, f"make_model({first!r})"), (other, f"make_model({other!r})")),
            grid=f"learning rates {tried}{grown}",
            fairness="Same initial weights where both arms have them, same batches in the same "
            "order, seed by seed. One goal for both, which the weaker arm's best learning rate "
            f"reaches. Goal and learning rates are chosen on {count(pairing.tuning, 'seed')}, the "
            f"ratio is measured on {pairing.seeds} others. Best against best, and both arms at "
            "each other's best learning rate.",
            measure=f"Ratio of the steps and of the seconds to the goal, {first} divided by "
            f"{other}: geometric mean over seeds, 95 % paired bootstrap interval. Seconds are "
            "steps times what a step costs, timed with the arms taking turns.",
            rule=f"Best against best. Holds: both intervals at or above {least}. Does not hold: "
            f"both below {least}, or one of them while the other is open. In part: else, if one of "
            f"them lies above 1. Cannot tell: else, or fewer than {MIN_SEEDS} seeds in which an "
            f"arm reached the goal. A run that never gets there counts as 1 to {PENALTY} budgets, "
            "whichever is worse for that end of the interval.",
            source="The protocol is that of docs/race.md.",
        )

    def verdict(self, found: Found | None) -> Verdict:
        """The verdict; `found` is None if nothing is chosen yet."""
        if found is None or found.goal is None or not found.meetings:
            reason = self._nothing(found)
            return Verdict(CANNOT_TELL, reason, f"{self.data}: {reason}.", (), self.setting)
        best = found.meetings[0]
        seconds = best.effects[1] if found.seconds else None
        answer, reason = judge(best.effects[0], seconds, best.steps.told, self.least)
        said = f"“{self.phrase}” {answer}"
        if answer == CANNOT_TELL:
            said = f"whether “{self.phrase}” holds cannot be told"
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{self.data}: {self._what_happened(found, best)}; {said}: {reason}.",
            effects=tuple(effect for meeting in found.meetings for effect in meeting.effects),
            measured_on=f"{self.setting}, {count(len(best.curves), 'seed')}",
            notes=tuple(self._notes(found, best)),
            figures=figures(self.pairing, found),
            tables=tables(self.pairing, found),
            change="Another optimizer, initialization or batch size does part of what "
            "normalization does, or takes part of it away; a faster layer makes a step cheaper.",
        )

    def _nothing(self, found: Found | None) -> str:
        if found is None:
            return "goal and learning rates are not chosen yet, so nothing is measured"
        if found.goal is None:
            return (
                f"neither arm learned anything in {self.steps} steps, so there is no goal and "
                f"whether “{self.phrase}” holds cannot be told"
            )
        return "no seed was measured with both arms yet"

    def _what_happened(self, found: Found, best: Meeting) -> str:
        assert found.goal is not None
        goal = self.pairing.scale.said(found.goal.value)
        first, other = self.pairing.arms
        steps = (best.steps.without, best.steps.with_norm)
        if best.steps.told == 0:
            return f"no run of either arm reached {goal} in {self.steps} steps"
        told = []
        for arm, own in zip((other, first), steps[::-1], strict=True):
            middle = float(np.median(own))
            reached = int(np.isfinite(own).sum())
            if math.isfinite(middle):
                told.append(f"with {arm} in {middle:.0f} steps")
            else:
                told.append(f"with {arm} in {reached or 'none'} of {count(len(own), 'run')}")
        ratios = [times(e) for e in best.effects[: 1 + bool(found.seconds)]]
        ahead = replace(best.effects[-1], unit=self.pairing.scale.unit)
        end = compared(ahead, "ahead", "behind", f"level with {first}")
        return (
            f"the model reached {goal} {' and '.join(told)}, {' and '.join(ratios)}; after "
            f"{self.steps} steps {other} was {end}"
        )

    def _notes(self, found: Found, best: Meeting) -> list[str]:
        notes = []
        for arm in self.pairing.arms:
            if at_edge(found.tables[arm]):
                notes.append(
                    f"The best learning rate of {arm}, {found.rates[arm]:g}, is the lowest or "
                    "highest tried: a better one may lie beyond."
                )
        notes += self._ends(best)
        if self.shared < 1:
            notes.append(
                f"{100 * self.shared:.0f} % of the weights of {self.pairing.other} have a "
                f"counterpart in {self.pairing.first} and start from its values; the others start "
                "from the same seed."
            )
        if len(best.curves) < self.pairing.seeds:
            notes.append(f"Only {len(best.curves)} of {self.pairing.seeds} seeds were measured.")
        return notes

    def _ends(self, best: Meeting) -> list[str]:
        notes = []
        steps: Sequence[object] = (best.steps.without, best.steps.with_norm)
        for place, arm in enumerate(self.pairing.arms):
            runs = [pair[place] for pair in best.curves]
            late = int((~np.isfinite(np.asarray(steps[place]))).sum())
            gone = sum(curve.diverged for curve in runs)
            if late:
                diverged = f" ({gone} diverged)" if gone else ""
                notes.append(
                    f"{late} of {len(runs)} runs of {arm} did not reach the goal in {self.steps} "
                    f"steps{diverged}. They count as {self.steps} in the ratio and as up to "
                    f"{PENALTY * self.steps} in its interval."
                )
        return notes
