"""Fixtures for the data floor: a private folder for kept data, and a table written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evenbatch.data import Dataset, TableError, load_table, table


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
def mended() -> Callable[..., Dataset]:
    """``mended(path, "a part of the message", drop=["a"])``: refused, and read with these options.

    The options are all that the message proposes; the data set is what they give.
    """

    def check(
        path: Path, *said: str, target: Any = "y", given: Any = (), **options: Any
    ) -> Dataset:
        with pytest.raises(TableError) as error:
            load_table(path, target, **dict(given))
        text = str(error.value)
        for part in said:
            assert part in text, text
        reading = error.value.reading
        assert reading is not None, text
        found = {
            n: list(v) if isinstance(v, tuple) else v for n, v in reading.options.given().items()
        }
        assert found == {**dict(given), **options}, text
        call = text.rsplit("\n  ", 1)[1]
        data: Dataset = eval(call, {"load_table": load_table})
        return data

    return check


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write("a,b\\n1,2\\n")`` or ``write(b"...", "x.bin")``: a file with this content."""

    def write_file(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file
