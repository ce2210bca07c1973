"""Claim "regularization": batch norm keeps a network from learning its examples by heart.

evenbatch prove regularization
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments.derived import (
    alike,
    fewer_rows,
    learnable,
    shuffled_targets,
    standardized,
)
from evenbatch.experiments.effects import mean_effect, seeds_told
from evenbatch.experiments.exhibits import LINES, Axis, Figure, Mark, Table, band
from evenbatch.experiments.meeting import BEST, Arm, Meeting, Met, together
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    ExperimentError,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.rules import POINT, gained, joined, too_few
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import rates_between
from evenbatch.experiments.wording import compared, points_unit, share

CLAIM = "acts as a gentle regularizer"
BATCH, NONE, DROPOUT = "batch", "none", "dropout"
DROPPED = 0.2
FEW, NOISY_ROWS, NOISE = 200, 500, 0.3
LITTLE, NOISY = "little data", "noisy labels"
LEVELS = {LITTLE: 0.1, NOISY: 0.5}
"""Training loss at which arms are compared, as a share of the loss of a guess that does not look at
the input. With 30 % of the labels wrong, a network that believes none of them ends near 0.5."""
STEPS = 800


def judge(gains: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from what batch norm gains over none on each kind of data to answer and reason.

    >>> clear, none = Effect("", 3, 2, 4, ""), Effect("", 0, -0.5, 0.5, "")
    >>> judge({"little data": clear, "noisy labels": clear}, seeds=5)[0]
    'holds'
    >>> judge({"little data": clear, "noisy labels": none}, seeds=5)
    ('holds in part', 'on little data it gained at least 1 point, with noisy labels no such gain')
    >>> judge({"little data": none, "noisy labels": none}, seeds=5)[0]
    'does not hold'
    """
    if few := too_few(seeds):
        return few
    answers = {kind: gained(effect) for kind, effect in gains.items()}
    said = {
        HOLDS: f"gained at least {POINT:g} point",
        IN_PART: f"gained, but not surely {POINT:g} point",
        FAILS: "no such gain",
        CANNOT_TELL: "not settled",
    }
    kinds = [
        f"{where} {'it ' if i == 0 and answers[kind] in (HOLDS, IN_PART) else ''}"
        f"{said[answers[kind]]}"
        for i, (kind, where) in enumerate(
            ((LITTLE, "on little data"), (NOISY, "with noisy labels"))
        )
    ]
    return joined(list(answers.values())), ", ".join(kinds)


def at_loss(curve: Curve, loss: float, values: NDArray[np.float64]) -> float:
    """A value of the curve where its training loss first fell to `loss`; NaN if it never did.

    Loss and value are each averaged over an evaluation and its two neighbours, because a single one
    jumps; then the value is read off the straight line between the two evaluations around the loss.
    """
    if curve.diverged:
        return float("nan")
    seen, values = _smooth(curve.train_eval_loss), _smooth(values)
    there = np.flatnonzero(seen <= loss)
    if not len(there):
        return float("nan")
    at = int(there[0])
    if at == 0 or not np.isfinite(seen[at - 1]):
        return float(values[at])
    part = (seen[at - 1] - loss) / (seen[at - 1] - seen[at])
    return float(values[at - 1] + part * (values[at] - values[at - 1]))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def guess_loss(data: Dataset) -> float:
    """Training loss of the best guess that does not look at the input: entropy, or variance.

    >>> from evenbatch.data import load
    >>> round(guess_loss(load("digits")), 2)  # ln 10
    2.3
    """
    if data.task == "regression":
        return float(data.y_train.var(axis=0, dtype=np.float64).mean())
    shares = np.bincount(data.y_train) / data.n_train
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


@dataclass(frozen=True, eq=False)
class Condition:
    """Data on which a network may learn by heart.

    Args:
        kind: `LITTLE` or `NOISY`.
        meeting: the three arms on it.
    """

    kind: str
    meeting: Meeting

    @property
    def data(self) -> Dataset:
        return self.meeting.setup.data

    def loss(self, level: float) -> float:
        """The training loss at a share of the guess's."""
        return level * guess_loss(self.data)

    def read(self, met: Met, arm: str, label: str = BEST) -> NDArray[np.float64]:
        """(2, seeds) test metric, and train minus test metric, at equal training loss."""
        loss = self.loss(LEVELS[self.kind])
        pairs = [
            (at_loss(run, loss, run.metric), at_loss(run, loss, run.train_metric - run.metric))
            for run in met.runs(arm, label)
        ]
        return np.array(pairs, float).reshape(-1, 2).T

    def gain(self, met: Met, arm: str, over: str, label: str = BEST) -> Effect:
        """Points of the test metric that an arm is ahead at equal training loss."""
        ahead = 100 * (self.read(met, arm, label)[0] - self.read(met, over, label)[0])
        names = f"{met.arms[arm].name} over {met.arms[over].name}, {self.kind}, {label}"
        return mean_effect(names, ahead, points_unit(self.data))

    def narrower(self, met: Met) -> Effect:
        """By how many points the gap between train and test is narrower with batch norm."""
        narrower = 100 * (self.read(met, NONE)[1] - self.read(met, BATCH)[1])
        return mean_effect(
            f"narrower train–test gap, {self.kind}", narrower, points_unit(self.data)
        )

    def told(self, met: Met) -> int:
        """Seeds at which both arms reached the training loss."""
        return seeds_told(self.read(met, BATCH)[0], self.read(met, NONE)[0])


