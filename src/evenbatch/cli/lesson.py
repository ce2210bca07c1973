"""`evenbatch lesson`: the hour in the browser."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.cli.door import app, readable_errors
from evenbatch.cli.options import StoreFile


@app.command()
def lesson(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to answer at; others than 127.0.0.1 let others in. "
            "[default: 127.0.0.1; with --class all of this machine's]"
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8765,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    store: StoreFile = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="A name by which other machines reach this one; may be repeated."),
    ] = None,
    with_class: Annotated[
        bool,
        typer.Option(
            "--class",
            help="Serve a class: devices train by themselves, their votes and results meet on the "
            "teacher's wall.",
        ),
    ] = False,
    class_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the class is kept, to go on with it; one a day unless it is named.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Serve nothing; write the lesson there, for any web server or a USB stick.",
        ),
    ] = None,
) -> None:
    """Open the lesson: one hour in the browser, every curve trained live.

    Nothing leaves this machine. Ctrl-C ends it.
    """
    if export is not None:
        write(export)
        return
    with readable_errors():
        from evenbatch.lesson.serve import LessonError, serve

        try:
            file = (class_file or class_of_today(store)) if with_class or class_file else None
            usual = "127.0.0.1" if file is None else "0.0.0.0"
            serve(host or usual, port, browser, kept(store), name or (), file)
        except LessonError as error:
            raise UserError(str(error)) from None


def write(folder: Path) -> None:
    """Write the lesson into a folder and say what is there."""
    with readable_errors():
        from evenbatch.lesson.export import ExportError, export

        try:
            index, single = export(folder)
        except ExportError as error:
            raise UserError(str(error)) from None
        size = single.stat().st_size / 1e6
    typer.echo(
        f"{index} and what lies beside it: for any web server; each device trains by itself.\n"
        f"{single}: the lesson in one file of {size:.1f} MB, opened by a double click."
    )


def class_of_today(store: str | None) -> Path:
    """The file of today's class, beside the store."""
    path = kept(store)
    folder = Path(path).parent if path else Path()
    return folder / f"class-{date.today().isoformat()}.jsonl"


def kept(store: str | None) -> str | None:
    """The store's file, or None where trials are kept nowhere."""
    from evenbatch.store.place import default_path

    path = store if store is not None else default_path()
    return None if path is None else str(path)
