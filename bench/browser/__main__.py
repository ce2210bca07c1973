"""The lesson in a browser: how soon, how fast, how large. Chromium, two workers on two cores.

    python -m bench.browser [--quick] [--out FILE]

Needs `make page` and `make kernels`, npm for TensorFlow.js, and Linux, where processes can be held
and their memory read. Recorded, in one run: milliseconds to the first point of a curve from a cold
load and from Start; seconds from Start to the verdict of each chapter's first experiment, also with
pages and workers held three quarters of the time; microseconds a step of two networks in one
worker, in turns with the native engine on one thread, TensorFlow.js on each backend that runs, and
a loop over nodes and links (which has no normalizer); the tab's memory; the page's packed size.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.browser import lesson, steps
from bench.browser.pages import chromium
from bench.harness import write_json

Row = tuple[str, str, str]  # work, found, goal


def of_steps(measured: dict[str, Any]) -> Iterator[Row]:
    """What a step takes."""
    for work in (work.name for work in steps.NETWORKS):
        found = measured[work]
        times = found["of the page's"]
        peers = [name for name in times if name.startswith("tfjs")]
        yield f"{work}: one step in the page", f"{found['microseconds']['page']:.1f} µs", ""
        yield "  of native, one thread", f"{1 / times['native']:.2f}", "at most 2.2"
        yield (
            "  faster than nodes and links",
            f"{times['nodes and links']:.0f} times",
            "at least 10",
        )
        if peers:
            best = min(peers, key=lambda name: times[name])
            yield f"  faster than {best}", f"{times[best]:.0f} times", "at least 500"
        for name, why in found["does not run"].items():
            yield f"  {name}", f"does not run: {why}", ""


def of_the_lesson(measured: dict[str, Any]) -> Iterator[Row]:
    """What a learner waits for."""
    for what, goal in (("cold load", 500), ("Start", 150), ("Start again", 150)):
        found = measured["first point, ms"][what]["median"]
        yield f"{what} to the first point", f"{found:.0f} ms", f"at most {goal}"
    for part, goal in (("experiments", 8), ("experiments, 4 times slowed", 30)):
        for name, found in measured[part].items():
            gap = found["longest ms without points"]
            text = f"{found['seconds']:.1f} s; points at most {gap:.0f} ms apart"
            yield f"{part}: {name}", text, f"at most {goal} s"
    found = measured["memory, MB"]
    most = max(found["loaded"], *found["after"].values())
    yield "memory through all chapters", f"{most:.0f} MB", "at most 150"
    runs = found["runs"]
    yield f"memory over {len(runs)} runs", f"{runs[0]:.0f} to {runs[-1]:.0f} MB", "flat"
    for how, size in measured["bytes"].items():
        yield f"page with engine, without data, {how}", f"{size / 1000:.0f} kB", "at most 190"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; slowed: three chapters")
    parser.add_argument("--out", type=Path, default=Path("out/bench/browser.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        measured: dict[str, Any] = {"browser": browser.version}
        measured["steps"] = steps.measure(browser, Path(place) / "steps", options.quick)
        measured |= lesson.measure(browser, Path(place) / "lesson", options.quick)
    write_json(options.out, measured)
    for row in (*of_steps(measured["steps"]), *of_the_lesson(measured)):
        print(f"{row[0]:52} {row[1]:44} {row[2]}")
    print(f"Every round is in {options.out}")


if __name__ == "__main__":
    main()
