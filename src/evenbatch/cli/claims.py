"""`evenbatch claims`: what can be measured, and how each claim is judged."""

from __future__ import annotations

from typing import Annotated

import typer

from evenbatch.app.tables import Tables
from evenbatch.cli.door import app, readable_errors
from evenbatch.cli.options import ClaimNames, EffortName, Target
from evenbatch.cli.table_options import with_table_options


@app.command()
@with_table_options
def claims(
    names: ClaimNames = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="State it for these data. (default: the claim's first)",
            show_default=False,
        ),
    ] = None,
    target: Target = None,
    effort: EffortName = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the experiment as data, for another program.")
    ] = False,
    *,
    tables: Tables,
) -> None:
    """List the claims, or explain some: what is asked, what is tried, how it is judged."""
    with readable_errors():
        import sys

        from evenbatch.app.parts import parts_for
        from evenbatch.claims import CLAIMS
        from evenbatch.claims.convolutional import ON
        from evenbatch.protocol.experiment import written
        from evenbatch.report import terminal

        console = terminal.plain_console()
        if not names and not json:
            terminal.show_claims(console, CLAIMS, ON)
            return
        chosen = tuple(names or CLAIMS)
        for name in chosen:
            on = (data,) if data else tuple(CLAIMS[name].data[:1]) if name in CLAIMS else ()
            _, parts = parts_for((name,), on, target, None, effort or "default", None, tables)
            study = parts[0].study
            if study is None:
                console.print(f"{name}: {parts[0].skipped}", markup=False)
            elif json:
                sys.stdout.write(written(study.experiment).decode() + "\n")
            else:
                terminal.show_statement(console, name, study.statement)
