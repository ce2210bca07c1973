"""What Ray costs: 10,000 trials on a local Ray against the local runner.

    python -m bench.runners [--trials 10000] [--out FOLDER]

Both runners train the same trials in blocks, taking turns (local, Ray, Ray, local), so that what
else the machine does meets both alike. Writes runners.json; docs/scale.md is written from it.

Wall time tells what a user waits, if nothing else runs. Processor time, of the driver and all its
children (Ray's daemons and workers), hardly depends on what else runs: it tells what Ray adds, and
the driver's own part of it what one driver can feed, which limits a cluster of many machines.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness import commit, machine, write_json
from evenbatch.data import load
from evenbatch.engine import Curve, Network, Trial
from evenbatch.runners import Local, Runner
from evenbatch.runners import on_ray as on_ray_file
from evenbatch.runners.on_ray import OnRay
from evenbatch.store import Store

BLOCKS = 4


def trial(seed: int) -> Trial:
    """One of the trials: some milliseconds of work."""
    net = Network(inputs=64, hidden=(32, 32), outputs=10, norm="batch" if seed % 2 else "none")
    return Trial(net, "digits", seed=seed, steps=400, evaluate_every=40)


class Chunks:
    """Counts the chunks Ray is given, and the seconds of work in them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        real = on_ray_file.Pace.learn
        chunks = self

        def learn(pace: on_ray_file.Pace, chunk: Sequence[Trial], seconds: float) -> None:
            chunks.seconds.append(seconds)
            real(pace, chunk, seconds)

        on_ray_file.Pace.learn = learn  # type: ignore[assignment,method-assign]


def timed(runner: Runner, trials: Sequence[Trial], store: Store) -> dict[str, float]:
    """Of a block: wall seconds, and processor seconds of all processes, of the driver alone, and of
    the driver in the store."""
    waiting: list[Curve] = []
    inside = 0.0

    def flush() -> None:
        nonlocal inside
        began = time.process_time()
        store.put(waiting)
        inside += time.process_time() - began
        waiting.clear()

    def keep(curve: Curve, _machine: Mapping[str, Any]) -> None:
        waiting.append(curve.rounded())
        if len(waiting) >= 50:
            flush()

    wall, own, everyone = time.perf_counter(), time.process_time(), family_seconds()
    runner.run(trials, {}, keep, None)
    flush()
    return {
        "wall": time.perf_counter() - wall,
        "all": family_seconds() - everyone,
        "driver": time.process_time() - own,
        "store": inside,
    }


def family_seconds() -> float:
    """Processor seconds so far of this process and all its children (on Linux)."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        # Its own, and those of its children that have ended.
        parents[int(folder.name)], ticks[int(folder.name)] = (
            int(fields[1]),
            sum(map(int, fields[11:15])),
        )

    def ours(pid: int) -> bool:
        while pid > 1 and pid != os.getpid():
            pid = parents.get(pid, 0)
        return pid == os.getpid()

    return sum(t for pid, t in ticks.items() if ours(pid)) / os.sysconf("SC_CLK_TCK")


def measure(count: int, folder: Path) -> dict[str, Any]:
    """Both runners over all blocks."""
    load("digits")
    chunks = Chunks()
    ray = OnRay()
    runners: dict[str, Runner] = {"local": Local(), "ray": ray}
    began = time.perf_counter()
    warm: list[Curve] = []
    for runner in (runners["local"], ray):
        start = time.perf_counter()
        runner.run([trial(10**6 + i) for i in range(20)], {}, lambda c, _: warm.append(c), None)
        print(f"{type(runner).__name__}: started in {time.perf_counter() - start:.1f} s")
    started = time.perf_counter() - began
    chunks.seconds.clear()
    rounds: list[dict[str, dict[str, float]]] = []
    stores = {name: Store(folder / f"{name}.store") for name in runners}
    size = count // BLOCKS
    for block in range(BLOCKS):
        trials = [trial(block * size + i) for i in range(size)]
        order = ["local", "ray"] if block % 2 == 0 else ["ray", "local"]
        rounds.append({name: timed(runners[name], trials, stores[name]) for name in order})
        print(block, {name: round(r["wall"], 1) for name, r in rounds[-1].items()}, flush=True)
    ray.close()
    same = all(
        a.metric.tobytes() == b.metric.tobytes()
        for a, b in zip(
            stores["local"].get(trials).values(), stores["ray"].get(trials).values(), strict=True
        )
    )
    bytes_each = len(pickle.dumps(warm[:20], protocol=5)) / 20
    for store in stores.values():
        store.close()
    row_bytes = (folder / "ray.store").stat().st_size / (size * BLOCKS)
    return {
        "trials": size * BLOCKS,
        "same": same,
        "started": started,
        "rounds": rounds,
        "chunk_seconds": chunks.seconds,
        "result_bytes": bytes_each,
        "stored_bytes": row_bytes,
    }


def summary(result: Mapping[str, Any]) -> dict[str, float]:
    """The figures of docs/scale.md."""
    rounds, count = result["rounds"], result["trials"]

    def total(name: str, part: str) -> float:
        return float(sum(r[name][part] for r in rounds))

    chunks = len(result["chunk_seconds"])
    feeding = total("ray", "driver") - total("ray", "store")
    return {
        "local seconds": total("local", "wall"),
        "ray seconds": total("ray", "wall"),
        "more wall time with Ray": median(r["ray"]["wall"] / r["local"]["wall"] for r in rounds)
        - 1,
        "local processor seconds": total("local", "all"),
        "ray processor seconds": total("ray", "all"),
        "more processor time with Ray": total("ray", "all") / total("local", "all") - 1,
        "chunks": chunks,
        "median chunk seconds": median(result["chunk_seconds"]),
        "trial milliseconds": 1000 * sum(result["chunk_seconds"]) / count,
        "driver microseconds per trial, without store": 1e6 * feeding / count,
        "driver microseconds per trial in the store": 1e6 * total("ray", "store") / count,
        "bytes per result": result["result_bytes"],
        "bytes per stored trial": result["stored_bytes"],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.runners", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for the JSON")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        result = measure(options.trials, Path(folder))
    figures = summary(result)
    for name, value in figures.items():
        print(f"{name:48} {value:12.4g}")
    content = {"machine": machine(), "commit": commit(), "figures": figures, **result}
    write_json(options.out / "runners.json", content)


if __name__ == "__main__":
    main()
