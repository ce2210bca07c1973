"""The race: two arms, to the same goal, in steps and in seconds.

Three parts, each only looking at the curves of those before:

1. Tuning. A grid of learning rates for each arm, on seeds of its own. It fixes the goal and each
   arm's best learning rate. The grid grows until the best lies inside it.
2. Measurement. Fresh seeds. Both arms at both best learning rates, so that best meets best and both
   also meet at equal settings.
3. Timing. A step of each arm, the arms taking turns, alone on the machine.

Who races is a `Field`: networks of the engine (`evenbatch.protocol.networks`), or PyTorch models
(`evenbatch.torch.compare`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evenbatch.engine import Curve
from evenbatch.protocol import goals
from evenbatch.protocol.contestants import Field
from evenbatch.protocol.effects import Pairs, mean_effect
from evenbatch.protocol.measures import About, level, steps_to
from evenbatch.protocol.tuning import Search, Tuning
from evenbatch.protocol.values import BEST
from evenbatch.protocol.verdict import Curves, Effect, Round

BEST_WORDS = "best against best"
STEPS, TIME = "times fewer steps", "times less time"
RESOLUTION = 8  # evaluations until the faster arm reaches the goal

Seconds = Mapping[str, Sequence[float]]
"""Seconds per step of each arm, turn by turn."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """Both arms on the measurement seeds, each at one learning rate.

    Attributes:
        at: id of the learning rates: "best", "at-none", "at-batch".
        label: in words: "both at learning rate 0.1".
        rates: of the first and of the other arm.
        curves: (first, other) of each seed that both finished.
        steps: their steps to the goal.
        effects: ratio of the steps; of the seconds, if steps were timed; difference at the end.
    """

    at: str
    label: str
    rates: tuple[float, float]
    curves: tuple[tuple[Curve, Curve], ...]
    steps: Pairs
    effects: tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Finding:
    """All that a race found: its tuning, its meetings (best against best first), and the seconds
    per step of each arm ({} if none were timed)."""

    search: Search
    meetings: tuple[Meeting, ...] = ()
    seconds: Seconds = field(default_factory=dict)

    @property
    def goal(self) -> goals.Chosen:
        """The goal; there is one if there are meetings."""
        assert self.search.goal is not None
        return self.search.goal

    @property
    def effects(self) -> dict[str, Effect]:
        """All effects by their ids."""
        return {effect.id: effect for meeting in self.meetings for effect in meeting.effects}


@dataclass(frozen=True, eq=False)
class Race:
    """A race of two arms.

    Args:
        field: who races.
        rates: by arm, the learning rates to try first.
        growths: how often they are continued on a side where the best lies at the edge.
        refined: whether quarter decades around the best are tried at the end.
        seeds, tuning, first: how many measurement and tuning seeds, and the first one.
        goal: the metric to reach (times the sign); if left out, chosen by `goals.chosen`.
        equal: whether both also meet at each other's best rate.
    """

    field: Field
    rates: Mapping[str, Sequence[float]]
    growths: int
    refined: bool
    seeds: int
    tuning: int
    first: int = 0
    goal: float | None = None
    equal: bool = True

    def trials(self, curves: Curves) -> Round:
        """The runs still wanted."""
        found = self.search(curves)
        if found.wanted:
            return Round("tuning", found.wanted, 4 * self.seeds)
        wanted = {}
        if found.goal is not None:  # pair by pair: a part is worth having
            for seed in range(self.first, self.first + self.seeds):
                for _, _, rates in self._meetings(found):
                    for arm, rate in zip(self.field.arms, rates, strict=True):
                        trial = self._measured(found, arm, rate, seed)
                        if trial.key not in curves:
                            wanted[trial.key] = trial
        return Round("measuring", tuple(wanted.values()))

    def search(self, curves: Curves) -> Search:
        """Goal and best learning rates; or, while curves are missing, the runs still wanted."""
        return Tuning(
            self.field, self.rates, self.growths, self.refined, self.tuning, self.first, self.goal
        ).search(curves)

    def _meetings(self, found: Search) -> Iterator[tuple[str, str, tuple[float, float]]]:
        """Id, label and learning rates of each comparison."""
        a, b = (found.best[arm] for arm in self.field.arms)
        yield BEST, BEST_WORDS, (a, b)
        if self.equal and a != b:
            for arm, rate in zip(self.field.arms, (a, b), strict=True):
                yield f"at-{arm}", f"both at learning rate {rate:g}", (rate, rate)

    def _measured(self, found: Search, arm: str, rate: float, seed: int) -> Any:
        return self.field.trial(arm, rate, seed, found.fastest / RESOLUTION)

    def finding(self, curves: Curves, seconds: Seconds) -> Finding | None:
        """What the curves show so far; None before goal and learning rates are chosen."""
        found = self.search(curves)
        if found.wanted:
            return None
        if found.goal is None:
            return Finding(found)
        meetings = (self._meet(found, *each, curves, seconds) for each in self._meetings(found))
        return Finding(found, tuple(meeting for meeting in meetings if meeting), seconds)

    def _meet(
        self,
        found: Search,
        at: str,
        label: str,
        rates: tuple[float, float],
        curves: Curves,
        seconds: Seconds,
    ) -> Meeting | None:
        assert found.goal is not None
        pairs = []
        for seed in range(self.first, self.first + self.seeds):
            keys = [
                self._measured(found, arm, rate, seed).key
                for arm, rate in zip(self.field.arms, rates, strict=True)
            ]
            if all(key in curves for key in keys):
                pairs.append((curves[keys[0]], curves[keys[1]]))
        if not pairs:
            return None
        about = About(found.floor, found.goal.value)
        reached = np.array([[steps_to(run, about) for run in pair] for pair in pairs])
        first, other = np.maximum(reached.T, 1)
        steps = Pairs(first, other, self.field.steps)
        effects = [_named(steps.ratio(STEPS, label), f"steps/{at}", "in steps")]
        if seconds:
            a, b = (np.array(seconds[arm]) for arm in self.field.arms)
            effects.append(_named(steps.ratio(TIME, label, a / b), f"time/{at}", "in time"))
        ends = np.array([[level(run, about) for run in pair] for pair in pairs])
        scale = self.field.scale
        ahead = (100 if scale.percent else 1) * (ends[:, 1] - ends[:, 0])
        better = "higher" if scale.sign > 0 else "lower"
        end = mean_effect(f"at the end, {label}", ahead, f"{scale.unit} {better}")
        effects.append(_named(end, f"end/{at}", "at the end"))
        return Meeting(at, label, rates, tuple(pairs), steps, tuple(effects))


def _named(effect: Effect, name: str, about: str) -> Effect:
    return replace(effect, id=name, about=about)
