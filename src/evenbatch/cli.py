"""The door: `evenbatch race`, `evenbatch prove`, `evenbatch info`.

Everything heavy is imported inside the commands, so that ``--help`` answers at once. What a user
can get wrong ends with one message and exit code 2, Ctrl-C with what is known so far and 130.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evenbatch import __version__

if TYPE_CHECKING:
    from evenbatch.data import Dataset
    from evenbatch.report.job import Part

USER_ERROR, INTERRUPTED = 2, 130
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".npz")

app = typer.Typer(
    name="evenbatch",
    help="Measures what normalization buys a neural network, on your machine and your data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class UserError(Exception):
    """Something on the command line that cannot work; the message says what to change."""


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what a user can get wrong into one message and exit code 2, without a traceback."""
    from rich.console import Console
    from rich.markup import escape

    from evenbatch.data import DataError
    from evenbatch.engine import SettingError
    from evenbatch.experiments import ExperimentError

    try:
        yield
    except (UserError, DataError, SettingError, ExperimentError) as error:
        message = str(error)
    except OSError as error:
        message = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
    except KeyboardInterrupt:
        sys.stderr.write("\nevenbatch: interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
    else:
        return
    console = Console(stderr=True, highlight=False, emoji=False)
    console.print(f"[bold red]evenbatch:[/bold red] {escape(message)}", soft_wrap=True)
    raise typer.Exit(USER_ERROR)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evenbatch {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


# Options that several commands share.
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
NET, HOW = "Network", "Training and measuring"


@app.command()
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
    json: JsonFile = None,
    out: Out = Path("evenbatch-out"),
    picture: Picture = True,
    quiet: Quiet = False,
) -> None:
    """Race a network without normalization against the same one with it.

    Both start from the same weights and see the same batches.
    Each races at its own best learning rate, and both at each other's.
    The answer: how many times fewer steps it takes, and how much less time.
    """
    with readable_errors():
        from evenbatch.experiments.race import Race
        from evenbatch.experiments.speed import Speed
        from evenbatch.report.job import Part

        settings = Race(
            data=load_data(data, target),
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
        finish([Part("speed", Speed(settings))], threads, json, out if picture else None, quiet)


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
    json: JsonFile = None,
    out: Out = Path("evenbatch-out"),
    picture: Picture = True,
    quiet: Quiet = False,
) -> None:
    """Measure the lesson's claims on this machine, and say of each whether it held.

    A claim that does not hold is a result, not an error.
    """
    with readable_errors():
        from evenbatch.data.errors import did_you_mean, listed
        from evenbatch.experiments import CLAIMS, EFFORTS
        from evenbatch.report.job import Part

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
                parts.append(Part(claim, CLAIMS[claim].on(dataset, effort)))
        finish(parts, threads, json, out if picture else None, quiet)


@app.command()
def info() -> None:
    """Machine, versions, folders: what to send along with a question."""
    from rich.console import Console
    from rich.table import Table

    from evenbatch.data import DATASETS
    from evenbatch.data.folders import wanted_folder
    from evenbatch.engine import cores, kernels_ready
    from evenbatch.engine.machine import machine, versions
    from evenbatch.kernels._jit import cache_folder, jit_enabled

    kept = cache_folder()
    ready = "ready" if kernels_ready() else "not compiled yet: about 20 s at the first training"
    if not jit_enabled():
        ready = "off (NUMBA_DISABLE_JIT is set): slow"
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        *machine().items(),
        ("threads", f"{cores()} by default; timing uses 1"),
        *versions().items(),
        ("kernels", ready),
        ("kernel cache", kept or "none: no folder can be written, each process compiles anew"),
        ("data folder", wanted_folder() or "none"),
        ("data sets", ", ".join(DATASETS)),
    ):
        table.add_row(
            name.replace("_gib", ""), f"{value} GiB" if name == "memory_gib" else f"{value}"
        )
    Console().print(table, soft_wrap=True)


def finish(
    parts: list[Part], threads: int | None, json: Path | None, pictures: Path | None, quiet: bool
) -> None:
    """Carry the experiments out; exit with 130 if Ctrl-C ended them early."""
    from evenbatch.report.job import Outputs, run

    if not run(parts, threads, Outputs(json, pictures, quiet)):
        raise typer.Exit(INTERRUPTED)


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


def load_data(name: str, target: str | None) -> Dataset:
    """A data set by name, or a table if it names a file."""
    from evenbatch.data import DATASETS, load, load_table

    is_file = name.endswith(TABLE_ENDINGS) or Path(name).expanduser().is_file()
    if target is not None:
        if name.partition(":")[0] in DATASETS and not is_file:
            raise UserError(
                f"--target is about a table of your own, and {name} is none: leave --target out, "
                "or give a file with --data"
            )
        return load_table(name, target)
    if is_file:
        if not Path(name).expanduser().exists():
            raise UserError(f"there is no file {name}")
        raise UserError(
            f"{name} is a table of your own: name the column to predict with --target COLUMN"
        )
    return load(name)


def main() -> None:
    """The command `evenbatch`."""
    app()


if __name__ == "__main__":
    main()
