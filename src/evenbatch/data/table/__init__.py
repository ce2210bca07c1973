"""Your own table: a CSV, TSV, Parquet or NPZ file, with the column to predict named.

file -> kind.py -> text.py, parquet.py or npz.py -> Table -> judge.py -> encode.py -> Dataset

What is wrong on the way is a `Fault` with the options that deal with it. `load_table` tries these,
until the file can be read, and puts all faults and all options into one message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.split import check_split
from evenbatch.data.table.columns import Fault, Reading, Table, TableError, check_known
from evenbatch.data.table.encode import encode
from evenbatch.data.table.judge import judge
from evenbatch.data.table.kind import NPZ, PARQUET, TEXT, kind_of
from evenbatch.data.table.npz import read_npz
from evenbatch.data.table.options import ONLY_TEXT, make
from evenbatch.data.table.parquet import read_parquet
from evenbatch.data.table.suspects import of_dataset
from evenbatch.data.table.text import read_text
from evenbatch.table_options import HELP, TableOptions

__all__ = ["TableError", "TableOptions", "load_table", "recall"]

_READERS: dict[str, Callable[[Path, Sequence[str], TableOptions, int], Table]] = {
    TEXT: read_text,
    PARQUET: read_parquet,
    NPZ: read_npz,
}
_TRIES = 12  # faults hide each other: an encoding, comments, units, separators, gaps
_loaded: dict[str, list[Dataset]] = {}  # the data sets made here, by name


def load_table(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    test_share: float = 0.2,
    seed: int = 0,
    name: str | None = None,
    **options: Any,
) -> Dataset:
    """A data set from a file of your own; afterwards ``load("table:<name>")`` finds it too.

    Numbers are kept as they are. A column of up to 50 texts becomes one column of zeros and ones
    for each of them ("colour=red"). Nothing is filled in or standardized, and nothing is left out
    that the data set's `notes` do not name.

    Args:
        path: a CSV, TSV, Parquet or NPZ file; text files may be packed (gz, bz2, xz, zip).
        target: the column to predict; several for a regression on several targets.
        test_share: part of the rows kept for testing; each class gives its share.
        seed: chooses those rows.
        name: the data set is called "table:<name>"; if left out, the file's name without ending.
        options: how the file is read:
            {options}

    Raises:
        DataError: for a file that cannot be used. `TableError`, one of them, lists all that is
            wrong, and the call with the options that read the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tea.csv")
    ...     _ = path.write_text("grams,milk,good\\n2,no,1\\n3,yes,0\\n2.5,no,1\\n9,no,0\\n")
    ...     load_table(path, "good", test_share=0.5)  # doctest: +ELLIPSIS
    Dataset('table:tea': classification, 3 features, 2 classes, 2 training + 2 test rows, ...)
    """
    check_split(test_share, seed)
    chosen = make(**options)
    targets = (target,) if isinstance(target, str) else tuple(target)
    both = set(targets) & set(chosen.drop)
    if both:
        raise DataError(f"{listed(sorted(both))} cannot be the target and be dropped.")
    path = Path(path).expanduser()
    kind = kind_of(path)

    held: dict[TableOptions, Table] = {}  # the last table, which most changes leave as it was read

    def attempt(targets: tuple[str, ...], options: TableOptions) -> Dataset:
        how = replace(options, drop=(), drop_missing="", task="")
        if how not in held:
            held.clear()
            held[how] = _READERS[kind](path, targets, options, seed)
        return _dataset(path, held[how], targets, options, name, test_share, seed)

    _check_options(path, kind, chosen)
    try:
        return _remember(attempt(targets, chosen))
    except TableError as error:
        raise _explained(str(path), error, attempt, targets, chosen) from None


if load_table.__doc__:  # there is none under python -OO
    _lines = [f"{name}: {about['help']}" for name, about in HELP.items()]
    load_table.__doc__ = load_table.__doc__.replace("{options}", "\n            ".join(_lines))


def _check_options(path: Path, kind: str, options: TableOptions) -> None:
    for option in options.given():
        if kind != TEXT and option in ONLY_TEXT:
            raise DataError(
                f"{option} is about text files (CSV, TSV); {path.name} is none. Leave it out."
            )


def _explained(
    path: str,
    error: TableError,
    attempt: Callable[[tuple[str, ...], TableOptions], Dataset],
    targets: tuple[str, ...],
    options: TableOptions,
) -> TableError:
    """All faults of a file, and the options with which it was read here just now."""
    faults: list[Fault] = []
    for _ in range(_TRIES):
        faults += [fault for fault in error.faults if fault not in faults]
        before = targets, options
        for fault in error.faults:
            targets = fault.change.get("target", targets)
            options = options.changed({k: v for k, v in fault.change.items() if k != "target"})
        if (targets, options) == before or not all(fault.change for fault in error.faults):
            break
        try:
            data = attempt(targets, options)
        except TableError as next_error:
            error = next_error
        except DataError as last:
            said = str(last).removeprefix(f"{error.file}: ")
            return TableError(error.file, [*faults, Fault(said)])
        else:
            inputs = f"{data.n_features} input{'s' * (data.n_features > 1)}"
            gives = f"{data.n_train + data.n_test:,} rows, {inputs}"
            return TableError(error.file, faults, Reading(path, targets, options, gives))
    return TableError(error.file, faults)


def _dataset(
    path: Path,
    table: Table,
    targets: Sequence[str],
    options: TableOptions,
    name: str | None,
    test_share: float,
    seed: int,
) -> Dataset:
    check_known(table, options)
    if table.n_rows < 2:
        rows = "1 row" if table.n_rows else "0 rows"
        raise DataError(
            f"{table.file}: {rows} of data cannot be split into training and test. "
            "At least 2 are needed, and some hundreds to learn from."
        )
    judged = judge(table, targets, options)
    used, rows = len(judged.kept), f"{table.n_file:,}"
    if table.n_rows < table.n_file:
        judged.notes.insert(
            0,
            f"{table.n_rows:,} of {table.n_file:,} rows are used, drawn at random by the seed; "
            "--rows takes another number.",
        )
    if used < table.n_file:
        rows = f"{used:,} of {rows}"
    data = encode(
        table,
        judged,
        options,
        name=f"table:{name or _stem(path)}",
        test_share=test_share,
        seed=seed,
        source=f"Your table {path.name}, {rows} rows, target {listed(targets, 5)}.",
    )
    return replace(data, notes=(*data.notes, *of_dataset(data, targets)))


def _stem(path: Path) -> str:
    """The file's name without its endings: wine.csv.gz is "wine"."""
    return Path(path.stem).stem if path.suffix in (".gz", ".bz2", ".xz", ".zip") else path.stem


def _remember(dataset: Dataset) -> Dataset:
    same_name = _loaded.setdefault(dataset.name, [])
    same_name[:] = [d for d in same_name if d.fingerprint != dataset.fingerprint] + [dataset]
    return dataset


def recall(name: str) -> Dataset:
    """The table loaded under this name before, in this process."""
    found = _loaded.get(name, [])
    if not found:
        known = f" Loaded so far: {listed(sorted(_loaded))}." if _loaded else ""
        raise DataError(
            f"no table was loaded as {name!r} in this process: load_table(path, target) comes "
            f"first.{known}{did_you_mean(name, _loaded)}"
        )
    if len(found) > 1:
        raise DataError(
            f"{len(found)} different tables were loaded as {name!r}. Use the Dataset that "
            "load_table returned, or tell them apart with load_table(..., name='...')."
        )
    return found[0]
