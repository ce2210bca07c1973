"""The engine against PyTorch and JAX, on this machine.

    python -m bench.engine [--quick] [--json FILE]

Every way of training the same networks is timed side by side: in processes of their own, in turn,
on all cores, compiled and warm, after its first losses were checked against PyTorch's. For each
peer the ways in ``bench/peers/variants.py`` are tried first and the best is raced. Ratios are taken
within a round and their median is shown. ``--quick`` takes the way that was best where this was
written, leaves `torch.compile` out and measures shorter.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.harness import (
    ROOT,
    Contestant,
    Variant,
    check_agreement,
    interleave,
    machine,
    ratios,
    write_json,
)
from bench.peers import variants
from bench.peers.work import SMALL, WORKLOADS, Workload

SCALING = (1, 2, 10, 100, 1000)
SPREAD_GOAL = 0.15
WARM_GOAL, COLD_GOAL = 1.5, 30.0

FIRST_TRAINING = """
import numpy as np
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial, train
rng = np.random.default_rng(0)
x, y = rng.normal(size=(1500, 16)).astype(np.float32), rng.integers(4, size=1500)
names = tuple(f"x{i}" for i in range(16))
data = Dataset("bench", "classification", x, y, x[:100], y[:100], names, tuple("abcd"))
net = Network(inputs=16, hidden=(32, 32, 32), outputs=4, norm="batch")
(curve,) = train([Trial(net, "bench", steps=100)], {"bench": data})
assert len(curve.step) == 2
"""


@dataclass(frozen=True)
class Goals:
    """Least ratio to the eager loop and to the best of the others, least share of sgemm."""

    eager: float | None
    others: float
    sgemm: float | None


GOALS = {
    "small": Goals(80, 4, None),
    "medium": Goals(8, 2.7, 0.85),
    "deep": Goals(None, 5, 0.85),
    "conv": Goals(15, 2, None),
    "wide-conv": Goals(15, 2, None),
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    measure: str
    goal: str
    measured: str
    met: bool | None


def say(message: str) -> None:
    """Progress, to standard error."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


# ---- the race -----------------------------------------------------------------------------------


def best_of(peer: Sequence[Variant], work: Workload, truth: Contestant | None) -> Contestant:
    """The fastest of a peer's variants in a short race of their own; the others are ended."""
    found = [Contestant(variant, work) for variant in peer]
    for contestant in found:
        check_agreement(truth or found[0], contestant)
    if len(found) > 1:
        interleave(found, rounds=5, seconds=0.25)
    found.sort(key=lambda contestant: contestant.median if contestant.wall else 0.0)
    for contestant in found:
        if contestant.wall:
            say(f"    {contestant.median:9.1f} us  {contestant.variant.how}")
    for loser in found[1:]:
        loser.close()
    return found[0]


def race(name: str, quick: bool) -> tuple[list[Row], dict[str, Any], Table]:
    """Choose each peer's best way, time all of them in turn, and hold ours against them."""
    work, goals = WORKLOADS[name], GOALS[name]
    say(f"{work.name}, {work.trials} trials")
    peers: list[Contestant] = []
    for peer in variants.candidates(name, quick):
        say(f"  {peer[0].peer}")
        peers.append(best_of(peer, work, peers[0] if peers else None))
    ours = Contestant(variants.ours(), work)
    plain, step = (Contestant(variant, work) for variant in variants.yardsticks())
    everyone = [ours, *peers, plain, step]
    interleave(everyone, rounds=3 if quick else 11, seconds=0.3 if quick else 0.7)

    eager = next(peer for peer in peers if peer.variant.peer == variants.EAGER)
    rivals = [peer for peer in peers if not peer.variant.peer.startswith(variants.EAGER)]
    rival = min(rivals, key=lambda peer: peer.median)
    share = median(ratios(plain, ours))
    rows = [
        ratio_row(work, eager, ours, goals.eager),
        ratio_row(work, rival, ours, goals.others),
        Row(
            work.name, "share of the sgemm rate", text(goals.sgemm, "≥ {:.2f}"), f"{share:.2f}",
            met(share, goals.sgemm),
        ),
    ]  # fmt: skip
    flops = work.flops() / 1e3
    result = {
        "work": asdict(work), "flops_a_step": work.flops(),
        "contestants": [contestant.report() for contestant in everyone],
        "best_of_the_others": rival.variant.peer,
        "gigaflops": {c.variant.peer: flops / c.median for c in (ours, plain, step)},
    }  # fmt: skip
    table = contest_table(work, everyone, ours)
    for contestant in everyone:
        contestant.close()
    return rows, result, table


