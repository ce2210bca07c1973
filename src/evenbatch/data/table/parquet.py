"""Parquet, through pyarrow (an optional extra)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evenbatch.data.errors import DataError
from evenbatch.data.table.columns import Column, Table, check_known


def read_parquet(path: Path, *, categories: Sequence[str], drop: Sequence[str]) -> Table:
    """A Parquet file as a table; rows are counted from 1."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{path.name}: reading Parquet needs pyarrow: pip install 'evenbatch[tables]'. "
            "Or save the table as CSV."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            read = file.read()
    except (arrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name}: not a Parquet file, or a damaged one ({error}). Save it again."
        ) from error
    names = [str(name) for name in read.column_names]
    check_known(path.name, "drop", drop, names)
    check_known(path.name, "categories", categories, names)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{path.name}: the column name {twice[0]!r} appears twice. "
            "Give every column its own name."
        )
    columns = [
        _column(arrow, path.name, name, values)
        for name, values in zip(names, read.columns, strict=True)
        if name not in drop
    ]
    return Table(path.name, tuple(columns), lambda i: f"row {i + 1} (the first row is 1)")


def _column(arrow: Any, file: str, name: str, values: Any) -> Column:
    types = arrow.types
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if types.is_string(kind) or types.is_large_string(kind):
        texts = [None if t is None else t.strip() or None for t in values.to_pylist()]
        return Column(name, texts=texts)
    if types.is_null(kind):
        return Column(name, numbers=np.full(len(values), np.nan))
    if (
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
    ):
        wide = values.cast(arrow.float64(), safe=False)
        return Column(name, numbers=np.array(wide.to_numpy(), dtype=np.float64))
    raise DataError(
        f"{file}: column {name!r} holds {kind}, which is neither numbers nor text. "
        f"Turn it into numbers (a date into days since another date), or pass drop=[{name!r}]."
    )
