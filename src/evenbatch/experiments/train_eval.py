"""Claim "train-eval": a trained network must be switched to evaluation before it is used.

evenbatch prove train-eval
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.experiments import selection
from evenbatch.experiments.derived import alike, learnable, shuffled_rows, standardized
from evenbatch.experiments.effects import intervals, mean_effect
from evenbatch.experiments.exhibits import LINES, Axis, Figure, Mark, Table
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
from evenbatch.experiments.rules import POINT, gained, joined, too_few
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import Grid, Tuned, rates_between
from evenbatch.experiments.wording import compared, gain, listed, points_unit, share

CLAIM = "must be switched to evaluation"
RUNNING, EXACT = "running statistics", "exact statistics of the training set"
TRAINED = 32
BATCHES = (1, 2, 4, 8, 16, 32, 128)
MOMENTA = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
USUAL = 0.1  # PyTorch's momentum
EARLY, STEPS = 30, 300
SHUFFLED = "own statistics, batches as in training, rows shuffled first"

Floats = NDArray[np.float64]
Cell = tuple[str, Any]


def batches_of(size: int) -> str:
    """
    >>> batches_of(1), batches_of(32)
    ('batches of one', 'batches of 32')
    """
    return "batches of one" if size == 1 else f"batches of {size}"


def judge(costs: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from what forgetting the switch costs, row by row and in batches of 32.

    >>> much, none = Effect("", 80, 75, 85, ""), Effect("", 0, -0.4, 0.4, "")
    >>> judge({"batches of one": much, "batches of 32": much}, seeds=5)[0]
    'holds'
    >>> judge({"batches of one": much, "batches of 32": none}, seeds=5)
    ('holds in part', 'forgetting it cost at least 1 point in batches of one, not in batches of 32')
    """
    if few := too_few(seeds):
        return few
    answers = {batch: gained(effect) for batch, effect in costs.items()}
    words = (
        (HOLDS, f"forgetting it cost at least {POINT:g} point in "),
        (IN_PART, f"it cost something, but not surely {POINT:g} point, in "),
        (CANNOT_TELL, "it is not settled in "),
        (FAILS, "not in "),
    )
    said: list[str] = []
    for kind, told in words:
        where = [batch for batch in costs if answers[batch] == kind]
        if where:
            text = (
                told if said or kind != FAILS else f"forgetting it did not cost {POINT:g} point in "
            )
            said.append(text + listed(where))
    return joined(list(answers.values())), ", ".join(said)


