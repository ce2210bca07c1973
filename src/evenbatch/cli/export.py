"""`evenbatch export`: the store as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.cli.door import app, readable_errors
from evenbatch.cli.options import StoreFile


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".csv, .parquet or .json.")],
    store: StoreFile = None,
) -> None:
    """Write every run that is stored to a file for other programs.

    CSV and Parquet: one row per training and evaluation. JSON: everything, probes too.
    """
    with readable_errors():
        from evenbatch.store import Store, default_path

        if store == "off":
            raise UserError(
                "--store off: there is nothing to export; name a store, or leave it out"
            )
        chosen = default_path() if store is None else Path(store)
        if chosen is not None and not chosen.exists() and store is None:
            raise UserError(f"nothing is stored yet: there is no file {chosen}")
        with Store(chosen, read_only=True) as kept:
            count = kept.export(file)
        typer.echo(f"{file}: {count:,} runs")
