"""A real lesson, on a port of its own, and a real browser in front of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lesson_client import Server

from evenbatch.lesson.app import PAGE

ROOT = Path(__file__).resolve().parents[2]


def _built() -> None:
    command = [sys.executable, str(ROOT / "web" / "build.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (PAGE / "index.html").is_file()


@contextlib.contextmanager
def served(store: Path, *options: str) -> Iterator[Server]:
    """The command `evenbatch lesson`, ended by Ctrl-C."""
    _built()
    command = [sys.executable, "-m", "evenbatch", "lesson", "--no-open", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--store", str(store), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
    assert found, said + process.stdout.read()
    yield Server(int(found.group(1)), process.pid)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest, rest


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lesson for this machine alone."""
    with served(tmp_path_factory.mktemp("lesson") / "store.db") as started:
        yield started


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lesson for all who reach this machine."""
    store = tmp_path_factory.mktemp("open") / "store.db"
    with served(store, "--host", "0.0.0.0", "--name", "lesson.school") as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """That browser, started."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser at a time: two that draw without a GPU take each other's processor."""
    for item in items:
        if item.path.name.startswith(
            ("test_lesson_browser", "test_lesson_export", "test_lesson_page")
        ):
            item.add_marker(pytest.mark.xdist_group("browser"))
