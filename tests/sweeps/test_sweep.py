"""A sweep looks up, trains what is missing, and sums up; Ctrl-C and a full disk lose nothing."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import Curve, train
from evenbatch.engine.machine import machine
from evenbatch.runners import Local
from evenbatch.store import Store
from evenbatch.sweeps.grid import Grid
from evenbatch.sweeps.sweep import run_sweep
from support.disks import leave_room


@pytest.fixture
def grid() -> Grid:
    return Grid(
        {"digits": load("digits"), "cookies": load("cookies")},
        {"hidden": ((8,),), "norm": ("none", "batch")},
        {"learning_rate": (0.01, 1.0), "steps": (40,), "evaluate_every": (10,)},
        (0, 1, 2),
    )


class Counting(Local):
    """Remembers what it was asked to train."""

    def __init__(self) -> None:
        self.trained: list[Any] = []

    def run(self, trials: Any, *others: Any) -> None:
        self.trained += trials
        super().run(trials, *others)


class Invented(Local):
    """Curves without training: the metric follows from the settings."""

    def run(self, trials: Any, datasets: Any, on_curve: Any, threads: Any) -> None:
        [template] = train([trials[0]], datasets)
        here = machine()
        for trial in trials:
            good = {"none": 0.2, "batch": 0.6}[trial.network.norm] + trial.learning_rate / 10
            metric = np.array([0.0, 0.0, 0.0, 0.0, good + trial.seed / 100])
            ended = "finished"
            if trial.network.norm == "batch" and trial.learning_rate == 1 and trial.seed == 2:
                ended = "diverged"
            on_curve(replace(template, trial=trial, metric=metric, ended=ended), here)


def test_the_best_settings_come_first(grid: Grid) -> None:
    result = run_sweep(grid, runner=Invented())
    best = result.best("cookies")
    told = [(grid[s.place].network.norm, grid[s.place].learning_rate) for s in best]
    assert told == [("batch", 0.01), ("none", 1.0), ("none", 0.01), ("batch", 1.0)]
    assert [grid[s.place].data for s in best] == ["cookies"] * 4
    assert best[0].mean == pytest.approx(0.611)
    assert best[0].spread == pytest.approx(0.01)
    assert (best[3].diverged, len(best[3].metrics), best[3].mean) == (1, 2, pytest.approx(0.705))
    assert len(result.best("cookies", top=2)) == 2


def test_it_ends_with_the_curves_of_the_engine(grid: Grid) -> None:
    seen: list[int] = []
    result = run_sweep(grid, watch=seen.append)
    assert seen == list(range(25))
    assert (result.done, result.found, result.unsaved) == (24, 0, 24)
    for trial, curve in zip(grid, train(list(grid)), strict=True):
        seed, place = divmod(grid.place(trial), grid.settings)
        assert result.metric[place, seed] == curve.rounded().metric[-1]


def test_what_is_stored_is_not_trained_again(grid: Grid, tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        first = run_sweep(grid, store=store)
        assert first.unsaved == 0
        counting = Counting()
        again = run_sweep(grid, store=store, runner=counting)
    assert counting.trained == []
    assert (again.done, again.found) == (24, 24)
    np.testing.assert_array_equal(first.metric, again.metric)


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_keeps_what_is_finished(grid: Grid, tmp_path: Path, kept: bool) -> None:
    def interrupt(done: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    long = Grid(grid.datasets, grid.network, {**grid.trial, "steps": (4000,)}, grid.seeds)
    with Store(tmp_path / "s") as store:
        result = run_sweep(long, watch=interrupt, store=store if kept else None)
        assert result.interrupted
        assert 7 <= result.done < 24
        assert len(store) == (result.done if kept else 0)
        assert result.unsaved == (0 if kept else result.done)
        assert (~np.isnan(result.metric)).sum() == result.done
        assert result.export(tmp_path / "t.csv") == result.done
        counting = Counting()
        run_sweep(long, store=store, runner=counting)
        assert len(counting.trained) == 24 - (result.done if kept else 0)


def test_the_table_is_the_same_with_and_without_a_store(grid: Grid, tmp_path: Path) -> None:
    """In the order of the grid, whatever finished first."""
    with Store(tmp_path / "s") as store:
        run_sweep(grid, store=store).export(tmp_path / "kept.csv")
    run_sweep(grid).export(tmp_path / "loose.csv")
    tables = []
    for name in ("kept.csv", "loose.csv"):
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        tables.append([{**row, "seconds": "", "stored": ""} for row in rows])
    assert tables[0] == tables[1]
    keys = [row["key"] for row in tables[0][::5]]
    assert keys == [trial.key for trial in grid]


def test_a_full_disk_loses_nothing(
    grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "s") as store:
        leave_room(store, 4)
        result = run_sweep(grid, store=store)
        assert result.done == 24
        assert 0 < result.unsaved < 24
        assert result.unsaved + len(store) == 24
        assert result.export(tmp_path / "t.csv") == 24
    assert capsys.readouterr().err.count("the disk is full") == 1


def test_a_large_grid_is_looked_up_in_parts(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenbatch.sweeps.sweep.AT_ONCE", 5)
    monkeypatch.setattr("evenbatch.runners.local.AT_ONCE", 3)
    curves: list[Curve] = [curve.rounded() for curve in train(list(grid)[::2])]
    with Store(tmp_path / "s") as store:
        store.put(curves)
        counting = Counting()
        result = run_sweep(grid, store=store, runner=counting)
        assert counting.trained == list(grid)[1::2]
        assert result.export(tmp_path / "t.json") == 24


class Interrupted(Local):
    """Ctrl-C comes after five curves, most of which wait for the next commit."""

    def run(self, trials: Any, datasets: Any, on_curve: Any, threads: Any) -> None:
        for curve in train(trials[:5], datasets):
            on_curve(curve, machine())
        raise KeyboardInterrupt


def test_ctrl_c_commits_what_waits(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenbatch.protocol.shelf.PATIENCE", 1e9)
    with Store(tmp_path / "s") as store:
        result = run_sweep(grid, store=store, runner=Interrupted())
        assert result.interrupted
        assert len(store) == result.done == 5
        assert result.unsaved == 0
