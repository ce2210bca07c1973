"""Options that several commands share, and what they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenbatch.cli.door import INTERRUPTED, UserError

if TYPE_CHECKING:
    from evenbatch.report.job import Outputs, Part
    from evenbatch.runners import Runner
    from evenbatch.store import Store

OUT = "Output"
Target = Annotated[
    str | None,
    typer.Option(help="Column to predict, if the data are a file of your own.", metavar="COLUMN"),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Cores to train on. (default: all)", show_default=False)
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write every number, setting and trial here; - for standard output.",
        rich_help_panel=OUT,
    ),
]
Out = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder for the pictures.", rich_help_panel=OUT)
]
Picture = Annotated[
    bool, typer.Option("--picture/--no-picture", help="Draw PNG and SVG.", rich_help_panel=OUT)
]
StoreFile = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="FILE|off",
        help="Keep trainings in this file; those in it are not run again. (default: your own)",
        show_default=False,
        rich_help_panel=OUT,
    ),
]
WHERE = "Where to train"
On = Annotated[
    str,
    typer.Option(
        metavar="local|ray",
        help="This machine's cores, or Ray (pip install 'evenbatch\\[ray]').",
        rich_help_panel=WHERE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="With --on ray: a cluster that is already there. (default: Ray is started here)",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
ReportFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder for the report.", rich_help_panel=OUT)
]
ReportWanted = Annotated[
    bool,
    typer.Option(
        "--report/--no-report", help="Write it as HTML, Markdown and JSON.", rich_help_panel=OUT
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only the last sentence.", rich_help_panel=OUT)
]
ProveData = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Measure on these. (default: each claim's own)",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder with the four files of MNIST.", show_default=False),
]


def finish(
    parts: list[Part],
    threads: int | None,
    store: str | None,
    outputs: Outputs,
    on: str = "local",
    address: str | None = None,
) -> None:
    """Carry the experiments out; exit with 130 if Ctrl-C ended them early."""
    from evenbatch.report.job import run

    with opened(store) as kept, chosen_runner(on, address) as chosen:
        if not run(parts, threads, outputs, kept, chosen):
            raise typer.Exit(INTERRUPTED)


@contextmanager
def chosen_runner(on: str, address: str | None) -> Iterator[Runner]:
    """Where trainings run, as asked for; what was started for it is ended afterwards."""
    from evenbatch.data.errors import did_you_mean
    from evenbatch.runners import Local
    from evenbatch.runners.on_ray import OnRay

    if on not in ("local", "ray"):
        raise UserError(f"--on {on}: use local or ray.{did_you_mean(on, ('local', 'ray'))}")
    if address is not None and on != "ray":
        raise UserError(f"--address {address} is about a Ray cluster: add --on ray")
    chosen: Runner = OnRay(address) if on == "ray" else Local()
    try:
        yield chosen
    finally:
        chosen.close()


@contextmanager
def opened(store: str | None) -> Iterator[Store | None]:
    """The store that was asked for, or the user's own; None for "off".

    A store that was named must work. The user's own may be missing or broken: that is said, and the
    work is done without it.
    """
    from evenbatch.store import Store, StoreError, default_path

    chosen = default_path() if store is None else Path(store)
    if chosen is None or store == "off":
        yield None
        return
    try:
        found = Store(chosen)
    except StoreError as error:
        if store is not None:
            raise
        sys.stderr.write(f"evenbatch: {error}\nGoing on without storing.\n")
        yield None
        return
    with found:
        yield found
