"""Claim "epsilon": without the small epsilon, a feature that does not vary breaks the training.

evenbatch prove epsilon
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.experiments import selection
from evenbatch.experiments.derived import (
    alike,
    learnable,
    rescaled,
    standardized,
    with_constant,
)
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.exhibits import STRIPS, Axis, Figure, Series, Table, numbers
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
from evenbatch.experiments.wording import gain, listed, points_unit, share

CLAIM = "breaks without epsilon"
SIZES = (0.0, 1e-12, 1e-8, 1e-5, 1e-3, 1e-2, 0.1, 1.0)
USUAL = 1e-5  # PyTorch's
INPUT, BEFORE, AFTER = "on the input", "before the activation", "after the activation"
ROUNDED, SMALL = "on the input, constant 0.1", "on the input, values 100 times smaller"
PLACES = (INPUT, BEFORE, AFTER)
STEPS = 300

Floats = NDArray[np.float64]


def judge(costs: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from what leaving epsilon out costs at each place to an answer and its reason.

    >>> broken, fine = Effect("", 60, 55, 65, ""), Effect("", 0, -0.2, 0.2, "")
    >>> judge({"on the input": broken, "before the activation": fine}, seeds=5)
    ('holds in part', 'it broke on the input, but not before the activation')
    >>> judge({"on the input": fine, "before the activation": fine}, seeds=5)[0]
    'does not hold'
    """
    if few := too_few(seeds):
        return few
    answers = {place: gained(effect) for place, effect in costs.items()}
    answer = joined(list(answers.values()))
    of = {
        kind: [place for place in costs if answers[place] == kind]
        for kind in (HOLDS, IN_PART, FAILS, CANNOT_TELL)
    }
    said = []
    if of[HOLDS]:
        said.append(f"it broke {listed(of[HOLDS])}")
    if of[IN_PART]:
        said.append(f"it cost something, but not surely {POINT:g} point, {listed(of[IN_PART])}")
    if of[FAILS]:
        where = listed(of[FAILS]).replace(" and ", " or ")
        said.append(("but not " if said else "it did not break ") + where)
    if of[CANNOT_TELL]:
        said.append(f"what happens {listed(of[CANNOT_TELL])} is not settled")
    return answer, ", ".join(said)


@dataclass(frozen=True, eq=False)
class Case:
    """A place of the normalizer, on data with a feature that does not vary.

    Attributes:
        setup: data, network and placement.
    """

    setup: Setup
    placement: str


