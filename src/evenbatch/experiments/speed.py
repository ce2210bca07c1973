"""Claim "speed": with batch normalization a network trains 3–5 times faster.

    evenbatch prove speed            on digits and cookies
    evenbatch race --data FILE …     the same race on any data and network

How the race is run, and why so, is in race.py and docs/race.md; here are the claim, the rule that
was fixed beforehand, and the verdict in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.experiments import race_exhibits
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    Round,
    Statement,
    Verdict,
)
from evenbatch.experiments.race import WITHOUT, Comparison, Finding, Race
from evenbatch.experiments.ratios import PENALTY
from evenbatch.experiments.setup import DEFAULT, Effort, check_rows
from evenbatch.experiments.wording import amount, count, digits, listed_answers, times

CLAIM = "3–5 times faster"
LOW, HIGH = 3.0, 5.0


def judge(steps: Effect, seconds: Effect | None, seeds: int) -> tuple[str, str]:
    """The rule: from both ratios with their 95 % intervals to an answer and its reason.

    * fewer than 5 seeds in which an arm reached the goal, or no time measured: cannot tell
    * both intervals at or above 3: holds (above 5: and more than claimed)
    * the interval of the steps at or above 3, or that of the time above 1: holds in part
    * one of the intervals below 3: does not hold
    * else: cannot tell

    >>> fewer, less = "times fewer steps", "times less time"
    >>> judge(Effect("", 4.0, 3.2, 5.1, fewer), Effect("", 3.5, 3.0, 4.4, less), seeds=5)[0]
    'holds'
    >>> judge(Effect("", 1.0, 0.9, 1.1, fewer), Effect("", 0.8, 0.7, 0.9, less), seeds=5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        known = "no seed tells" if seeds == 0 else f"only {count(seeds, 'seed')} told"
        return CANNOT_TELL, f"{known} anything and at least {MIN_SEEDS} are needed"
    if seconds is None:
        return CANNOT_TELL, "the steps were not timed"
    if steps.low >= LOW and seconds.low >= LOW:
        more = steps.low > HIGH and seconds.low > HIGH
        return HOLDS, "more than claimed" if more else "in steps and in time"
    if steps.low >= LOW:
        return IN_PART, "3 times in steps, but not surely in time"
    if seconds.low > 1:
        if seconds.high < LOW:
            return IN_PART, "faster, but less than 3 times"
        return IN_PART, "faster, but whether 3 times is not settled"
    if min(steps.high, seconds.high) < LOW:
        return FAILS, "no time saved for sure, and 3 times is ruled out"
    return CANNOT_TELL, "the intervals hold both no gain and 3 times"


@dataclass(frozen=True, eq=False)
class Speed:
    """The race as an experiment.

    Args:
        race: data, network, normalizer and grids.
    """

    race: Race

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.race.data.name: self.race.data}

    @property
    def statement(self) -> Statement:
        race = self.race
        norm = race.norm_name
        if race.grid:
            grid = f"learning rates {', '.join(f'{rate:g}' for rate in race.grid)} for each arm"
        else:
            grid = (
                "learning rates in half decades from 0.001 to 1 for each arm, continued until its "
                "best lies inside, then quarter decades around it"
            )
        return Statement(
            claim=f"With normalization a network trains {CLAIM}.",
            question=f"How many times fewer steps, and how many times less time, does a network "
            f"need with {norm} to reach the same {race.metric} as without?",
            arms=((WITHOUT, "without normalization"), (race.norm, f"with {norm}")),
            grid=grid,
            fairness="Same initial weights, minibatches and order in both arms, seed by seed. One "
            "goal for both, which the weaker arm's best learning rate reaches. Goal and learning "
            "rates are chosen on selection seeds, the ratio is measured on others. Best against "
            "best, and both arms at each other's best learning rate.",
            measure="Ratio of the steps and of the seconds to the goal, without divided by with: "
            "geometric mean over seeds, 95 % paired bootstrap interval. Seconds are steps times "
            "what a step costs, timed with both arms taking turns, alone.",
            rule="Best against best. Holds: both intervals at or above 3 (above 5: more than "
            "claimed). In part: the steps' interval at or above 3, or the time's above 1. Does not "
            "hold: else, if one of them lies below 3. Cannot tell: else, or fewer than 5 seeds "
            f"that tell something. A run that never gets there counts as 1 to {PENALTY} budgets, "
            "whichever is worse for that end of the interval.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 4.2 (14 times fewer steps on "
            "ImageNet, with higher learning rates and other changes).",
        )

    def trials(self, curves: Curves) -> Round:
        return self.race.trials(curves)

    def timing(self, curves: Curves) -> Sequence[Trial]:
        return self.race.timing(curves)

    def verdict(self, curves: Curves, timed: Sequence[Curve]) -> Verdict:
        return self.conclude(self.race.finding(curves, timed))

    def conclude(self, found: Finding | None) -> Verdict:
        """The verdict on what the race found; None if it has not come that far."""
        race = self.race
        if found is None or found.goal is None or not found.comparisons:
            reason = _nothing_yet(race, found)
            return Verdict(CANNOT_TELL, reason, f"{race.data.name}: {reason}.", (), race.setting(0))
        best = found.comparisons[0]
        steps, seconds = best.effects[0], best.effects[1] if len(best.effects) > 1 else None
        answer, reason = judge(steps, seconds, best.steps.told)
        said = f"“{CLAIM}” {answer}"
        if answer == CANNOT_TELL:
            said = f"whether “{CLAIM}” holds cannot be told"
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{race.data.name}: {_what_happened(race, found, best)}; {said}: {reason}.",
            effects=tuple(effect for c in found.comparisons for effect in c.effects),
            measured_on=race.setting(len(best.curves)),
            notes=tuple(_notes(race, found, best)),
            figures=race_exhibits.figures(race, found),
            tables=race_exhibits.tables(race, found),
            change="Another initialization or optimizer does part of what normalization does, and "
            "a deeper network or unscaled input gives it more to do: docs/race.md measures both. A "
            "framework that pays for each operation makes a normalized step dearer.",
        )


