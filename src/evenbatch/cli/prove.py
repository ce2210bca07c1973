"""`evenbatch prove`: the lesson's claims, measured here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenbatch.cli.door import UserError, app, readable_errors
from evenbatch.cli.options import (
    Address,
    DataDir,
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
)
from evenbatch.cli.table_options import Tables, with_table_options

if TYPE_CHECKING:
    from evenbatch.experiments import Effort
    from evenbatch.report.job import Part


@app.command()
@with_table_options
def prove(
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM]…", help="Claims to measure; all of them.")
    ] = None,
    data: ProveData = None,
    target: Target = None,
    data_dir: DataDir = None,
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
    *,
    tables: Tables,
) -> None:
    """Measure the lesson's claims on this machine, and say of each whether it held.

    A claim that does not hold is a result, not an error.
    """
    with readable_errors():
        from evenbatch.experiments import CLAIMS, EFFORTS
        from evenbatch.report.answered import request
        from evenbatch.report.job import Outputs

        if quick and full:
            raise UserError("--quick and --full exclude each other: give one, or neither")
        effort = EFFORTS["quick" if quick else "full" if full else "default"]
        effort = replace(effort, seeds=seeds or effort.seeds)
        parts = [
            part
            for claim in claims or CLAIMS
            for part in parts_of(claim, data or (), target, data_dir, effort, tables)
        ]
        tables.show(quiet)
        asked = request(parts, effort) if report else ""
        outputs = Outputs(json, None, quiet, out if report else None, brief=True, request=asked)
        finish(parts, threads, store, outputs, on, address)


def parts_of(
    claim: str,
    asked: Sequence[str],
    target: str | None,
    data_dir: Path | None,
    effort: Effort,
    tables: Tables | None = None,
) -> Iterator[Part]:
    """A claim on the data sets asked for, or on its own; skipped where it cannot be measured."""
    from evenbatch.data.errors import DataError, did_you_mean, listed
    from evenbatch.experiments import CLAIMS, NotHere
    from evenbatch.report.job import Part

    if claim not in CLAIMS:
        raise UserError(
            f"there is no claim {claim!r}.{did_you_mean(claim, CLAIMS)} Claims: {listed(CLAIMS)}."
        )
    found, tables = CLAIMS[claim], tables or Tables()
    if found.alone is not None and not asked:
        yield Part(claim, found.alone(effort))
    for name in asked or found.data:
        try:
            dataset = tables.load(name, target, data_dir)
            yield Part(claim, found.on(dataset, effort), on=dataset.name)
        except NotHere as reason:
            yield Part(claim, None, str(reason), name)
        except DataError:
            # Data that were asked for, or pointed to, must be there; a claim's own may be missing.
            if asked or data_dir is not None or not found.absent:
                raise
            yield Part(claim, None, found.absent, name)
