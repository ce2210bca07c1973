"""What the page does, in Python: asks for runs and gathers what comes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from evenbatch.lesson import wire
from evenbatch.lesson.app import PAGE


@dataclass(frozen=True)
class Server:
    """A lesson that answers."""

    port: int
    pid: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, origin: str | None = None) -> ClientConnection:
        """A WebSocket as the page opens it."""
        return connect(
            f"ws://127.0.0.1:{self.port}/live", origin=origin or self.address, max_size=1 << 26
        )


@dataclass
class Seen:
    """What came of one run."""

    number: int = 0
    trials: dict[int, dict[str, Any]] = field(default_factory=dict)
    points: dict[int, list[wire.Points]] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str = ""
    again: int = 0
    first_point: float = 0.0
    frames: int = 0

    @property
    def verdict(self) -> dict[str, Any] | None:
        return self.result and self.result["verdict"]

    def curve(self, place: int) -> wire.Points:
        return np.concatenate(self.points[place])


_asks = itertools.count(1)


def ask(socket: ClientConnection, chapter: str, settings: object) -> int:
    """Ask for a run; the number of the request."""
    number = next(_asks)
    message = {"type": "start", "ask": number, "chapter": chapter, "settings": settings}
    socket.send(json.dumps(message))
    return number


def follow(socket: ClientConnection, number: int, seconds: float = 60, until: str = "") -> Seen:
    """Take what comes until the run is over, or until an event of type `until`."""
    seen = Seen()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        got = socket.recv(timeout=seconds)
        if isinstance(got, bytes):
            for run, trial, first, points in wire.records(got):
                if run == seen.number:
                    have = sum(map(len, seen.points.get(trial, [])))
                    assert first == have, f"trial {trial}: points from {first}, {have} are here"
                    seen.points.setdefault(trial, []).append(points)
                    seen.first_point = seen.first_point or time.monotonic() - began
                    seen.frames += 1
            if until == "points" and seen.points:
                return seen
            continue
        message = json.loads(got)
        kind = message["type"]
        if kind in ("joined", "refused") and message["ask"] == number:
            seen.number = message.get("run", 0)
            seen.error = message.get("text", "")
        elif message.get("run") == seen.number and seen.number:
            _take(seen, kind, message)
        if seen.error or seen.result or kind == until or kind in ("failed", "stopped"):
            seen.error = seen.error or message.get("text", "")
            return seen
    raise AssertionError(f"not over after {seconds} s")


def _take(seen: Seen, kind: str, message: dict[str, Any]) -> None:
    if kind == "trials":
        for i, trial in enumerate(message["trials"]):
            seen.trials[message["first"] + i] = trial
    elif kind == "ended":
        seen.ended[message["trial"]] = message["how"]
    elif kind == "again":
        seen.points.clear()
        seen.trials.clear()
        seen.ended.clear()
        seen.again += 1
    elif kind == "concluded":
        seen.result = message["result"]


ROOT = Path(__file__).resolve().parents[2]


@cache
def _built() -> None:
    command = [sys.executable, str(ROOT / "web" / "build.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (PAGE / "index.html").is_file()


@contextlib.contextmanager
def served(store: Path, *options: str) -> Iterator[Server]:
    """The command `evenbatch lesson`, ended by Ctrl-C."""
    _built()
    command = [sys.executable, "-m", "evenbatch", "lesson", "--no-open", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--store", str(store), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
    assert found, said + process.stdout.read()
    yield Server(int(found.group(1)), process.pid)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode in (0, -signal.SIGKILL), rest  # or a test has killed it
    assert "Traceback" not in rest, rest