def _nothing_yet(race: Race, found: Finding | None) -> str:
    if found is None:
        return "goal and learning rates are not chosen yet, so nothing is measured"
    if found.goal is None:
        return (
            f"neither arm learned anything in {race.steps} steps, so there is no goal to race to "
            f"and whether “{CLAIM}” holds cannot be told"
        )
    return "no seed was measured with both arms yet"


def _what_happened(race: Race, found: Finding, best: Comparison) -> str:
    assert found.goal is not None
    goal = amount(race.data, found.goal.value)
    with_norm, without = (float(np.median(s)) for s in (best.steps.with_norm, best.steps.without))
    if best.steps.told == 0:
        return f"no run of either arm reached {goal} in {race.steps} steps"
    if math.isinf(without) and math.isinf(with_norm):
        told = "few runs of either arm"
        return f"{told} reached {goal} in {race.steps} steps"
    if math.isinf(with_norm):
        reached = f"most runs with {race.norm_name} did not reach {goal} in {race.steps} steps"
        reached += f", and without it {without:.0f} were enough"
    else:
        reached = f"with {race.norm_name} the network reached {goal} in {with_norm:.0f} steps"
        if np.isinf(best.steps.without).all():
            reached += f", and without it in no run within {race.steps}"
        elif math.isinf(without):
            runs = int(np.isfinite(best.steps.without).sum())
            reached += (
                f", and without it only {runs} of {len(best.curves)} runs did in {race.steps}"
            )
        else:
            reached += f" instead of {without:.0f}"
    return f"{reached}, {' and '.join(times(effect) for effect in best.effects)}"


def _notes(race: Race, found: Finding, best: Comparison) -> list[str]:
    notes = []
    for arm in found.at_edge:
        name = "without normalization" if arm == WITHOUT else f"with {race.norm_name}"
        notes.append(
            f"The best learning rate {name}, {found.rates[arm]:g}, is the lowest or highest tried: "
            "a better one may lie beyond."
        )
    late = [int((~np.isfinite(s)).sum()) for s in (best.steps.without, best.steps.with_norm)]
    for number, name in zip(late, ("without normalization", f"with {race.norm_name}"), strict=True):
        if number:
            notes.append(
                f"{number} of {len(best.curves)} runs {name} did not reach the goal in "
                f"{race.steps} steps. They count as {race.steps} in the ratio and as up to "
                f"{PENALTY * race.steps} in its interval."
            )
    if len(best.curves) < race.seeds:
        notes.append(f"Only {len(best.curves)} of {race.seeds} seeds were measured.")
    return notes


def on(data: Dataset, effort: Effort = DEFAULT) -> Speed:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    check_rows(data, Race.batch_size)
    return Speed(Race(data, seeds=effort.seeds, tuning_seeds=3 if effort.quick else 5))


def summary(verdicts: Mapping[str, Verdict]) -> str:
    """One sentence on all data sets.

    >>> less = Effect("", 4.0, 3.2, 5.1, "times fewer steps"), Effect("", 3.9, 3.1, 5.0, "")
    >>> summary({"digits": Verdict(HOLDS, "", "", less, ""), "tea": Verdict(FAILS, "", "", (), "")})
    '“3–5 times faster” held here on digits (4.0 times in steps, 3.9 in time); did not hold on tea.'
    """
    return f"“{CLAIM}” {listed_answers(verdicts, _in_brackets)}."


def _in_brackets(name: str, verdict: Verdict) -> str:
    if len(verdict.effects) < 2 or math.isnan(verdict.effects[0].value):
        return name
    steps, seconds = (
        f"{effect.bound} {digits(effect.value)}".strip() for effect in verdict.effects[:2]
    )
    return f"{name} ({steps} times in steps, {seconds} in time)"
