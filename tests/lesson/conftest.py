"""A real lesson, on a port of its own, and a real browser in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lesson_client import Server, served


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


BROWSED = {
    "test_lesson_browser": "browser",
    "test_lesson_class_walk": "browser",
    "test_lesson_page_hands": "browser",
    "test_lesson_export": "pages",
    "test_lesson_page": "pages",
}
"""Files that need a browser, in two halves of about the same length: two workers take one each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser for each half, and what its server has trained is trained once."""
    for item in items:
        if group := BROWSED.get(item.path.stem):
            item.add_marker(pytest.mark.xdist_group(group))
