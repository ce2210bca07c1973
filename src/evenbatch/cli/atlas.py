"""`evenbatch atlas`: in which settings normalization helps."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.cli.door import INTERRUPTED, app, readable_errors
from evenbatch.cli.options import OUT, Address, On, Quiet, Target, Threads

if TYPE_CHECKING:
    from evenbatch.atlas.carry_out import Standing
    from evenbatch.atlas.measure import Row

MEASURED = Path("atlas.parquet")
OPEN_ON_RAY = 256
"""Settings open at a time on a cluster, whose cores must all be busy."""
LINE_SECONDS = 5.0
MEASURING = "Measuring settings"


@app.command()
def atlas(
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="What to expect of the network in this file (that of a sweep).",
            show_default=False,
        ),
    ] = None,
    target: Target = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet",
            help="The atlas. (default: the one that comes with evenbatch; atlas.parquet where "
            "settings are measured)",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Measure N settings of the design, and go on where a file has some.",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    first: Annotated[
        int, typer.Option(help="Number of the first of them.", rich_help_panel=MEASURING)
    ] = 0,
    threads: Threads = None,
    on: On = "local",
    address: Address = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet",
            help="Settings measured later: how far the atlas foretold them.",
            show_default=False,
            rich_help_panel=OUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write atlas.html here. (default: nowhere)",
            show_default=False,
            rich_help_panel=OUT,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """In which settings normalization helps, and by how much in one like yours.

    Without options: five claims of the lesson as conditions.
    Measuring keeps whole settings; after Ctrl-C the same command goes on.
    """
    with readable_errors(), _needing_extra():
        from evenbatch.atlas import page, table
        from evenbatch.atlas.model import Model
        from evenbatch.atlas.model import check as checked

        finished = True
        if settings is not None:
            file = file or MEASURED
            finished = _measure(file, settings, first, threads, on, address, quiet)
        rows = table.read(file) if file else table.shipped()
        later = _later(rows, table.read(check)) if check else []
        if like is not None:
            _show_like(rows, like, target)
        elif check is not None and out is None:
            for one in checked(Model(rows), rows, later):
                typer.echo(one.sentence)
        elif settings is None:
            _show(rows)
        if out is not None:
            model = Model(rows)
            if check is None and file is None:
                later = table.shipped(table.FRESH)
            page.write(out / "atlas.html", rows, checked(model, rows, later), model)
            typer.echo(f"Page: {out / 'atlas.html'}")
        if not finished:
            raise typer.Exit(INTERRUPTED)


@contextmanager
def _needing_extra() -> Iterator[None]:
    """Say what to install where SciPy, scikit-learn or pyarrow are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("pyarrow", "scipy", "sklearn"):
            raise
        raise UserError(
            f"evenbatch atlas needs {missing}: pip install 'evenbatch[atlas]'"
        ) from None


def _measure(
    path: Path, count: int, first: int, threads: int | None, on: str, address: str | None,
    quiet: bool,
) -> bool:  # fmt: skip
    """Measure what is not in the file yet; False if it was interrupted."""
    from evenbatch.app.opening import chosen_runner
    from evenbatch.atlas import carry_out, design, table

    wanted = list(design.settings(first, count))
    with chosen_runner(on, address) as runner:
        kept = table.Growing(path)
        known = {row["setting"] for row in kept.rows}
        wanted = [each for each in wanted if each[0] not in known]
        found = carry_out.measure(
            wanted,
            kept.add,
            watch=_progress(len(wanted), quiet),
            runner=runner,
            threads=threads,
            window=carry_out.WINDOW if on == "local" else OPEN_ON_RAY,
        )
    many = len({row["setting"] for row in kept.rows})
    said = f"{path}: {many:,} settings; {found.runs:,} runs now"
    if found.interrupted:
        command = shlex.join(["evenbatch", *sys.argv[1:]])
        lost = f", {found.lost:,} of them of settings that were not whole" if found.lost else ""
        said = f"Interrupted. {said}{lost}. To go on, run: {command}"
    typer.echo(said)
    return not found.interrupted


def _progress(total: int, quiet: bool) -> Callable[[Standing], None]:
    """A line now and then: how many settings and runs, how many a second."""
    from evenbatch.report.terminal import plain_console

    console, began = plain_console(stderr=True), time.monotonic()
    last = began

    def watch(standing: Standing) -> None:
        nonlocal last
        now = time.monotonic()
        if quiet or now - last < LINE_SECONDS:
            return
        last = now
        console.print(
            f"{standing.settings:,} of {total:,} settings, {standing.runs:,} runs, "
            f"{standing.runs / (now - began):.0f} a second",
            soft_wrap=True,
        )

    return watch


def _show(rows: list[Row]) -> None:
    """Five claims as conditions."""
    from evenbatch.atlas.conditions import sentences, source

    typer.echo("\n".join([source(rows), "", *(f"- {text}" for text in sentences(rows))]))


def _later(rows: list[Row], fresh: list[Row]) -> list[Row]:
    """Settings that were measured later than an atlas, to check what it foretells of them."""
    seen = {row["setting"] for row in rows} & {row["setting"] for row in fresh}
    if seen:
        raise UserError(
            f"{len(seen)} settings stand in both files, so they are no check. Measure others: "
            "evenbatch atlas --settings 300 --first 100000 --file fresh.parquet"
        )
    return fresh


def _show_like(rows: list[Row], path: Path, target: str | None) -> None:
    """What to expect of the settings a file describes."""
    from evenbatch.atlas import like
    from evenbatch.sweeps.sweep_file import read_sweep

    grid = read_sweep(path, target)
    typer.echo("\n".join(like.answer(rows, grid, like.given(grid, path, target))))
