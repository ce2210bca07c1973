"""Where the store lies, and how its file is opened.

``EVENBATCH_STORE`` chooses the file; ``EVENBATCH_STORE=off`` keeps nothing. Otherwise it is
``evenbatch/store.sqlite`` in the platform's folder for a user's data.

The file is in write-ahead mode: readers never wait for the writer, and a killed process leaves
nothing half written. Write-ahead needs memory shared between processes, which network file systems
do not offer; there, and wherever SQLite refuses it, the older rollback journal is used, with a
flush to disk at each commit.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path
from urllib.parse import quote

from evenbatch.store.errors import ELSEWHERE, StoreError, damaged, explained

APPLICATION = 0x45766E42  # "EvnB", in the file's header: this is a store and no other database
FORMAT = 1
"""Raised whenever an older evenbatch could not read or write the file rightly."""
WAIT_SECONDS = 60.0
"""How long to wait for another process that is writing."""

_TABLES = """
CREATE TABLE made (
    id INTEGER PRIMARY KEY,
    machine TEXT NOT NULL,
    versions TEXT NOT NULL,
    code TEXT NOT NULL,
    UNIQUE (machine, versions, code)
);
CREATE TABLE curves (
    key BLOB PRIMARY KEY,
    trial TEXT NOT NULL,
    data TEXT NOT NULL,
    engine INTEGER NOT NULL,
    ended TEXT NOT NULL,
    stored INTEGER NOT NULL,
    made INTEGER NOT NULL REFERENCES made (id),
    check_sum INTEGER NOT NULL,
    parts BLOB NOT NULL
);
CREATE TABLE timings (
    key BLOB NOT NULL,
    place INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    made INTEGER NOT NULL REFERENCES made (id),
    check_sum INTEGER NOT NULL,
    parts BLOB NOT NULL,
    PRIMARY KEY (key, place)
);
"""

# File systems of other machines, as Linux names them.
NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "lustre", "gpfs", "beegfs", "9p", "fuse",
           "glusterfs", "pvfs", "ocfs", "gfs")  # fmt: skip


def default_path() -> Path | None:
    """The store used where none is named; None when turned off or when no home folder is known."""
    chosen = os.environ.get("EVENBATCH_STORE")
    if chosen == "off":
        return None
    try:
        if chosen:
            return Path(chosen).expanduser()
        return _user_data() / "evenbatch" / "store.sqlite"
    except RuntimeError:  # Path.home() without a home
        return None


def _user_data() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def open_file(path: Path, read_only: bool, vfs: str = "") -> sqlite3.Connection:
    """A connection to the store in this file, which is made if need be.

    Nothing is written before the file is known to be a store this version understands.

    Raises:
        StoreError: the file cannot be opened or written, is something else, or is too new.
    """
    if path.is_dir():
        raise StoreError(f"store {path}: this is a folder; name a file in it, like {path}/my.store")
    if read_only and not path.exists():
        raise StoreError(f"store {path}: there is no such file")
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"store {path}: its folder cannot be made ({error.strerror}). {ELSEWHERE}."
            ) from None
    with explained(path):
        connection = _connect(path, read_only, vfs)
    try:
        with explained(path):
            fresh = _check(connection, path)
            if not read_only:
                _journal(connection, path)
                if fresh:
                    _make_tables(connection)
                _try_to_write(connection)
            elif fresh:
                raise StoreError(f"store {path}: it is empty")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, read_only: bool, vfs: str) -> sqlite3.Connection:
    def connect(options: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{options}" + (f"&vfs={vfs}" if vfs else ""),
            uri=True,
            timeout=WAIT_SECONDS,
            isolation_level=None,  # transactions are begun and ended in plain sight
            check_same_thread=False,
        )

    if not read_only:
        return connect("mode=rwc")
    # Not "mode=ro": such a connection leaves the files of write-ahead mode behind when it closes.
    connection = connect("mode=rw")
    try:
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA schema_version")
        return connection
    except sqlite3.DatabaseError as error:
        connection.close()
        # In a folder that cannot be written, write-ahead mode has no place for its index. With
        # nothing left to recover the file can be read as it stands.
        log = Path(f"{path}-wal")
        if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or (
            log.exists() and log.stat().st_size
        ):
            raise
        return connect("mode=ro&immutable=1")


def _check(connection: sqlite3.Connection, path: Path) -> bool:
    """True if the file is new and empty; an error unless it is that, or a store we understand."""
    # All in one transaction: another process may be making the tables right now.
    connection.execute("BEGIN")
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        application = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if not tables and application == 0:
        return True
    if application != APPLICATION:
        raise StoreError(
            f"store {path}: this is a database of another program. It was left as it is. "
            f"{ELSEWHERE}."
        )
    if version > FORMAT:
        raise StoreError(
            f"store {path}: it was written by a newer evenbatch (its format is {version}, this "
            f"version knows {FORMAT}). It was left as it is. Update evenbatch, or: "
            f"{ELSEWHERE[0].lower()}{ELSEWHERE[1:]}."
        )
    missing = {"made", "curves", "timings"} - tables
    if missing:
        raise damaged(path, f"it lacks the table {', '.join(sorted(missing))}")
    return False


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _journal(connection: sqlite3.Connection, path: Path) -> None:
    """Choose how a commit is made safe: see the top of this file."""
    wanted = "DELETE" if on_network(path) else "WAL"
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            mode = connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            # While another process opens the same new file SQLite does not wait by itself here.
            if error.sqlite_errorname.startswith("SQLITE_BUSY") and time.monotonic() < until:
                time.sleep(0.02)
            elif wanted == "WAL" and not error.sqlite_errorname.startswith("SQLITE_READONLY"):
                wanted = "DELETE"
            else:
                raise
    # With write-ahead NORMAL is safe against kill -9 and never corrupt after a power cut, which may
    # only undo the last commits. The rollback journal needs FULL for the same.
    connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")


def on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """True if the file lies on a network file system (where the system tells: Linux).

    >>> on_network(Path("/proc"))
    False
    """
    try:
        lines = mounts.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    whole = path.absolute().resolve()
    best, kind = -1, ""
    for line in lines:
        _, place, system, *_ = line.split(" ")
        place = place.encode().decode("unicode_escape")  # a blank is written \040
        if whole.is_relative_to(place) and len(place) >= best:
            best, kind = len(place), system
    return kind.startswith(NETWORK)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _pragma(connection, "user_version"):  # else another process was first
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _try_to_write(connection: sqlite3.Connection) -> None:
    """Find out now, not after an hour, that nothing can be written."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
