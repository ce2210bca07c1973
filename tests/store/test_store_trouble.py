"""Files that are damaged, foreign, newer or read-only: a clear error, and nothing changes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from stored import of_seed, same

from evenbatch.engine import Curve, Trial
from evenbatch.store import Store, StoreError
from evenbatch.store.place import on_network

CURVES = 120


@pytest.fixture(scope="session")
def original(trained: list[Curve], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some hundred curves, closed, in one file."""
    path = tmp_path_factory.mktemp("original") / "my.store"
    with Store(path) as store:
        store.put([of_seed(trained[0], seed) for seed in range(CURVES)])
    assert [p.name for p in path.parent.iterdir()] == ["my.store"], "closed, it is one file"
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "my.store"
    copy.write_bytes(original.read_bytes())
    return copy


def refused(path: Path, *words: str) -> None:
    """Opening it is an error with these words, and changes nothing."""
    before = {p: p.read_bytes() for p in path.parent.iterdir() if p.is_file()}
    for read_only in (False, True):
        with pytest.raises(StoreError) as caught:
            Store(path, read_only=read_only)
        message = str(caught.value)
        assert str(path) in message
        for word in words:
            assert word in message, message
    assert {p: p.read_bytes() for p in path.parent.iterdir() if p.is_file()} == before


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 1000)
    refused(path, "this file is no store (SQLITE_NOTADB)", "It was left as it is", "--store FILE")


def test_a_damaged_head(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:100] = np.random.default_rng(0).bytes(100)
    path.write_bytes(content)
    refused(path, "this file is no store (SQLITE_NOTADB)", "left as it is")


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE curves (key BLOB)")
    connection.close()
    refused(path, "a database of another program", "--store FILE")


def test_a_store_of_a_newer_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    refused(path, "written by a newer evenbatch (its format is 99", "Update evenbatch")


def test_a_table_is_missing(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE curves")
    connection.commit()
    connection.close()
    refused(path, "the file is damaged: it lacks the table curves")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "this is a folder; name a file in it")


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        Store(tmp_path / "my.store", read_only=True)
    assert list(tmp_path.iterdir()) == []


@cache
def trials(truth: Curve) -> list[Trial]:
    return [of_seed(truth, seed).trial for seed in range(CURVES)]


def read_all(path: Path, truth: Curve) -> int:
    """Number of curves found; each is right to the bit. A `StoreError` is let through."""
    with Store(path) as store:
        found = store.get(trials(truth))
    for curve in found.values():
        assert same(curve, truth, skip=("trial",))
    return len(found)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.7, 0.999])
def test_a_file_cut_short(path: Path, trained: list[Curve], share: float) -> None:
    content = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged|is no store"):
        read_all(path, trained[0])
    assert path.read_bytes() == content


def test_a_flipped_byte_anywhere_is_noticed_or_does_no_harm(
    path: Path, trained: list[Curve]
) -> None:
    """One byte in every page, in turn: never another curve, never another kind of error."""
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for start in range(0, len(content), 4096):
        broken = bytearray(content)
        broken[start + int(rng.integers(min(4096, len(content) - start)))] ^= 0x55
        path.write_bytes(broken)
        try:
            assert read_all(path, trained[0]) <= CURVES
        except StoreError:
            noticed += 1
    assert noticed > 0.3 * len(content) / 4096, "much of a page is empty, but not that much"


