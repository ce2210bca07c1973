"""How a table of one's own is read: options of `race`, `prove` and `sweep`, declared once."""

from __future__ import annotations

import functools
import inspect
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenbatch.app.tables import Tables

if TYPE_CHECKING:
    from evenbatch.data import TableError

PANEL = "Your table"


def with_table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `TableOptions`; it gets a `Tables` for them as `tables`."""
    from evenbatch.table_options import DEFAULTS, HELP

    added = []
    for name, default in DEFAULTS.items():
        kind = list[str] if isinstance(default, tuple) else type(default)
        flag = "--" + name.replace("_", "-")
        option = typer.Option(
            f"{flag}/--no-{name}" if kind is bool else flag,
            metavar=HELP[name]["metavar"] or None,
            help=HELP[name]["help"].replace("[", "\\["),
            show_default=False,
            rich_help_panel=PANEL,
        )
        annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
        added.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None,
                              annotation=annotation)
        )  # fmt: skip

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        tables = Tables({name: given.pop(name) for name in DEFAULTS})
        command(**given, tables=tables)

    own = inspect.signature(command, eval_str=True)
    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for p in own.parameters.values()
        if p.name != "tables"
    ]
    signature = own.replace(parameters=[*parameters, *added])
    wrapped.__signature__ = signature  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return wrapped


def pasteable(error: TableError) -> str:
    """The command line as it was given, with the options that read the file; "" if none do."""
    from evenbatch.table_options import DEFAULTS

    if error.reading is None:
        return ""
    flags = {"--target", *("--" + name.replace("_", "-") for name in DEFAULTS)} - {"--header"}
    kept: list[str] = []
    given = iter(sys.argv[1:])
    for word in given:
        flag, equals, _ = word.partition("=")
        if flag in flags:
            if not equals:
                next(given, None)
        elif flag not in ("--header", "--no-header"):
            kept.append(word)
    for name in error.reading.target:
        kept += [f"--target={name}"] if name.startswith("-") else ["--target", name]
    return shlex.join(["evenbatch", *kept, *error.reading.options.arguments()])
