"""Fair timing: every contestant in processes of its own, interleaved rounds, medians.

One round visits every contestant in turn, each for about the same time, so that whatever else the
machine does meets all of them alike. The figure is the median over rounds of microseconds per trial
and step, of wall time: with all cores at work on all trials.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.peers.work import Workload

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.05  # between two contestants: idle threads of the last one stop spinning meanwhile


def script(name: str, root: Path = ROOT) -> Any:
    """A module of web/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"web_{name}", root / "web" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Variant:
    """One way to run a peer.

    Args:
        peer: the peer's name in tables.
        module: its file in ``bench/peers``.
        options: arguments of its ``setup``.
        processes: that share the trials equally, each pinned to a core where there are more.
        groups: of trials within a process, trained one after another.
        environment: set before the library starts.
    """

    peer: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    groups: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """The variant in words, for tables."""
        parts = [f"{name}={value}" for name, value in self.options.items()]
        parts += [f"{name}={value}" for name, value in self.environment.items()]
        if self.groups > 1:
            parts.append(f"groups={self.groups}")
        return " ".join([*parts, f"processes={self.processes}"])


class Contestant:
    """A variant prepared for a workload, in its processes, ready to be timed."""

    def __init__(self, variant: Variant, work: Workload, seed: int = 0) -> None:
        self.variant, self.work, self.steps = variant, work, 1
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.noise = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by close)
        places = range(min(variant.processes, work.trials))
        self.workers = [self._start(place, len(places), seed) for place in places]
        ready = [self._read(worker) for worker in self.workers]
        self.versions: dict[str, str] = ready[0]["versions"]
        self.opening = [self.run(1)[2] for _ in range(3)]  # each trial's loss at the first steps

    def _start(self, place: int, places: int, seed: int) -> subprocess.Popen[str]:
        trials = self.work.trials
        can_pin = hasattr(os, "sched_getaffinity")
        cores = sorted(os.sched_getaffinity(0)) if can_pin else []
        job = {
            "module": self.variant.module,
            "work": asdict(self.work),
            "trials": [trials * place // places, trials * (place + 1) // places],
            "groups": self.variant.groups,
            "seed": seed,
            "options": dict(self.variant.options),
            "core": cores[place] if 1 < places <= len(cores) else None,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.peers.worker"], cwd=ROOT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise,
            env={**os.environ, **self.variant.environment},
        )  # fmt: skip
        self._write(worker, job)
        return worker

    def _write(self, worker: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(message) + "\n")

    def _read(self, worker: subprocess.Popen[str]) -> dict[str, Any]:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            self.noise.seek(0)
            said = f"{answer['error']}\n{self.noise.read()[-2000:]}"
            self.close()
            raise RuntimeError(f"{self.variant.peer} ({self.variant.how}) failed:\n{said}")
        return answer

    def run(self, steps: int) -> tuple[float, float, list[float]]:
        """Train all trials; wall and CPU microseconds per trial and step, and last losses."""
        start = time.perf_counter()
        for worker in self.workers:
            self._write(worker, {"steps": steps})
        answers = [self._read(worker) for worker in self.workers]
        wall = time.perf_counter() - start
        cpu = sum(answer["cpu"] for answer in answers)
        scale = 1e6 / (steps * self.work.trials)
        return wall * scale, cpu * scale, [x for answer in answers for x in answer["losses"]]

    def calibrate(self, seconds: float) -> None:
        """Warm up, and choose the number of steps that takes about `seconds`."""
        steps, taken = 1, 0.0
        while True:
            self.run(steps)  # compiles for this number of steps, where that matters
            taken = self.run(steps)[0] * steps * self.work.trials / 1e6
            if taken > 0.25 * seconds:
                break
            steps *= max(2, min(100, round(0.5 * seconds / taken)))
        self.steps = max(1, round(steps * seconds / taken))
        self.run(self.steps)

    def time(self) -> None:
        """One timed run, kept."""
        time.sleep(PAUSE)
        wall, cpu, _ = self.run(self.steps)
        self.wall.append(wall)
        self.cpu.append(cpu)

    @property
    def median(self) -> float:
        return median(self.wall)

    def close(self) -> None:
        """End the processes."""
        for worker in self.workers:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.close()
            worker.wait()
            worker.stdout.close()
        self.noise.close()

    def report(self) -> dict[str, Any]:
        """Everything measured, for the JSON file."""
        return {
            "peer": self.variant.peer,
            "how": self.variant.how,
            "versions": self.versions,
            "steps_a_run": self.steps,
            "microseconds": {
                "median": self.median, "min": min(self.wall), "max": max(self.wall),
                "rounds": self.wall, "cpu_rounds": self.cpu,
            },
        }  # fmt: skip


def check_agreement(truth: Contestant, other: Contestant) -> None:
    """Raise unless `other`'s first losses are those of `truth`.

    The first loss must agree to 0.1 %, the next two, which the gradients have entered, to 2 %. In a
    very deep network the gradients of the first layers are thousands of times those of the last
    ones and rounding grows on the way: at 50 layers PyTorch's own float32 gradient was 20 % off its
    float64 one. There 20 % is allowed, and the tests, on small networks, are what holds the peers.
    """
    later = 0.2 if len(truth.work.hidden) > 10 else 0.02
    for step, (wanted, found) in enumerate(zip(truth.opening, other.opening, strict=True)):
        worst = float(np.max(np.abs(np.divide(found, wanted) - 1)))  # NaN stays NaN
        if not worst < (later if step else 0.001):
            raise RuntimeError(
                f"{other.variant.peer} ({other.variant.how}) trains something else: its loss at "
                f"step {step + 1} differs from {truth.variant.peer}'s by {worst:.2%}"
            )


def interleave(contestants: Sequence[Contestant], rounds: int, seconds: float) -> None:
    """Warm every contestant up, then time them in turn, `rounds` times."""
    for contestant in contestants:
        contestant.calibrate(seconds)
        contestant.wall, contestant.cpu = [], []
    for _ in range(rounds):
        for contestant in contestants:
            contestant.time()


def ratios(slow: Contestant, fast: Contestant) -> list[float]:
    """How many times faster, in each round: neighbours in time, so shared noise cancels."""
    return [a / b for a, b in zip(slow.wall, fast.wall, strict=True)]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model,
        "cores": cores,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def commit() -> str:
    """The commit measured, with a + if files differ from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write `result` with machine, commit and date beside it."""
    head = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**head, **result}, indent=1) + "\n")
