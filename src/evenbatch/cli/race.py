"""`evenbatch race`: one network with a normalizer against the same one without."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from evenbatch.app.tables import Tables
from evenbatch.cli.door import INTERRUPTED, app, readable_errors
from evenbatch.cli.options import (
    HOW,
    RATES,
    BatchSize,
    JsonFile,
    Optimizer,
    OptionalReport,
    Quiet,
    StoreFile,
    Target,
    Threads,
    parse_conv,
    parse_rates,
)
from evenbatch.cli.table_options import with_table_options

NET = "Network"


@app.command()
@with_table_options
def race(
    data: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="digits, cookies, … or a table of your own.")
    ] = "digits",
    target: Target = None,
    norm: Annotated[
        Literal["batch", "layer", "rms", "group"], typer.Option(help="Normalizer.")
    ] = "batch",
    placement: Annotated[
        Literal["before", "after", "input"],
        typer.Option(help="Where: before or after the activation.", rich_help_panel=NET),
    ] = "before",
    depth: Annotated[
        int | None,
        typer.Option(
            help="Hidden layers that are no convolutions. (default: 3; with --conv 0)",
            show_default=False,
            rich_help_panel=NET,
        ),
    ] = None,
    width: Annotated[int, typer.Option(help="Units in each layer.", rich_help_panel=NET)] = 64,
    conv: Annotated[
        str,
        typer.Option(
            metavar="N,N,…",
            help="Convolutions before them, by their channels: --conv 16,32; on digits, mnist1d "
            "and mnist. (default: none)",
            show_default=False,
            rich_help_panel=NET,
        ),
    ] = "",
    kernel: Annotated[
        int, typer.Option(help="Width of each convolution's window.", rich_help_panel=NET)
    ] = 3,
    stride: Annotated[int, typer.Option(help="Its stride.", rich_help_panel=NET)] = 1,
    pool: Annotated[
        Literal["none", "max", "average"],
        typer.Option(help="Pool of 2 behind each convolution.", rich_help_panel=NET),
    ] = "none",
    activation: Annotated[
        Literal["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity"],
        typer.Option(help="Activation function.", rich_help_panel=NET),
    ] = "relu",
    init: Annotated[
        Literal["torch", "he", "xavier", "gaussian"],
        typer.Option(help="Initial weights.", rich_help_panel=NET),
    ] = "torch",
    residual: Annotated[
        int, typer.Option(help="Layers in a residual block; 0 for none.", rich_help_panel=NET)
    ] = 0,
    optimizer: Optimizer = "sgd",
    batch_size: BatchSize = 32,
    steps: Annotated[
        int, typer.Option(help="Budget of a run, in minibatches.", rich_help_panel=HOW)
    ] = 1000,
    seeds: Annotated[
        int, typer.Option(help="Pairs measured; at least 5 for a verdict.", rich_help_panel=HOW)
    ] = 10,
    seed: Annotated[
        int, typer.Option(help="First seed; the others follow it.", rich_help_panel=HOW)
    ] = 0,
    rates: Annotated[
        str,
        typer.Option(
            "--rates",
            "--lr-grid",
            metavar="R,R,…",
            help=RATES,
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = "",
    goal: Annotated[
        float | None,
        typer.Option(
            help="Accuracy (0 to 1) or R² to race to. (default: by rule, see docs/race.md)",
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = None,
    raw_target: Annotated[
        bool,
        typer.Option(
            "--raw-target",
            help="Leave the target of a regression as it is. (default: standardized, if its size "
            "is far from 1)",
            rich_help_panel=HOW,
        ),
    ] = False,
    threads: Threads = None,
    store: StoreFile = None,
    json: JsonFile = None,
    out: OptionalReport = None,
    quiet: Quiet = False,
    *,
    tables: Tables,
) -> None:
    """Race a network without normalization against the same one with it.

    Both start from the same weights and see the same batches.
    Each races at its own best learning rate, and both at each other's.
    The answer: how many times fewer steps it takes, and how much less time.
    """
    with readable_errors():
        from evenbatch.app.job import Outputs, carry_out_parts
        from evenbatch.app.parts import Part
        from evenbatch.claims import race_study

        study = race_study(
            tables.load(data, target),
            norm,
            placement=placement,
            init=init,
            depth=depth,
            width=width,
            activation=activation,
            **parse_conv(conv, kernel=kernel, stride=stride, pool=pool),
            residual=residual,
            optimizer=optimizer,
            batch_size=batch_size,
            steps=steps,
            seeds=seeds,
            seed=seed,
            rates=parse_rates(rates),
            goal=goal,
            raw_target=raw_target,
        )
        tables.show(quiet)
        outputs = Outputs(json, quiet, out)
        if not carry_out_parts([Part("speed", study)], threads, store, outputs):
            raise typer.Exit(INTERRUPTED)
