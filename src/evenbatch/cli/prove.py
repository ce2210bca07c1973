"""`evenbatch prove`: the lesson's claims, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenbatch.app.opening import UserError
from evenbatch.app.tables import Tables
from evenbatch.cli.door import INTERRUPTED, app, readable_errors
from evenbatch.cli.options import (
    Address,
    ClaimNames,
    DataDir,
    EffortName,
    JsonFile,
    On,
    ProveData,
    Quiet,
    ReportFolder,
    ReportWanted,
    StoreFile,
    Target,
    Threads,
)
from evenbatch.cli.table_options import with_table_options


@app.command()
@with_table_options
def prove(
    claims: ClaimNames = None,
    data: ProveData = None,
    target: Target = None,
    data_dir: DataDir = None,
    effort: EffortName = None,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
    full: Annotated[bool, typer.Option("--full", hidden=True)] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds measured. (default: 10)", show_default=False)
    ] = None,
    conv: Annotated[
        bool | None,
        typer.Option(
            "--conv/--no-conv",
            help="Measure a small convolutional network alone, or the fully connected one alone. "
            "(default: both on each claim's own data, the latter on yours)",
            show_default=False,
        ),
    ] = None,
    threads: Threads = None,
    on: On = "local",
    address: Address = None,
    store: StoreFile = None,
    json: JsonFile = None,
    out: ReportFolder = Path("evenbatch-out"),
    report: ReportWanted = True,
    quiet: Quiet = False,
    *,
    tables: Tables,
) -> None:
    """Measure the lesson's claims on this machine, and say of each whether it held.

    A claim that does not hold is a result, not an error.
    """
    with readable_errors():
        from evenbatch.app.answered import request
        from evenbatch.app.job import Outputs, carry_out_parts
        from evenbatch.app.parts import parts_for

        asked = {name for name, given in (("quick", quick), ("full", full)) if given}
        asked |= {effort} if effort else set()
        if len(asked) > 1:
            raise UserError(f"{' and '.join(sorted(asked))} exclude each other: give one --effort")
        chosen = next(iter(asked), "default")
        how, parts = parts_for(
            claims or (), data or (), target, data_dir, chosen, seeds, tables, conv
        )
        tables.show(quiet)
        wanted = request(parts, how) if report else ""
        outputs = Outputs(json, quiet, out if report else None, brief=True, request=wanted)
        if not carry_out_parts(parts, threads, store, outputs, on, address):
            raise typer.Exit(INTERRUPTED)
