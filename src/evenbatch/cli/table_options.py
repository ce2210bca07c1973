"""How a table of one's own is read: options of `race`, `prove` and `sweep`, declared once."""

from __future__ import annotations

import functools
import inspect
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenbatch.cli.door import UserError

if TYPE_CHECKING:
    from evenbatch.data import Dataset, TableError, TableOptions

TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".npz")
PANEL = "Your table"


class Tables:
    """The tables a command reads, with the options it was given; each is read once."""

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self._given = given or {}
        self._loaded: dict[tuple[str, str | None], Dataset] = {}

    @property
    def options(self) -> TableOptions:
        """The options as they stand on the command line."""
        from evenbatch.data.table.options import make
        from evenbatch.table_options import split_names

        plain = {
            name: [part for text in value for part in split_names(text)]
            if isinstance(value, list)
            else value
            for name, value in self._given.items()
            if value not in (None, [])
        }
        return make(**plain)

    def load(self, name: str, target: str | None, data_dir: Path | None = None) -> Dataset:
        """A data set by name, or a table if it names a file; MNIST from `data_dir`, if given."""
        from evenbatch.data import DATASETS, load, load_table

        options = self.options
        is_file = name.endswith(TABLE_ENDINGS) or Path(name).expanduser().is_file()
        if name.partition(":")[0] in DATASETS and not is_file:
            flags = [*(["--target"] if target is not None else []), *options.arguments()]
            if flags:
                flag = flags[0].partition("=")[0]
                raise UserError(
                    f"{flag} is about a table of your own, and {name} is none: leave {flag} out, "
                    "or give a file with --data"
                )
        if not is_file and target is None:
            is_mnist = data_dir is not None and name.partition(":")[0] == "mnist"
            return load(name, data_dir=data_dir) if is_mnist else load(name)
        if (name, target) not in self._loaded:
            wanted = () if target is None else target
            self._loaded[name, target] = load_table(name, wanted, **options.given())
        return self._loaded[name, target]

    def show(self, quiet: bool) -> None:
        """What was noticed in the tables that were read."""
        if not quiet:
            show_notes(self._loaded.values())


def show_notes(datasets: Iterable[Dataset]) -> None:
    """Of each table, where its rows come from and what was noticed, on standard error."""
    from rich.markup import escape

    from evenbatch.report.terminal import plain_console

    console = plain_console(stderr=True)
    for data in datasets:
        if data.name.startswith("table:"):
            console.print(f"[bold]{escape(data.source)}[/bold]", soft_wrap=True)
            for note in data.notes:
                console.print(f"  {escape(note)}", soft_wrap=True)


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
