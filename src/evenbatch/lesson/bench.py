"""The workbench's experiment: up to six arms of the learner's own, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenbatch.data import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import Table
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    MIN_SEEDS,
    Curves,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import Setup
from evenbatch.experiments.tuned import Grid
from evenbatch.experiments.wording import amount, count

POINTS = 50  # of a curve


@dataclass(frozen=True, eq=False)
class Bench(Untimed):
    """Arms as they were dialled in, on the same seeds.

    Args:
        data: the data set.
        arms: settings of each arm, fields of `Network` and `Trial` besides depth and width.
        steps: of every training.
        seeds: of every arm.
        first: the first seed.
    """

    data: Dataset
    arms: tuple[Mapping[str, Any], ...]
    steps: int
    seeds: int
    first: int

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.data.name: self.data}

    @property
    def grid(self) -> Grid:
        setup = Setup(self.data)
        every = max(1, self.steps // POINTS)
        cells = {}
        for place, given in enumerate(self.arms):
            # A network's momentum is that of its statistics; a trial's is the optimizer's.
            cells[place] = setup.cell(steps=self.steps, evaluate_every=every, **given)
        return Grid(cells, self.seeds, self.first)

    @property
    def statement(self) -> Statement:
        return Statement(
            claim="The last arm ends higher than the first.",
            question=f"How much higher does the last arm end than the first on {self.data.name}?",
            arms=tuple((str(place + 1), f"arm {place + 1}") for place in range(len(self.arms))),
            grid="the arms as they were dialled in",
            fairness="The same seeds in all arms: arms that differ in normalization alone start "
            "from the same weights, and all arms of one batch size see the same minibatches.",
            measure="Test metric at the end, last arm minus first, paired by seed, mean with 95 % "
            "interval. The learning rates are the learner's: this is no comparison at each arm's "
            "best.",
            rule="Holds: the interval lies above 0. Does not hold: below 0. Cannot tell: else, or "
            "fewer than 5 seeds.",
            source="the learner's own question",
        )

    def trials(self, curves: Curves) -> Round:
        return Round("training your arms", tuple(self.grid.wanted(curves)))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        grid = self.grid

        def last(curve: Curve) -> float:
            return float(curve.metric[-1]) if not curve.diverged else float("nan")

        ends = [grid.read(place, curves, last) for place in range(len(self.arms))]
        higher = mean_effect("last arm − first arm", ends[-1] - ends[0], "higher at the end")
        told = int(np.isfinite(ends[-1] - ends[0]).sum())
        if told < MIN_SEEDS:
            reason = (
                f"only {count(told, 'seed')} can be compared, and at least {MIN_SEEDS} are needed"
            )
            answer = CANNOT_TELL
        elif higher.low > 0:
            answer, reason = HOLDS, "the interval lies above zero"
        elif higher.high < 0:
            answer, reason = FAILS, "the first arm ended higher"
        else:
            answer, reason = CANNOT_TELL, "the interval holds zero"
        rows, keys = [], []
        for place, values in enumerate(ends):
            fine = values[np.isfinite(values)]
            lost = len(values) - len(fine)
            shown = amount(self.data, float(fine.mean())) if len(fine) else "–"
            rows.append((f"arm {place + 1}", shown, count(lost, "run") + " diverged"))
            keys.append(grid.keys(place))
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"At the end: {'; '.join(f'{row[0]} {row[1]}' for row in rows)}.",
            effects=(higher,),
            measured_on=f"{self.data.name}, {self.steps} steps, {count(self.seeds, 'seed')}",
            tables=(
                Table("Test metric at the end", ("arm", "mean", "lost"), tuple(rows), tuple(keys)),
            ),
        )
