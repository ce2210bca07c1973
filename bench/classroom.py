"""A class under its own weight: hundreds of devices that join, vote and send results for a minute.

    python -m bench.classroom [--clients 300] [--seconds 60] [--out FILE]

Starts `evenbatch lesson --class`, a wall and simulated devices, all on this machine. Recorded:
milliseconds from a result sent to the dot that shows it on the wall and to the estimate that counts
it, milliseconds to the answer that a message is on disk, memory of the server second by second, and
failures. Then the server is killed, started again, and asked what it has: nothing may be missing,
and nothing may be there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bench.harness import write_json
from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER
from evenbatch.lesson.room.messages import APART

WATCHED = "race"  # on the wall
EVERY = 1.0  # seconds between two messages of a device; twice as many are taken


def effects_of(name: str) -> list[dict[str, Any]]:
    """Those of a recorded run, as a device sends them."""
    recorded = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    found = recorded["result"]["verdict"]["effects"]
    return [
        {"id": e["id"], "value": e["value"], "bound": e["bound"]}
        for e in found
        if e["value"] is not None
    ]


EFFECTS = {name: effects_of(name) for name in EXPERIMENTS}


@dataclass
class Tally:
    """What was seen, by all devices and by the wall."""

    kept: list[float] = field(default_factory=list)  # ms from a message to the answer
    dots: list[float] = field(default_factory=list)  # ms from a result to its dot
    pooled: list[float] = field(default_factory=list)  # ms from a pair's first to the estimate
    sent: dict[tuple[int, int], float] = field(default_factory=dict)  # by pair and run
    firsts: list[float] = field(default_factory=list)  # when each pair first sent a result
    said: set[tuple[Any, ...]] = field(default_factory=set)  # all that was kept
    memory: list[float] = field(default_factory=list)  # MB, every second
    seconds: float = 0.0  # of processor time that the server took
    walls: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def classroom(book: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A class that is served, and its port."""
    command = [
        sys.executable,
        "-m",
        "evenbatch",
        "lesson",
        "--class",
        "--no-open",
        "--store",
        "off",
    ]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--class-file", str(book)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    found = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
    assert found, "the class is not served"
    try:
        yield server, int(found.group(1))
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


def line(port: int) -> connect:
    """A connection as the page opens it."""
    origin: Any = f"http://127.0.0.1:{port}"
    return connect(f"ws://127.0.0.1:{port}/class", origin=origin, max_size=None)


async def say(socket: ClientConnection, **message: object) -> None:
    """One message."""
    await socket.send(json.dumps(message))


