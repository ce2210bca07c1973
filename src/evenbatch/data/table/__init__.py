"""Your own table: a CSV, TSV, Parquet or NPZ file, with the column to predict named.

file -> kind.py -> text.py, parquet.py or npz.py -> columns.Table -> encode.py -> Dataset
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evenbatch.data.dataset import TASKS, Dataset, from_rows
from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.split import check_split
from evenbatch.data.table.columns import Table
from evenbatch.data.table.encode import encode
from evenbatch.data.table.kind import PARQUET, TEXT, kind_of
from evenbatch.data.table.npz import read_npz
from evenbatch.data.table.parquet import read_parquet
from evenbatch.data.table.text import read_text

_loaded: dict[str, list[Dataset]] = {}  # the data sets made here, by name


def load_table(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    task: str | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    drop: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
    keep_constant: bool = False,
    decimal: str = ".",
    delimiter: str | None = None,
    encoding: str | None = None,
    name: str | None = None,
) -> Dataset:
    """A data set from a file of your own; afterwards ``load("table:<name>")`` finds it too.

    Numbers are kept as they are. A column of texts becomes one column of zeros and ones for each of
    its categories ("colour=red"). Nothing is filled in, dropped or standardized.

    Args:
        path: a CSV, TSV, Parquet or NPZ file.
        target: the column to predict; several for a regression on several targets.
        task: "classification" or "regression". If left out: classification for a target of texts,
            or of whole numbers with at most 20 different values, each met twice or more on average.
        test_share: part of the rows kept for testing; each class gives its share.
        seed: chooses those rows.
        drop: columns to leave out.
        categories: columns of numbers that are names (postcodes).
        keep_constant: keep columns that hold the same value in every row, and note them.
        decimal: "," if the file writes 3,5 (text files only, as the next two).
        delimiter: if left out, whichever of , ; tab | splits the rows most evenly.
        encoding: if left out, UTF-8, or what the file's byte-order mark says.
        name: the data set is called "table:<name>"; if left out, the file's name without ending.

    Raises:
        DataError: for a file or a cell that cannot be used: where it is, what is wrong, what to do.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tea.csv")
    ...     _ = path.write_text("grams,milk,good\\n2,no,1\\n3,yes,0\\n2.5,no,1\\n9,no,0\\n")
    ...     load_table(path, "good", test_share=0.5)  # doctest: +ELLIPSIS
    Dataset('table:tea': classification, 3 features, 2 classes, 2 training + 2 test rows, ...)
    """
    check_split(test_share, seed)
    if task is not None and task not in TASKS:
        raise DataError(f"task is {task!r}, not one of {TASKS}.{did_you_mean(task, TASKS)}")
    targets, drop, categories = _names(target), _names(drop), _names(categories)
    if not targets:
        raise DataError("target is empty: name the column to predict.")
    both = set(targets) & set(drop)
    if both:
        raise DataError(f"{listed(sorted(both))} cannot be the target and be dropped.")

    path = Path(path).expanduser()
    text = {"decimal": decimal, "delimiter": delimiter, "encoding": encoding}
    table = _read(path, drop, categories, text)
    _check_size(table)
    encoded = encode(table, targets, task=task, categories=categories, keep_constant=keep_constant)
    dataset = from_rows(
        f"table:{name or path.stem}",
        encoded.x,
        encoded.y,
        features=encoded.features,
        classes=encoded.classes,
        test_share=test_share,
        seed=seed,
        source=f"Your table {path.name}, {table.n_rows} rows, target {listed(targets)}.",
        notes=encoded.notes,
    )
    return _remember(_with_notes(dataset))


def _read(path: Path, drop: list[str], categories: list[str], text: dict[str, str | None]) -> Table:
    """The file as columns; `text` holds the options that only text files have."""
    kind = kind_of(path)
    if kind == TEXT:
        return read_text(path, categories=categories, drop=drop, **text)
    for option, value in text.items():
        if value not in (None, "."):
            raise DataError(
                f"{option} is about text files (CSV, TSV); {path.name} is none. Leave it out."
            )
    read = read_parquet if kind == PARQUET else read_npz
    return read(path, categories=categories, drop=drop)


def _with_notes(dataset: Dataset) -> Dataset:
    """A column may vary over all rows and stand still in training: worth a note, no error."""
    still = (dataset.x_train == dataset.x_train[0]).all(axis=0)
    if not still.any():
        return dataset
    names = [name for name, same in zip(dataset.features, still, strict=True) if same]
    note = f"The same value in every training row: {listed(names)}."
    return replace(dataset, notes=(*dataset.notes, note))


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


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _check_size(table: Table) -> None:
    if table.n_rows < 2:
        rows = "1 row" if table.n_rows else "0 rows"
        raise DataError(
            f"{table.file}: {rows} of data cannot be split into training and test. "
            "At least 2 are needed, and some hundreds to learn from."
        )
