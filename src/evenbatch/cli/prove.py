"""`evenbatch prove`: the lesson's claims, measured here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from evenbatch.cli.door import UserError, app, readable_errors
from evenbatch.cli.options import (
    Address,
    JsonFile,
    On,
    ProveData,
    Quiet,
    ReportFolder,
    ReportWanted,
    StoreFile,
    Target,
    Threads,
    finish,
    load_data,
)


@app.command()
def prove(
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM]…", help="Claims to measure; all of them.")
    ] = None,
    data: ProveData = None,
    target: Target = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer seeds, wider intervals.")] = False,
    full: Annotated[bool, typer.Option("--full", help="More seeds, narrower intervals.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds measured. (default: 10)", show_default=False)
    ] = None,
    threads: Threads = None,
    on: On = "local",
    address: Address = None,
    store: StoreFile = None,
    json: JsonFile = None,
    out: ReportFolder = Path("evenbatch-out"),
    report: ReportWanted = True,
    quiet: Quiet = False,
) -> None:
    """Measure the lesson's claims on this machine, and say of each whether it held.

    A claim that does not hold is a result, not an error.
    """
    with readable_errors():
        from evenbatch.data.errors import did_you_mean, listed
        from evenbatch.experiments import CLAIMS, EFFORTS
        from evenbatch.report.job import Outputs, Part

        if quick and full:
            raise UserError("--quick and --full exclude each other: give one, or neither")
        effort = EFFORTS["quick" if quick else "full" if full else "default"]
        effort = replace(effort, seeds=seeds or effort.seeds)
        parts = []
        for claim in claims or CLAIMS:
            if claim not in CLAIMS:
                raise UserError(
                    f"there is no claim {claim!r}.{did_you_mean(claim, CLAIMS)} "
                    f"Claims: {listed(CLAIMS)}."
                )
            for name in data or CLAIMS[claim].data:
                dataset = load_data(name, target)
                parts.append(Part(claim, CLAIMS[claim].on(dataset, effort), on=dataset.name))
        outputs = Outputs(json, None, quiet, out if report else None, brief=True)
        finish(parts, threads, store, outputs, on, address)
