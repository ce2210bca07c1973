"""Claim "smoothness": with normalization the loss is smoother along the way of training.

evenbatch prove smoothness
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
from evenbatch.experiments import selection
from evenbatch.experiments import smoothness_shown as shown
from evenbatch.experiments.effects import ratio_effect
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
from evenbatch.experiments.setup import DEFAULT, INIT_NAMES, INIT_SHORT, Effort, Setup, initial
from evenbatch.experiments.smoothness_shown import ARMS, BEST, EQUAL, INITS
from evenbatch.experiments.tuned import Floats, Grid, Tuned, rates_between
from evenbatch.experiments.wording import count

CLAIM = "a smoother loss"
KEPT = 1e-9, 1e9
"""Changes are cut here: a loss that is not finite is a change of 10⁹."""
MEASURES = {
    "loss": "times smaller change of the loss",
    "gradient": "times smaller change of the gradient",
}


def judge(smoother: Sequence[Effect], seeds: int) -> tuple[str, str]:
    """The rule.

    Args:
        smoother: for each measure, initialization and kind of learning rate, how many times less
            the loss or the gradient changes with batch norm.
        seeds: seeds measured.

    >>> yes, no = Effect("", 4.0, 3.0, 5.0, ""), Effect("", 0.5, 0.4, 0.6, "")
    >>> same = Effect("", 1.0, 0.9, 1.1, "")
    >>> judge([yes, yes], 5)[0], judge([yes, no], 5)[0], judge([same, no], 5)[0]
    ('holds', 'holds in part', 'does not hold')
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    if not smoother:
        return CANNOT_TELL, "an arm learned nothing everywhere, and a plain is no measure"
    yes, no = sum(e.low > 1 for e in smoother), sum(e.high < 1 for e in smoother)
    if yes == len(smoother):
        return HOLDS, "smoother in every case"
    if yes:
        rougher = f" and surely rougher in {no}" if no else ""
        return IN_PART, f"surely smoother in {yes} of {len(smoother)} cases{rougher}"
    if all(e.high < 2 for e in smoother):
        return FAILS, "surely smoother in no case, and twice as smooth is ruled out"
    return CANNOT_TELL, "the intervals hold both no gain and twice as smooth"


def changes(curve: Curve) -> dict[str, float]:
    """How much loss and gradient change along the gradient, median over the surveyed steps.

    loss: from the lowest to the highest on the way. gradient: the largest distance from the
    gradient at the step; relative: the same divided by that gradient's norm.
    """
    found = shown.landscape(curve)
    with np.errstate(all="ignore"):
        loss = found.high - found.low
        largest = np.nan_to_num(found.gradient_change, nan=np.inf)
        relative = largest / found.gradient_norm
    values = {"loss": loss, "gradient": largest, "relative": relative}
    return {
        name: float(np.median(np.clip(np.nan_to_num(value, nan=np.inf), *KEPT)))
        if len(value)
        else KEPT[1]
        for name, value in values.items()
    }


