"""`evenbatch prove` asked the same again: answered by the report that lies there, and only then."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evenbatch import cli

ASKED = ["prove", "epsilon", "--quick", "--seeds", "2", "--store", "s.db", "--data", "tea.csv"]
AGAIN = "Nothing has changed since"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was measured once."""
    folder = tmp_path_factory.mktemp("again")
    table(folder, 90)
    assert AGAIN not in prove(folder)
    return folder


def table(folder: Path, rows: int) -> None:
    lines = [f"{i % 7},{i % 2}" for i in range(rows)]
    (folder / "tea.csv").write_text("\n".join(["cups,good", *lines]))


def prove(folder: Path, *more: str) -> str:
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = CliRunner().invoke(cli.app, [*ASKED, "--target", "good", *more])
    finally:
        os.chdir(before)
    assert result.exit_code == 0, result.output
    return result.stdout


def times(folder: Path) -> list[int]:
    files = sorted((folder / "evenbatch-out").rglob("*.*"))
    assert len(files) >= 3
    return [path.stat().st_mtime_ns for path in files]


def test_the_same_again_is_told_again(folder: Path) -> None:
    before = times(folder)
    text = prove(folder)
    assert AGAIN in text
    assert "table:tea" in text
    assert "Report: evenbatch-out/report.html" in text
    assert "epsilon" in text
    assert times(folder) == before, "nothing is written anew"
    quiet = prove(folder, "--quiet")
    content = json.loads((folder / "evenbatch-out" / "report.json").read_text("utf-8"))
    assert " ".join(quiet.split()) == " ".join(content["sentence"].split())
    assert json.loads(prove(folder, "--json", "-")) == content


def forget(folder: Path) -> None:
    (folder / "s.db").unlink()


def break_json(folder: Path) -> None:
    (folder / "evenbatch-out" / "report.json").write_text('{"request": ')


def other_json(folder: Path) -> None:
    (folder / "evenbatch-out" / "report.json").write_text("[1]")


def interrupt(folder: Path) -> None:
    path = folder / "evenbatch-out" / "report.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(content | {"complete": False}))


CHANGES: dict[str, tuple[Callable[[Path], Any] | None, list[str]]] = {
    "another number of seeds": (None, ["--seeds", "3"]),
    "no page": (lambda folder: (folder / "evenbatch-out" / "report.html").unlink(), []),
    "a broken record": (break_json, []),
    "no record at all": (other_json, []),
    "an interrupted run": (interrupt, []),
    "other data of the same name": (lambda folder: table(folder, 91), []),
    "an emptied store": (forget, []),
}


@pytest.mark.parametrize(("change", "more"), CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_measured(
    folder: Path, change: Callable[[Path], Any] | None, more: list[str]
) -> None:
    if change is not None:
        change(folder)
    assert AGAIN not in prove(folder, *more)
    assert AGAIN in prove(folder, *more), "and that is known from then on"


def test_changed_code_is_asked_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(folder)
    monkeypatch.setattr("evenbatch.app.answered.FLOORS", ("engine",))
    assert AGAIN not in prove(folder)
