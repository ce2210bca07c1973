"""The claim that CONTRIBUTING.md adds as an exercise: one file under 60 lines, and one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evenbatch

ROOT = Path(__file__).parents[2]
[TEXT] = re.findall(
    r"\*\*A claim\.\*\*.*?```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S
)
TABLE = ["a,b,more", *(f"{k % 7},{k % 11},{'yes' if k % 7 > k % 11 else 'no'}" for k in range(300))]


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) < 60


@pytest.fixture
def added(tmp_path: Path) -> Path:
    """A copy of the package in which it is added, in a folder with a small table."""
    package = tmp_path / "evenbatch"
    left = shutil.ignore_patterns("__pycache__", "page", "recorded")
    shutil.copytree(Path(evenbatch.__file__).parent, package, ignore=left)
    (package / "claims" / "residual.py").write_text(TEXT, "utf-8")
    files = package / "claims" / "__init__.py"
    before = files.read_text("utf-8")
    after = before.replace("\n)\n_CLAIMS", '\n    "residual",\n)\n_CLAIMS')
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    files.write_text(after, "utf-8")
    (tmp_path / "small.csv").write_text("\n".join(TABLE), "utf-8")
    return tmp_path


def test_with_one_line_it_is_listed_explained_and_measured(added: Path) -> None:
    def said(*words: str) -> str:
        command = [sys.executable, "-m", "evenbatch", *words]
        path = {"PYTHONPATH": str(added), "COLUMNS": "200"}
        done = subprocess.run(command, cwd=added, env=os.environ | path, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return " ".join(done.stdout.decode().split())

    assert "residual shortcuts make a deep network better" in said("claims")
    assert "Holds: what shortcuts gain, in points, at or above 1." in said("claims", "residual")
    said("prove", "residual", "--effort", "quick", "--data", "small.csv", "--target", "more")
    report = json.loads((added / "evenbatch-out" / "report.json").read_text("utf-8"))
    [entry] = report["experiments"]
    assert entry["claim"] == "residual"
    assert entry["verdict"]["effects"][0]["seeds"] == 5
    assert "with shortcuts and" in entry["verdict"]["sentence"]
