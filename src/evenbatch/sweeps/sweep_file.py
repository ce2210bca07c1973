"""Reads a sweep from a TOML file, and refuses what cannot work with file, line and field.

data = ["digits", "mine.csv"]        names, or files beside this one
target = "price"                     the column to predict, for files
drop = ["id"]                        and how they are read: the options of `load_table`
seeds = 5                            0 to 4; or a list

[network]                            fields of `Network`; a list is a grid
hidden = [[32], [64, 64]]            hidden is a list by itself: a list of lists is a grid
conv = [[16], [{channels = 16, kernel = 5}]]        as is conv: channels, or fields of `Conv`
norm = ["none", "batch"]

[trial]                              fields of `Trial`
learning_rate = [0.01, 0.1, 1.0]
steps = 500
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from evenbatch.data import (
    DATASETS,
    DataError,
    Dataset,
    TableError,
    TableOptions,
    load,
    load_table,
)
from evenbatch.data.errors import did_you_mean, listed
from evenbatch.data.table.options import make
from evenbatch.engine import Network, SettingError, Trial
from evenbatch.engine.conv import Conv, layers
from evenbatch.engine.state import check_fit
from evenbatch.protocol.verdict import ExperimentError
from evenbatch.sweeps.grid import Axes, Grid
from evenbatch.table_options import DEFAULTS

MOST = 10_000_000
"""Trials in one sweep."""
SEEDS = 5
"""If the file does not say."""

_TOP = ("data", "target", "seeds", "network", "trial", *DEFAULTS)
# What the data or the head of the file says, and where to write it instead.
_ELSEWHERE = {
    ("network", "inputs"): "it follows from the data: leave it out",
    ("network", "outputs"): "it follows from the data: leave it out",
    ("network", "shape"): "it follows from the data: leave it out",
    ("trial", "network"): "a network's fields stand under [network]",
    ("trial", "data"): "write data = … at the top of the file, before any [table]",
    ("trial", "seed"): "write seeds = … at the top of the file, before any [table]",
}
_NETWORK = Network(inputs=4, hidden=(4,), outputs=2)
_WITH_CONV = replace(_NETWORK, conv=(Conv(1),), shape=(4, 1))
_BASE: dict[str, Any] = {"network": _NETWORK, "trial": Trial(_NETWORK)}


def read_sweep(path: Path, target: str | None = None, options: TableOptions | None = None) -> Grid:
    """The grid a file describes, every combination of it checked.

    Args:
        path: the file.
        target: the column to predict, instead of what the file says.
        options: how tables are read, in addition to what the file says.

    Raises:
        ExperimentError: something in it cannot be trained; the message names file, line and field.
            If it is a table, a `TableError` is the cause.
    """
    return _Reader(path, target, options or TableOptions()).grid()


class _Reader:
    def __init__(self, path: Path, target: str | None, options: TableOptions) -> None:
        self.path, self.target, self.more = path, target, options
        try:
            self.text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ExperimentError(f"{path}: this is no text in UTF-8") from None
        try:
            self.content = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column \d+\)", str(error))
            line = f", line {found[1]}" if found else ""
            reason = re.sub(r" \(at .*\)", "", str(error))
            raise ExperimentError(
                f"{path}{line}: {reason}. A line reads: field = value; texts stand in quotes"
            ) from None

    def error(self, message: str, *where: str) -> ExperimentError:
        """An error at a field: ``error("…", "network", "norm")``."""
        line = line_of(self.text, where) if where else 0
        return ExperimentError(f"{self.path}{f', line {line}' if line else ''}: {message}")

    def grid(self) -> Grid:
        """Everything read and checked."""
        self.check_names((), self.content, _TOP)
        network, trial = (self.table(name) for name in ("network", "trial"))
        if "conv" in network:
            network = {"hidden": ((),), **network}
        if "hidden" not in network:
            raise self.error(
                "[network] needs hidden, the width of each hidden layer: hidden = [64, 64]",
                *(["network"] if "network" in self.content else []),
            )
        grid = Grid(self.datasets(), network, trial, self.seeds())
        if len(grid) > MOST:
            raise self.error(f"these are {len(grid):,} trials; at most {MOST:,} fit one sweep")
        self.check_combinations(grid)
        return grid

    def check_names(
        self, where: tuple[str, ...], given: Mapping[str, Any], known: Iterable[str]
    ) -> None:
        known = tuple(known)
        place = f"[{where[0]}] has" if where else "there is"
        for name in given:
            if (*where, name) in _ELSEWHERE:
                hint = _ELSEWHERE[where[0], name]
                raise self.error(f"{name} cannot be set in [{where[0]}]; {hint}", *where, name)
            if name in known:
                continue
            message = f"{place} no field {name!r}.{did_you_mean(name, known)}"
            for table, kind in (("network", Network), ("trial", Trial)):
                if not where and name in {f.name for f in fields(kind)}:
                    message += f" It belongs under [{table}]."
            shown = [field for field in known if field not in DEFAULTS]
            raise self.error(f"{message} Fields: {listed(shown, 30)}.", *where, name)

    # The two tables.

    def table(self, name: str) -> Axes:
        """The values of each field, each checked by itself."""
        given = self.content.get(name, {})
        if not isinstance(given, dict):
            raise self.error(f"{name} is {given!r}; write a table: [{name}]", name)
        kind = Network if name == "network" else Trial
        types = {f.name: str(f.type) for f in fields(kind) if (name, f.name) not in _ELSEWHERE}
        self.check_names((name,), given, types)
        return {
            field: self.values(name, field, value, types[field].startswith("tuple"))
            for field, value in given.items()
        }

    def values(self, table: str, field: str, value: Any, is_list: bool) -> tuple[Any, ...]:
        """The values of a field; `is_list` if one value is a list by itself."""
        inner = isinstance(value, list) and any(isinstance(item, list) for item in value)
        many = value if isinstance(value, list) and (inner or not is_list) else [value]
        if not many:
            raise self.error(f"{field} is an empty list; give it at least one value", table, field)
        found: list[Any] = []
        for item in many:
            try:
                # Fields put their values in plain form: 1 becomes 1.0, a list a tuple.
                plain = self.plain(table, field, item)
            except SettingError as error:
                raise self.error(str(error), table, field) from None
            if plain in found:
                raise self.error(f"{field} holds {item!r} twice", table, field)
            found.append(plain)
        return tuple(found)

    def plain(self, table: str, field: str, value: Any) -> Any:
        """One value as the field keeps it."""
        if field == "conv":  # whether they fit each other is a matter of the data's shape
            return layers(value)
        base = _BASE[table]
        if table == "network" and "conv" in self.content["network"]:
            base = _WITH_CONV
        return getattr(replace(base, **{field: value}), field)

    # The head.

    def seeds(self) -> tuple[int, ...]:
        given = self.content.get("seeds", SEEDS)
        many = given if isinstance(given, list) else [given]
        for seed in many:
            low = 0 if isinstance(given, list) else 1
            if isinstance(seed, bool) or not isinstance(seed, int) or not low <= seed < 1 << 63:
                raise self.error(
                    f"seeds is {given!r}; it must be a number from 1, for the seeds 0, 1, 2, …, or "
                    "a list of seeds",
                    "seeds",
                )
        if not many or len(set(many)) < len(many):
            raise self.error(f"seeds is {given!r}; it must hold each seed once", "seeds")
        return tuple(many) if isinstance(given, list) else tuple(range(given))

    def datasets(self) -> dict[str, Dataset]:
        """The data sets by their names."""
        given = self.content.get("data")
        many: list[Any] = given if isinstance(given, list) else [given]
        if not many or not all(isinstance(name, str) for name in many):
            raise self.error(
                f"data is {given!r}; it must name a data set ({listed(DATASETS)}) or a file, or be "
                'a list of such names: data = "digits"',
                *(["data"] if "data" in self.content else []),
            )
        found: dict[str, Dataset] = {}
        for name in many:
            dataset = self.dataset(name)
            if dataset.name in found:
                raise self.error(f"data holds {dataset.name!r} twice", "data")
            found[dataset.name] = dataset
        if not any(map(self.is_file, many)):
            for name in ("target", *DEFAULTS):
                if name in self.content:
                    said = f"{name} is about files, and data names none: leave it out"
                    raise self.error(said, name)
        return found

    def is_file(self, name: str) -> bool:
        return name.partition(":")[0] not in DATASETS

    def dataset(self, name: str) -> Dataset:
        target = self.target or self.content.get("target")
        try:
            if not self.is_file(name):
                return load(name)
            path = self.path.parent / Path(name).expanduser()
            if not path.exists():
                raise DataError(
                    f"{name!r} is neither a data set nor a file in {self.path.parent}."
                    f"{did_you_mean(name, DATASETS)} Data sets: {listed(DATASETS)}."
                )
        except DataError as error:
            raise self.error(f"data: {error}", "data") from None
        named = [] if target is None else [target]
        texts: list[Any] = target if isinstance(target, list) else named
        if not all(isinstance(text, str) for text in texts):
            raise self.error(
                f"target is {target!r}; it must name the column of {name} to predict: "
                'target = "price"', "target" if "target" in self.content else "data",
            )  # fmt: skip
        try:
            return load_table(path, texts, **self.options().given())
        except DataError as error:
            named = [w for w in ("target", "data") if w in self.content]
            said = error.text() if isinstance(error, TableError) else str(error)
            raise self.error(said, named[0]) from error  # a TableError knows what would read it

    def options(self) -> TableOptions:
        """How tables are read: what the file says, and what was said beside it."""
        found = TableOptions()
        for name in DEFAULTS.keys() & self.content.keys():
            try:
                found = found.changed(make(**{name: self.content[name]}).given())
            except DataError as error:
                raise self.error(str(error), name) from None
        return found.changed(self.more.given())

    # Everything together.

    def check_combinations(self, grid: Grid) -> None:
        """Settings that are fine by themselves may not fit each other, or the data."""
        for place in range(grid.settings):
            try:
                trial = grid[place]
                check_fit(trial, grid.datasets[trial.data])
            except SettingError as error:
                # The message begins with the field it is about.
                named = re.match(r"\w+", str(error))
                field = named[0] if named else ""
                where = next(
                    ((table, field) for table in ("network", "trial")
                     if field in self.content.get(table, {})), (),
                )  # fmt: skip
                raise self.error(f"a combination of the grid cannot be trained: {error}", *where) \
                    from None  # fmt: skip


def line_of(text: str, where: Iterable[str]) -> int:
    """The line on which a field is set, from 1; 0 if it is not.

    TOML's reader in the standard library tells no positions. But a file can be read line by line:
    the field is set where it first appears.

    >>> text = "seeds = 3\\n[trial]\\n# steps\\nsteps = [\\n  100,\\n]\\n"
    >>> line_of(text, ["trial", "steps"])
    4
    """
    lines = text.splitlines()
    start = 1
    for end in range(1, len(lines) + 1):
        try:
            content: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value
        for name in where:
            content = content.get(name) if isinstance(content, dict) else None
        if content is not None:
            return start
        start = end + 1
    return 0
