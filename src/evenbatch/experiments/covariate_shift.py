"""Claim "covariate-shift": batch norm helps because it steadies what the layers receive.

evenbatch prove covariate-shift
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import covariate_shift_shown as shown
from evenbatch.experiments import selection
from evenbatch.experiments.covariate_shift_shown import ARMS, BATCH, BEST, EQUAL, NONE, Found
from evenbatch.experiments.effects import ratio_effect, share_effect
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
from evenbatch.experiments.ratios import Pairs
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid, Tuned, rates_between
from evenbatch.experiments.wording import amount, count, digits, times

CLAIM = "it works by steadying what layers receive"
STRENGTHS = tuple(strength for norm, strength in ARMS if strength)
HALF = 0.5


@dataclass(frozen=True)
class Evidence:
    """What the rule looks at.

    Attributes:
        gain: how many times fewer steps batch norm needs than none.
        steadier: how many times less the layers' inputs drift with batch norm than without.
        restored: how many times more they drift with batch norm and added drift than without
            batch norm.
        lost: the share of the gain that the added drift takes away.
    """

    gain: Effect
    steadier: Effect
    restored: Effect
    lost: Effect


def judge(found: Evidence, seeds: int) -> tuple[str, str]:
    """The rule.

    >>> yes, no = Effect("", 5.0, 4.0, 6.0, ""), Effect("", 0.9, 0.8, 0.99, "")
    >>> little, most = Effect("", 0.1, 0.05, 0.2, ""), Effect("", 0.9, 0.8, 1.0, "")
    >>> judge(Evidence(yes, yes, yes, most), 5)[0], judge(Evidence(yes, yes, yes, little), 5)[0]
    ('holds', 'does not hold')
    >>> judge(Evidence(no, yes, yes, most), 5)[0], judge(Evidence(yes, yes, no, little), 5)[0]
    ('cannot tell', 'cannot tell')
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    gain, steadier, restored, lost = found.gain, found.steadier, found.restored, found.lost
    if not gain.low > 1:
        return CANNOT_TELL, "batch norm surely saves no steps here, so there is nothing to explain"
    if steadier.high <= 1:
        return FAILS, "with batch norm the layers' inputs drift no less"
    if not steadier.low > 1:
        return CANNOT_TELL, "whether the layers' inputs drift less with batch norm is not settled"
    if lost.low >= HALF:
        return HOLDS, "with as much drift put back, at least half of the gain is gone"
    if restored.low >= 1 and lost.high < HALF:
        return FAILS, "with as much drift put back, more than half of the gain remains"
    if restored.low >= 1 and lost.low > 0:
        return IN_PART, "with as much drift put back, a part of the gain is gone"
    if not restored.low >= 1:
        return CANNOT_TELL, "no strength of added drift surely reached that without batch norm"
    return CANNOT_TELL, "how much of the gain the drift takes away is not settled"


def drift(curve: Curve) -> float:
    """How far what the hidden layers receive moves from one step to the next, mean over steps and
    layers: √((Δ mean / spread)² + (Δ log spread)²). NaN if the run diverged or its layers died."""
    found = shown.steps_of_drift(curve)
    if curve.diverged or not len(found):
        return np.nan
    return float(np.mean(found)) if np.isfinite(found).all() else np.nan


