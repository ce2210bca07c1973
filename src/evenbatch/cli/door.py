"""The command `evenbatch` itself, and how its errors read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from evenbatch import __version__
from evenbatch.app.opening import UserError

USER_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(
    name="evenbatch",
    help="Measures what normalization buys a neural network, on your machine and your data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what a user can get wrong into one message and exit code 2, without a traceback."""
    from rich.console import Console
    from rich.markup import escape

    from evenbatch.cli.table_options import pasteable
    from evenbatch.data import DataError, TableError
    from evenbatch.engine import SettingError
    from evenbatch.protocol.verdict import ExperimentError
    from evenbatch.runners import RunnerError
    from evenbatch.store import StoreError

    try:
        yield
    except (
        UserError, DataError, SettingError, ExperimentError, StoreError, RunnerError,
    ) as error:  # fmt: skip
        table = error if isinstance(error, TableError) else error.__cause__
        message = str(error)
        if isinstance(table, TableError):
            own = message if table is error else table.text()
            message = message.replace(own, table.text(pasteable(table)))
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


@contextmanager
def needing_torch(command: str) -> Iterator[None]:
    """Say what to install where PyTorch is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UserError(
            f'evenbatch {command} needs PyTorch: pip install "evenbatch[torch]"'
        ) from None


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


def main() -> None:
    """The command `evenbatch`."""
    app()
