"""`evenbatch race`: one network with a normalizer against the same one without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evenbatch.cli.door import UserError, app, readable_errors
from evenbatch.cli.options import (
    JsonFile,
    Out,
    Picture,
    Quiet,
    StoreFile,
    Target,
    Threads,
    finish,
)
from evenbatch.cli.table_options import Tables, with_table_options

NET, HOW = "Network", "Training and measuring"


@app.command()
@with_table_options
def race(
    data: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="digits, cookies, … or a table of your own.")
    ] = "digits",
    target: Target = None,
    norm: Annotated[str, typer.Option(help="batch, layer, rms or group.")] = "batch",
    placement: Annotated[
        str, typer.Option(help="before or after the activation, or input.", rich_help_panel=NET)
    ] = "before",
    depth: Annotated[int, typer.Option(help="Hidden layers.", rich_help_panel=NET)] = 3,
    width: Annotated[int, typer.Option(help="Units in each.", rich_help_panel=NET)] = 64,
    activation: Annotated[
        str, typer.Option(help="relu, leaky_relu, tanh, sigmoid or gelu.", rich_help_panel=NET)
    ] = "relu",
    init: Annotated[
        str, typer.Option(help="torch, he, xavier or gaussian.", rich_help_panel=NET)
    ] = "torch",
    optimizer: Annotated[
        str, typer.Option(help="sgd, momentum, adam or adamw.", rich_help_panel=HOW)
    ] = "sgd",
    batch_size: Annotated[int, typer.Option(help="Examples.", rich_help_panel=HOW)] = 32,
    steps: Annotated[
        int, typer.Option(help="Budget of a training, in minibatches.", rich_help_panel=HOW)
    ] = 1000,
    seeds: Annotated[
        int, typer.Option(help="Pairs measured; at least 5 for a verdict.", rich_help_panel=HOW)
    ] = 10,
    seed: Annotated[int, typer.Option(help="The first of them.", rich_help_panel=HOW)] = 0,
    lr_grid: Annotated[
        str,
        typer.Option(
            metavar="R,R,…",
            help="Learning rates to try. (default: half decades, continued as needed)",
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
    threads: Threads = None,
    store: StoreFile = None,
    json: JsonFile = None,
    out: Out = Path("evenbatch-out"),
    picture: Picture = True,
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
        from evenbatch.experiments.race import Race
        from evenbatch.experiments.speed import Speed
        from evenbatch.report.job import Outputs, Part

        settings = Race(
            data=tables.load(data, target),
            norm=norm,
            placement=placement,
            init=init,
            depth=depth,
            width=width,
            activation=activation,
            optimizer=optimizer,
            batch_size=batch_size,
            steps=steps,
            seeds=seeds,
            seed=seed,
            grid=parse_grid(lr_grid),
            goal=goal,
        )
        tables.show(quiet)
        outputs = Outputs(json, out if picture else None, quiet)
        finish([Part("speed", Speed(settings))], threads, store, outputs)


def parse_grid(text: str) -> tuple[float, ...]:
    """Learning rates written with commas.

    >>> parse_grid("0.1, 1e-2"), parse_grid("")
    ((0.1, 0.01), ())
    """
    rates = []
    for word in text.split(",") if text.strip() else []:
        try:
            rates.append(float(word))
        except ValueError:
            raise UserError(
                f"--lr-grid: {word.strip()!r} is not a number; write it like --lr-grid 0.01,0.1,1"
            ) from None
    return tuple(rates)
