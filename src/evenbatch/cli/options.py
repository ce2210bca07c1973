"""Options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evenbatch.app.opening import UserError

OUT, HOW = "Output", "Training and measuring"
RATES = "Learning rates to try. (default: half decades, continued as needed)"


def _claim_names(typed: str) -> list[str]:
    """For completion in a shell."""
    from evenbatch.claims import CLAIMS

    return [name for name in CLAIMS if name.startswith(typed)]


ClaimNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CLAIM",
        help="Names of claims. (default: all; `evenbatch claims` lists them)",
        show_default=False,
        autocompletion=_claim_names,
    ),
]
EffortName = Annotated[
    Literal["quick", "default", "full"] | None,
    typer.Option(
        help="How much is trained: fewer seeds and wider intervals, or more. (default: default)",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help="Column to predict, if the data are a file of your own.", metavar="COLUMN"),
]
Optimizer = Annotated[
    Literal["sgd", "momentum", "adam", "adamw"],
    typer.Option(help="Optimizer.", rich_help_panel=HOW),
]
BatchSize = Annotated[int, typer.Option(help="Examples in a minibatch.", rich_help_panel=HOW)]
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
StoreFile = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="FILE|off",
        help="Keep runs in this file; those in it are not run again. (default: your own)",
        show_default=False,
        rich_help_panel=OUT,
    ),
]
WHERE = "Where to train"
On = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="This machine's cores, or Ray (pip install 'evenbatch\\[ray]').",
        rich_help_panel=WHERE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="With --on ray: a cluster that is already there. (default: Ray is started here)",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
OptionalReport = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder for the report. (default: none is written)",
        show_default=False,
        rich_help_panel=OUT,
    ),
]
ReportFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder for the report.", rich_help_panel=OUT)
]
ReportWanted = Annotated[
    bool,
    typer.Option(
        "--report/--no-report", help="Write it as HTML, Markdown and JSON.", rich_help_panel=OUT
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only the one-line summary.", rich_help_panel=OUT),
]
ProveData = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Measure on these; may be given several times. (default: each claim's own)",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder with the four files of MNIST.", show_default=False),
]


def parse_rates(text: str) -> tuple[float, ...]:
    """Learning rates written with commas.

    >>> parse_rates("0.1, 1e-2"), parse_rates("")
    ((0.1, 0.01), ())
    """
    rates = []
    for word in text.split(",") if text.strip() else []:
        try:
            rates.append(float(word))
        except ValueError:
            raise UserError(
                f"--rates: {word.strip()!r} is not a number; write it like --rates 0.01,0.1,1"
            ) from None
    return tuple(rates)


def parse_conv(text: str, **each: Any) -> dict[str, Any]:
    """Convolutions of so many channels, written with commas, all with the same further settings.

    >>> parse_conv("16, 32", kernel=5)
    {'conv': [{'channels': 16, 'kernel': 5}, {'channels': 32, 'kernel': 5}]}
    """
    from evenbatch.engine import Conv

    if not text.strip():
        if Conv(1, **each) != Conv(1):
            raise UserError(
                "--kernel, --stride and --pool are about convolutions, and there are none: name "
                "them, as in --conv 16,32"
            )
        return {}
    found = []
    for word in text.split(","):
        if not word.strip().isdecimal():
            raise UserError(
                f"--conv: {word.strip()!r} is no number of channels; write it like --conv 16,32"
            )
        found.append({"channels": int(word), **each})
    return {"conv": found}
