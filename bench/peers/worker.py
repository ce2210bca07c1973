"""One peer in a process of its own, driven over a pipe: ``python -m bench.peers.worker``.

A process each, because XLA flags and thread counts must be set before a library starts, and so
that no library's threads disturb another's. Reads one JSON object a line, answers one a line:
first the job (which prepares the peer), then ``{"steps": n}`` as often as wanted.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import time
import traceback
from typing import Any

from bench.peers.work import Runner, Workload


def main() -> None:
    """Prepare the job on the first line, then train as each further line says."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not end up among the answers
    try:
        job = json.loads(sys.stdin.readline())
        if job["core"] is not None:
            os.sched_setaffinity(0, {job["core"]})
        runners = prepare(job)
        answers.write(json.dumps({"versions": versions()}) + "\n")
        for line in sys.stdin:
            answers.write(json.dumps(timed(runners, json.loads(line)["steps"])) + "\n")
    except Exception:
        answers.write(json.dumps({"error": traceback.format_exc()}) + "\n")


def prepare(job: dict[str, Any]) -> list[Runner]:
    """One runner for each group of trials; groups are trained one after another."""
    given = job["work"]
    conv = tuple(map(tuple, given["conv"]))
    work = Workload(**given | {"hidden": tuple(given["hidden"]), "conv": conv})
    module = importlib.import_module(f"bench.peers.{job['module']}")
    first, last = job["trials"]
    count = min(job["groups"], last - first)
    cuts = [first + (last - first) * place // count for place in range(count + 1)]
    groups = [range(a, b) for a, b in itertools.pairwise(cuts)]
    return [module.setup(work, group, job["seed"], **job["options"]) for group in groups]


def timed(runners: list[Runner], steps: int) -> dict[str, Any]:
    """Train every group; wall and CPU seconds, and each trial's last loss."""
    seconds, cpu = time.perf_counter(), time.process_time()
    losses = [runner(steps) for runner in runners]
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    flat = [float(loss) for group in losses for loss in group]
    return {"seconds": seconds, "cpu": cpu, "losses": flat}


def versions() -> dict[str, str]:
    """Versions of the libraries this peer loaded."""
    names = ("numpy", "scipy", "numba", "torch", "jax", "jaxlib")
    return {name: sys.modules[name].__version__ for name in names if name in sys.modules}


if __name__ == "__main__":
    main()