@dataclass(frozen=True, eq=False)
class TrainEval(Untimed):
    """One trained network, tested with running statistics and with those of its test batches.

    Args:
        setup: data, network and training.
        effort: seeds, and how fine the learning rates are.
    """

    setup: Setup
    effort: Effort

    @cached_property
    def shuffled(self) -> Setup:
        return self.setup.with_data(shuffled_rows(self.setup.data))

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {s.data.name: s.data for s in (self.setup, self.shuffled)}

    @cached_property
    def floor(self) -> float:
        return selection.chance(self.setup.data)

    def end(self, curve: Curve) -> float:
        """The test metric after the last step, even if worse than chance; chance if it diverged."""
        last = float(curve.metric[-1])
        return last if np.isfinite(last) and not curve.diverged else self.floor

    @cached_property
    def tuned(self) -> Tuned:
        rates = rates_between(-1.5, 0.5, 0.5 if self.effort.quick else 0.25)
        cells = {RUNNING: self.setup.rated()}
        return Tuned(cells, rates, self.effort.seeds, self.effort.tuning, self.end)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Test batches: the usual ones that fit, and the whole test set as one."""
        rows = self.setup.data.n_test
        return (*(size for size in BATCHES if size < rows), rows)

    def grid(self, curves: Curves) -> Grid:
        """The measurement: ("test", how) and ("momentum", (momentum, steps))."""
        rate = {"learning_rate": self.tuned.best(curves)[RUNNING]}
        cells: dict[Cell, Callable[[int], Trial]] = {
            ("test", RUNNING): self.setup.cell(**rate),
            ("test", EXACT): self.setup.cell(statistics="population", **rate),
        }
        for size in self.sizes:
            own = {"statistics": "batch", "evaluation_batch": size, **rate}
            cells["test", size] = self.setup.cell(**own)
        own = {"statistics": "batch", "evaluation_batch": min(TRAINED, self.sizes[-1]), **rate}
        cells["test", SHUFFLED] = self.shuffled.cell(**own)
        for steps in (EARLY, STEPS):
            for momentum in MOMENTA:
                cells["momentum", (momentum, steps)] = self._averaging(momentum, steps, rate)
        return Grid(cells, self.effort.seeds)

    def _averaging(
        self, momentum: float, steps: int, rate: Mapping[str, float]
    ) -> Callable[[int], Trial]:
        """A training whose running statistics move by `momentum` a step.

        A `Trial` has a momentum too, that of its optimizer, so the network is changed by hand.
        """
        make = self.setup.cell(steps=steps, **rate)

        def trial(seed: int) -> Trial:
            made = make(seed)
            return replace(made, network=replace(made.network, momentum=momentum))

        return trial

    @property
    def judged(self) -> tuple[int, int]:
        """Test batches that the rule is about: one row, and as in training."""
        return 1, min(TRAINED, self.sizes[-1])

    @property
    def statement(self) -> Statement:
        metric, rates = self.setup.metric, self.tuned.rates
        return Statement(
            claim="Once trained, a network with batch norm must use its running statistics, not "
            "those of the batch it is asked about.",
            question="How much worse are predictions when the switch to evaluation is forgotten: "
            f"asked one row at a time, and in batches of {TRAINED} as in training?",
            arms=(
                (RUNNING, "evaluation as it should be"),
                (EXACT, "statistics of all training rows under the final weights"),
                *((batches_of(size), "each test batch's own statistics") for size in self.sizes),
            ),
            grid=f"test batches of {', '.join(map(str, self.sizes))} (all); momentum of the "
            f"running statistics {', '.join(f'{m:g}' for m in MOMENTA)}, after {EARLY} and {STEPS} "
            f"steps; one learning rate of {len(rates)} from {rates[0]:g} to {rates[-1]:g}",
            fairness="The same trained network in every arm, to the bit: only how it is tested "
            "differs, so equal settings and best settings are one. Its learning rate is the best "
            "with running statistics, chosen on other seeds.",
            measure=f"Test {metric} after {STEPS} steps. Cost of forgetting: running statistics "
            "minus the batch's own, in points (0.01), paired by seed, mean with 95 % interval.",
            rule=f"In batches of one and of {TRAINED}: costs if the interval lies at or above "
            f"{POINT:g} point, does not if below. Holds: in both. In part: in one, or surely "
            "something. Does not hold: else, if not in one. Cannot tell: else, or fewer than "
            f"{MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1; Wu & Johnson 2021, "
            "arXiv:2105.07576, sections 3 and 4.",
        )

    def trials(self, curves: Curves) -> Round:
        wanted = self.tuned.search.wanted(curves)
        if wanted:
            cells = len(self.sizes) + 3 + 2 * len(MOMENTA)
            return Round("finding learning rates", tuple(wanted), cells * self.effort.seeds)
        return Round("measuring on fresh seeds", tuple(self.grid(curves).wanted(curves)))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        name, setting = self.setup.data.name, self.setup.words(0)
        if not self.tuned.ready(curves):
            reason = "the learning rate is not chosen yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        grid = self.grid(curves)
        seeds = grid.complete(curves)
        values = {cell: grid.read(cell, curves, self.end)[:seeds] for cell in grid.cells}
        right = values["test", RUNNING]
        if not seeds or right.mean() - self.floor < selection.noise(self.setup.data):
            reason = "the network learned nothing" if seeds else "no seed is complete yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        costs = {how: self._cost(values, how) for kind, how in grid.cells if kind == "test"}
        by_batch = {batches_of(size): costs[size] for size in self.judged}
        answer, reason = judge(by_batch, seeds)
        data = self.setup.data
        tested = " and ".join(
            f"{share(data, float(values['test', size].mean()))} in {batches_of(size)}"
            for size in self.judged
        )
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}: test {self.setup.metric} was {share(data, float(right.mean()))} "
            f"with running statistics and, with those of the test batch itself, {tested}; "
            f"“{CLAIM}” {answer}: {reason}.",
            effects=tuple(
                costs[how] for how in (*self.judged[::-1], SHUFFLED, self.sizes[-1], EXACT)
            ),
            measured_on=self.setup.words(seeds),
            notes=self._notes(values, costs),
            figures=(self._by_batch(values), self._by_momentum(values)),
            tables=(self._table(values, costs, grid), self._momenta(values, grid)),
            change="Large test batches of unrelated rows have nearly the statistics of all rows. "
            "Rows that come in an order (shifts, classes, patients) do not, however many.",
        )

    def _cost(self, values: Mapping[Cell, Floats], how: object) -> Effect:
        lost = 100 * (values["test", RUNNING] - values["test", how])
        return mean_effect(f"cost of {self._words(how)}", lost, points_unit(self.setup.data))

    def _words(self, how: object) -> str:
        if how == self.sizes[-1]:
            return f"own statistics, all {how} test rows as one batch"
        return f"own statistics, {batches_of(how)}" if isinstance(how, int) else str(how)

    def _notes(self, values: Mapping[Cell, Floats], costs: Mapping[Any, Effect]) -> tuple[str, ...]:
        moved = 100 * (values["test", SHUFFLED] - values["test", self.judged[1]])
        order = mean_effect("shuffling", moved, points_unit(self.setup.data))
        notes = [
            f"Shuffling the test rows first made {batches_of(self.judged[1])} "
            f"{compared(order, 'better', 'worse', 'as good as before')}.",
            f"The whole test set as one batch cost {gain(costs[self.sizes[-1]])}; exact statistics "
            f"of the training set cost {gain(costs[EXACT])}.",
        ]
        for steps in (EARLY, STEPS):
            means = {m: float(values["momentum", (m, steps)].mean()) for m in MOMENTA}
            best, slow = max(means, key=lambda m: means[m]), MOMENTA[0]
            told = {m: share(self.setup.data, mean) for m, mean in means.items()}
            way = 100 * (1 - (1 - slow) ** steps)
            notes.append(
                f"Running statistics after {steps} steps: {told[best]} with momentum {best:g}, the "
                f"best tried, {told[USUAL]} with the usual {USUAL:g}, and {told[slow]} with "
                f"{slow:g}, which has come {way:.0f} % of the way from its start."
            )
        return tuple(notes)

    def _by_batch(self, values: Mapping[Cell, Floats]) -> Figure:
        metric = self.setup.metric
        means = [mean_effect("", values["test", size], "") for size in self.sizes]
        own = intervals("the test batch's own statistics", self.sizes, means)
        right = float(values["test", RUNNING].mean())
        return Figure(
            LINES,
            f"Forgetting the switch to evaluation: {self.setup.data.name}",
            f"Test {metric} over the size of the test batches whose own statistics are used, with "
            "the interval of the mean; running statistics as a line across.",
            Axis("rows in a test batch", log=True),
            Axis(f"test {metric}", percent=metric == "accuracy"),
            (own,),
            (Mark("running statistics", right), Mark("chance", self.floor)),
        )

    def _by_momentum(self, values: Mapping[Cell, Floats]) -> Figure:
        metric = self.setup.metric
        series = tuple(
            intervals(
                f"after {steps} steps",
                MOMENTA,
                [mean_effect("", values["momentum", (m, steps)], "") for m in MOMENTA],
            )
            for steps in (EARLY, STEPS)
        )
        return Figure(
            LINES,
            f"How fast running statistics follow: {self.setup.data.name}",
            f"Test {metric} with running statistics over their momentum, early in training and at "
            "its end, with the interval of the mean.",
            Axis("momentum (weight of the new batch)", log=True),
            Axis(f"test {metric}", percent=metric == "accuracy"),
            series,
        )

    def _table(
        self, values: Mapping[Cell, Floats], costs: Mapping[Any, Effect], grid: Grid
    ) -> Table:
        rows, keys = [], []
        for how, cost in costs.items():
            told = gain(cost).replace(f" {cost.unit}", "").replace("95 % interval ", "")
            mean = share(self.setup.data, float(values["test", how].mean()))
            rows.append((self._words(how), mean, "–" if how == RUNNING else told))
            keys.append(grid.keys(("test", how)))
        return Table(
            f"The same networks, tested in different ways: test {self.setup.metric}",
            ("tested with", f"test {self.setup.metric}", "points lost (95 % interval)"),
            tuple(rows),
            tuple(keys),
        )

    def _momenta(self, values: Mapping[Cell, Floats], grid: Grid) -> Table:
        def mean(momentum: float, steps: int) -> str:
            return share(self.setup.data, float(values["momentum", (momentum, steps)].mean()))

        return Table(
            f"Running statistics by their momentum: test {self.setup.metric}",
            ("momentum", f"after {EARLY} steps", f"after {STEPS} steps"),
            tuple((f"{m:g}", mean(m, EARLY), mean(m, STEPS)) for m in MOMENTA),
            tuple(grid.keys(("momentum", (m, EARLY)), ("momentum", (m, STEPS))) for m in MOMENTA),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> TrainEval:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    data = learnable(data)
    data = data if alike(data) else standardized(data)
    settings = {"steps": STEPS, "norm": "batch", "batch_size": TRAINED}
    return TrainEval(Setup(data, depth=2, width=32, settings=settings), effort)
