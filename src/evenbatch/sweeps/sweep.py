"""A sweep: a user's own grid of trials, looked up, trained, kept and summed up.

Unlike an experiment it has no rule and no verdict, and may be far too large to keep all its curves
in memory: of a curve that is stored only the last metric stays.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve
from evenbatch.protocol.shelf import Shelf
from evenbatch.runners import Local, Runner
from evenbatch.store import Store, record_of
from evenbatch.store.tidy import trial_key
from evenbatch.store.tidy import write as write_table
from evenbatch.sweeps.grid import Grid, Picked

AT_ONCE = 2000
"""Trials looked up together."""


@dataclass
class SweepResult:
    """What there is of a sweep, finished or not.

    Attributes:
        grid: the trials.
        metric: (settings, seeds) accuracy or R² at the end; NaN for a trial that diverged or is
            missing.
        diverged: (settings, seeds) whether it diverged.
        done: trials that have ended.
        found: how many of them were in the store before.
        interrupted: Ctrl-C ended it early.
    """

    grid: Grid
    metric: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    done: int = 0
    found: int = 0
    interrupted: bool = False
    _shelf: Shelf = field(default_factory=lambda: Shelf(None, {}), repr=False)

    @property
    def unsaved(self) -> int:
        """Trials that are in memory only."""
        return len(self._shelf.unsaved)

    def best(self, data: str, top: int = 10) -> list[Setting]:
        """The settings with the highest mean metric at the end; those of which no seed diverged
        come first."""
        share = self.grid.settings // len(self.grid.datasets)
        start = list(self.grid.datasets).index(data) * share
        found = []
        for place in range(start, start + share):
            metric, diverged = self.metric[place], self.diverged[place]
            ended = metric[~np.isnan(metric)]
            if len(ended) or diverged.any():
                found.append(Setting(place, ended, int(diverged.sum())))
        return sorted(found, key=lambda s: (s.diverged > 0, -s.mean, s.place))[:top]

    def records(self) -> Iterator[dict[str, Any]]:
        """Every trial that has ended, in the order of the grid, as `Store.records` gives it."""
        loose = {curve.trial.key: (curve, machine) for curve, machine in self._shelf.unsaved}
        datasets, store = self.grid.datasets, self._shelf.store
        for start in range(0, len(self.grid), AT_ONCE):
            some = self.grid[start : start + AT_ONCE]
            kept = {trial_key(r): r for r in store.records(some, datasets)} if store else {}
            for trial in some:
                if trial.key in kept:
                    yield kept[trial.key]
                elif trial.key in loose:
                    curve, machine = loose[trial.key]
                    yield record_of(curve, datasets, machine)

    def export(self, path: Path) -> int:
        """Write every trial that has ended to a file (see `evenbatch.store.tidy`)."""
        return write_table(path, self.records())


@dataclass(frozen=True)
class Setting:
    """One combination of settings over all seeds.

    Attributes:
        place: number of its first trial in the grid.
        metrics: those of the seeds that finished.
        diverged: number of seeds that did not.
    """

    place: int
    metrics: NDArray[np.float64]
    diverged: int

    @property
    def mean(self) -> float:
        """Mean over the seeds that finished; −∞ if none did."""
        return float(self.metrics.mean()) if len(self.metrics) else -np.inf

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; NaN with fewer than 2."""
        return float(self.metrics.std(ddof=1)) if len(self.metrics) > 1 else float("nan")


def run_sweep(
    grid: Grid,
    *,
    threads: int | None = None,
    watch: Callable[[int], None] = lambda _done: None,
    store: Store | None = None,
    runner: Runner | None = None,
) -> SweepResult:
    """Look up what is stored and train the rest.

    Args:
        grid: the trials.
        threads: cores to use on this machine; all by default.
        watch: told how many trials have ended. Those it was told of are committed.
        store: answers trials it knows and keeps the others; without one all curves stay in memory.
        runner: where the rest is trained; on this machine if left out.

    Ctrl-C is no error: what is finished comes back, marked as interrupted.

    >>> from evenbatch.data import load
    >>> rates = {"learning_rate": (0.01, 0.3), "steps": (50,)}
    >>> grid = Grid({"digits": load("digits")}, {"hidden": ((16,),)}, rates, (0, 1, 2))
    >>> result = run_sweep(grid)
    >>> result.done, grid[result.best("digits")[0].place].learning_rate
    (6, 0.3)
    """
    shape = grid.settings, len(grid.seeds)
    shelf = Shelf(store, grid.datasets)
    result = SweepResult(grid, np.full(shape, np.nan), np.zeros(shape, bool), _shelf=shelf)
    note = _Note(result, watch)
    try:
        missing = _look_up(grid, shelf, note)
        result.found = result.done
        (runner or Local()).run(
            Picked(grid, missing), grid.datasets, lambda *got: _keep(shelf, note, *got), threads
        )
        note.all(shelf.flush())
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        note.quietly(shelf.flush())
        shelf.try_again()
    return result


def _look_up(grid: Grid, shelf: Shelf, note: _Note) -> array[int]:
    """Note what is stored; returns the numbers of the other trials."""
    missing = array("q")
    note.watch(0)
    for start in range(0, len(grid), AT_ONCE):
        some = grid[start : start + AT_ONCE]
        found = shelf.get(some)
        missing.extend(start + i for i, trial in enumerate(some) if trial.key not in found)
        note.quietly(found.values())
        if found:
            note.watch(note.result.done)
    return missing


def _keep(shelf: Shelf, note: _Note, curve: Curve, machine: Mapping[str, Any]) -> None:
    if curve.ended != "stopped":
        note.all(shelf.put(curve.rounded(), machine))


@dataclass
class _Note:
    """Puts what has ended into the result."""

    result: SweepResult
    watch: Callable[[int], None]

    def all(self, curves: Any) -> None:
        done = self.result.done
        for count in range(self.quietly(curves)):
            self.watch(done + count + 1)

    def quietly(self, curves: Any) -> int:
        result, count = self.result, 0
        for curve in curves:
            seed, place = divmod(result.grid.place(curve.trial), result.grid.settings)
            result.diverged[place, seed] = curve.diverged
            result.metric[place, seed] = np.nan if curve.diverged else curve.metric[-1]
            count += 1
        result.done += count
        return count
