"""One pair of a class: what it expects, and what it found, run by run and on average."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import Literal

from evenbatch.lesson.room import messages as m
from evenbatch.lesson.room.judge import judge_of, named
from evenbatch.protocol.verdict import Bound


@dataclass(slots=True)
class Mean:
    """Of the values of one effect over a pair's runs; of their logarithms, if it is a ratio.

    Attributes:
        runs, total: how many, and their sum.
        bound: what the mean is of what was measured; "both" if nothing, as bounds point both ways.
    """

    runs: int = 0
    total: float = 0.0
    bound: Bound | Literal["both"] = ""

    def add(self, value: float, bound: Bound) -> None:
        """One run's."""
        self.runs += 1
        self.total += value
        if bound and bound != self.bound:
            self.bound = "both" if self.bound else bound


@dataclass
class Pair:
    """What is known of one device.

    Attributes:
        votes: what it expects, by experiment.
        runs: of which there is a result: experiment, settings and first seed. The result itself is
            in the file only.
        means: over those with the same settings, by experiment and settings, and effect.
        out: left out of all that is counted.
    """

    number: int
    votes: dict[str, str] = field(default_factory=dict)
    runs: set[tuple[str, str, int]] = field(default_factory=set)
    means: dict[tuple[str, str], dict[str, Mean]] = field(default_factory=dict)
    out: bool = False

    def add(self, said: m.Found) -> None:
        """A result that is not there yet."""
        experiment, settings, _ = key = key_of(said)
        self.runs.add(key)
        means = self.means.setdefault((experiment, settings), {})
        units = judge_of(experiment).units
        for effect in said.effects:
            ratio = units[effect.id].startswith("times")
            value = math.log(effect.value) if ratio else effect.value
            means.setdefault(effect.id, Mean()).add(value, effect.bound)


def key_of(said: m.Found) -> tuple[str, str, int]:
    """What a result of a pair is known by: experiment, settings but for the seeds, first seed."""
    return said.experiment, sys.intern(named(said.settings)), said.settings["seed"]
