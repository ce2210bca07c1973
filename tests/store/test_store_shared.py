"""Processes that are killed, and processes that share a store."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stored import of_seed, same, some_trials

from evenbatch.engine import Curve, train
from evenbatch.store import Store

KILLS = 25
TRIALS = 900

# One process loads everything and compiles; then a fork of it is killed, again and again, at random
# moments of a run that starts by opening the store.
KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
from evenbatch.engine import train
from evenbatch.protocol.carry_out import Outcome, carry_out
from evenbatch.protocol.verdict import Round
from evenbatch.runners import Local
from evenbatch.store import Store
from stored import some_trials

path, kills, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
trials = some_trials(count, probe_every=1)
train(trials[:2])

class Sweep:
    datasets = {}
    def trials(self, curves):
        return Round("sweep", tuple(t for t in trials if t.key not in curves))
    def timing(self, curves):
        return ()

class Telling(Local):
    def run(self, wanted, *others):
        say("trains", [t.key for t in wanted])
        super().run(wanted, *others)

def say(what, keys):
    os.write(pipe, (json.dumps([what, keys]) + "\\n").encode())

def child():
    outcome, told = Outcome(), set()
    def watch(_round, done):
        new = [key for key in outcome.curves if key not in told]
        told.update(new)
        say("has", new)
    with Store(path) as store:
        store._connection.execute("PRAGMA wal_autocheckpoint=20")  # killed in checkpoints too
        carry_out(Sweep(), outcome=outcome, watch=watch, store=store, runner=Telling())
    say("end", [])

rng = random.Random(0)
for kill in range(kills + 1):
    reader, pipe = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        child()
        os._exit(0)
    os.close(pipe)
    if kill < kills:
        time.sleep(rng.uniform(0, 0.2))
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reader, "rb") as file:
        content = file.read()
    os.waitpid(pid, 0)
    # A last line may be cut off.
    lines = [json.loads(line) for line in content.splitlines(keepends=True) if line[-1:] == b"\\n"]
    with Store(path) as store:
        known = sorted(store.known(trials))
        [whole] = store._connection.execute("PRAGMA integrity_check").fetchone()
    print(json.dumps({"lines": lines, "known": known, "whole": whole}), flush=True)
"""


posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="a matter of POSIX")


def script(code: str, *args: object) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *map(str, args)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@posix
def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "my.store"
    runs = [json.loads(line) for line in script(KILLED, path, KILLS, TRIALS).splitlines()]
    assert len(runs) == KILLS + 1
    before: set[str] = set()
    interrupted = 0
    for run in runs:
        known = set(run["known"])
        told = {key for what, keys in run["lines"] for key in keys if what == "has"}
        trains = {key for what, keys in run["lines"] for key in keys if what == "trains"}
        assert run["whole"] == "ok"
        assert told <= known, "acknowledged and lost"
        assert before <= known
        assert not trains & before, "trained again what was stored"
        interrupted += bool(trains) and len(known) < TRIALS
        before = known
    assert interrupted >= 5, "most kills must hit a run that is training"
    assert len(before) == TRIALS
    trials = some_trials(TRIALS, probe_every=1)
    fresh = [curve.rounded() for curve in train(trials)]
    with Store(path) as store:
        found = store.get(trials)
    for curve in fresh:
        assert same(curve, found[curve.trial.key], skip=("seconds",))


WRITERS = """
import os, pickle, sys, traceback
from pathlib import Path
from evenbatch.store import Store
from stored import of_seed

curve = pickle.loads(Path(sys.argv[2]).read_bytes())
reader, writer = os.pipe()
pids = []
for i in range(4):
    curves = [of_seed(curve, seed) for seed in range(100 * i, 100 * i + 300)]
    pids.append(os.fork())
    if pids[-1] == 0:
        os.close(writer)
        os.read(reader, 1)  # until the last has been made
        try:
            with Store(Path(sys.argv[1])) as store:
                for start in range(0, 300, 7):
                    store.put(curves[start:start + 7])
                    trials = [c.trial for c in curves[:start + 7]]
                    assert len(store.get(trials)) == len(trials)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
os.close(writer)
print([os.waitpid(pid, 0)[1] for pid in pids])
"""


@posix
def test_several_processes_share_one_store(tmp_path: Path, trained: list[Curve]) -> None:
    """Four open a store that is not there yet, at once, and write what overlaps."""
    path = tmp_path / "my.store"
    (tmp_path / "curve").write_bytes(pickle.dumps(trained[0]))
    assert script(WRITERS, path, tmp_path / "curve").strip() == "[0, 0, 0, 0]"
    with Store(path) as store:
        assert len(store) == 600
        assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = store.get([of_seed(trained[0], seed).trial for seed in range(600)])
    for curve in found.values():
        assert same(curve, trained[0], skip=("trial",))


def test_a_reader_sees_what_another_process_writes(tmp_path: Path, trained: list[Curve]) -> None:
    with Store(tmp_path / "s") as writer, Store(tmp_path / "s", read_only=True) as reader:
        assert len(reader) == 0
        writer.put(trained)
        assert len(reader) == len(trained)
        with pytest.raises(Exception, match="cannot be written"):
            reader.put(trained)


def test_a_store_that_is_kept_locked_is_an_error_in_the_end(
    tmp_path: Path, trained: list[Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenbatch.store.place.WAIT_SECONDS", 0.1)
    with Store(tmp_path / "s") as store:
        other = sqlite3.connect(tmp_path / "s", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Exception, match=r"another program has kept it locked.*--store"):
            store.put(trained)
        other.execute("ROLLBACK")
        other.close()
        store.put(trained)
        assert store.failed == ""


def test_a_new_store_can_be_opened_by_several_at_the_same_moment(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    for attempt in range(60):  # without a transaction around the check, 1 in 20 went wrong
        together = threading.Barrier(4)

        def open_it(
            path: Path = tmp_path / f"s{attempt}", start: threading.Barrier = together
        ) -> None:
            start.wait()
            try:
                Store(path).close()
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed, failed[0]
