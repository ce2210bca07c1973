"""`evenbatch sweep`: a grid of trials of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenbatch.app.tables import Tables, show_notes
from evenbatch.cli.door import INTERRUPTED, app, readable_errors
from evenbatch.cli.options import Address, On, Quiet, StoreFile, Target, Threads
from evenbatch.cli.table_options import with_table_options

if TYPE_CHECKING:
    from rich.console import Console

    from evenbatch.store import Store
    from evenbatch.sweeps.sweep import SweepResult


@app.command()
@with_table_options
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The grid (docs/store.md).")],
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write every run here: .csv, .parquet or .json.",
            show_default=False,
        ),
    ] = None,
    target: Target = None,
    threads: Threads = None,
    on: On = "local",
    address: Address = None,
    store: StoreFile = None,
    quiet: Quiet = False,
    *,
    tables: Tables,
) -> None:
    """Train a grid of settings of your own, and say which did best.

    What was trained before is not trained again.
    """
    with readable_errors():
        from evenbatch.app.opening import chosen_runner, opened
        from evenbatch.report.progress import Watcher, counted
        from evenbatch.report.sweep import show_sweep
        from evenbatch.report.terminal import plain_console
        from evenbatch.store import tidy
        from evenbatch.sweeps.sweep import run_sweep
        from evenbatch.sweeps.sweep_file import read_sweep

        if table is not None:
            tidy.check(table)
        grid = read_sweep(file, target, tables.options)
        if not quiet:
            show_notes(grid.datasets.values())
        console, face = plain_console(), None if quiet else plain_console(stderr=True)
        with opened(store) as kept, chosen_runner(on, address) as chosen:
            with Watcher(face, {"sweep": len(grid)}) as watcher:
                watch = counted(watcher.of("sweep", file.name), len(grid))
                result = run_sweep(grid, threads=threads, watch=watch, store=kept, runner=chosen)
            if not quiet:
                show_sweep(console, result)
            if table is not None:
                written = result.export(table)
                if not quiet:
                    console.print(f"Table: {table} ({written:,} runs)", markup=False)
            _close(console, result, kept)
        if result.interrupted:
            raise typer.Exit(INTERRUPTED)


def _close(console: Console, result: SweepResult, store: Store | None) -> None:
    """How many ended, where they are, and after Ctrl-C how to go on."""
    said = f"{result.done:,} of {len(result.grid):,} runs"
    if result.found:
        said += f", {result.found:,} of them known before"
    if store is not None and not result.unsaved:
        said += f"; they are kept in {store.path}"
    elif result.unsaved:
        said += f"; {result.unsaved:,} are stored nowhere"
    if result.interrupted:
        command = shlex.join(["evenbatch", *sys.argv[1:]])
        go_on = "go on" if store is not None and not result.unsaved else "start again"
        said = f"Interrupted after {said}. To {go_on}, run: {command}"
    console.print(said, markup=False, soft_wrap=True)
