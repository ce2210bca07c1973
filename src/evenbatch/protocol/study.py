"""An experiment on its data sets: what is to be trained, and what follows from the curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.protocol import drawn, tabled
from evenbatch.protocol.block import HostRate
from evenbatch.protocol.cells import Cells, Floats, key
from evenbatch.protocol.experiment import Experiment
from evenbatch.protocol.measures import MEASURES
from evenbatch.protocol.reading import Reading
from evenbatch.protocol.rule import Decision
from evenbatch.protocol.statement import setting, statement
from evenbatch.protocol.values import Value
from evenbatch.protocol.verdict import CANNOT_TELL, Curves, Round, Statement, Verdict
from evenbatch.protocol.wording import amount, count


def nothing(_reading: Reading) -> Iterable[str]:
    """Says nothing more."""
    return ()


@dataclass(frozen=True)
class Telling:
    """How a claim's result is put: everything about it that is prose of its own.

    Attributes:
        happened: what was measured, in a clause without a full stop.
        notes: what a sceptic should know besides, one sentence each.
        computed: values that no expression describes, by name.
    """

    happened: Callable[[Reading], str]
    notes: Callable[[Reading], Iterable[str]] = nothing
    computed: Mapping[str, Callable[[Reading, Value], Floats]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ClaimStudy:
    """An experiment on its data sets (a `verdict.Study`).

    Args:
        experiment: what is asked.
        datasets: data sets by the names its trials use.
        telling: how the result is put.
    """

    experiment: Experiment
    datasets: Mapping[str, Dataset]
    telling: Telling

    @property
    def statement(self) -> Statement:
        """What is stated before any result."""
        return statement(self.experiment)

    @cached_property
    def cells(self) -> dict[str, Cells]:
        """The trials of each block."""
        return {block.id: self._cells(block.id) for block in self.experiment.blocks}

    def _cells(self, name: str) -> Cells:
        block = self.experiment.block(name)
        made = Cells(block, self.datasets, self.experiment.data)
        if block.score is not None:
            first = next(iter(made.settings))
            reading = Reading(self.experiment, self.datasets, {name: made}, {})
            about, read = reading.about(block.score, first, name), MEASURES[block.score.name]
            made.score = lambda curve: read(curve, about)
        return made

    def reading(self, curves: Curves) -> Reading:
        """What these curves show."""
        return Reading(self.experiment, self.datasets, self.cells, curves, self.telling.computed)

    def trials(self, curves: Curves) -> Round:
        """The runs still wanted: first the search for learning rates, then the measurement, seed by
        seed over everything."""
        waiting = [cells for cells in self.cells.values() if not cells.ready(curves)]
        if waiting:
            every = [t for cells in waiting for t in cells.wanted(cells.searched, search=True)]
            return Round("tuning", _missing(every, curves), self._later)
        reading = self.reading(curves)
        found: list[Trial] = []
        for name, cells in self.cells.items():
            for at in cells.block.at:
                rates = reading.rates(name, at.id)
                found += cells.wanted(list(rates.items()), search=False)
        found.sort(key=lambda trial: trial.seed)
        return Round("measuring", _missing(found, curves))

    @property
    def _later(self) -> int:
        """A guess of how many runs follow the search."""
        return sum(
            len(cells.settings) * cells.block.seeds * len(cells.block.at)
            for cells in self.cells.values()
        )

    def timing(self, _curves: Curves) -> Sequence[Trial]:
        """Nothing is timed."""
        return ()

    def verdict(self, curves: Curves, _timed: Sequence[Curve] = ()) -> Verdict:
        """What follows from the curves, also from a part of them."""
        reading = self.reading(curves)
        name = self.experiment.on or self.experiment.data
        first = next(iter(self.cells.values()))
        words = setting(self.experiment, first, reading.seeds)
        if missing := reading.nothing() or _no_goal(reading):
            return Verdict(CANNOT_TELL, missing, f"{name}: {missing}.", (), words)
        effects = reading.effects
        decided = self.experiment.rule.apply(reading.to_judge)
        return Verdict(
            answer=decided.answer,
            reason=decided.reason,
            sentence=sentence(
                name, self.telling.happened(reading), self.experiment.phrase, decided
            ),
            effects=tuple(sorted(effects.values(), key=lambda e: e.id != decided.effect)),
            measured_on=words,
            notes=(*self.telling.notes(reading), *standard_notes(reading)),
            figures=(*(drawn.figure(spec, reading) for spec in self.experiment.figures),),
            tables=(*(tabled.table(spec, reading) for spec in self.experiment.tables),),
            change=self.experiment.change,
            note=decided.note,
        )


def _missing(trials: Iterable[Trial], curves: Curves) -> tuple[Trial, ...]:
    wanted = {name: trial for trial in trials if (name := key(trial)) not in curves}
    return tuple(wanted.values())


def _no_goal(reading: Reading) -> str:
    if any(reading.chosen(goal.id) is None for goal in reading.experiment.goals):
        return "no arm learned anything, so there is no goal"
    return ""


def sentence(name: str, happened: str, phrase: str, decided: Decision) -> str:
    """The verdict in a sentence: what happened on these data, and what that means for the claim.

    >>> sentence("digits", "batch norm was ahead", "it helps", Decision("holds", "by a point"))
    'digits: batch norm was ahead. “it helps” holds: by a point.'
    >>> sentence("digits", "both were level", "it helps", Decision("cannot tell", "too close"))
    'digits: both were level. Whether “it helps” holds is undecided: too close.'
    """
    verdict = verdict_on(phrase, decided)
    return f"{name}: {happened}. {verdict[0].upper()}{verdict[1:]}."


def verdict_on(phrase: str, decided: Decision) -> str:
    """A decision in words, for all four answers.

    >>> verdict_on("it helps", Decision("holds in part", "a little", "less than claimed"))
    '“it helps” holds in part, less than claimed: a little'
    """
    if decided.answer == CANNOT_TELL:
        return f"whether “{phrase}” holds is undecided: {decided.reason}"
    note = f", {decided.note}" if decided.note else ""
    return f"“{phrase}” {decided.answer}{note}: {decided.reason}"


def standard_notes(reading: Reading) -> Iterable[str]:
    """What holds of any experiment: its goals, best rates at an edge, runs that diverged or are
    missing."""
    experiment = reading.experiment
    for goal in experiment.goals:
        chosen = reading.chosen(goal.id)
        if chosen is not None and not goal.own:
            data = reading.data
            best = f"({amount(data, chosen.bar)})"
            which = "weaker" if chosen.weaker else "stronger"
            rest = "" if chosen.weaker else "; the other learned next to nothing"
            yield (
                f"The goal, {amount(data, chosen.value)}, is {100 * goal.share:.0f} % of the way "
                f"from chance ({amount(data, reading.floor)}) to the {which} arm's best {best}"
                f"{rest}."
            )
    for block in experiment.blocks:
        yield from _edges(reading, block.id)
        yield from _diverged(reading, block.id)
    wanted = min(block.seeds for block in experiment.blocks)
    if reading.seeds < wanted:
        yield f"Only {reading.seeds} of {wanted} seeds were measured."


FEW = 4
"""Cells that are named one by one in a note; of more, only their number is given."""


def _edges(reading: Reading, block: str) -> Iterable[str]:
    cells = reading.cells[block]
    edges = cells.at_edge(reading.curves, reading.least)
    if len(edges) > FEW:
        yield (
            f"For {len(edges)} of {len(cells.settings)} combinations the best learning rate is the "
            "lowest or highest tried: a better one may lie beyond."
        )
        return
    best = cells.best(reading.curves) if edges else {}
    for cell in edges:
        end = "lowest" if best[cell] == cells.block.rates[0] else "highest"
        named = f" of “{cells.names[cell]}”" if cells.names[cell] else ""
        yield (
            f"The best learning rate{named} is the {end} tried, {best[cell]:g}: a better one may "
            "lie beyond."
        )


def _diverged(reading: Reading, block: str) -> Iterable[str]:
    if all(isinstance(at, HostRate) for at in reading.block(block).at):
        return
    cells = reading.cells[block]
    at = reading.block(block).at[0].id
    runs = {cell: reading.runs(cell, block, at) for cell in cells.settings}
    gone = {cell: sum(run.diverged for run in own) for cell, own in runs.items()}
    lost = {cell: number for cell, number in gone.items() if number}
    if len(lost) > FEW:
        yield (
            f"In {len(lost)} of {len(runs)} combinations runs diverged, {sum(lost.values())} in "
            "all; such a run counts as chance."
        )
        return
    for cell, number in lost.items():
        named = f" of “{cells.names[cell]}”" if cells.names[cell] else ""
        yield (
            f"{number} of {count(len(runs[cell]), 'run')}{named} diverged; such a run counts as "
            "chance."
        )
