"""Tables of one's own: each read once, with the options given, and what was noticed in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenbatch.app.opening import UserError

if TYPE_CHECKING:
    from evenbatch.data import Dataset, TableOptions

TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".npz")


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

    @staticmethod
    def is_file(name: str) -> bool:
        """Whether it is a table's, by its ending or because it is there."""
        return name.endswith(TABLE_ENDINGS) or Path(name).expanduser().is_file()

    @staticmethod
    def is_named(name: str) -> bool:
        """Whether it is that of a data set: "digits", "cookies:seed=3"."""
        from evenbatch.data import DATASETS

        return name.partition(":")[0] in DATASETS

    def load(self, name: str, target: str | None, data_dir: Path | None = None) -> Dataset:
        """A data set by name, or a table if it names a file; MNIST from `data_dir`, if given."""
        from evenbatch.data import load, load_table

        options, is_file = self.options, self.is_file(name)
        if self.is_named(name) and not is_file:
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
