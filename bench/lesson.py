"""The lesson under a class: thirty pages at once, each with runs of its own.

    python -m bench.lesson [--clients 30] [--seconds 60] [--out FILE]

Starts `evenbatch lesson`, connects clients as pages do, and has each start one workbench run after
another. Recorded: updates a second that reach a client while its run trains, milliseconds from
Start to the first point (with one client alone, and in the crowd), milliseconds for a message and
its answer, runs finished, and failures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bench.harness import write_json
from evenbatch.lesson import wire

STEPS = 1500
ARMS = ({"norm": "none"}, {"norm": "batch"})


@dataclass
class Tally:
    """What one client saw."""

    updates: list[float] = field(default_factory=list)  # a second, run by run
    first: list[float] = field(default_factory=list)  # ms from Start to the first point
    answer: list[float] = field(default_factory=list)  # ms from Start to its answer
    finished: int = 0
    failures: list[str] = field(default_factory=list)


async def one_run(socket: ClientConnection, seed: int, ask: int, tally: Tally) -> None:
    """Start a run that nobody else has, and follow it to its verdict."""
    settings = {"steps": STEPS, "seeds": 2, "seed": seed, "arms": ARMS}
    started = time.perf_counter()
    message = {"type": "start", "ask": ask, "chapter": "bench", "settings": settings}
    await socket.send(json.dumps(message))
    run, frames, first, last = 0, 0, 0.0, 0.0
    while True:
        got = await asyncio.wait_for(socket.recv(), 120)
        now = time.perf_counter()
        if isinstance(got, bytes):
            if any(number == run for number, *_ in wire.records(got)):
                first, last, frames = first or now, now, frames + 1
            continue
        said = json.loads(got)
        if said.get("ask") == ask:
            if said["type"] == "error":
                tally.failures.append(said["text"])
                return
            run = said["run"]
            tally.answer.append(1e3 * (now - started))
        elif said.get("run") == run and said["type"] in ("verdict", "failed", "stopped"):
            if said["type"] != "verdict":
                tally.failures.append(said.get("text", said["type"]))
                return
            tally.finished += 1
            tally.first.append(1e3 * (first - started))
            if last > first:
                tally.updates.append((frames - 1) / (last - first))
            return


async def client(address: str, place: int, until: float) -> Tally:
    """One page: run after run until the time is over."""
    tally = Tally()
    try:
        origin = address.replace("ws", "http", 1).removesuffix("/live")
        async with connect(address, origin=origin, max_size=1 << 26) as socket:  # type: ignore[arg-type]
            ask = 0
            while time.perf_counter() < until:
                ask += 1
                await one_run(socket, (place * 1009 + ask * 31) % 1_000_000, ask, tally)
    except Exception as error:  # any failure of a client is a result here
        tally.failures.append(f"{type(error).__name__}: {error}")
    return tally


async def measure(address: str, clients: int, seconds: float) -> dict[str, Any]:
    """One client alone, then all of them together."""
    await client(address, 6000, time.perf_counter() + 0.1)  # one run, to warm up
    alone = await client(address, 5000, time.perf_counter() + min(5.0, seconds))
    until = time.perf_counter() + seconds
    crowd = await asyncio.gather(*(client(address, place, until) for place in range(clients)))
    joined = Tally()
    for tally in crowd:
        for name in ("updates", "first", "answer", "failures"):
            getattr(joined, name).extend(getattr(tally, name))
        joined.finished += tally.finished
    return {"alone": summary(alone), f"{clients} clients": summary(joined)}


def summary(tally: Tally) -> dict[str, Any]:
    """Medians and 99th percentiles."""

    def spread(values: list[float]) -> dict[str, float] | None:
        if not values:
            return None
        return {"median": median(values), "p99": float(np.quantile(values, 0.99))}

    return {
        "runs_finished": tally.finished,
        "failures": tally.failures,
        "updates_per_second": spread(tally.updates),
        "first_point_ms": spread(tally.first),
        "answer_ms": spread(tally.answer),
    }


def run(clients: int, seconds: float, out: Path) -> dict[str, Any]:
    """Start the lesson, measure, end it, write the file."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "evenbatch", "lesson", "--no-open", "--port", "0"]
        server = subprocess.Popen(
            [*command, "--store", str(Path(folder) / "store.db")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert server.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert found
        address = f"ws://127.0.0.1:{found.group(1)}/live"
        try:
            measured = asyncio.run(measure(address, clients, seconds))
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, {"clients": clients, "seconds": seconds, "measured": measured})
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lesson", description=__doc__)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, default=Path("out/bench/lesson.json"))
    options = parser.parse_args()
    for who, what in run(options.clients, options.seconds, options.out).items():
        print(f"{who}: {json.dumps(what)}")


if __name__ == "__main__":
    main()
