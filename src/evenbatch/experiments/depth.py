"""Claim "depth": with normalization networks of 50 and more layers train, without it they do not.

evenbatch prove depth
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import depth_shown as shown
from evenbatch.experiments import selection
from evenbatch.experiments.depth_shown import ARMS, SETTINGS, middle_depth
from evenbatch.experiments.effects import mean_effect, ratio_effect
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
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, INIT_NAMES, Effort, Setup, initial
from evenbatch.experiments.tuned import Floats, Grid, Tuned, rates_between
from evenbatch.experiments.wording import amount, count

CLAIM = "even 50+ layers train"
LAYERS = 50
SHARE = (
    0.5  # of the way from chance to the best of the weaker arm: a network that got so far trains
)
USUAL = (0.001, 0.01, 0.1)
WIDTH = 32


@dataclass(frozen=True)
class Rung:
    """Both arms at `LAYERS` layers under one setting, as shares of the way from chance to the goal,
    and how many times deeper the arm with batch norm trains."""

    residual: bool
    none: Effect
    batch: Effect
    deeper: Effect

    @property
    def batch_alone(self) -> bool:
        """Batch norm trains surely, and without it the network surely does not."""
        return self.batch.low >= 1 and self.none.high < 1


def judge(rungs: Sequence[Rung], seeds: int) -> tuple[str, str]:
    """The rule.

    >>> no, yes = Effect("", 0.1, 0.0, 0.2, ""), Effect("", 1.1, 1.05, 1.15, "")
    >>> same, more = Effect("", 1.0, 1.0, 1.0, ""), Effect("", 5.0, 4.0, 6.0, "")
    >>> plain, residual = Rung(False, no, yes, more), Rung(True, no, yes, more)
    >>> judge([plain, residual], 5)
    ('holds', '50 layers train with batch norm alone, and do not without it')
    >>> judge([Rung(False, no, no, same), residual], 5)[0]
    'holds in part'
    >>> judge([Rung(False, no, no, same), Rung(True, yes, yes, same)], 5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    plain = [rung for rung in rungs if not rung.residual]
    if all(rung.batch_alone for rung in plain):
        return HOLDS, f"{LAYERS} layers train with batch norm alone, and do not without it"
    if any(rung.batch_alone for rung in plain):
        return IN_PART, f"{LAYERS} layers need batch norm, but only under one initialization"
    if any(rung.batch_alone for rung in rungs):
        return (
            IN_PART,
            f"{LAYERS} layers train with batch norm only if there are residual connections",
        )
    deeper = any(rung.deeper.low > 1 for rung in rungs)
    if deeper and all(rung.batch.high < 1 for rung in rungs):
        return IN_PART, f"deeper networks train, but none of {LAYERS} layers"
    if deeper:
        return IN_PART, f"deeper networks train, but {LAYERS} layers not by batch norm alone"
    if all(r.batch.high < 1 or r.none.low >= 1 or r.deeper.high <= 1 for r in rungs):
        return FAILS, "batch norm takes no network deeper"
    return CANNOT_TELL, f"whether {LAYERS} layers train is not settled"


@dataclass(frozen=True, eq=False)
class Found:
    """What was measured.

    Attributes:
        goal: the level that counts as trained.
        levels: of a kind of learning rate ("best", "usual", "equal") and a cell (arm, setting,
            depth): (seeds,) the metric at the end.
        deepest: of a kind of learning rate, an arm and a setting: (seeds,) the deepest network that
            trained; 1 where none did.
        grids: the trainings of each kind.
        seeds: how many are complete.
    """

    goal: selection.Goal
    levels: Mapping[str, Mapping[Any, Floats]]
    deepest: Mapping[str, Mapping[Any, Floats]]
    grids: Mapping[str, Grid]
    seeds: int


def deepest(levels: Floats, depths: Sequence[int], goal: float) -> Floats:
    """(seeds,) the deepest network that reached the goal, as all shallower ones did; 1 where not
    even the first one did. (A single deep one that gets there by luck is no depth that trains.)

    Args:
        levels: (depths, seeds) the metric at the end.
        depths: hidden layers.
        goal: what counts as trained.

    >>> deepest(np.array([[0.9, 0.4], [0.9, 0.2], [0.3, 0.9]]), [2, 10, 50], 0.8).tolist()
    [10.0, 1.0]
    """
    reached = np.logical_and.accumulate(levels >= goal)  # NaN, of a diverged one, does not
    return np.asarray(np.where(reached, np.array(depths, float)[:, None], 1.0).max(axis=0))


@dataclass(frozen=True, eq=False)
class Depth(Untimed):
    """How deep a network trains with and without batch norm.

    Args:
        setup: data, network and training.
        depths: hidden layers; `LAYERS` is among them.
        seeds, tuning: measurement and selection seeds.
        rates: the wide grid of learning rates; the usual one is the part of it in `USUAL`.
    """

    setup: Setup
    depths: tuple[int, ...]
    seeds: int
    tuning: int
    rates: tuple[float, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @cached_property
    def tuned(self) -> Tuned:
        cells = {
            (arm, setting, depth): self.setup.rated(
                norm=arm,
                depth=depth,
                residual=setting[0],
                **initial(setting[1], WIDTH),
            )
            for depth, setting, arm in product(self.depths, SETTINGS, ARMS)
        }
        return Tuned(cells, self.rates, self.seeds, self.tuning, self._level)

    @property
    def least(self) -> float:
        """The metric of a network that has learned something."""
        return selection.chance(self.setup.data) + selection.noise(self.setup.data)

    def _level(self, curve: Curve) -> float:
        return selection.level(curve, selection.chance(self.setup.data))

    def grids(self, curves: Curves) -> dict[str, Grid]:
        """The measurement at three kinds of learning rates."""
        scores = self.tuned.scores(curves)
        usual = [i for i, rate in enumerate(self.rates) if rate in USUAL]
        of_usual = self.tuned.best(curves)
        for cell, found in scores.items():
            if found.max() >= self.least:  # one that learned nothing learns nothing on a part of it
                of_usual[cell] = self.rates[usual[int(np.argmax(found[usual]))]]
        pairs = [[(arm, *where) for arm in ARMS] for where in product(SETTINGS, self.depths)]
        return {
            "best": self.tuned.measured(curves),
            "usual": self.tuned.at(of_usual),
            "equal": self.tuned.at(self.tuned.together(curves, *pairs)),
        }

    @property
    def statement(self) -> Statement:
        low, high = self.rates[0], self.rates[-1]
        return Statement(
            claim="With normalization even 50 and more layers train; without it training becomes "
            "nearly impossible.",
            question=f"Up to which depth does a network reach the same {self.setup.metric} within "
            "the same number of steps, with and without batch norm?",
            arms=(("none", "without normalization"), ("batch", "with batch norm")),
            grid=f"{', '.join(map(str, self.depths))} hidden layers, plain and with residual "
            "connections around every two layers, PyTorch's and He initialization; two grids of "
            f"learning rates, a wide one of {len(self.rates)} from {low:g} to {high:g} and the "
            f"usual {', '.join(f'{rate:g}' for rate in USUAL)}",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed, and "
            "the same steps. Every network at its own best learning rate of either grid, chosen on "
            "other seeds, and both arms at the one rate that is best for the two together. One "
            f"goal for all: {100 * SHARE:.0f} % of the way from chance to the best that "
            "the weaker arm reaches anywhere.",
            measure="The deepest network that reaches the goal, as all shallower ones do, and how "
            f"many times deeper it is with batch norm; how far networks of {LAYERS} layers get, as "
            "a share of the way to the goal. Paired by seed, 95 % interval.",
            rule=f"Holds: without residual connections, {LAYERS} layers reach the goal with batch "
            "norm (interval at or above it) and not without (interval below it), under both "
            "initializations. In part: under one of them, or with residual connections, or batch "
            "norm surely trains deeper networks somewhere. Does not hold: nowhere. Cannot tell: "
            f"else, or fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167; He et al. 2016, arXiv:1603.05027 "
            "(residual connections); against it Yang et al. 2019, arXiv:1902.08129.",
        )

    def trials(self, curves: Curves) -> Round:
        search = self.tuned.trials(curves)
        if not self.tuned.ready(curves):
            return search
        wanted = {
            trial.key: trial
            for grid in self.grids(curves).values()
            for trial in grid.wanted(curves)
        }
        return Round(search.title, tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        data = self.setup.data
        found = self._found(curves)
        if isinstance(found, str):
            setting = self.setup.words(0, "two initializations")
            return Verdict(CANNOT_TELL, found, f"{data.name}: {found}.", (), setting)
        rungs = [self._rung(found, setting) for setting in SETTINGS]
        answer, reason = judge(rungs, found.seeds)
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: the most layers that trained were {_reached(found, 0)}; with "
            f"residual connections {_reached(found, 2)}. “{CLAIM}” {answer}: {reason}.",
            effects=tuple(effect for r in rungs for effect in (r.deeper, r.batch, r.none)),
            measured_on=self._words(found.seeds),
            notes=self._notes(curves, found, rungs),
            figures=shown.figures(self, found),
            tables=shown.tables(self, found),
            change="More steps and more careful learning rates (warm-up) let deeper networks "
            "train, in both arms. Residual connections matter more than anything tried here.",
        )

    def _words(self, seeds: int) -> str:
        return self.setup.words(seeds, "two initializations").replace(
            count(self.setup.depth, "hidden layer"), f"{self.depths[0]} to {self.depths[-1]} layers"
        )

    def _found(self, curves: Curves) -> Found | str:
        """What is measured, or why nothing can be said."""
        if not self.tuned.ready(curves):
            return "nothing is measured yet"
        grids = self.grids(curves)
        seeds = min(grid.complete(curves) for grid in grids.values())
        if not seeds:
            return "nothing is measured yet"
        arms: dict[str, dict[Any, list[Curve]]] = {arm: {} for arm in ARMS}
        for cell in self.tuned.cells:
            found = grids["best"].curves(cell, curves)[:seeds]
            arms[cell[0]][cell] = [curve for curve in found if curve is not None]
        goal = selection.choose_goal(self.setup.data, arms, None, SHARE)
        if goal is None:
            return "no network learned anything"
        levels = {
            kind: {c: grid.read(c, curves, self._level)[:seeds] for c in self.tuned.cells}
            for kind, grid in grids.items()
        }
        reached = {
            kind: {
                (arm, setting): deepest(
                    np.array([of[arm, setting, depth] for depth in self.depths]),
                    self.depths,
                    goal.value,
                )
                for arm, setting in product(ARMS, SETTINGS)
            }
            for kind, of in levels.items()
        }
        return Found(goal, levels, reached, grids, seeds)

    def _rung(self, found: Found, setting: tuple[int, str]) -> Rung:
        floor = selection.chance(self.setup.data)
        name = shown.called(setting)

        def share(arm: str) -> Effect:
            levels = found.levels["best"][arm, setting, LAYERS]
            label = f"{LAYERS} layers, {ARM_NAMES[arm]}, {name}"
            share_of_way = (levels - floor) / (found.goal.value - floor)
            return mean_effect(label, share_of_way, "of the way to the goal")

        none, batch = (found.deepest["best"][arm, setting] for arm in ARMS)
        deeper = ratio_effect(f"deepest network, {name}", batch, none, "times deeper")
        return Rung(setting[0] > 0, share("none"), share("batch"), deeper)

    def _notes(self, curves: Curves, found: Found, rungs: Sequence[Rung]) -> tuple[str, ...]:
        goal = f"{amount(self.setup.data, found.goal.value)}, {found.goal.rule}"
        notes = [f"A network counts as trained that ends at or above {goal}."]
        without = [
            shown.called(setting)
            for setting, rung in zip(SETTINGS, rungs, strict=True)
            if rung.none.low >= 1
        ]
        if without:
            notes.append(f"{LAYERS} layers train without batch norm as well: {'; '.join(without)}.")
        edges = [cell for cell in self.tuned.at_edge(curves, self.least) if cell[0] == "batch"]
        others = len(self.tuned.at_edge(curves, self.least)) - len(edges)
        if edges or others:
            notes.append(
                f"The best learning rate was the lowest or highest tried for {others} networks "
                f"without normalization and {len(edges)} with batch norm: those might do better."
            )
        return tuple(notes)


def _reached(found: Found, residual: int) -> str:
    """For both initializations: "2 without and 20 with batch norm (PyTorch's initialization)"."""
    said = []
    for setting in SETTINGS:
        if setting[0] == residual:
            middle = [middle_depth(found.deepest["best"][arm, setting]) for arm in ARMS]
            none, batch = ("none" if m <= 1 else f"{m:g}" for m in middle)
            said.append(f"{none} without and {batch} with batch norm ({INIT_NAMES[setting[1]]})")
    return ", ".join(said)


def on(data: Dataset, effort: Effort = DEFAULT) -> Depth:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    # The rate falls to 0, so that one evaluation at the end tells; more of them would cost as much
    # as the training.
    settings = {"steps": 150 if effort.quick else 300, "schedule": "cosine"}
    setup = Setup(data, LAYERS, WIDTH, settings)
    depths = (2, 10, 20, 50, 100) if effort.quick else (2, 5, 10, 20, 30, 50, 100)
    rates = rates_between(-4 if effort.quick else -5, 0, 1.0)
    return Depth(setup, depths, effort.seeds, min(2, effort.tuning), rates)