@dataclass(frozen=True, eq=False)
class CovariateShift(Untimed):
    """Steps to a goal without batch norm, with it, and with it and drift put back.

    Args:
        setup: data, network and training.
        seeds, tuning: measurement and selection seeds.
        rates: learning rates tried for each arm.
    """

    setup: Setup
    seeds: int
    tuning: int
    rates: tuple[float, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @property
    def steps(self) -> int:
        return self.setup.trial(0).steps

    def _cell(self, arm: tuple[str, float], **changes: Any) -> Any:
        norm, strength = arm
        every = max(1, self.steps // 50)
        return self.setup.rated(norm=norm, drift=strength, evaluate_every=every, **changes)

    @cached_property
    def tuned(self) -> Tuned:
        """The selection, without probes: they take as long as a step."""
        cells = {arm: self._cell(arm) for arm in ARMS}
        floor = selection.chance(self.setup.data)
        return Tuned(
            cells, self.rates, self.seeds, self.tuning, lambda c: selection.average(c, floor)
        )

    def grids(self, curves: Curves) -> dict[str, Grid]:
        """The measurement, with a probe at every step: each arm at its own best learning rate, and
        all at the one that is best for batch norm and none together."""
        probed = Tuned(
            {arm: self._cell(arm, probe_every=1) for arm in ARMS},
            self.rates,
            self.seeds,
            self.tuning,
            self.tuned.score,
        )
        together = self.tuned.together(curves, (NONE, BATCH))[NONE]
        return {BEST: probed.at(self.tuned.best(curves)), EQUAL: probed.at(together)}

    @property
    def statement(self) -> Statement:
        low, high = self.rates[0], self.rates[-1]
        return Statement(
            claim="Batch norm speeds training up because it keeps what the layers receive from "
            "changing all the time (internal covariate shift).",
            question="Do the layers' inputs drift less with batch norm, and is its gain lost when "
            "as much drift is put back behind it?",
            arms=(
                ("none", "without normalization"),
                ("batch", "with batch norm"),
                (
                    "drift",
                    "with batch norm, and behind each one a new random shift and scale of "
                    "every unit at every step of training",
                ),
            ),
            grid=f"{len(self.rates)} learning rates from {low:g} to {high:g} for each arm; drift "
            f"of strength {', '.join(f'{s:g}' for s in STRENGTHS)}, where 1 is that of the paper",
            fairness="Same initial weights, minibatches and order in all arms, seed by seed, and "
            "the same steps. Each arm at its own best learning rate, chosen on other seeds by the "
            "metric averaged over the training; and all at the one that is best for batch norm and "
            "none together. The added drift that counts is the weakest with which the inputs drift "
            "at least as much as without batch norm.",
            measure="Drift: how far mean and spread of what a hidden layer receives move from step "
            "to step, in standard deviations, over batch and units. Gain: the logarithm of steps "
            "to the goal, without less with batch norm. Share of the gain that added drift takes "
            "away: means over paired seeds, 95 % interval.",
            rule="Holds: the inputs surely drift less with batch norm, and with added drift at "
            "least half of the gain is surely gone. Does not hold: they drift no less; or with "
            "surely as much drift as without batch norm less than half is gone. In part: surely "
            "some of it is gone. Cannot tell: else, if batch norm does not surely save steps, or "
            f"fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167; against it Santurkar et al. 2018, "
            "arXiv:1805.11604, section 2.1.",
        )

    def trials(self, curves: Curves) -> Round:
        if not self.tuned.ready(curves):
            search = self.tuned.trials(curves)
            return Round(search.title, search.trials, 2 * search.later)
        wanted = {t.key: t for g in self.grids(curves).values() for t in g.wanted(curves)}
        return Round("measuring on fresh seeds", tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        data = self.setup.data
        grids = self.grids(curves) if self.tuned.ready(curves) else {}
        seeds = min((grid.complete(curves) for grid in grids.values()), default=0)
        goal = self._goal(curves) if seeds else None
        if goal is None:
            reason = "no arm learned anything" if seeds else "nothing is measured yet"
            words = self.setup.words(seeds)
            return Verdict(CANNOT_TELL, reason, f"{data.name}: {reason}.", (), words)
        found = {kind: self._found(grid, curves, seeds, goal) for kind, grid in grids.items()}
        drifted = self._drifted(found[BEST])
        best, equal = (self._evidence(found[kind], drifted, kind) for kind in (BEST, EQUAL))
        answer, reason = judge(best, seeds)
        none, batch, back = (
            shown.steps_text(found[BEST].steps[arm], self.steps) for arm in (NONE, BATCH, drifted)
        )
        more = f" ({digits(best.restored.value)} times that without it)"
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: steps to {amount(data, goal.value)} were {none} without "
            f"normalization, {batch} with batch norm, and {back} with batch norm and drift put back"
            f"{more * bool(np.isfinite(best.restored.value))}. “{CLAIM}” {answer}: {reason}.",
            effects=(
                *(best.lost, best.gain, best.steadier, best.restored),
                *(equal.lost, equal.gain),
            ),
            measured_on=self.setup.words(seeds),
            notes=self._notes(found, goal, curves, equal),
            figures=shown.figures(self, curves, grids[BEST], found[BEST], drifted),
            tables=(shown.table(self, grids, found),),
            change="Stronger drift stops any training (see the table). Mean and spread over all "
            "units are what is measured here; drift of single units is larger.",
        )

    def _goal(self, curves: Curves) -> selection.Goal | None:
        search = self.tuned.search
        arms = {
            name: {
                rate: [c for c in search.curves((arm, rate), curves) if c is not None]
                for rate in self.rates
            }
            for name, arm in (("none", NONE), ("batch", BATCH))
        }
        return selection.choose_goal(self.setup.data, arms, None)

    def _found(self, grid: Grid, curves: Curves, seeds: int, goal: selection.Goal) -> Found:
        def steps(curve: Curve) -> float:
            return selection.steps_to(curve, goal.value)

        return Found(
            {arm: grid.read(arm, curves, steps)[:seeds] for arm in ARMS},
            {arm: grid.read(arm, curves, drift)[:seeds] for arm in ARMS},
        )

    def _drifted(self, found: Found) -> tuple[str, float]:
        """The arm with the weakest drift that surely reaches that without batch norm; else the
        strongest."""
        arms = [("batch", strength) for strength in STRENGTHS]
        enough = (arm for arm in arms if self._more_drift(found, arm).low >= 1)
        return next(enough, arms[-1])

    def _more_drift(self, found: Found, arm: tuple[str, float], label: str = "") -> Effect:
        return ratio_effect(label, found.drift[arm], found.drift[NONE], "times more drift")

    def _evidence(self, found: Found, drifted: tuple[str, float], kind: str) -> Evidence:
        strength = f"drift {drifted[1]:g}"
        none, batch, with_drift = (found.steps[arm] for arm in (NONE, BATCH, drifted))
        gain = Pairs(none, batch, self.steps)
        loss = Pairs(with_drift, batch, self.steps)
        return Evidence(
            gain=gain.ratio("times fewer steps", f"batch norm against none, {kind}"),
            steadier=ratio_effect(
                f"batch norm against none, {kind}",
                found.drift[NONE],
                found.drift[BATCH],
                "times less drift",
            ),
            restored=self._more_drift(
                found, drifted, f"batch norm and {strength} against none, {kind}"
            ),
            lost=share_effect(
                f"{strength} put back, {kind}",
                loss.log_ratios(),
                gain.log_ratios(),
                "of the gain gone",
            ),
        )

    def _notes(
        self, found: Mapping[str, Found], goal: selection.Goal, curves: Curves, equal: Evidence
    ) -> tuple[str, ...]:
        notes = [
            f"The goal is {goal.rule}.",
            "Added drift is noise, too, and noise slows training by itself: what it takes away is "
            "at most what steadier inputs explain.",
        ]
        late = {arm: int((~np.isfinite(s)).sum()) for arm, s in found[BEST].steps.items()}
        missed = [f"{shown.name(arm)} ({number})" for arm, number in late.items() if number]
        if missed:
            notes.append(
                f"Runs that did not reach the goal in {self.steps} steps count as {self.steps}: "
                f"{'; '.join(missed)}."
            )
        for arm, values in found[BEST].drift.items():
            dead = int(np.isnan(values).sum())
            if dead:
                notes.append(
                    f"{shown.name(arm)}: {count(dead, 'run')} diverged or died, and is not counted "
                    "in the drift."
                )
        if equal.gain.low > 1:
            notes.append(
                f"At equal learning rates batch norm needs {times(equal.gain)}, and "
                f"{100 * equal.lost.value:.0f} % of that gain is gone with {equal.lost.label}."
            )
        return (*notes, *self.tuned.edge_notes(curves, shown.name))


def on(data: Dataset, effort: Effort = DEFAULT) -> CovariateShift:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    setup = Setup(data, settings={"steps": 500})
    low = -3 if effort.quick else -4
    return CovariateShift(setup, effort.seeds, effort.tuning, rates_between(low, 0, 0.5))
