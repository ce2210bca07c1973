"""One setting measured: a race of each normalizer against none, which share the runs of "none".

The races are those of `evenbatch.protocol.race` (rates tuned on other seeds than those measured, a
goal that must be held, paired seeds), with a shorter budget, and best against best alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from evenbatch.atlas.design import GROWTHS, NORMS, RATES, SEEDS, STEPS, TUNING, Setting
from evenbatch.data import load
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Network, Trial
from evenbatch.protocol.cells import TUNING_SEED
from evenbatch.protocol.effects import Floats, Pairs
from evenbatch.protocol.networks import DataScale
from evenbatch.protocol.race import Finding, Race
from evenbatch.protocol.recipes import Prepared
from evenbatch.protocol.tuning import Search, Tried, best_of
from evenbatch.protocol.verdict import Curves

Row = dict[str, Any]

TESTS = 200
"""Test rows, each class with its share: with more, testing would outweigh training."""
SPACINGS = (5, 3, 2)
"""Steps between evaluations: 5 while rates are tuned; then about 8 on the faster arm's way. Three
of 5 fit into the 15 steps over which a goal must be held."""
TURNS, TIMED_STEPS = 9, 40
"""Short runs in which a step is timed, the arms taking turns. A longer one would be interrupted by
whatever else the machine does."""
DECADES = 0.5
"""From one learning rate to the next."""


@cache
def dataset(name: str) -> Dataset:
    """A data set of the design, with at most `TESTS` test rows."""
    return Prepared(load(name)).fewer_tests(TESTS).data


class Pair:
    """A normalizer and none in a setting (a `race.Field`)."""

    def __init__(self, setting: Setting, norm: str, made: dict[Any, Trial]) -> None:
        self.arms = ("none", norm)
        self.steps = STEPS
        self.data = dataset(setting.data)
        self.scale = DataScale(self.data)
        self._setting, self._made = setting, made
        self._networks = {arm: network(setting, arm, self.data) for arm in self.arms}

    def name(self, arm: str) -> str:
        """The arm itself."""
        return arm

    def trial(self, arm: str, rate: float, seed: int, every: float) -> Trial:
        """A run of one arm; the same object whenever it is asked for."""
        if seed >= TUNING_SEED:
            every = SPACINGS[0]
        spacing = next((s for s in SPACINGS if s <= every), SPACINGS[-1])
        return self._trial(arm, rate, seed, spacing, STEPS)

    def timed(self, arm: str, turn: int) -> Trial:
        """A short run at the lowest rate, where nothing diverges."""
        return self._trial(arm, RATES[self._setting.optimizer][0], turn, 0, TIMED_STEPS)

    def _trial(self, arm: str, rate: float, seed: int, spacing: int, steps: int) -> Trial:
        asked = (arm, rate, seed, spacing, steps)
        if asked not in self._made:
            self._made[asked] = Trial(
                self._networks[arm],
                data=self.data.name,
                optimizer=self._setting.optimizer,
                learning_rate=rate,
                batch_size=self._setting.batch_size,
                steps=steps,
                seed=seed,
                evaluate_every=spacing,
            )
        return self._made[asked]


def network(setting: Setting, norm: str, data: Dataset) -> Network:
    """The network of an arm."""
    return Network(
        inputs=data.n_features,
        hidden=(setting.width,) * setting.depth,
        outputs=data.n_outputs,
        norm=norm,
        activation=setting.activation,
        init=setting.init,
        residual=setting.residual,
        placement=setting.placement,
    )


@dataclass(frozen=True, eq=False)
class _Remembering(Race):
    """A race that works its tuning out once: curves only ever come."""

    _found: list[Search] = field(default_factory=list)

    def search(self, curves: Curves) -> Search:
        """See `Race.search`."""
        if not self._found:
            found = super().search(curves)
            if found.wanted:
                return found
            self._found.append(found)
        return self._found[0]


class Measurement:
    """A setting on its way: which runs it wants next, and its rows once there are none.

    Args:
        number: of the setting.
        setting: the setting.
        norms: fewer than the design has.

    >>> from evenbatch.engine import train
    >>> tiny = Setting("digits", 1, 8, "relu", "he", "sgd", 32, 0, "before")
    >>> one = Measurement(0, tiny, norms=("batch",))
    >>> while wanted := one.wanted():
    ...     for curve in train(wanted, {one.data.name: one.data}):
    ...         one.curves[curve.trial.key] = curve
    >>> (row,) = one.rows()
    >>> row["norm"], row["low"] < row["ratio"] < row["high"], row["learned_none"]
    ('batch', True, True)
    """

    def __init__(self, number: int, setting: Setting, norms: Sequence[str] = NORMS) -> None:
        self.number, self.setting = number, setting
        self.data = dataset(setting.data)
        self.curves: dict[str, Curve] = {}
        made: dict[Any, Trial] = {}
        self._pairs = {norm: Pair(setting, norm, made) for norm in norms}
        self._races = {
            norm: _Remembering(
                pair,
                dict.fromkeys(("none", norm), RATES[setting.optimizer]),
                GROWTHS, refined=False, seeds=SEEDS, tuning=TUNING, equal=False,
            )
            for norm, pair in self._pairs.items()
        }  # fmt: skip

    def wanted(self) -> tuple[Trial, ...]:
        """The runs still missing, each once; once there are none, the short ones that are timed."""
        found = {
            trial.key: trial
            for race in self._races.values()
            for trial in race.trials(self.curves).trials
        }
        if not found:
            timed = (self._timed(arm, turn) for turn in range(TURNS) for arm in self._arms)
            found = {trial.key: trial for trial in timed if trial.key not in self.curves}
        return tuple(found.values())

    @property
    def _arms(self) -> tuple[str, ...]:
        return ("none", *self._pairs)

    def _timed(self, arm: str, turn: int) -> Trial:
        return (self._pairs.get(arm) or next(iter(self._pairs.values()))).timed(arm, turn)

    def rows(self) -> list[Row]:
        """What was found: a row for each normalizer."""
        seconds = {
            arm: [_each(self.curves[self._timed(arm, turn).key]) for turn in range(TURNS)]
            for arm in self._arms
        }
        rows = []
        for norm, race in self._races.items():
            found = race.finding(self.curves, {arm: seconds[arm] for arm in ("none", norm)})
            assert found is not None
            rows.append(self._row(norm, found))
        return rows

    def _row(self, norm: str, found: Finding) -> Row:
        search = found.search
        sides = {"none": search.tried["none"], "norm": search.tried[norm]}
        row: Row = {"setting": self.number, "norm": norm, **vars(self.setting)}
        row["chance"] = search.floor
        row["goal"] = search.goal.value if search.goal else math.nan
        row["goal_of_weaker"] = bool(search.goal and search.goal.weaker)
        for side, tried in sides.items():
            best = best_of(tried)
            top = max(one.level for one in tried)
            row[f"rate_{side}"] = best.rate
            row[f"best_{side}"] = top
            row[f"learned_{side}"] = bool(top - search.floor >= search.noise)
            row[f"width_{side}"] = DECADES * sum(_usable(one) for one in tried)
            row[f"cut_{side}"] = bool(_usable(tried[0]) or _usable(tried[-1]))
            row[f"diverged_{side}"] = sum(one.diverged > 0 for one in tried) / len(tried)
        row |= self._ended(found)
        row["runs"] = len(self.curves) - TURNS * len(self._arms)
        return row

    def _ended(self, found: Finding) -> Row:
        """What best against best shows on the measured seeds."""
        effects = found.effects
        row: Row = {}
        for name, effect in (("", "steps"), ("time_", "time"), ("end_", "end")):
            one = effects.get(f"{effect}/best")
            row[f"{name}ratio" if effect != "end" else "end"] = one.value if one else math.nan
            row[f"{name}low"] = one.low if one else math.nan
            row[f"{name}high"] = one.high if one else math.nan
        row["bound"] = effects["steps/best"].bound if found.meetings else ""
        steps = found.meetings[0].steps if found.meetings else None
        for side, reached in zip(("none", "norm"), _sides(steps), strict=True):
            row[f"lost_{side}"] = int((~np.isfinite(reached)).sum()) if steps else SEEDS
            row[f"steps_{side}"] = float(np.exp(np.log(np.minimum(reached, STEPS)).mean()))
        return row


def _usable(tried: Tried) -> bool:
    """Whether every tuning seed reached the goal."""
    return tried.reached == TUNING


def _each(curve: Curve) -> float:
    """Seconds of a step."""
    return float(curve.seconds[-1]) / max(curve.ended_at, 1)


def _sides(steps: Pairs | None) -> tuple[Floats, Floats]:
    """Steps to the goal without and with; infinite if there was none."""
    return (steps.without, steps.with_norm) if steps else (np.full(1, np.inf), np.full(1, np.inf))
