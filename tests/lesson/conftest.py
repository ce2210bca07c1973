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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser at a time: two that draw without a GPU take each other's processor."""
    for item in items:
        if item.path.name.startswith(
            (
                "test_lesson_browser",
                "test_lesson_class_walk",
                "test_lesson_export",
                "test_lesson_page",
            )
        ):
            item.add_marker(pytest.mark.xdist_group("browser"))