def messages(pair: int, shift: int) -> Iterator[dict[str, Any]]:
    """What a device says: votes and results, of the experiment on the wall every other time."""
    names = list(EXPERIMENTS)
    rng = random.Random(pair)
    for k in range(10_000):
        name = WATCHED if k % 2 else names[(k // 2 + shift) % len(names)]
        if k % 4 == 0:
            yield {"type": "vote", "experiment": name, "option": "ten"}
            continue
        settings = EXPERIMENTS[name][1] | {"seed": APART * pair + 5 * k, "seeds": 5}
        factor = 0.9 + 0.2 * rng.random()
        effects = [e | {"value": e["value"] * factor} for e in EFFECTS[name]]
        yield {"type": "found", "experiment": name, "settings": settings, "effects": effects}


async def device(port: int, code: str, place: int, until: float, tally: Tally) -> None:
    """One device: joins and speaks until the time is over."""
    try:
        async with line(port) as socket:
            await say(socket, type="join", token=secrets.token_hex(16), code=code)
            joined = json.loads(await asyncio.wait_for(socket.recv(), 30))
            pair = joined["pair"]
            await asyncio.sleep(random.random() * EVERY)
            runs = 0
            for ask, message in enumerate(messages(pair, place), 1):
                if time.perf_counter() > until:
                    return
                began = time.perf_counter()
                if message["type"] == "found" and message["experiment"] == WATCHED:
                    runs += 1
                    tally.sent[pair, runs] = began
                    if runs == 1:
                        tally.firsts.append(began)
                await say(socket, ask=ask, **message)
                while (got := json.loads(await asyncio.wait_for(socket.recv(), 30))).get(
                    "ask"
                ) != ask:
                    pass
                if got["type"] != "kept":
                    tally.failures.append(f"pair {pair}: {got}")
                    return
                tally.kept.append(1e3 * (time.perf_counter() - began))
                seed = message.get("settings", {}).get("seed")
                tally.said.add((pair, message["type"], message["experiment"], seed))
                await asyncio.sleep(max(0.0, began + EVERY - time.perf_counter()))
    except Exception as error:  # any failure of a device is a result here
        tally.failures.append(f"{type(error).__name__}: {error}")


async def wall(port: int, secret: str, tally: Tally, ready: asyncio.Event) -> None:
    """The teacher's page: lets everybody in, and notes when what is seen."""
    seen: dict[int, int] = {}
    counted = 0
    async with line(port) as socket:
        await say(socket, type="teach", secret=secret)
        await say(socket, type="steer", door="shared", look=WATCHED, shown=True)
        async for text in socket:
            now = time.perf_counter()
            got = json.loads(text)
            if got["type"] != "wall":
                continue
            ready.set()
            tally.walls += 1
            for dot in got["dots"]:
                pair = dot["pair"]
                for run in range(seen.get(pair, 0) + 1, dot["runs"] + 1):
                    tally.dots.append(1e3 * (now - tally.sent[pair, run]))
                seen[pair] = dot["runs"]
            pairs = (got["pooled"] or {"pairs": 0})["pairs"]
            for place in range(counted, pairs):
                tally.pooled.append(1e3 * (now - tally.firsts[place]))
            counted = max(counted, pairs)


async def watch_memory(pid: int, tally: Tally) -> None:
    """Megabytes of a process, every second (Linux)."""
    while True:
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            tally.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            tally.seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        await asyncio.sleep(1)


async def measure(port: int, pid: int, book: Path, clients: int, seconds: float) -> Tally:
    """All devices at once."""
    began = json.loads(book.read_text("utf-8").splitlines()[0])
    tally, ready = Tally(), asyncio.Event()
    beside = [
        asyncio.create_task(wall(port, began["secret"], tally, ready)),
        asyncio.create_task(watch_memory(pid, tally)),
    ]
    await asyncio.wait_for(ready.wait(), 30)
    until = time.perf_counter() + seconds
    code = began["code"]
    await asyncio.gather(*(device(port, code, place, until, tally) for place in range(clients)))
    await asyncio.sleep(2)
    for task in beside:
        task.cancel()
    return tally


async def kept_after(port: int, secret: str) -> list[tuple[Any, ...]]:
    """What a server that was started again has."""
    async with line(port) as socket:
        await say(socket, type="teach", secret=secret)
        await say(socket, type="export")
        while (got := json.loads(await asyncio.wait_for(socket.recv(), 30)))["type"] != "table":
            pass
    found = set()
    rows = []
    for row in got["text"].splitlines()[1:]:
        pair, _, experiment, expects = row.split(",")[:4]
        if expects:
            rows.append((int(pair), "vote", experiment, None))
        elif match := re.search(r"\}\"?,(\d+),", row):
            key = (int(pair), "found", experiment, int(match.group(1)))
            effect = row.split(f",{match.group(1)},")[1].split(",")[0]
            assert (key, effect) not in found, f"counted twice: {key} {effect}"
            found.add((key, effect))
    return rows + list(dict.fromkeys(key for key, _ in found))


def spread(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and most."""
    return {
        "count": len(values),
        "median": float(np.median(values)),
        "p99": float(np.quantile(values, 0.99)),
        "most": max(values),
    }


def run(clients: int, seconds: float, out: Path) -> dict[str, Any]:
    """Serve a class, measure, kill it, start it again, write the file."""
    with tempfile.TemporaryDirectory() as folder:
        book = Path(folder) / "class.jsonl"
        with classroom(book) as (server, port):
            tally = asyncio.run(measure(port, server.pid, book, clients, seconds))
            server.kill()
            server.wait()
        secret = json.loads(book.read_text("utf-8").splitlines()[0])["secret"]
        with classroom(book) as (_, port):
            after = asyncio.run(kept_after(port, secret))
    settled = tally.memory[len(tally.memory) // 3 :] or [0.0]
    measured = {
        "failures": tally.failures,
        "messages_kept": len(tally.kept),
        "kept_ms": spread(tally.kept),
        "dot_on_the_wall_ms": spread(tally.dots),
        "estimate_on_the_wall_ms": spread(tally.pooled),
        "pictures_of_the_wall": tally.walls,
        "processor_seconds_of_the_server": tally.seconds,
        "memory_mb": {"a_third_in": settled[0], "end": settled[-1], "most": max(tally.memory)},
        "after_a_kill": {
            "lost": len(tally.said - set(after)),
            "twice": len(after) - len(set(after)),
            "kept": len(after),
        },
    }
    write_json(out, {"clients": clients, "seconds": seconds, "measured": measured})
    return measured


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.classroom", description=__doc__)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, default=Path("out/bench/classroom.json"))
    options = parser.parse_args()
    for what, figures in run(options.clients, options.seconds, options.out).items():
        print(f"{what}: {json.dumps(figures)}")


if __name__ == "__main__":
    main()
