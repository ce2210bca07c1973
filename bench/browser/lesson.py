"""The exported lesson in Chromium: how soon it answers, how long experiments take, memory, size."""

from __future__ import annotations

import gzip
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page

from bench.browser.pages import megabytes, opened, served, slowed
from bench.harness import script
from evenbatch.lesson.app import MODULE
from evenbatch.lesson.export import export
from evenbatch.lesson.recorded import EXPERIMENTS

START = ".experiment .controls .primary"
OVER = """() => !document.querySelector(".controls progress")
  && document.querySelector(".verdict, .controls .failed")
  && ![...document.querySelectorAll(".controls button")].some((b) => b.textContent === "Stop")"""
READY = "() => window.evenbatch?.live.state === 'ready'"

# Starts chapter 1 as soon as the page can take it.
COLD = """
const wait = setInterval(() => {
  const live = window.evenbatch?.live;
  if (live?.state !== "ready") return;
  clearInterval(wait);
  const run = live.start("factory", {});
  run.listen(() => { if (run.curves.length) window.firstPoint ??= performance.now(); });
}, 1);
"""

FIRST = """() => new Promise((resolve) => {
  const began = performance.now();
  const run = window.evenbatch.live.start("factory", {});
  const stop = run.listen(() => {
    if (!run.curves.length) return;
    stop();
    resolve(performance.now() - began);
    window.evenbatch.live.stop(run);
  });
})"""

# Notes when points arrive.
LISTEN = """() => {
  const { live } = window.evenbatch;
  const add = live.add;
  window.came = [];
  live.add = function (...given) { window.came.push(performance.now()); add.apply(live, given); };
}"""
BROTLI = """
const { readFileSync } = require("fs"), { brotliCompressSync } = require("zlib");
const size = (file) => brotliCompressSync(readFileSync(file)).length;
console.log(process.argv.slice(1).reduce((total, file) => total + size(file), 0));
"""
GAP = "() => Math.max(0, ...window.came.slice(1).map((at, i) => at - window.came[i]))"


def firsts() -> list[str]:
    """The first experiment of each chapter."""
    found: dict[str, str] = {}
    for name in EXPERIMENTS:
        found.setdefault(name.split(".")[0], name)
    return list(found.values())


def show(page: Page, chapter: str) -> None:
    """Open a chapter at its first experiment, with a prediction locked in."""
    page.wait_for_function(READY)
    page.evaluate("(place) => { location.hash = `#/${place}`; }", chapter)
    page.wait_for_selector(START)
    if page.locator(".prediction button").count():
        page.locator(".prediction input").nth(1).click()
        page.locator(".prediction button").click()
        page.wait_for_selector(".locked")


def run(page: Page) -> float:
    """Seconds from Start to the verdict."""
    began = time.perf_counter()
    page.locator(START).click()
    page.wait_for_function(OVER)
    seconds = time.perf_counter() - began
    assert not page.locator(".controls .failed").count(), page.locator(".controls").inner_text()
    return seconds


def waiting(browser: Browser, address: str, rounds: int) -> dict[str, Any]:
    """Milliseconds to the first point: from a cold load, and from Start in a loaded page."""
    found: dict[str, list[float]] = {"cold load": [], "Start": [], "Start again": []}
    for _ in range(rounds):
        with opened(browser, address, COLD) as page:
            page.wait_for_function("() => window.firstPoint")
            found["cold load"].append(page.evaluate("window.firstPoint"))
        with opened(browser, address) as page:
            page.wait_for_function(READY)
            page.wait_for_timeout(300)
            for which in ("Start", "Start again"):
                found[which].append(page.evaluate(FIRST))
                page.wait_for_timeout(300)
    return {name: {"median": median(each), "rounds": each} for name, each in found.items()}


def experiments(browser: Browser, address: str, slow: int, names: list[str]) -> dict[str, Any]:
    """Seconds from Start to the verdict, each in a page of its own, so many times slowed; and the
    longest wait between two messages with points (what is timed alone at the end shows none)."""
    found: dict[str, Any] = {}
    for name in names:
        with opened(browser, address) as page:
            show(page, name.split(".")[0])
            page.evaluate(LISTEN)
            with slowed(slow):
                seconds = run(page)
            found[name] = {"seconds": seconds, "longest ms without points": page.evaluate(GAP)}
    return found


def memory(browser: Browser, address: str, names: list[str], again: int) -> dict[str, Any]:
    """Megabytes of the tab, workers included: loaded, after each chapter, after many runs."""
    with opened(browser, address) as page:
        page.wait_for_function(READY)
        found: dict[str, Any] = {"loaded": megabytes(page), "after": {}, "runs": []}
        for name in names:
            show(page, name.split(".")[0])
            run(page)
            found["after"][name] = megabytes(page)
    with opened(browser, address) as page:
        show(page, "factory")
        for _ in range(again):
            run(page)
            found["runs"].append(megabytes(page))
    return found


def sizes(folder: Path) -> dict[str, int]:
    """Bytes, packed, of what the English page loads but data; by gzip and, with Node, by brotli."""
    own = [p for p in (folder / "assets").iterdir() if not p.name.startswith("de-")]
    own += [folder / "index.html", folder / "engine" / MODULE]
    found = {"gzip": sum(len(gzip.compress(p.read_bytes(), 9)) for p in own)}
    npm, environment = script("build").npm_command()
    node = npm[0] if len(npm) > 1 else "node"
    command = [node, "-e", BROTLI, *map(str, own)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        found["brotli"] = int(done.stdout)
    return found


def measure(browser: Browser, folder: Path, quick: bool) -> dict[str, Any]:
    """All of it, on the lesson exported into the folder."""
    export(folder)
    names = firsts()
    short = [name for name in names if name in ("factory", "rates", "layer")]
    with served(folder) as address:
        return {
            "first point, ms": waiting(browser, address, 3 if quick else 9),
            "experiments": experiments(browser, address, 1, names),
            "experiments, 4 times slowed": experiments(
                browser, address, 4, short if quick else names
            ),
            "memory, MB": memory(browser, address, short if quick else names, 5 if quick else 20),
            "bytes": sizes(folder),
        }
