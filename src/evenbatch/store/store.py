"""`Store`: curves by trial and data, in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evenbatch.engine import Curve, Trial
from evenbatch.engine.machine import code, machine, versions
from evenbatch.engine.trial import ENGINE_VERSION
from evenbatch.store import tidy
from evenbatch.store.errors import StoreError, damaged, explained
from evenbatch.store.keys import (
    Datasets,
    Fingerprints,
    row_key,
    sum_of,
    these_versions,
    this_machine,
    timing_key,
)
from evenbatch.store.parts import pack, unpack
from evenbatch.store.place import default_path, open_file

if TYPE_CHECKING:
    import pandas

AT_ONCE = 500
"""Rows asked for in one statement; SQLite may allow no more than 999 variables."""


class Store:
    """Curves on disk: what is put in comes back in any later process.

    Only the process that hands out the work writes; several such processes may share one store.

    Args:
        path: the file, made if need be; the user's own store if left out (`default_path`).
        read_only: write nothing, make nothing.

    Raises:
        StoreError: the file cannot be opened or written, is damaged, is no store, or is newer than
            this evenbatch. The file is left as it is then.

    >>> import tempfile
    >>> from evenbatch.engine import Network, train
    >>> trials = [Trial(Network(inputs=64, hidden=(8,), outputs=10), steps=20, seed=s)
    ...           for s in (0, 1)]
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "my.store")) as store:
    ...     store.put(train(trials[:1]))
    ...     print(len(store), [trial.key in store.get(trials) for trial in trials])
    1 [True, False]
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, read_only: bool = False, vfs: str = ""
    ) -> None:
        chosen = default_path() if path is None else Path(path).expanduser()
        if chosen is None:
            raise StoreError(
                "there is no store: EVENBATCH_STORE is off, or no home folder is known. "
                "Name a file with --store FILE"
            )
        self.path = chosen
        self.failed = ""
        """Why writing was given up, once it failed; "" as long as all is well."""
        self._connection = open_file(chosen, read_only, vfs)
        self._lock = threading.RLock()
        self._made: dict[str, int] = {}

    # Reading.

    def get(self, trials: Iterable[Trial], datasets: Datasets | None = None) -> dict[str, Curve]:
        """The curves there are, by the key of their trial.

        Args:
            trials: the trials asked for.
            datasets: data sets by the names trials use, for those `evenbatch.data.load` does not
                know.
        """
        data = Fingerprints(datasets)
        wanted = {data.key(trial): trial for trial in trials}
        found = {}
        for key, *row in self._rows(
            "SELECT key, check_sum, trial, parts FROM curves WHERE key IN ", list(wanted)
        ):
            trial = wanted[key]
            found[trial.key] = self._curve(trial, key, *row)
        return found

    def known(self, trials: Iterable[Trial], datasets: Datasets | None = None) -> set[str]:
        """Keys of those trials whose curve is there; reads no curve."""
        data = Fingerprints(datasets)
        wanted = {data.key(trial): trial.key for trial in trials}
        return {wanted[key] for key in self._there(list(wanted))}

    def holds(self, keys: Iterable[tuple[str, str]]) -> bool:
        """Whether there is a curve for every trial, named by its key and its data's fingerprint."""
        wanted = {row_key(*key) for key in keys}
        return wanted == set(self._there(list(wanted)))

    def _there(self, keys: list[bytes]) -> Iterator[bytes]:
        return (key for (key,) in self._rows("SELECT key FROM curves WHERE key IN ", keys))

    def get_timed(
        self, trials: Sequence[Trial], datasets: Datasets | None = None
    ) -> list[Curve] | None:
        """The curves of a timing pass over exactly these trials on this machine; None if there was
        none."""
        key = timing_key(trials, Fingerprints(datasets))
        with self._lock, explained(self.path):
            rows = self._connection.execute(
                "SELECT check_sum, '', parts FROM timings WHERE key = ? ORDER BY place", (key,)
            ).fetchall()
        if len(rows) != len(trials):
            return None
        return [self._curve(t, key, *row) for t, row in zip(trials, rows, strict=True)]

    def __len__(self) -> int:
        with self._lock, explained(self.path):
            return int(self._connection.execute("SELECT count(*) FROM curves").fetchone()[0])

    def _rows(self, query: str, keys: list[bytes]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            with self._lock, explained(self.path):
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(f"{query}({marks})", some).fetchall()
            yield from rows

    def _curve(self, trial: Trial, key: bytes, check_sum: int, said: str, parts: bytes) -> Curve:
        if sum_of(key, said, parts) != check_sum:
            raise damaged(self.path, f"the curve of trial {trial.key} has changed")
        return Curve(trial, **unpack(parts))

    # Writing.

    def put(
        self,
        curves: Iterable[Curve],
        datasets: Datasets | None = None,
        made_on: Mapping[str, Any] | None = None,
    ) -> None:
        """Store curves; when this returns they are committed. A curve that is there stays.

        Args:
            curves: of trials that have ended.
            datasets: as for `get`.
            made_on: the machine they were trained on (`evenbatch.engine.machine`); this one if left
                out.

        Raises:
            StoreError: they could not be written. Then none of them was.
        """
        data = Fingerprints(datasets)
        now = int(time.time())
        rows = []
        for curve in curves:
            _check_ended(curve)
            trial, key, parts = curve.trial, data.key(curve.trial), pack(curve)
            said = json.dumps(trial.as_dict(), sort_keys=True)
            rows.append(
                (key, said, data.of(trial), ENGINE_VERSION, curve.ended, now,
                 sum_of(key, said, parts), parts)
            )  # fmt: skip
        with self._writing() as connection:
            made = self._made_id(made_on)
            connection.executemany(
                f"INSERT OR IGNORE INTO curves VALUES (?, ?, ?, ?, ?, ?, {made}, ?, ?)", rows
            )

    def put_timed(self, curves: Sequence[Curve], datasets: Datasets | None = None) -> None:
        """Store a whole timing pass made on this machine; an older one of the same trials goes."""
        for curve in curves:
            _check_ended(curve)
        key = timing_key([curve.trial for curve in curves], Fingerprints(datasets))
        now, packed = int(time.time()), [pack(curve) for curve in curves]
        rows = [(key, i, now, sum_of(key, "", p), p) for i, p in enumerate(packed)]
        with self._writing() as connection:
            made = self._made_id(None)
            connection.execute("DELETE FROM timings WHERE key = ?", (key,))
            connection.executemany(f"INSERT INTO timings VALUES (?, ?, ?, {made}, ?, ?)", rows)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is committed, or nothing."""
        with self._lock:
            connection = self._connection
            try:
                with explained(self.path):
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
            except BaseException as error:
                self._made.clear()  # its row may be undone with the rest
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, StoreError):
                    self.failed = str(error)
                raise
            self.failed = ""

    def _made_id(self, made_on: Mapping[str, Any] | None) -> int:
        """The row that says with what and where; inside a transaction."""
        where = json.dumps(dict(made_on), sort_keys=True) if made_on else this_machine()
        if where not in self._made:
            row = (where, these_versions(), code())
            query = "SELECT id FROM made WHERE machine = ? AND versions = ? AND code = ?"
            found = self._connection.execute(query, row).fetchone()
            if found is None:
                self._connection.execute(
                    "INSERT INTO made (machine, versions, code) VALUES (?, ?, ?)", row
                )
                found = self._connection.execute(query, row).fetchone()
            self._made[where] = int(found[0])
        return self._made[where]

    # Everything, as a table.

    def records(
        self, trials: Iterable[Trial] | None = None, datasets: Datasets | None = None
    ) -> Iterator[dict[str, Any]]:
        """Row by row: settings, parts of the curve, and where it was made.

        Args:
            trials: only these, in their order; those without a curve are left out. Without it: all
                there is, in the order of the keys.
            datasets: as for `get`.
        """
        query = (
            "SELECT key, trial, data, engine, stored, check_sum, parts, machine, versions, code "
            "FROM curves JOIN made ON made = made.id "
        )
        if trials is None:
            with explained(self.path):
                for row in self._connection.cursor().execute(f"{query}ORDER BY key"):
                    yield self._record(*row)
            return
        data, waiting = Fingerprints(datasets), iter(trials)
        while some := [data.key(trial) for trial in islice(waiting, AT_ONCE)]:
            found = {row[0]: row for row in self._rows(f"{query}WHERE key IN ", some)}
            for key in some:
                if key in found:
                    yield self._record(*found[key])

    def _record(
        self, key: bytes, trial: str, data: str, engine: int, stored: int, check_sum: int,
        parts: bytes, machine: str, versions: str, code: str,
    ) -> dict[str, Any]:  # fmt: skip
        if sum_of(key, trial, parts) != check_sum:
            raise damaged(self.path, f"the curve {key.hex()} has changed")
        return {
            "trial": json.loads(trial),
            "fingerprint": data,
            "engine": engine,
            "stored": stored,
            "machine": json.loads(machine),
            "versions": json.loads(versions),
            "code": code,
            "curve": unpack(parts),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """All curves as a tidy table: one row per trial and evaluation, each setting in a column
        (needs pandas: ``pip install 'evenbatch[tables]'``)."""
        return tidy.frame(self.records())

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write all curves to a file; returns their number.

        Args:
            path: its ending says how: .csv and .parquet hold the table of `to_pandas`, .json
                everything, with probes, machine and versions.
        """
        return tidy.write(Path(path).expanduser(), self.records())

    # Opening and closing.

    def close(self) -> None:
        """Let the file go."""
        with self._lock, explained(self.path):
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


def record_of(
    curve: Curve, datasets: Datasets | None = None, made_on: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What `Store.records` would give of a curve, had it been stored."""
    return {
        "trial": curve.trial.as_dict(),
        "fingerprint": Fingerprints(datasets).of(curve.trial),
        "engine": ENGINE_VERSION,
        "stored": int(time.time()),
        "machine": dict(made_on or machine()),
        "versions": versions(),
        "code": code(),
        "curve": unpack(pack(curve)),
    }


def _check_ended(curve: Curve) -> None:
    if curve.ended not in ("finished", "diverged"):
        raise ValueError(
            f"the curve of trial {curve.trial.key} is {curve.ended!r}; only curves of trials that "
            "came to their own end are kept"
        )
