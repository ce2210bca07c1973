"""One small race with real trainings, shared by the tests of what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from evenbatch.claims import Outcome, Verdict
from evenbatch.claims.speed import Speed
from evenbatch.data import load
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.race import Finding, Race


@dataclass(frozen=True)
class Ran:
    """A race that was run, and all that follows from it."""

    speed: Speed
    outcome: Outcome
    found: Finding
    verdict: Verdict

    @property
    def race(self) -> Race:
        return self.speed.race


@pytest.fixture(scope="session")
def ran() -> Ran:
    race = Race(
        load("digits"), width=16, depth=1, steps=150, seeds=5, tuning_seeds=1, grid=(0.1, 1)
    )
    speed = Speed(race)
    outcome = carry_out(speed)
    found = race.finding(outcome.curves, outcome.timed)
    assert found is not None
    return Ran(speed, outcome, found, speed.conclude(found))