@dataclass(frozen=True, eq=False)
class Smoothness(Untimed):
    """Loss and gradient along the gradient's direction, with and without batch norm.

    Args:
        setup: data, network and training.
        seeds, tuning: measurement and selection seeds.
        rates: learning rates tried.
    """

    setup: Setup
    seeds: int
    tuning: int
    rates: tuple[float, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def every(self) -> int:
        """Steps between surveys."""
        return max(1, self.setup.trial(0).steps // 20)

    @cached_property
    def tuned(self) -> Tuned:
        floor = selection.chance(self.setup.data)
        cells = {
            (init, arm): self.setup.rated(
                norm=arm,
                evaluate_every=self.every,
                landscape_every=self.every,
                **initial(init, self.setup.width),
            )
            for init, arm in product(INITS, ARMS)
        }
        return Tuned(
            cells, self.rates, self.seeds, self.tuning, lambda c: selection.level(c, floor)
        )

    def grids(self, curves: Curves) -> dict[str, Grid]:
        """The measurement at each arm's own best learning rate and at equal ones."""
        pairs = [[(init, arm) for arm in ARMS] for init in INITS]
        return {
            BEST: self.tuned.measured(curves),
            EQUAL: self.tuned.at(
                self.tuned.together(curves, *pairs, by=lambda scores: scores.min(axis=0))
            ),
        }

    @property
    def statement(self) -> Statement:
        low, high = self.rates[0], self.rates[-1]
        return Statement(
            claim="With normalization the loss is smoother, so that the gradient can be trusted "
            "further.",
            question="How much do the loss and the gradient change along the gradient's direction, "
            "with and without batch norm?",
            arms=(("none", "without normalization"), ("batch", "with batch norm")),
            grid=f"{' and '.join(INIT_NAMES[init] for init in INITS)}; learning rates from {low:g} "
            f"to {high:g}; at each of 20 steps of the training, 8 points along the negative "
            "gradient, from half to four times the learning rate",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed. Both "
            "arms at one learning rate, the best for the weaker of the two, so that both go "
            "equally many times their gradients far; and each at its own best. Rates are chosen on "
            "other seeds. Where an arm learns nothing at such a rate, the case is left out: a "
            "plain is smooth, too.",
            measure="Along the way: highest less lowest loss, and the largest distance of the "
            "gradient from the one at the start; median over steps. Without, divided by with batch "
            "norm: geometric mean over seeds, 95 % interval. In the table too: the distance as a "
            "share of the gradient's norm.",
            rule="Holds: both are surely smaller with batch norm (interval above 1), for both "
            "initializations and both kinds of learning rate (counted once where they are the "
            "same). In part: in some of these cases. "
            "Does not hold: in none, and half as large is ruled out everywhere. Cannot tell: else, "
            f"or no case is left, or fewer than {MIN_SEEDS} seeds.",
            source="Santurkar et al. 2018, arXiv:1805.11604, figure 4.",
        )

    def trials(self, curves: Curves) -> Round:
        search = self.tuned.trials(curves)
        if not self.tuned.ready(curves):
            return search
        wanted = {t.key: t for g in self.grids(curves).values() for t in g.wanted(curves)}
        return Round(search.title, tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        data = self.setup.data
        grids = self.grids(curves) if self.tuned.ready(curves) else {}
        seeds = min((grid.complete(curves) for grid in grids.values()), default=0)
        setting = self.setup.words(seeds, "two initializations")
        if not seeds:
            reason = "nothing is measured yet"
            return Verdict(CANNOT_TELL, reason, f"{data.name}: {reason}.", (), setting)
        found = {
            (kind, cell): self._measured(grid, cell, curves, seeds)
            for kind, grid in grids.items()
            for cell in self.tuned.cells
        }
        idle = [(k, cell) for k, cell in found if not self._learned(grids[k], cell, curves, seeds)]
        effects, judged = [], []
        for kind, init, measure in product((EQUAL, BEST), INITS, MEASURES):
            if kind == BEST and self._same_rates(grids, init):
                continue
            effects.append(self._effect(found, kind, init, measure))
            if not any((kind, (init, arm)) in idle for arm in ARMS):
                judged.append(effects[-1])
        answer, reason = judge(judged, seeds)
        said = [self._said(found, init) for init in INITS if (EQUAL, (init, "none")) not in idle]
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: along the gradient, at equal learning rates, "
            f"{'; '.join(said) or 'nothing could be compared'}. “{CLAIM}” {answer}: {reason}.",
            effects=tuple(effects),
            measured_on=setting,
            notes=tuple(self._notes(curves, grids, idle)),
            figures=shown.figures(self, curves, grids[EQUAL]),
            tables=(shown.table(self, curves, grids, found),),
            change="Other learning rates: they say how far along the gradient is looked. A network "
            "that learns nothing lies on a plain, which is smooth too.",
        )

    def _learned(self, grid: Grid, cell: Any, curves: Curves, seeds: int) -> bool:
        """Whether the median run learned anything."""
        floor = selection.chance(self.setup.data)
        levels = grid.read(cell, curves, lambda curve: selection.level(curve, floor))[:seeds]
        return bool(np.median(levels) >= floor + selection.noise(self.setup.data))

    def _same_rates(self, grids: Mapping[str, Grid], init: str) -> bool:
        """Whether each arm's best learning rate is the equal one: the same trainings, then."""
        cells = [(init, arm) for arm in ARMS]
        return grids[BEST].keys(*cells) == grids[EQUAL].keys(*cells)

    def _measured(self, grid: Grid, cell: Any, curves: Curves, seeds: int) -> dict[str, Floats]:
        """(seeds,) of each measure."""
        runs = [changes(c) for c in grid.curves(cell, curves)[:seeds] if c is not None]
        names = (*MEASURES, "relative")
        return {name: np.array([run[name] for run in runs]) for name in names}

    def _effect(self, found: Mapping[Any, Any], kind: str, init: str, measure: str) -> Effect:
        none, batch = (found[kind, (init, arm)][measure] for arm in ARMS)
        label = f"{kind} learning rates, {INIT_SHORT[init]}"
        return ratio_effect(label, none, batch, MEASURES[measure])

    def _said(self, found: Mapping[Any, Any], init: str) -> str:
        loss, gradient = (
            [float(np.median(found[EQUAL, (init, arm)][measure])) for arm in ARMS]
            for measure in MEASURES
        )
        return (
            f"the loss changes by {shown.number(loss[0])} without and {shown.number(loss[1])} with "
            f"batch norm, the gradient by {shown.number(gradient[0])} and "
            f"{shown.number(gradient[1])} ({INIT_NAMES[init]})"
        )

    def _notes(
        self, curves: Curves, grids: Mapping[str, Grid], idle: Sequence[tuple[str, Any]]
    ) -> list[str]:
        data = self.setup.data
        notes = [
            f"Left out, because it learned nothing: {shown.name(cell)}, {kind} learning rates."
            for kind, cell in idle
        ]
        notes += [
            f"With {INIT_NAMES[init]} one learning rate is the best of both arms, so that both "
            "comparisons are one."
            for init in INITS
            if self._same_rates(grids, init)
        ]
        for kind, grid in grids.items():
            for cell in self.tuned.cells:
                runs = [c for c in grid.curves(cell, curves) if c is not None]
                lost = sum(c.diverged for c in runs)
                if lost:
                    notes.append(
                        f"{lost} of {len(runs)} runs of {shown.name(cell)} diverged at {kind} "
                        "learning rates; their way until then is measured."
                    )
        floor = selection.chance(data) + selection.noise(data)
        return notes + self.tuned.edge_notes(curves, shown.name, floor)


def on(data: Dataset, effort: Effort = DEFAULT) -> Smoothness:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    setup = Setup(data, settings={"steps": 300 if effort.quick else 1000})
    rates = rates_between(-4, 0, 1.0 if effort.quick else 0.5)
    return Smoothness(setup, effort.seeds, effort.tuning, rates)
