"""What the measurements share: a file server, Chromium, and its processes as Linux shows them."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of a server that knows the files of a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_said: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_request: object) -> None:
            pass  # a page was closed before it had all its files

    handler = functools.partial(Quiet, directory=folder)
    with Server(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium: CHROMIUM, that of the machine, or Playwright's own."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, address: str, script: str = "") -> Iterator[Page]:
    """A page in a context of its own: an empty cache, nothing stored."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(1_800_000)
    if script:
        page.add_init_script(script)
    page.goto(address)
    yield page
    context.close()


# ---- processes -----------------------------------------------------------------------------------


def renderers() -> list[int]:
    """Processes below this one that draw pages and run their workers."""
    parents, found = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)] = int(fields[1])
            if b"--type=renderer" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))

    def ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [process for process in found if ours(process)]


def megabytes(page: Page) -> float:
    """Memory that the largest renderer has to itself, once the page's garbage is collected."""
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")

    def own(process: int) -> float:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
        return 0

    return max(map(own, renderers()))


@contextlib.contextmanager
def slowed(times: int) -> Iterator[None]:
    """Let pages and workers run for one part of the time in so many.

    Chromium's own `Emulation.setCPUThrottlingRate` was tried and slows no worker.
    """
    over = threading.Event()
    processes = renderers()

    def everyone(what: signal.Signals) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, what)

    def hold() -> None:
        while not over.is_set():
            everyone(signal.SIGCONT)
            began = time.perf_counter()
            over.wait(0.005)
            everyone(signal.SIGSTOP)
            over.wait((times - 1) * (time.perf_counter() - began))
        everyone(signal.SIGCONT)

    thread = threading.Thread(target=hold)
    if times > 1:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if times > 1:
            thread.join()
