"""What a command was asked to work with: the store, the runner, the data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evenbatch.data import Dataset
    from evenbatch.runners import Runner
    from evenbatch.store import Store

TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".npz")


class UserError(Exception):
    """Something that was asked for and cannot work; the message says what to change."""


@contextmanager
def chosen_runner(on: str, address: str | None) -> Iterator[Runner]:
    """Where trainings run, as asked for; what was started for it is ended afterwards."""
    from evenbatch.runners import Local
    from evenbatch.runners.on_ray import OnRay

    if address is not None and on != "ray":
        raise UserError(f"--address {address} is about a Ray cluster: add --on ray")
    chosen: Runner = OnRay(address) if on == "ray" else Local()
    try:
        yield chosen
    finally:
        chosen.close()


@contextmanager
def opened(store: str | None) -> Iterator[Store | None]:
    """The store that was asked for, or the user's own; None for "off".

    A store that was named must work. The user's own may be missing or broken: that is said, and the
    work is done without it.
    """
    from evenbatch.store import Store, StoreError, default_path

    chosen = default_path() if store is None else Path(store)
    if chosen is None or store == "off":
        yield None
        return
    try:
        found = Store(chosen)
    except StoreError as error:
        if store is not None:
            raise
        sys.stderr.write(f"evenbatch: {error}\nContinuing without the store.\n")
        yield None
        return
    with found:
        yield found


def load_data(name: str, target: str | None, data_dir: Path | None = None) -> Dataset:
    """A data set by name, or a table if it names a file; MNIST from `data_dir`, if given."""
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
    if data_dir is not None and name.partition(":")[0] == "mnist":
        return load(name, data_dir=data_dir)
    return load(name)
