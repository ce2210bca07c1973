"""Curves as a table: one row per trial and evaluation, every setting in a column of its own.

`Store.to_pandas` and `Store.export` are made of these; a sweep writes its table with them too. The
format of a file follows from its ending:

    .csv, .parquet   the table
    .json            everything: settings, the whole curve with its probes, machine and versions
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve, Network, Trial
from evenbatch.engine.network import CONVOLUTIONAL
from evenbatch.store.errors import StoreError

if TYPE_CHECKING:
    import pandas

Record = Mapping[str, Any]
"""A row of the store: see `Store.records`."""

ENDINGS = (".csv", ".parquet", ".json")
FORMAT = 1
"""Of the JSON file; raised whenever a field changes its meaning."""
TRIALS_AT_ONCE = 1000  # in one piece of a Parquet file, so that a million of them fit through

SETTINGS = (
    *(f.name for f in fields(Trial) if f.name != "network"),
    *(f"network_{f.name}" for f in fields(Network)),
)
EVALUATED = tuple(f.name for f in fields(Curve) if "NDArray" in str(f.type))
COLUMNS = (
    "key", *SETTINGS, "ended", "ended_at", *EVALUATED,
    "data_fingerprint", "evenbatch", "code", "processor", "stored",
)  # fmt: skip
"""The columns of the table, in order."""


def trial_key(record: Record) -> str:
    """The key of a record's trial, also if another version of the engine wrote it."""
    text = json.dumps([record["engine"], record["trial"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass
class Piece:
    """Some trials of the table.

    Attributes:
        once: columns that are the same in all rows of a trial, a value for each trial.
        evaluated: the others, a value for each row.
        place: for each row, which of the trials it belongs to.
    """

    once: dict[str, list[Any]]
    evaluated: dict[str, NDArray[Any]]
    place: NDArray[np.intp]


def _piece(records: Sequence[Record]) -> Piece:
    once = [_once(record) for record in records]
    curves = [record["curve"] for record in records]
    counts = [len(curve["step"]) for curve in curves]
    return Piece(
        {name: [row[name] for row in once] for name in COLUMNS if name not in EVALUATED},
        {
            name: np.concatenate([_column(curve, name) for curve in curves] or [np.zeros(0)])
            for name in EVALUATED
        },
        np.repeat(np.arange(len(records)), counts),
    )


def _column(curve: Mapping[str, Any], name: str) -> NDArray[Any]:
    """A value for each evaluation; NaN where a curve of an older version has none."""
    values, count = curve.get(name), len(curve["step"])
    same = isinstance(values, np.ndarray) and values.shape == (count,)
    return values if same else np.full(count, np.nan)  # type: ignore[return-value]


def _once(record: Record) -> dict[str, Any]:
    """What is the same in all rows of a trial."""
    trial = record["trial"]
    network = CONVOLUTIONAL | trial["network"]  # which are left out where there are none
    flat = {**trial, **{f"network_{name}": value for name, value in network.items()}}
    return {
        "key": trial_key(record),
        **{name: _plain(flat.get(name)) for name in SETTINGS},
        "ended": record["curve"]["ended"],
        "ended_at": record["curve"]["ended_at"],
        "data_fingerprint": record["fingerprint"],
        "evenbatch": record["versions"].get("evenbatch"),
        "code": record["code"],
        "processor": record["machine"].get("processor"),
        "stored": _when(record["stored"]),
    }


def _plain(value: Any) -> Any:
    """Lists and the like, which a table has no cell for, as JSON: [64, 64]."""
    return json.dumps(value) if isinstance(value, (list, tuple, dict)) else value


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """The table as a pandas DataFrame.

    Raises:
        StoreError: pandas is not installed.
    """
    _need("pandas", "a DataFrame")
    import pandas

    piece = _piece(list(records))
    table = pandas.DataFrame(piece.once).iloc[piece.place].reset_index(drop=True)
    return table.assign(**piece.evaluated)[list(COLUMNS)]


# Files.


def check(path: Path) -> None:
    """Raise a `StoreError` unless a file of this name can be made; asked before the work starts."""
    if path.suffix.lower() not in ENDINGS:
        raise StoreError(
            f"{path}: the ending {path.suffix!r} stands for no format; use one of "
            f"{', '.join(ENDINGS)}"
        )
    if path.is_dir():
        raise StoreError(f"{path}: this is a folder; name a file in it")
    if path.suffix.lower() == ".parquet":
        _need("pyarrow", "a Parquet file")
    there = next(p for p in path.absolute().parents if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"{path}: nothing can be written in {there}")


def _need(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise StoreError(
            f"{what} needs {package}, which is not installed: pip install 'evenbatch[tables]'"
        )


def write(path: Path, records: Iterable[Record]) -> int:
    """Write the file that its ending says, piece by piece; returns the number of trials in it.

    It is there when it is complete: an older file of that name stays until then.
    """
    check(path)
    writer = {".csv": _write_csv, ".parquet": _write_parquet, ".json": _write_json}
    path.parent.mkdir(parents=True, exist_ok=True)
    counted = _Counted(records)
    with _whole(path) as temporary:
        writer[path.suffix.lower()](temporary, counted)
    return counted.count


class _Counted:
    """Hands records through and counts them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = records
        self.count = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self.records:
            self.count += 1
            yield record


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(path: Path, records: Iterable[Record]) -> None:
    first = COLUMNS.index(EVALUATED[0])
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_line(COLUMNS) + "\n")
        for record in records:
            # A trial has many rows, most of whose cells are the same: those are written out once.
            once, curve = list(_once(record).values()), record["curve"]
            head, tail = _line(once[:first]), _line(once[first:])
            columns = [map(_cell, _column(curve, name).tolist()) for name in EVALUATED]
            file.writelines(
                f"{head},{','.join(row)},{tail}\n" for row in zip(*columns, strict=True)
            )


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _cell(number: float) -> str:
    return "" if number != number else repr(number)


def _write_parquet(path: Path, records: Iterable[Record]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    types = {f.name: str(f.type) for f in fields(Trial)}
    types |= {f"network_{f.name}": str(f.type) for f in fields(Network)}
    types |= {f.name: "int" if "int" in str(f.type) else "float"
              for f in fields(Curve) if f.name in EVALUATED}  # fmt: skip
    types["ended_at"] = "int"
    schema = pa.schema([(name, kinds.get(types.get(name, "str"), pa.string())) for name in COLUMNS])
    waiting = iter(records)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while some := list(islice(waiting, TRIALS_AT_ONCE)):
            piece = _piece(some)
            once = pa.table(piece.once, pa.schema([schema.field(name) for name in piece.once]))
            table = once.take(pa.array(piece.place))
            for name, values in piece.evaluated.items():
                table = table.append_column(schema.field(name), pa.array(values))
            writer.write_table(table.select(list(COLUMNS)))


def _write_json(path: Path, records: Iterable[Record]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"format": {FORMAT}, "trials": [')
        for place, record in enumerate(records):
            file.write(",\n" if place else "\n")
            _dump(file, {"key": trial_key(record), **record, "stored": _when(record["stored"])})
        file.write("\n]}\n")


def _dump(file: IO[str], content: Any) -> None:
    json.dump(_json(content), file, ensure_ascii=False, allow_nan=False)


def _json(value: Any) -> Any:
    """Arrays as lists, dataclasses as objects; NaN and infinity, which JSON lacks, as null."""
    if isinstance(value, np.ndarray):
        return _json(value.tolist())
    if is_dataclass(value):
        return {f.name: _json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
