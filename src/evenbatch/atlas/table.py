"""The atlas on disk: one Parquet file, a row for each setting and normalizer.

It is written whole beside the old one and then takes its place, so that whatever happens there is a
file of whole settings.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from evenbatch.atlas.design import (
    AXES,
    DEAREST,
    GROWTHS,
    NORMS,
    RATES,
    SEEDS,
    STEPS,
    TUNING,
    settings,
)
from evenbatch.atlas.measure import TESTS, Row
from evenbatch.engine.trial import ENGINE_VERSION
from evenbatch.protocol.verdict import ExperimentError

FORMAT = 1
"""Raised whenever a column changes its meaning."""
SIDES = ("none", "norm")
COLUMNS: dict[str, str] = {
    "setting": "int32", "norm": "string",
    **{name: "string" if isinstance(values[0], str) else "int16" for name, values in AXES.items()},
    "ratio": "float32", "low": "float32", "high": "float32", "bound": "string",
    "time_ratio": "float32", "time_low": "float32", "time_high": "float32",
    "end": "float32", "end_low": "float32", "end_high": "float32",
    "chance": "float32", "goal": "float32", "goal_of_weaker": "bool",
    **{f"{name}_{side}": kind for side in SIDES for name, kind in {
        "rate": "float32", "best": "float32", "learned": "bool", "width": "float32", "cut": "bool",
        "diverged": "float32", "lost": "int8", "steps": "float32"}.items()},
    "runs": "int16",
}  # fmt: skip
"""The columns with their types; docs/atlas.md says what they mean."""
MEANS: dict[str, Any] = {
    "format": FORMAT, "engine": ENGINE_VERSION, "axes": AXES, "norms": NORMS, "steps": STEPS,
    "seeds": SEEDS, "tuning": TUNING, "rates": RATES, "growths": GROWTHS, "tests": TESTS,
    "dearest": DEAREST,
}  # fmt: skip
"""What must be the same for rows to stand in one file."""
_KEY = b"evenbatch atlas"


SHIPPED, FRESH = "atlas.parquet", "fresh.parquet"


def shipped(name: str = SHIPPED) -> list[Row]:
    """The atlas that comes with the package; or settings measured later, which check it."""
    with as_file(files("evenbatch.atlas") / name) as path:
        return read(path)


def read(path: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        ExperimentError: it is no atlas, or that of another design or version.
        ModuleNotFoundError: pyarrow is missing.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path.open("rb").close()  # a missing file is not a damaged one
    try:
        # Not `read_table` of an open file: threads of Arrow's may let that go when Python has ended
        # already, and the process aborts (in 4 of 12 runs that were stopped here).
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowInvalid, OSError) as error:
        first = str(error).splitlines()[0].rstrip(".")
        raise ExperimentError(
            f"{path} is no Parquet file, or a damaged one: {first}. Name another with --file"
        ) from None
    kept = (table.schema.metadata or {}).get(_KEY)
    if kept is None:
        raise ExperimentError(f"{path} is a table, but no atlas. Name another file with --file")
    means, ours = json.loads(kept), json.loads(json.dumps(MEANS))
    unlike = sorted(name for name in ours.keys() | means if ours.get(name) != means.get(name))
    if unlike:
        name = unlike[0]
        raise ExperimentError(
            f"{path} was measured by another version: {name} is {means.get(name)} there and "
            f"{ours.get(name)} here. Use that version, or name another file with --file"
        )
    rows: list[Row] = table.to_pylist()
    _check_design(path, rows)
    return rows


def _check_design(path: Path, rows: Sequence[Row]) -> None:
    """Setting number i must be the same setting, whatever version of SciPy drew it."""
    for row in rows[:: max(1, len(rows) // 8)]:
        ((_, ours),) = settings(row["setting"], 1)
        if any(row[name] != value for name, value in vars(ours).items()):
            raise ExperimentError(
                f"{path}: setting {row['setting']} is another one there, so its sequence was drawn "
                "by another version of SciPy. Use that version, or name another file with --file"
            )


class Growing:
    """A file to which rows are added.

    Args:
        path: the file, made if need be.

    Raises:
        ExperimentError: the file is there and cannot be gone on with (see `read`).
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = read(path) if path.exists() else []
        self._write()  # whoever cannot keep what is measured need not measure it

    def add(self, rows: Sequence[Row]) -> None:
        """Put rows into the file."""
        if _mark(self.path) != self._mark:
            raise ExperimentError(
                f"{self.path} was changed or removed by another program. What it wrote is left as "
                "it is; measure into a file of your own with --file"
            )
        self.rows += rows
        self._write()

    def _write(self) -> None:
        write(self.path, self.rows)
        self._mark = _mark(self.path)


def _mark(path: Path) -> tuple[int, int] | None:
    """Changes whenever the file is another one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put a file of these rows into the place of the one that may be there.

    Raises:
        OSError: it cannot be written; what was there is left as it is.
    """
    import pyarrow as pa
    from pyarrow import parquet

    kinds = [pa.field(name, getattr(pa, kind if kind != "bool" else "bool_")())
             for name, kind in COLUMNS.items()]  # fmt: skip
    schema = pa.schema(kinds, metadata={_KEY: json.dumps(MEANS)})
    ordered = sorted(rows, key=lambda row: (row["setting"], NORMS.index(row["norm"])))
    table = pa.Table.from_pylist(ordered, schema)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            parquet.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