@dataclass(frozen=True, eq=False)
class Epsilon(Untimed):
    """Batch norm with every size of epsilon, wherever it stands.

    Args:
        cases: by name; `PLACES` are among them.
        effort: seeds, and how fine the learning rates are.
    """

    cases: Mapping[str, Case]
    effort: Effort

    @property
    def setup(self) -> Setup:
        return self.cases[INPUT].setup

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {case.setup.data.name: case.setup.data for case in self.cases.values()}

    @cached_property
    def tuned(self) -> Tuned:
        cells = {
            (name, size): case.setup.rated(norm="batch", placement=case.placement, eps=size)
            for name, case in self.cases.items()
            for size in SIZES
        }
        rates = rates_between(-1.5, 0, 0.5 if self.effort.quick else 0.25)
        floor = selection.chance(self.setup.data)
        return Tuned(
            cells,
            rates,
            self.effort.seeds,
            self.effort.tuning,
            lambda curve: selection.average(curve, floor),
        )

    def equal(self, curves: Curves) -> Grid:
        """All sizes of epsilon at one learning rate in each case: where they do best in sum."""
        groups = [[(name, size) for size in SIZES] for name in self.cases]
        return self.tuned.at(self.tuned.together(curves, *groups))

    @property
    def statement(self) -> Statement:
        metric, rates = self.setup.metric, self.tuned.rates
        return Statement(
            claim="Without the small epsilon under the root, batch norm divides by zero where a "
            "feature does not vary, and training breaks.",
            question="With a constant column among the features and float32 numbers: at which "
            "sizes of epsilon does training break, and at which does epsilon blur the data, with "
            "batch norm on the input, before the activation and after it?",
            arms=tuple((f"eps {size:g}", f"batch norm with epsilon {size:g}") for size in SIZES),
            grid=f"{', '.join(self.cases)}; {len(rates)} learning rates from {rates[0]:g} to "
            f"{rates[-1]:g} for each",
            fairness="Same initial weights, minibatches and order for all sizes of epsilon, seed "
            "by seed; each at its own best learning rate, chosen on other seeds, and all at the "
            "one rate that is best for them in sum.",
            measure=f"Test {metric} averaged over the training; a run that diverges (a loss that "
            "is no number) counts as chance. Cost of an epsilon: points (0.01) less than with "
            f"{USUAL:g}, paired by seed, mean with 95 % interval.",
            rule="Cost of epsilon 0 at each of the three places: breaks if the interval lies at or "
            f"above {POINT:g} point, does not if below. Holds: at all three. In part: at some, or "
            "surely some cost. Does not hold: else, if not at one. Cannot tell: else, or "
            f"fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1 (“for numerical "
            "stability”).",
        )

    def trials(self, curves: Curves) -> Round:
        first = self.tuned.trials(curves)
        if not self.tuned.ready(curves):
            return first
        equal = self.equal(curves).wanted(curves)
        wanted = {trial.key: trial for trial in (*first.trials, *equal)}
        return Round(first.title, tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        name, setting = self.setup.data.name, self.setup.words(0)
        if not self.tuned.ready(curves):
            reason = "the learning rates are not chosen yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        grids = (self.tuned.measured(curves), self.equal(curves))
        seeds = min(grid.complete(curves) for grid in grids)
        best, equal = (self._values(grid, curves, seeds) for grid in grids)
        top = max((float(v.mean()) for v in best.values() if len(v)), default=-1.0)
        if top - selection.chance(self.setup.data) < selection.noise(self.setup.data):
            reason = "no arm learned anything" if seeds else "no seed is complete yet"
            return Verdict(CANNOT_TELL, reason, f"{name}: {reason}.", (), setting)
        costs = {cell: self._cost(best, cell, "each at its best rate") for cell in best}
        costs_equal = {cell: self._cost(equal, cell, "all at one rate") for cell in equal}
        answer, reason = judge({place: costs[place, 0.0] for place in PLACES}, seeds)
        gone = self._gone(grids[0], curves)
        told = "; ".join(
            f"{place}, {gone[place, 0.0]} of {seeds} runs diverged, at a cost of "
            f"{gain(costs[place, 0.0])}"
            for place in PLACES
        )
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}, epsilon 0: {told}. “{CLAIM}” {answer}: {reason}.",
            effects=(
                *(costs[place, 0.0] for place in PLACES),
                *(costs_equal[place, 0.0] for place in PLACES),
                *(costs[place, 1.0] for place in PLACES),
            ),
            measured_on=self.setup.words(seeds),
            notes=self._notes(costs, gone),
            figures=(self._figure(best),),
            tables=(self._table(best, equal, costs, gone, grids, curves),),
            change="Whether a feature that the normalizer sees is constant within a batch: rows of "
            "a table, pixels at the border, units that are dead after a relu. How large the values "
            "are: epsilon is added to a variance, and blurs once it is no longer small beside it.",
        )

    def _values(self, grid: Grid, curves: Curves, seeds: int) -> dict[tuple[str, float], Floats]:
        return {cell: grid.read(cell, curves, self.tuned.score)[:seeds] for cell in grid.cells}

    def _cost(
        self, values: Mapping[tuple[str, float], Floats], cell: tuple[str, float], rates: str
    ) -> Effect:
        case, size = cell
        lost = 100 * (values[case, USUAL] - values[cell])
        label = f"cost of epsilon {size:g} {case}, {rates}"
        return mean_effect(label, lost, points_unit(self.setup.data))

    def _gone(self, grid: Grid, curves: Curves) -> dict[tuple[str, float], int]:
        """Runs that diverged."""
        return {
            cell: sum(c is not None and c.diverged for c in grid.curves(cell, curves))
            for cell in grid.cells
        }

    def _notes(
        self,
        costs: Mapping[tuple[str, float], Effect],
        gone: Mapping[tuple[str, float], int],
    ) -> tuple[str, ...]:
        notes = []
        for case in self.cases:
            blurs = [size for size in SIZES if size > USUAL and costs[case, size].low >= POINT]
            fine = [size for size in SIZES if not gone[case, size]]
            above = (
                f"{blurs[0]:g} or more costs at least {POINT:g} point for sure"
                if blurs
                else f"no size up to {SIZES[-1]:g} costs {POINT:g} point for sure"
            )
            below = "runs diverge with any size"
            if fine:
                below = f"no run diverges with {fine[0]:g}" + " either" * (fine[0] == 0)
            notes.append(f"{case.capitalize()}: {below}; {above}.")
        notes.append(
            "0.1 is no binary fraction: the mean of a column of 0.1 misses it by a rounding error, "
            "so the variance may come out as a tiny number instead of 0, and the column as +1 or "
            "−1."
        )
        return tuple(notes)

    def _figure(self, best: Mapping[tuple[str, float], Floats]) -> Figure:
        series = tuple(
            Series(
                case,
                numbers(range(len(SIZES))),
                tuple(float(best[case, size].mean()) for size in SIZES),
            )
            for case in self.cases
        )
        metric = self.setup.metric
        return Figure(
            STRIPS,
            f"Where epsilon breaks and where it blurs: {self.setup.data.name}",
            f"A strip for each place of batch norm; the stronger the shade of a size of epsilon, "
            f"the higher the test {metric} over the training. Faint on the left is broken, faint "
            "on the right blurred.",
            Axis("epsilon", names=tuple(f"{size:g}" for size in SIZES)),
            Axis(f"test {metric}, average of the training", percent=metric == "accuracy"),
            series,
        )

    def _table(
        self,
        best: Mapping[tuple[str, float], Floats],
        equal: Mapping[tuple[str, float], Floats],
        costs: Mapping[tuple[str, float], Effect],
        gone: Mapping[tuple[str, float], int],
        grids: tuple[Grid, Grid],
        curves: Curves,
    ) -> Table:
        rates, data = self.tuned.best(curves), self.setup.data
        rows, keys = [], []
        for cell, values in best.items():
            cost = gain(costs[cell]).replace(f" {costs[cell].unit}", "")
            rows.append(
                (
                    cell[0],
                    f"{cell[1]:g}",
                    share(data, float(values.mean())),
                    "–" if cell[1] == USUAL else cost.replace("95 % interval ", ""),
                    f"{gone[cell]} of {len(values)}",
                    f"{rates[cell]:g}",
                    share(data, float(equal[cell].mean())),
                )
            )
            keys.append(tuple(dict.fromkeys(k for grid in grids for k in grid.keys(cell))))
        return Table(
            f"Test {self.setup.metric}, average of the training",
            (
                "batch norm",
                "epsilon",
                "average",
                f"points lost against {USUAL:g}",
                "diverged",
                "best rate",
                "average, one rate",
            ),
            tuple(rows),
            tuple(keys),
        )


def on(data: Dataset, effort: Effort = DEFAULT) -> Epsilon:
    """The experiment on a data set, as `evenbatch prove` runs it.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    data = learnable(data)
    data = data if alike(data) else standardized(data)
    flat = with_constant(data, 1.0)
    small = with_constant(rescaled(data, 0.01, "divided by 100"), 1.0)
    settings = {"steps": STEPS, "evaluate_every": STEPS // 20}
    setup = Setup(flat, depth=2, width=32, settings=settings)
    cases = {
        INPUT: Case(setup, "input"),
        BEFORE: Case(setup, "before"),
        AFTER: Case(setup, "after"),
        ROUNDED: Case(setup.with_data(with_constant(data, 0.1)), "input"),
        SMALL: Case(setup.with_data(small), "input"),
    }
    return Epsilon(cases, effort)