def met(value: float, goal: float | None) -> bool | None:
    """Whether a figure that should be large is; None without a goal."""
    return None if goal is None else value >= goal


def text(goal: float | None, form: str) -> str:
    """The goal in words."""
    return "" if goal is None else form.format(goal)


def ratio_row(work: Workload, slow: Contestant, ours: Contestant, goal: float | None) -> Row:
    """How many times faster ours is than `slow`: the median of the rounds' ratios."""
    found = ratios(slow, ours)
    ratio = median(found)
    return Row(
        work.name, f"times {slow.variant.peer}", text(goal, "≥ {:g}"),
        f"{ratio:.1f}  ({min(found):.1f} to {max(found):.1f})", met(ratio, goal),
    )  # fmt: skip


def contest_table(work: Workload, everyone: Sequence[Contestant], ours: Contestant) -> Table:
    """Microseconds per trial and step of every contestant, fastest first.

    CPU is the least processor time of a round, summed over cores: the figure other work on the
    machine disturbs least.
    """
    table = Table(title=f"{work.name}: microseconds per trial and step, all cores")
    for column in ("", "median", "min", "max", "CPU", "x ours", "GFLOP/s", "how"):
        table.add_column(column, justify="left" if column in ("", "how") else "right")
    for contestant in sorted(everyone, key=lambda c: c.median):
        table.add_row(
            contestant.variant.peer,
            *(f"{f(contestant.wall):.1f}" for f in (median, min, max)),
            f"{min(contestant.cpu):.1f}",
            f"{median(ratios(contestant, ours)):.2f}",
            f"{work.flops() / contestant.median / 1e3:.0f}",
            contestant.variant.how,
        )
    return table


def large_rate() -> float:
    """SciPy's sgemm rate at 1024 x 1024 x 1024, one process a core, in GFLOP/s."""
    work = Workload("1024 cubed", 1024, (), 1024, 1024, trials=variants.cores(), rows=1024)
    contestant = Contestant(variants.yardsticks()[0], work)
    interleave([contestant], rounds=5, seconds=0.3)
    contestant.close()
    return work.flops() / contestant.median / 1e3


# ---- from one trial to a thousand ---------------------------------------------------------------


def scaling(quick: bool) -> tuple[list[Row], dict[str, Any], Table]:
    """Core-seconds per trial of `train`, from one trial to a thousand; setting up included.

    Core-seconds are wall time times the cores that had a trial to train, so a core that waits for
    the last trials counts.
    """
    from bench.peers.evenbatch_session import bench_data, bench_trials
    from evenbatch.engine import train

    say("1 to 1,000 trials")
    steps, cores = 1000, variants.cores()  # the length of a trial by default
    rounds = 3 if quick else 5
    data = {"bench": bench_data(SMALL)}
    trials = bench_trials(SMALL, range(SCALING[-1]), 0, steps)
    train(trials[:2], data, threads=cores)
    seconds: dict[int, list[float]] = {count: [] for count in SCALING}
    cpu: dict[int, list[float]] = {count: [] for count in SCALING}
    for _ in range(rounds):
        for count in SCALING:
            repeats = math.ceil(50 / count)  # short ones are repeated: about as long as 50 trials
            start, used = time.perf_counter(), time.process_time()
            for repeat in range(repeats):
                first = repeat * count % (len(trials) - count + 1)
                train(trials[first : first + count], data, threads=cores)
            busy = min(count, cores)
            seconds[count].append((time.perf_counter() - start) * busy / (repeats * count))
            cpu[count].append((time.process_time() - used) / (repeats * count))
    each = {count: median(found) for count, found in seconds.items()}
    spread = max(each.values()) / min(each.values()) - 1
    table = Table(title=f"{SMALL.name}, {steps} steps: train(), setting up included")
    for column in ("trials", "core-milliseconds per trial", "min", "max", "CPU, min"):
        table.add_column(column, justify="right")
    for count, found in seconds.items():
        figures = [f(found) for f in (median, min, max)] + [min(cpu[count])]
        table.add_row(f"{count:,}", *(f"{1e3 * figure:.2f}" for figure in figures))
    row = Row(
        "1 to 1,000 trials", "spread of core time per trial", f"≤ {SPREAD_GOAL:.0%}",
        f"{spread:.0%}", spread <= SPREAD_GOAL,
    )  # fmt: skip
    result = {"steps": steps, "core_seconds_per_trial": seconds, "cpu_seconds_per_trial": cpu}
    return [row], result, table