@dataclass(frozen=True, eq=False)
class Regularization(Untimed):
    """Batch norm, dropout and nothing, on little data and on data with wrong labels.

    Args:
        little, noisy: the two conditions.
    """

    little: Condition
    noisy: Condition

    @property
    def conditions(self) -> tuple[Condition, Condition]:
        return self.little, self.noisy

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.little.meeting.datasets | self.noisy.meeting.datasets

    @property
    def statement(self) -> Statement:
        meeting = self.little.meeting
        rates, metric = meeting.rates, meeting.setup.metric
        levels = " and ".join(f"{100 * LEVELS[c.kind]:.0f} % ({c.kind})" for c in self.conditions)
        return Statement(
            claim="Batch norm acts like a gentle regularizer: it keeps a network from learning "
            "quirks of its examples by heart.",
            question="When the training examples are learned equally well, are unseen ones "
            f"predicted better with batch norm? Asked on {self.little.data.name} and on "
            f"{self.noisy.data.name}.",
            arms=tuple((name, arm.name) for name, arm in meeting.arms.items()),
            grid=f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each arm",
            fairness="Arms are compared at equal training loss, so that none is praised for having "
            "learned less. Same initial weights, minibatches and order; each arm at its own best "
            "learning rate, chosen on other seeds, and all at the best rate of no normalization. "
            "Batch norm is evaluated with exact statistics of the training set, so that running "
            "ones that lag behind are no part of it.",
            measure=f"Test {metric} where the loss on the training set first falls to a share of "
            f"what a guess has: {levels}. Difference of batch norm and none in points (0.01), "
            "paired by seed, mean with 95 % interval; also the gap between train and test.",
            rule=f"On each of the two: holds if the interval lies at or above {POINT:g} point, "
            f"does not if below {POINT:g} point, in part if above 0, else cannot tell. Together: "
            "the same on both, that; a gain on one, in part; else does not hold if one does not. "
            f"Cannot tell: fewer than {MIN_SEEDS} seeds that got so far with both arms.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.4; Luo et al. 2019, "
            "arXiv:1809.00846; Zhang et al. 2017, arXiv:1611.03530 (shuffled labels).",
        )

    def trials(self, curves: Curves) -> Round:
        return together(*(c.meeting.trials(curves) for c in self.conditions))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        mets = {c.kind: c.meeting.met(curves) for c in self.conditions}
        name = self.little.data.name
        seeds = min(met.seeds for met in mets.values())
        setting = self.little.meeting.setup.words(seeds) + f"; and {self.noisy.data.name}"
        for met in mets.values():
            if nothing := met.nothing():
                return Verdict(CANNOT_TELL, nothing, f"{name}: {nothing}.", (), setting)
        both = [(c, mets[c.kind]) for c in self.conditions]
        gains = {c.kind: c.gain(met, BATCH, NONE) for c, met in both}
        told = min(c.told(met) for c, met in both)
        answer, reason = judge(gains, told)
        equal = [
            c.gain(met, BATCH, NONE, label) for c, met in both for label in list(met.grids)[1:]
        ]
        dropout = [c.gain(met, BATCH, DROPOUT) for c, met in both]
        gaps = [c.narrower(met) for c, met in both]
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"At equal training loss, test {self._metric} with batch norm was "
            + " and ".join(
                f"{compared(gains[c.kind], 'higher', 'lower', 'about the same')} on {c.data.name}"
                for c in self.conditions
            )
            + f"; “{CLAIM}” {answer}: {reason}.",
            effects=(*gains.values(), *gaps, *dropout, *equal),
            measured_on=setting,
            notes=(*_notes(both, dropout, gaps), *(n for _, met in both for n in met.notes())),
            figures=tuple(_figure(c, met) for c, met in both),
            tables=tuple(_table(c, met) for c, met in both),
            change="How far training goes: the figures show the test metric at every training "
            "loss. Smaller batches make batch norm's statistics noisier.",
        )

    @property
    def _metric(self) -> str:
        return self.little.meeting.setup.metric


Pairs = Sequence[tuple[Condition, Met]]