def test_a_changed_curve_is_named(path: Path, trained: list[Curve]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE curves SET parts = zeroblob(length(parts))")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"the curve of trial [0-9a-f]{24} has changed"):
        read_all(path, trained[0])
    with Store(path) as store, pytest.raises(StoreError, match="is damaged"):
        list(store.records())


# What cannot be written. Tests may run as root, whom no permission stops: nobody tries instead.

TRY = """
import os, sys
from pathlib import Path
from evenbatch.store import Store, StoreError
import evenbatch.data, evenbatch.engine.machine
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
for mode, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        with Store(Path(path), read_only=mode == "read") as store:
            print("opened", len(store))
    except StoreError as error:
        print(error)
"""


def test_what_cannot_be_written(original: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's folder is closed to nobody
        folder = Path(name)
        path = folder / "my.store"
        path.write_bytes(original.read_bytes())
        path.chmod(0o444)
        folder.chmod(0o555)
        tries = ("write", folder / "new.store", "write", folder / "deep" / "new.store",
                 "write", path, "read", path)  # fmt: skip
        command = [sys.executable, "-c", TRY, *map(str, tries)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        new, deep, there, read = run.stdout.splitlines()
        assert f"{folder}/new.store: it cannot be opened or made there (SQLITE_CANTOPEN)" in new
        assert "its folder cannot be made (Permission denied). Choose another file" in deep
        assert f"{path}: it cannot be written (SQLITE_READONLY" in there
        for said in (new, deep, there):
            assert "hoose another file with --store FILE" in said
        assert read == f"opened {CURVES}"
        assert path.read_bytes() == original.read_bytes()
        assert [p.name for p in folder.iterdir()] == ["my.store"]
        folder.chmod(0o755)


FILL = """
import resource, sys, pickle
from pathlib import Path
from evenbatch.store import Store, StoreError
curves = pickle.loads(Path(sys.argv[2]).read_bytes())
with Store(Path(sys.argv[1])) as store:
    size = Path(sys.argv[1]).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, resource.RLIM_INFINITY))
    for curve in curves:
        try:
            store.put([curve])
        except StoreError as error:
            print("failed", error, flush=True)
            break
        print("kept", curve.trial.key, flush=True)
"""


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path, trained: list[Curve]) -> None:
    import pickle

    path = tmp_path / "my.store"
    curves = [of_seed(trained[0], seed) for seed in range(2000)]
    (tmp_path / "curves").write_bytes(pickle.dumps(curves))
    command = [sys.executable, "-c", FILL, str(path), str(tmp_path / "curves")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    kept = {line.split()[1] for line in said if line.startswith("kept")}
    assert 10 < len(kept) < 2000
    assert said[-1].startswith(f"failed store {path}: ")
    assert "disk" in said[-1]
    assert "--store FILE" in said[-1] or "choose another file" in said[-1]
    with Store(path) as store:
        assert store.known(c.trial for c in curves) == kept
        store.put(curves)
        assert len(store) == 2000


# Where write-ahead mode does not work.


def test_a_file_system_without_shared_memory_gets_a_rollback_journal(
    tmp_path: Path, trained: list[Curve]
) -> None:
    """SQLite's dot-file locking, made for such file systems, has no shared memory either."""
    path = tmp_path / "my.store"
    with Store(path, vfs="unix-dotfile") as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        store.put(trained)
        assert len(store.get([c.trial for c in trained])) == len(trained)
    with Store(path) as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (1,)
        assert len(store) == len(trained)


def test_a_network_folder_gets_a_rollback_journal(
    tmp_path: Path, trained: list[Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenbatch.store.place.on_network", lambda path: True)
    with Store(tmp_path / "my.store") as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        store.put(trained)
    with Store(tmp_path / "my.store") as store:
        assert len(store) == len(trained)


def test_network_folders_are_known_by_their_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        "server:/home /srv/home nfs4 rw 0 0\n"
        "/dev/sdb1 /srv/home/local ext4 rw 0 0\n"
        "//box/share /srv/my\\040share cifs rw 0 0\n"
    )
    for place, expected in {
        "/srv/home/me/my.store": True,
        "/srv/homely/my.store": False,
        "/srv/home/local/my.store": False,
        "/srv/my share/my.store": True,
        "/my.store": False,
    }.items():
        assert on_network(Path(place), mounts) is expected, place
    assert not on_network(tmp_path, tmp_path / "no such file")