# ---- the first training of a process ------------------------------------------------------------


def new_process(cache: str) -> tuple[float, str]:
    """Seconds from starting Python to the end of a first small training, and what it said."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", FIRST_TRAINING], cwd=ROOT, text=True, capture_output=True,
        env={**os.environ, "EVENBATCH_CACHE_DIR": cache},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the first training failed with cache folder {cache}:\n{done.stderr}")
    return time.perf_counter() - start, done.stderr.strip()


def first_training(quick: bool) -> tuple[list[Row], dict[str, Any]]:
    """With a filled cache folder, with an empty one, and with one that cannot be written."""
    work = "first training in a new process"
    with tempfile.TemporaryDirectory() as folder:
        say(f"{work}: without the kernel cache")
        cold, message = new_process(folder)
        say(f"{work}: with it")
        warm = [new_process(folder)[0] for _ in range(3 if quick else 7)]
        result: dict[str, Any] = {"cold": cold, "message": message, "warm": warm}
        if not quick:
            say(f"{work}: where no cache can be written")
            in_the_way = Path(folder) / "file"
            in_the_way.write_text("")
            result["unwritable"], _ = new_process(str(in_the_way / "cache"))
    told = " (with a message)" if message else " (without a word)"
    rows = [
        Row(
            work, "seconds, kernel cache filled", f"< {WARM_GOAL:g}", f"{median(warm):.2f}",
            median(warm) < WARM_GOAL,
        ),
        Row(
            work, "seconds, kernel cache empty", f"< {COLD_GOAL:g}, with a message",
            f"{cold:.1f}{told}", cold < COLD_GOAL and bool(message),
        ),
    ]  # fmt: skip
    if not quick:
        survived = f"{result['unwritable']:.1f} s"
        rows.append(Row(work, "unwritable cache folder", "survived", f"survived, {survived}", True))
    return rows, result


# ---- the table ----------------------------------------------------------------------------------


def goal_table(rows: Sequence[Row]) -> Table:
    """Goal and measured, side by side."""
    table = Table(title="evenbatch's engine: goals and measurements")
    for column in ("work", "measure", "goal", "measured", ""):
        table.add_column(column)
    for row in rows:
        mark = {True: "met", False: "missed", None: ""}[row.met]
        table.add_row(row.work, row.measure, row.goal, row.measured, mark)
    return table


def run(quick: bool, names: Sequence[str], json: Path | None) -> list[Row]:
    """Measure everything asked for, print it and write it down."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    before = machine()
    rows: list[Row] = []
    results: dict[str, Any] = {"quick": quick, "machine_before": before, "races": {}}
    for name in names:
        found, result, table = race(name, quick)
        rows += found
        results["races"][name] = result
        console.print(table)
    results["large_sgemm_gigaflops"] = large_rate()
    console.print(f"SciPy sgemm at 1024³: {results['large_sgemm_gigaflops']:.0f} GFLOP/s")
    found, results["scaling"], table = scaling(quick)
    rows += found
    console.print(table)
    found, results["first_training"] = first_training(quick)
    rows += found
    console.print(goal_table(rows))
    console.print(f"{before['cpu']}, {before['cores']} cores, load {before['load']:.1f} before")
    results["table"] = [asdict(row) for row in rows]
    if json is not None:
        write_json(json, results)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, with the presets")
    parser.add_argument("--json", type=Path, help="write every round to this file")
    parser.add_argument("--only", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    options = parser.parse_args(arguments)
    run(options.quick, options.only, options.json)


if __name__ == "__main__":
    main()
