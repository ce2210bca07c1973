"""What the curves of an experiment show: values of cells, goals, effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.protocol import goals
from evenbatch.protocol import values as described
from evenbatch.protocol.block import Block, Cell, arm_axis
from evenbatch.protocol.cells import Cells
from evenbatch.protocol.effects import Pairs, mean_effect, ratio_effect, share_effect
from evenbatch.protocol.experiment import Experiment, Goal
from evenbatch.protocol.measured import Measured
from evenbatch.protocol.measures import MEASURES, About
from evenbatch.protocol.shown import STATISTICS, in_words
from evenbatch.protocol.values import (
    BEST,
    EffectSpec,
    Expr,
    Measure,
    Value,
    values_in,
    with_level,
)
from evenbatch.protocol.verdict import Curves, Effect
from evenbatch.protocol.wording import points_unit

Floats = NDArray[np.float64]
SEARCH = "search"


class Reading(Measured):
    """An experiment's curves, read as its description says.

    Args:
        experiment: the description.
        datasets: data sets by name.
        cells: the trials of each block, by its id.
        curves: what there is.
        computed: values that no expression describes, by name.
    """

    def __init__(
        self,
        experiment: Experiment,
        datasets: Mapping[str, Dataset],
        cells: Mapping[str, Cells],
        curves: Curves,
        computed: Mapping[str, Callable[[Reading, Value], Floats]] | None = None,
    ) -> None:
        super().__init__(experiment, datasets, cells, curves)
        self.computed = computed or {}
        self._goals: dict[str, dict[str, goals.Chosen | None]] = {}

    def cell(self, block: str, levels: Mapping[str, str]) -> Cell:
        """A cell from a level of each axis; a level "$x" is what was picked as x."""
        named = {
            axis: self.picked[level[1:]] if level.startswith("$") else level
            for axis, level in levels.items()
        }
        return super().cell(block, named)

    def keys_of(self, of: Expr) -> tuple[str, ...]:
        """Keys of all trials that a value is read from."""
        found: list[str] = []
        for value in values_in(of):
            block = self.block(value.block)
            for cell in self.cells[block.id].settings:
                named = dict(zip((axis.id for axis in block.axes), cell, strict=True))
                if value.cell.items() <= named.items():
                    found += self.keys(cell, block.id, value.at)
        return tuple(dict.fromkeys(found))

    def nothing(self) -> str:
        """Why there is nothing to compare, yet or at all; "" if there is."""
        if not self.seeds:
            return "nothing is measured yet"
        if not self.experiment.trained:
            return ""
        level = Measure("level")
        for block in self.experiment.blocks:
            for cell in self.cells[block.id].settings:
                if np.nanmedian(self.of_cell(level, cell, block.id)) >= self.least:
                    return ""
        return "no network learned anything, so there is nothing to compare"

    # ---- values ----

    def values(self, of: Expr) -> Floats:
        """(seeds,) a value, NaN for a seed that has none."""
        if isinstance(of, Value):
            return self.of_cell(of.measure, self.cell(of.block, of.cell), of.block, of.at)
        if isinstance(of, described.Minus):
            with np.errstate(invalid="ignore"):  # two gradients that vanished have no difference
                return self.values(of.a) - self.values(of.b)
        if isinstance(of, described.Abs):
            return np.abs(self.values(of.of))
        if isinstance(of, described.Clip):
            found = np.clip(self.values(of.of), -of.most, of.most)
            return np.nan_to_num(found, nan=of.most)
        if isinstance(of, described.WayToGoal):
            return (self.values(of.of) - self.floor) / (self.goal(of.goal) - self.floor)
        if isinstance(of, described.LogSteps):
            steps, budget = self.values(of.of), self.budget(of.of)
            return np.asarray(np.log(np.where(np.isfinite(steps), np.maximum(steps, 1), budget)))
        if isinstance(of, described.Computed):
            return self.computed[of.by](self, of.of)
        return self._along(of)

    def mean(self, of: Expr) -> float:
        """The mean over the seeds that have the value."""
        found = self.values(of)
        found = found[np.isfinite(found)]
        return float(found.mean()) if len(found) else math.nan

    def shown(self, of: Expr, how: str = "mean", words: str = "share") -> str:
        """A value over seeds as it is written: a statistic and a way of writing, by their names
        (`shown`); a dash where no seed has the value."""
        found = self.values(of)
        found = found[~np.isnan(found)]
        if not len(found):
            return "–"
        budget = self.budget(values_in(of)[0]) if words == "steps" else 0
        return in_words(float(STATISTICS[how](found)), words, self.data, budget)

    def points(self, of: Expr) -> Effect:
        """A difference of metrics, in points."""
        return mean_effect("", 100 * self.values(of), points_unit(self.data))

    def of_cell(self, measure: Measure, cell: Cell, block: str = "", at: str = BEST) -> Floats:
        """(seeds,) a measure of a cell's curves; NaN where a run has none."""
        about, read = self.about(measure, cell, block), MEASURES[measure.name]
        return np.array([read(curve, about) for curve in self.runs(cell, block, at)])

    def about(self, measure: Measure, cell: Cell, block: str = "") -> About:
        """What a measure needs to know besides a curve of this cell."""
        data = self.cells[self.block(block).id].data(cell)
        goal = self.goal(measure.goal, cell) if measure.goal else math.nan
        loss = measure.share * goals.guess_loss(data) if measure.share else math.nan
        return About(goals.chance(data), goal, loss)

    def budget(self, of: Value) -> int:
        """The steps of a value's runs."""
        found = self.block(of.block)
        cell = self.cell(of.block, of.cell)
        return self.cells[found.id].trials(cell, self.rates(found.id, of.at)[cell])[0].steps

    def _along(self, of: described.Along) -> Floats:
        axis = self.block(of.of.block).axis(of.axis)
        cells = [{**of.of.cell, of.axis: level.id} for level in axis.levels]
        found = np.array([self.values(_in(of.of, cell)) for cell in cells])
        places = np.array([level.at for level in axis.levels], float)
        missing = np.isnan(found).any(axis=0)
        if of.how == "highest":
            result = places[np.nan_to_num(found, nan=-np.inf).argmax(axis=0)]
        else:
            goal = self.goal(of.goal, self.cell(of.of.block, cells[0]))
            reached = found >= goal
            if of.how == "width":
                result = of.spacing * reached.sum(axis=0)
            else:
                reached = np.logical_and.accumulate(reached)
                result = np.where(reached, places[:, None], 1.0).max(axis=0)
        return np.where(missing, np.nan, result)

    # ---- goals ----

    def goal(self, name: str = "goal", cell: Cell | None = None) -> float:
        """A goal's value; of goals of their own, that of the cell's arm; NaN if there is none."""
        found = self.chosen(name, cell)
        return math.nan if found is None else found.value

    def chosen(self, name: str = "goal", cell: Cell | None = None) -> goals.Chosen | None:
        """A goal and how it was chosen."""
        spec = next(goal for goal in self.experiment.goals if goal.id == name)
        if name not in self._goals:
            self._goals[name] = self._choose(spec)
        found = self._goals[name]
        if spec.own and cell is not None:
            return found.get(cell[self.block(spec.block).place(spec.axis)])
        return next(iter(found.values()))

    def _choose(self, spec: Goal) -> dict[str, goals.Chosen | None]:
        block = self.block(spec.block)
        place, level = block.place(spec.axis), MEASURES["level"]
        tops: dict[str, float] = {}
        for cell in self.cells[block.id].settings:
            arm = cell[place]
            if arm not in spec.levels:
                continue
            for runs in self._groups(block, cell, spec.at):
                found = [level(run, About(self.floor)) for run in runs]
                if found:
                    tops[arm] = max(tops.get(arm, -math.inf), float(np.median(found)))
        noise = goals.noise(self.data)
        if spec.own:
            return {
                arm: goals.chosen({arm: top}, self.floor, -math.inf, spec.share)
                for arm, top in tops.items()
            }
        if len(tops) < len(spec.levels):
            return {"": None}
        return {"": goals.chosen(tops, self.floor, noise, spec.share)}

    def _groups(self, block: Block, cell: Cell, at: str) -> list[list[Curve]]:
        if at == SEARCH:
            keys = self.cells[block.id].keys
            return [[self.curves[k] for k in keys(cell, rate, search=True)] for rate in block.rates]
        return [self.runs(cell, block.id, at)]

    # ---- picks and effects ----

    @cached_property
    def picked(self) -> dict[str, str]:
        """The levels chosen by what was measured."""
        found: dict[str, str] = {}
        for pick in self.experiment.picks:
            good = (
                level
                for level in pick.levels
                if self.effect(with_level(pick.effect, "$", level)).low >= pick.least
            )
            found[pick.id] = next(good, pick.levels[-1])
        return found

    def there(self, of: object) -> bool:
        """Whether an expression or effect is measured: not where it is at a host's learning rate
        that is another host's, too.

        Raises:
            ValueError: its block has no such learning rates.
        """
        for value in values_in(of):
            block = self.block(value.block)
            if value.at not in [at.id for at in block.at]:
                raise ValueError(f"block {block.id!r} is not measured at {value.at!r}")
        return all(value.at in self.kinds(value.block) for value in values_in(of))

    @cached_property
    def effects(self) -> dict[str, Effect]:
        """All effects by their ids; those at learning rates that are left out are too."""
        return {spec.id: self.effect(spec) for spec in self.experiment.effects if self.there(spec)}

    @cached_property
    def to_judge(self) -> dict[str, Effect]:
        """The effects that the rule looks at."""
        specs = {spec.id: spec for spec in self.experiment.effects}
        return {name: e for name, e in self.effects.items() if self.judged(specs[name])}

    def judged(self, spec: EffectSpec) -> bool:
        """Whether an effect counts: see its `learned`."""
        if not spec.learned:
            return True
        level, found = Measure("level"), values_in(spec)
        for value in found:
            cell = self.cell(value.block, value.cell)
            if np.nanmedian(self.of_cell(level, cell, value.block, value.at)) < self.least:
                return False
        earlier = (
            other
            for other in self.experiment.effects[: self.experiment.effects.index(spec)]
            if other.unit == spec.unit
        )
        return all(self._keys_in(other) != self._keys_in(spec) for other in earlier)

    def _keys_in(self, spec: EffectSpec) -> list[tuple[str, ...]]:
        return [self.keys_of(value) for value in values_in(spec)]

    def effect(self, spec: EffectSpec) -> Effect:
        """One effect with its interval."""
        found = self._effect(spec)
        names = {pick: self._pick_name(pick) for pick in self._named(spec)}
        of = values_in(spec)
        at = self.kinds(of[0].block).get(of[0].at, of[0].at) if of else ""
        label = spec.label.format(at=at, **names)
        about = spec.about or label
        return replace(found, label=label, unit=spec.unit, id=spec.id, about=about)

    def _named(self, spec: EffectSpec) -> list[str]:
        return [pick.id for pick in self.experiment.picks if "{" + pick.id + "}" in spec.label]

    def _pick_name(self, pick: str) -> str:
        return arm_axis(self.block())[self.picked[pick]].name

    def _effect(self, spec: EffectSpec) -> Effect:
        if isinstance(spec, described.Mean):
            return mean_effect(spec.label, spec.times * self.values(spec.of), spec.unit)
        if isinstance(spec, described.Ratio):
            above = self.values(spec.above)
            below = np.ones(len(above)) if spec.below is None else self.values(spec.below)
            return ratio_effect(spec.label, above, spec.by * below, spec.unit)
        if isinstance(spec, described.Part):
            return share_effect(
                spec.label, self.values(spec.part), self.values(spec.whole), spec.unit
            )
        slow, fast = self.values(spec.slow), self.values(spec.fast)
        there = ~np.isnan(slow) & ~np.isnan(fast)
        steps = Pairs(
            np.maximum(slow[there], 1), np.maximum(fast[there], 1), self.budget(spec.slow)
        )
        return steps.ratio(spec.unit, spec.label)


def _in(of: Value, cell: dict[str, str]) -> Value:
    return Value(of.measure, cell, of.block, of.at)