def _notes(both: Pairs, dropout: Sequence[Effect], gaps: Sequence[Effect]) -> list[str]:
    notes = []
    for (condition, met), ahead, gap in zip(both, dropout, gaps, strict=True):
        notes.append(
            f"On {condition.data.name}, the gap between train and test was "
            f"{compared(gap, 'narrower', 'wider', 'as wide', 'with batch norm')}; its test "
            f"{met.meeting.setup.metric} was "
            f"{compared(ahead, 'ahead of', 'behind', 'level with', 'that of dropout')}."
        )
        for arm in met.arms:
            values = condition.read(met, arm)[0]
            late = int(np.isnan(values).sum())
            if late:
                notes.append(
                    f"{late} of {len(values)} runs of {met.arms[arm].name} did not get down to the "
                    f"training loss on {condition.data.name}; they are left out."
                )
    return notes


def _figure(condition: Condition, met: Met) -> Figure:
    """Test metric over training loss: what is learned by heart costs height on the way right."""
    levels = np.geomspace(1.0, 0.01, 25)
    series = tuple(
        band(
            arm.name,
            levels,
            [
                [at_loss(run, condition.loss(level), run.metric) for level in levels]
                for run in met.runs(name)
            ],
        )
        for name, arm in met.arms.items()
    )
    metric = met.meeting.setup.metric
    return Figure(
        LINES,
        f"Learned against learned by heart: {condition.data.name}",
        f"A line for each arm: test {metric} over the training loss it has reached, at its best "
        "learning rate. Training goes from right to left; a line that is higher at the same "
        "training loss predicts unseen rows better.",
        Axis("training loss, as a share of a guess's", log=True),
        Axis(f"test {metric}", percent=metric == "accuracy"),
        series,
        (Mark("compared here", LEVELS[condition.kind], "x"), Mark("chance", met.meeting.floor)),
    )


def _table(condition: Condition, met: Met) -> Table:
    metric = met.meeting.setup.metric
    rows, keys = [], []
    for arm in met.arms:
        test, gap = condition.read(met, arm)
        reached = np.isfinite(test)
        best = [float(np.nanmax(run.metric)) for run in met.runs(arm)]
        rows.append(
            (
                met.arms[arm].name,
                f"{met.best[arm]:g}",
                f"{reached.sum()} of {len(test)}",
                _mean(met.data, test),
                _mean(met.data, gap),
                _mean(met.data, np.array(best)),
                _mean(met.data, met.ends(arm)),
            )
        )
        keys.append(met.grids[BEST].keys(arm))
    there = f"at {100 * LEVELS[condition.kind]:.0f} % of a guess's training loss"
    wrong = "; training labels are partly wrong" if condition.kind == NOISY else ""
    return Table(
        f"{condition.data.name}: test {metric} {there}{wrong}",
        (
            "arm",
            "learning rate",
            "got there",
            f"test {metric} there",
            "train minus test",
            "best on the way",
            "at the end",
        ),
        tuple(rows),
        tuple(keys),
    )


def _mean(data: Dataset, values: NDArray[np.float64]) -> str:
    found = values[np.isfinite(values)]
    return share(data, float(found.mean())) if len(found) else "–"


def on(data: Dataset, effort: Effort = DEFAULT) -> Regularization:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    rows = min(FEW, data.n_train // 3)
    if rows < 32:
        raise ExperimentError(
            f"{data.name} has {data.n_train} training rows; regularization is measured on a third "
            "of them, which must fill a batch of 32: give a table with at least 120 rows"
        )
    data = learnable(data)
    data = data if alike(data) else standardized(data)
    noisy = data if data.n_train <= NOISY_ROWS else fewer_rows(data, NOISY_ROWS)
    rates = rates_between(-1.5, 0.5, 0.5 if effort.quick else 0.25)

    def condition(kind: str, on: Dataset) -> Condition:
        settings = {
            "steps": STEPS,
            "evaluate_every": STEPS // 50,
            "evaluate_train": True,
            "statistics": "population",
        }
        setup, loss = Setup(on, settings=settings), LEVELS[kind] * guess_loss(on)
        arms = {
            NONE: Arm(ARM_NAMES[NONE], setup, {"norm": "none"}),
            DROPOUT: Arm("dropout of 20 %", setup, {"norm": "none", "dropout": DROPPED}),
            BATCH: Arm(ARM_NAMES[BATCH], setup, {"norm": "batch"}),
        }

        def measure(curve: Curve, _floor: float) -> float:
            return at_loss(curve, loss, curve.metric)

        return Condition(kind, Meeting(arms, rates, effort.seeds, effort.tuning, (NONE,), measure))

    return Regularization(
        condition(LITTLE, fewer_rows(data, rows)), condition(NOISY, shuffled_targets(noisy, NOISE))
    )
