"""Fixtures for the data floor: a private folder for kept data, and a table written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evenbatch.data import table


@pytest.fixture(scope="session", autouse=True)
def _kept_data(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Nothing is kept in, or found in, the folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENBATCH_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        patch.delenv("EVENBATCH_MNIST_DIR", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a process that has loaded no table."""
    monkeypatch.setattr(table, "_loaded", {})


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write("a,b\\n1,2\\n")`` or ``write(b"...", "x.bin")``: a file with this content."""

    def write_file(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file
