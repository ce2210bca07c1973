"""Microseconds a step in one worker, of the page's engine and of others; and natively."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page

from bench.browser.pages import opened, served
from bench.harness import ROOT, script
from bench.peers.evenbatch_session import ENDLESS, Advance, bench_data, bench_trials
from bench.peers.work import MEDIUM, SMALL, Workload
from evenbatch.lesson.app import ENGINE, MODULE

NETWORKS = (SMALL, replace(MEDIUM, name="40-100-100-100-10, batch 32", batch=32))
TENSORFLOW = "4.22.0"
BACKENDS = ("webgl", "wasm", "cpu")
Advances = Callable[[int], float]  # so many steps; the seconds they took

WORKERS = """() => {
  const workers = {};
  window.ask = (name, message) => new Promise((resolve, reject) => {
    const worker = (workers[name] ??= new Worker("worker.js"));
    worker.onmessage = ({ data: { error, ms } }) => {
      if (error) reject(new Error(error));
      else resolve(ms);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(message);
  });
}"""


def prepare(folder: Path, works: tuple[Workload, ...]) -> None:
    """Lay out the page that is timed: worker, module, data, and TensorFlow.js if npm brings it."""
    bundler = ROOT / "web" / "node_modules" / ".bin" / "esbuild"
    worker = Path(__file__).parent / "worker.js"
    command = [str(bundler), str(worker), "--bundle", f"--outfile={folder / 'worker.js'}"]
    subprocess.run([*command, "--log-level=error"], check=True)
    shutil.copyfile(ENGINE / MODULE, folder / MODULE)
    (folder / "index.html").write_text("<!doctype html><title>steps</title>")
    for work in works:
        (folder / f"{_data(work)}.bin").write_bytes(script("data").laid_out(bench_data(work)))
    npm, environment = script("build").npm_command()
    packages = [f"@tensorflow/{name}@{TENSORFLOW}" for name in ("tfjs", "tfjs-backend-wasm")]
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    command = [*npm, "install", "--prefix", str(folder), *flags, *packages]
    subprocess.run(command, env=environment, check=False)
    there = folder / "node_modules" / "@tensorflow"
    for file in [*there.glob("tfjs/dist/tf.min.js"), *there.glob("tfjs-backend-wasm/dist/*.wasm")]:
        shutil.copyfile(file, folder / file.name)
    for file in there.glob("tfjs-backend-wasm/dist/tf-backend-wasm.min.js"):
        shutil.copyfile(file, folder / file.name)


def _data(work: Workload) -> str:
    return f"data-{work.inputs}"


def _in_page(page: Page, name: str, message: dict[str, Any]) -> Advances:
    """A contestant in a worker of its own.

    Raises:
        playwright.sync_api.Error: it does not run.
    """
    ask = "([name, message]) => window.ask(name, message)"
    page.evaluate(ask, [name, message])
    return lambda steps: page.evaluate(ask, [name, {"steps": steps}]) / 1e3


def _native(work: Workload) -> Advances:
    session = Advance(work, range(1), 0, 1)

    def advance(steps: int) -> float:
        began = time.perf_counter()
        session(steps)
        return time.perf_counter() - began

    return advance


def contestants(page: Page, work: Workload) -> tuple[dict[str, Advances], dict[str, str]]:
    """All that run, and why the others do not."""
    (trial,) = bench_trials(work, range(1), 0, ENDLESS)
    sizes = [work.inputs, *work.hidden, work.outputs]
    about = {"sizes": sizes, "batch": work.batch, "rate": work.learning_rate}
    about["trial"] = trial.as_dict() | {"data": _data(work)}
    wanted = {"page": {"prepare": "engine"}, "nodes and links": {"prepare": "nodes"}}
    wanted |= {f"tfjs {b}": {"prepare": "tensorflow", "backend": b} for b in BACKENDS}
    found: dict[str, Advances] = {"native": _native(work)}
    failed: dict[str, str] = {}
    for name, message in wanted.items():
        try:
            found[name] = _in_page(page, f"{work.name} {name}", about | message)
        except Exception as error:  # what does not run here is a result
            failed[name] = str(error).splitlines()[0]
    return found, failed


def timed(advances: dict[str, Advances], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds a step of each, turn by turn; each turn takes about so many seconds."""
    steps: dict[str, int] = {}
    for name, advance in advances.items():
        advance(1)  # which may compile
        count, taken = 1, advance(1)
        while taken < seconds / 4 and count < 100_000:  # compilers warm up meanwhile
            count *= 4
            taken = advance(count)
        steps[name] = max(1, round(count * seconds / taken))
    found: dict[str, list[float]] = {name: [] for name in advances}
    for _ in range(rounds):
        for name, advance in advances.items():
            time.sleep(0.05)
            found[name].append(1e6 * advance(steps[name]) / steps[name])
    return found


def measure(browser: Browser, folder: Path, quick: bool) -> dict[str, Any]:
    """Both networks, and how often the page's engine goes into the others' time."""
    folder.mkdir(exist_ok=True)
    prepare(folder, NETWORKS)
    measured: dict[str, Any] = {"tensorflow.js": TENSORFLOW}
    with served(folder) as address, opened(browser, address) as page:
        page.evaluate(WORKERS)
        for work in NETWORKS:
            advances, failed = contestants(page, work)
            rounds = timed(advances, 3 if quick else 9, 0.2 if quick else 0.5)
            own = rounds["page"]
            measured[work.name] = {
                "microseconds": {name: median(each) for name, each in rounds.items()},
                "of the page's": {
                    name: median(a / b for a, b in zip(each, own, strict=True))
                    for name, each in rounds.items()
                },
                "rounds": rounds,
                "does not run": failed,
            }
    return json.loads(json.dumps(measured))
