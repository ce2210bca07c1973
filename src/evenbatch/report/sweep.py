"""A sweep on a terminal: the best settings on each data set."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evenbatch.data import Dataset
from evenbatch.engine import Trial
from evenbatch.protocol.wording import count
from evenbatch.sweeps.grid import Grid
from evenbatch.sweeps.sweep import Setting, SweepResult

TOP = 10


def show_sweep(console: Console, result: SweepResult) -> None:
    """A table for each data set."""
    for data in result.grid.datasets.values():
        best = result.best(data.name, TOP)
        of = result.grid.settings // len(result.grid.datasets)
        title = f"{data.name}: the best {len(best)} of {count(of, 'setting')}"
        console.print(f"\n[bold]{escape(title)}[/bold]")
        if not best:
            console.print("none has ended yet")
        else:
            console.print(_table(result.grid, data, best))


def _table(grid: Grid, data: Dataset, best: list[Setting]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in grid.varied:
        table.add_column(name.removeprefix("network."), overflow="fold")
    metric = "R²" if data.task == "regression" else "test accuracy"
    table.add_column(f"{metric}\nat the end", justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    some_diverged = any(setting.diverged for setting in best)
    if some_diverged:
        table.add_column("diverged", justify="right")
    for setting in best:
        trial = grid[setting.place]
        row = [escape(value_of(trial, name)) for name in grid.varied]
        row += [amount_of(setting, data), f"{len(setting.metrics) + setting.diverged}"]
        table.add_row(*row, *([f"{setting.diverged}"] if some_diverged else []))
    return table


def value_of(trial: Trial, name: str) -> str:
    """A setting as one would write it.

    >>> from evenbatch.engine import Network
    >>> value_of(Trial(Network(4, (8, 8), 2)), "network.hidden")
    '8, 8'
    """
    of: Any = trial.network if name.startswith("network.") else trial
    value = getattr(of, name.removeprefix("network."))
    if isinstance(value, tuple):
        return ("; " if name == "network.conv" else ", ").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def amount_of(setting: Setting, data: Dataset) -> str:
    """Mean ± standard deviation over seeds; in percent for an accuracy."""
    if not len(setting.metrics):
        return "–"
    if data.task == "regression":
        text, spread = f"{setting.mean:.3f}", f" ± {setting.spread:.3f}"
    else:
        text, spread = f"{100 * setting.mean:.1f}", f" ± {100 * setting.spread:.1f}"
    text += spread if not math.isnan(setting.spread) else ""
    return text if data.task == "regression" else f"{text} %"
