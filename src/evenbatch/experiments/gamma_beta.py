"""Claim "gamma-beta": the two learned knobs of batch norm make the network better.

evenbatch prove gamma-beta
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments.derived import alike, learnable, standardized
from evenbatch.experiments.effects import intervals, mean_effect
from evenbatch.experiments.exhibits import DOTS, LINES, Axis, Figure, Series, band
from evenbatch.experiments.meeting import BEST, Arm, Meeting, Met, together
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
from evenbatch.experiments.rules import POINT, gained, too_few
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import rates_between
from evenbatch.experiments.wording import compared, digits, share

CLAIM = "learned gamma and beta help"
NEITHER, GAMMA, BETA, BOTH = "none", "gamma", "beta", "both"
NAMES = {
    NEITHER: "both frozen",
    GAMMA: "gamma learned",
    BETA: "beta learned",
    BOTH: "both learned",
}
WIDE, NARROW = 64, 8
STEPS = 500  # the same at every effort: the average over the training depends on it

Floats = NDArray[np.float64]


def judge(better: Effect, seeds: int) -> tuple[str, str]:
    """The rule, from what learning both gains over freezing both to an answer and its reason.

    >>> judge(Effect("", 2, 1.5, 2.5, ""), seeds=5)[0]
    'holds'
    >>> judge(Effect("", 0, -0.3, 0.3, ""), seeds=5)
    ('does not hold', 'frozen, the network was less than 1 point worse')
    """
    if few := too_few(seeds):
        return few
    answer = gained(better)
    return answer, {
        HOLDS: f"frozen, the network was at least {POINT:g} point worse",
        IN_PART: f"frozen, the network was worse, but not surely by {POINT:g} point",
        FAILS: f"frozen, the network was less than {POINT:g} point worse",
        CANNOT_TELL: "whether they gain anything is not settled",
    }[answer]


@dataclass(frozen=True)
class Moved:
    """How far the knobs are from where they started, at the last probe.

    Attributes:
        gamma: root mean square of gamma − 1 over a layer, mean over layers.
        beta: root mean square of beta.
    """

    gamma: Effect
    beta: Effect


def moved(met: Met) -> Moved:
    """Of the arm in which both are learned, at its best learning rate."""
    runs = [run for run in met.runs(BOTH) if not run.diverged]
    ends = [path(run)[:, -1] if path(run).size else np.full(2, np.nan) for run in runs]
    gamma, beta = np.array(ends, float).reshape(-1, 2).T
    return Moved(
        mean_effect("gamma from 1", gamma, "root mean square"),
        mean_effect("beta from 0", beta, "root mean square"),
    )


def path(run: Curve) -> Floats:
    """(2, probes) how far gamma and beta have moved, mean over the normalized layers."""
    if run.probes is None:
        raise ValueError(f"trial {run.trial.key} has no probes")
    hidden = run.trial.network.depth
    both = (run.probes.gamma_shift[:, :hidden], run.probes.beta_shift[:, :hidden])
    return np.array([shift.mean(axis=1, dtype=np.float64) for shift in both])


@dataclass(frozen=True, eq=False)
class GammaBeta(Untimed):
    """Batch norm with both knobs learned, one of them, and none.

    Args:
        meeting: the four arms in a network of usual width.
        narrow: the same in a narrow one, where every unit counts.
    """

    meeting: Meeting
    narrow: Meeting

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.meeting.datasets

    @property
    def statement(self) -> Statement:
        setup, rates = self.meeting.setup, self.meeting.rates
        return Statement(
            claim="Gamma, the strength knob, and beta, the adjustment dial, are learned, and make "
            "the network better.",
            question="What does a network with batch norm lose when gamma stays 1 and beta stays "
            "0, and how far do they move when they may?",
            arms=tuple((name, NAMES[name]) for name in self.meeting.arms),
            grid=f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each arm; "
            f"layers of {WIDE} units, and for comparison of {NARROW}",
            fairness="Same initial weights, minibatches and order in all arms, seed by seed. Each "
            "arm at its own best learning rate, chosen on other seeds, and all at the best rates "
            "of both learned and of both frozen.",
            measure=f"Test {setup.metric} averaged over the training; both learned minus both "
            "frozen in points (0.01), paired by seed, mean with 95 % interval. Movement: root mean "
            "square of gamma − 1 and of beta over a layer's units, mean over layers.",
            rule=f"Best against best, with {WIDE} units. Holds: the interval lies at or above "
            f"{POINT:g} point. Does not hold: it lies below {POINT:g} point. In part: above 0. "
            f"Cannot tell: else, or fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3; Frankle, Schwab & Morcos "
            "2021, arXiv:2003.00152 (what gamma and beta alone can learn).",
        )

    def trials(self, curves: Curves) -> Round:
        return together(self.meeting.trials(curves), self.narrow.trials(curves))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        met, narrow = self.meeting.met(curves), self.narrow.met(curves)
        data, setting = met.data, self.meeting.setup.words(met.seeds)
        if nothing := met.nothing():
            return Verdict(CANNOT_TELL, nothing, f"{data.name}: {nothing}.", (), setting)
        gains = {label: met.gain(BOTH, NEITHER, label) for label in met.grids}
        answer, reason = judge(gains[BEST], met.seeds)
        knobs = moved(met)
        pair = [share(data, float(met.values(arm).mean())) for arm in (BOTH, NEITHER)]
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: averaged over the training, test {self.meeting.setup.metric} "
            f"was {pair[0]} with gamma and beta learned and {pair[1]} with both frozen; "
            f"{_far(knobs)}. “{CLAIM}” {answer}: {reason}.",
            effects=(
                *gains.values(),
                met.gain(GAMMA, NEITHER),
                met.gain(BETA, NEITHER),
                knobs.gamma,
                knobs.beta,
            ),
            measured_on=setting,
            notes=(*_narrow(narrow), *met.notes()),
            figures=(
                _figure({WIDE: met, NARROW: narrow}, data.name),
                _arms({WIDE: met, NARROW: narrow}, data.name),
            ),
            tables=tuple(
                one.table(f"Layers of {one.meeting.setup.width} units", "average")
                for one in (met, narrow)
                if one.seeds
            ),
            change="The width: the second table has the same for a narrow network, in which the "
            "knobs move further.",
        )


def _far(knobs: Moved) -> str:
    gamma, beta = (digits(effect.value) for effect in (knobs.gamma, knobs.beta))
    return f"they moved by {gamma} (gamma, from 1) and {beta} (beta, from 0) in root mean square"


def _narrow(narrow: Met) -> list[str]:
    """What the same rule says of a narrow network."""
    if narrow.nothing():
        return []
    better = narrow.gain(BOTH, NEITHER)
    answer, reason = judge(better, narrow.seeds)
    ahead = compared(better, "ahead of", "behind", "level with", "both frozen")
    return [
        f"With {NARROW} units a layer “{CLAIM}” {answer}: {reason} (both learned was {ahead}); "
        f"{_far(moved(narrow))}.",
        *(f"With {NARROW} units, {note[0].lower()}{note[1:]}" for note in narrow.notes()),
    ]


def _figure(mets: Mapping[int, Met], name: str) -> Figure:
    """How far the knobs move while the network trains."""
    series: list[Series] = []
    for width, met in mets.items():
        runs = [run for run in met.runs(BOTH) if not run.diverged] if met.seeds else []
        if not runs or runs[0].probes is None:
            continue
        paths = np.array([path(run) for run in runs])
        step = runs[0].probes.step
        for knob, values in zip(("gamma", "beta"), paths.transpose(1, 0, 2), strict=True):
            series.append(band(f"{knob}, {width} units", step, values))
    return Figure(
        LINES,
        f"How far gamma and beta move: {name}",
        "Distance of gamma from 1 and of beta from 0 over the training steps, root mean square "
        "over a layer, mean over layers, for both widths.",
        Axis("training steps"),
        Axis("moved by (root mean square)"),
        tuple(series),
    )


def _arms(mets: Mapping[int, Met], name: str) -> Figure:
    """What each arm comes to, with the interval of the mean."""
    series = []
    for width, met in mets.items():
        if met.seeds:
            means = [mean_effect(arm, met.values(arm), "") for arm in NAMES]
            series.append(intervals(f"layers of {width} units", range(len(NAMES)), means))
    metric = mets[WIDE].meeting.setup.metric
    return Figure(
        DOTS,
        f"Frozen and learned knobs: {name}",
        f"Test {metric} averaged over the training for each arm at its best learning rate, with "
        "the interval of the mean, in wide and in narrow layers.",
        Axis("knobs", names=tuple(NAMES.values())),
        Axis(f"test {metric}, average of the training", percent=metric == "accuracy"),
        tuple(series),
    )


def on(data: Dataset, effort: Effort = DEFAULT) -> GammaBeta:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    data = learnable(data)
    data = data if alike(data) else standardized(data)
    rates = rates_between(-2, 0.5, 0.5 if effort.quick else 0.25)

    def meeting(width: int) -> Meeting:
        settings = {
            "steps": STEPS,
            "evaluate_every": STEPS // 20,
            "probe_every": STEPS // 20,
            "norm": "batch",
        }
        setup = Setup(data, width=width, settings=settings)
        arms = {name: Arm(words, setup, {"affine": name}) for name, words in NAMES.items()}
        return Meeting(arms, rates, effort.seeds, effort.tuning, (BOTH, NEITHER))

    return GammaBeta(meeting(WIDE), meeting(NARROW))
