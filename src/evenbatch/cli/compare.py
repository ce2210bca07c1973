"""`evenbatch compare`: which normalization pays in a PyTorch model of one's own."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from evenbatch.app.opening import UserError
from evenbatch.app.tables import Tables
from evenbatch.cli.door import INTERRUPTED, app, needing_torch, readable_errors
from evenbatch.cli.options import (
    HOW,
    RATES,
    BatchSize,
    JsonFile,
    Optimizer,
    OptionalReport,
    Quiet,
    Target,
    Threads,
    parse_rates,
)
from evenbatch.cli.table_options import with_table_options


@app.command()
@with_table_options
def compare(
    target_model: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY",
            help="make_model(arm), or a function without arguments that gives the model: "
            "package.module:factory or path/to/file.py:factory.",
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE|MODULE:FUNCTION",
            help="digits, cookies, …, a table of your own, or a function that gives (training, "
            "test), as of `evenbatch.torch.compare`.",
        ),
    ] = "digits",
    target: Target = None,
    arms: Annotated[
        str,
        typer.Option(
            metavar="ARM,ARM,…",
            help="Names for make_model, the plainest first; of a model without arm: its own kind "
            "of norm and others (batch, instance, group, layer, rms). (default: none,batch)",
            show_default=False,
        ),
    ] = "",
    budget: Annotated[
        str,
        typer.Option(
            metavar="STEPS|TIME",
            help="Steps of each run, or the time of all: 10min.",
            rich_help_panel=HOW,
        ),
    ] = "1000",
    metric: Annotated[
        Literal["accuracy", "loss"] | None,
        typer.Option(
            help="What is compared. (default: accuracy, of numbers the loss)",
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = None,
    optimizer: Optimizer = "adam",
    rates: Annotated[
        str,
        typer.Option(
            metavar="R,R,…",
            help=RATES,
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = "",
    batch_size: BatchSize = 32,
    seeds: Annotated[
        int, typer.Option(help="Pairs measured; at least 5.", rich_help_panel=HOW)
    ] = 5,
    goal: Annotated[
        float | None,
        typer.Option(
            help="Value of the metric to race to. (default: by rule, see docs/compare.md)",
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, cuda:1. (default: cuda, if there is any)",
                     show_default=False, rich_help_panel=HOW),
    ] = None,
    threads: Threads = None,
    json: JsonFile = None,
    out: OptionalReport = None,
    quiet: Quiet = False,
    *,
    tables: Tables,
) -> None:  # fmt: skip
    """Compare normalizations of a PyTorch model of yours: which reaches the same goal sooner?

    Every arm starts from the same weights, sees the same batches and trains at its own best
    learning rate. Columns of a table are standardized, as in `prove`.
    """
    with readable_errors():
        from evenbatch.app.job import Outputs

        with needing_torch("compare"):
            from evenbatch.torch.comparing import CompareError, command
        Outputs(json, quiet, out).check()
        is_function = ":" in data and not (tables.is_file(data) or tables.is_named(data))
        options = command.Options(
            data if is_function else tables.load(data, target),
            arms=tuple(word.strip() for word in arms.split(",")) if arms else (),
            budget=budget, metric=metric or "", optimizer=optimizer, rates=parse_rates(rates),
            batch_size=batch_size, seeds=seeds, goal=goal, device=device, threads=threads,
            out=out, json=json, quiet=quiet,
        )  # fmt: skip
        tables.show(quiet)
        try:
            complete = command.run(target_model, options)
        except CompareError as error:
            raise UserError(str(error)) from None
    if not complete:
        raise typer.Exit(INTERRUPTED)
