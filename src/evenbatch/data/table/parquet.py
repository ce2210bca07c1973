"""Parquet, through pyarrow (an optional extra)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError
from evenbatch.data.split import random_order
from evenbatch.data.table.columns import Column, Fault, Table, TableError
from evenbatch.table_options import TableOptions

# Columns read at a time, by one thread. For 784 columns of 188 MB it took 0.8 s and 70 MB beside
# what is returned; 32 columns, or more threads, 160 MB and no less time.
_TOGETHER = 8


def read_parquet(path: Path, target: Sequence[str], options: TableOptions, seed: int) -> Table:
    """A Parquet file as a table; rows are counted from 1."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{path.name}: reading Parquet needs pyarrow: pip install 'evenbatch[tables]'. "
            "Or save the table as CSV."
        ) from error
    damaged = (arrow.ArrowException, OSError)
    try:
        with parquet.ParquetFile(path) as file:
            schema, n_file = file.schema_arrow, file.metadata.num_rows
    except damaged as error:
        raise _damaged(path, error) from error
    _check_names(path.name, schema.names)
    _check_types(arrow.types, path.name, schema, options)
    chosen = None
    if n_file > options.rows:
        chosen = np.sort(random_order(n_file, seed)[: options.rows])

    def read(names: Sequence[str]) -> Iterator[Column]:
        try:
            with parquet.ParquetFile(path) as file:
                for start in range(0, len(names), _TOGETHER):
                    wanted = list(names[start : start + _TOGETHER])
                    part = file.read(columns=wanted, use_threads=False)
                    for name in wanted:
                        yield _column(arrow, name, part.column(name), chosen)
                    del part
        except damaged as error:
            raise _damaged(path, error) from error
        finally:
            arrow.default_memory_pool().release_unused()

    return Table(
        path.name,
        schema.names,
        n_file if chosen is None else options.rows,
        read,
        lambda i: f"row {(i if chosen is None else chosen[i]) + 1}",
        n_file=n_file,
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name}: not a Parquet file, or a damaged one ({error}). Save it again.")


def _check_names(file: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{file}: the column name {twice[0]!r} appears twice. Give every column its own name."
        )


def _check_types(types: Any, file: str, schema: Any, options: TableOptions) -> None:
    """Columns that are neither numbers nor texts can only be left out."""
    faults = []
    for item in schema:
        kind = item.type.value_type if types.is_dictionary(item.type) else item.type
        known = (types.is_string, types.is_large_string, types.is_null, types.is_boolean,
                 types.is_integer, types.is_floating, types.is_decimal)  # fmt: skip
        if item.name not in options.drop and not any(is_kind(kind) for is_kind in known):
            said = f"column {item.name!r} holds {item.type}, which is neither numbers nor text"
            said += " (turn it into numbers: a date into days since another date)"
            faults.append(Fault(said, {"drop": (item.name,)}))
    if faults:
        raise TableError(file, faults)


def _column(arrow: Any, name: str, values: Any, chosen: NDArray[np.int64] | None) -> Column:
    types, kind = arrow.types, values.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        values = values.cast(kind)
    if types.is_string(kind) or types.is_large_string(kind):
        coded = values.combine_chunks().dictionary_encode()
        places, gaps = _plain(arrow.chunked_array([coded.indices]), np.int32)
        return _texts(name, coded.dictionary.to_pylist(), np.where(gaps, -1, places), chosen)
    if types.is_null(kind):
        numbers = np.full(len(values), np.nan)
    else:
        is_small = kind in (arrow.float16(), arrow.float32())
        wanted = arrow.float32() if is_small else arrow.float64()
        numbers, gaps = _plain(values.cast(wanted, safe=False), np.float32 if is_small else float)
        numbers[gaps] = np.nan
    return Column(name, numbers if chosen is None else numbers[chosen])


def _plain(values: Any, kind: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The values, and where there are none.

    By their buffers: `to_numpy` imports pandas, where that is installed (40 MB).
    """
    found, gaps = np.zeros(len(values), kind), np.zeros(len(values), bool)
    start = 0
    for chunk in values.chunks:
        end, (bits, content) = start + len(chunk), chunk.buffers()
        part = slice(chunk.offset, chunk.offset + len(chunk))
        if content is not None:
            found[start:end] = np.frombuffer(content, kind)[part]
        if bits is not None:
            there = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
            gaps[start:end] = there[part] == 0
        start = end
    return found, gaps


def _texts(
    name: str, texts: Sequence[str], places: NDArray[Any], chosen: NDArray[np.int64] | None
) -> Column:
    """Texts without blanks around them; an empty one is missing."""
    codes: dict[str, int] = {"": 0}
    for text in texts:
        codes.setdefault(text.strip(), len(codes))
    found = np.array([*(codes[text.strip()] for text in texts), 0], np.int32)[places]
    found = found if chosen is None else found[chosen]
    return Column(name, np.full(len(found), np.nan), found, list(codes)[1:])
