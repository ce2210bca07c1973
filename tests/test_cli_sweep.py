"""`evenbatch sweep` and `evenbatch export`: what they print and write."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.store import Store

SWEEP = """
data = ["digits", "tea.csv"]
target = "good"
seeds = 3

[network]
hidden = [[8], [8, 8]]
norm = ["none", "batch"]

[trial]
learning_rate = [0.1, 1.0]
steps = 40
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my.toml").write_text(SWEEP)
    (tmp_path / "tea.csv").write_text("grams,milk,good\n" + "1,0,no\n2,1,yes\n" * 60)
    return tmp_path


def evenbatch(folder: Path, *args: str) -> Any:
    before = Path.cwd()
    try:
        os.chdir(folder)
        return CliRunner().invoke(cli.app, [str(a) for a in args])
    finally:
        os.chdir(before)


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.json"])
def test_a_sweep_sums_up_and_exports(folder: Path, name: str) -> None:
    result = evenbatch(folder, "sweep", "my.toml", "--store", "s", "--out", name)
    assert result.exit_code == 0, result.output
    text = plain(result.stdout)
    assert "digits: the best 8 of 8 settings" in text
    assert re.search(r"8, 8 batch 1 \d+\.\d ± \d+\.\d % 3 ", text)
    assert "table:tea: the best 8 of 8 settings" in text
    assert f"Table: {name} (48 runs)" in text
    assert text.endswith("48 of 48 runs; they are kept in s")
    assert "my.toml: training, 0 of about 48 runs" in result.stderr
    if name == "t.json":
        assert len(json.loads((folder / name).read_text())["trials"]) == 48
    else:
        table = (pandas.read_csv if name == "t.csv" else pandas.read_parquet)(folder / name)
        assert table.key.nunique() == 48
        assert set(table.data) == {"digits", "table:tea"}
    again = evenbatch(folder, "sweep", "my.toml", "--store", "s", "--quiet")
    said = "48 of 48 runs, 48 of them known before; they are kept in s"
    assert plain(again.stdout) == said
    assert again.stderr == ""


def test_without_a_store_it_says_so(folder: Path) -> None:
    result = evenbatch(folder, "sweep", "my.toml", "--store", "off", "--quiet", "--out", "t.csv")
    assert plain(result.stdout) == "48 of 48 runs; 48 are stored nowhere"
    assert sorted(p.name for p in folder.iterdir()) == ["my.toml", "t.csv", "tea.csv"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["my.toml", "--out", "t.xls"], "t.xls: the ending '.xls' stands for no format"),
        (["none.toml"], "No such file or directory: none.toml"),
        (["."], "Is a directory"),
        (["tea.csv"], "tea.csv, line 1: "),
        (["my.toml", "--store", "tea.csv"], "store tea.csv: this file is no store"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(
    folder: Path, args: list[str], message: str
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    result = evenbatch(folder, "sweep", *args)
    assert result.exit_code == 2
    assert message in plain(result.stderr)
    assert "training" not in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(folder: Path) -> None:
    text = SWEEP.replace("seeds = 3", "seeds = 3000")  # far more than will be trained
    (folder / "my.toml").write_text(text)
    command = [sys.executable, "-m", "evenbatch", "sweep", "my.toml", "--store", "s"]
    with subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1"},
    ) as run:  # fmt: skip
        assert run.stderr is not None
        for line in run.stderr:
            if re.search(r"training, [1-9]\d* of about", line):
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    found = re.search(
        r"Interrupted after ([\d,]+) of 48,000 runs; they are kept in s\. To go on, run: "
        r"evenbatch sweep my\.toml --store s",
        plain(out),
    )
    assert found, out
    with Store(folder / "s") as store:
        assert len(store) == int(found[1].replace(",", "")) > 0
    assert "the best" in out


def test_export_writes_the_whole_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evenbatch(folder, "sweep", "my.toml", "--store", "s", "--quiet")
    result = evenbatch(folder, "export", "all.csv", "--store", "s")
    assert (result.exit_code, result.stdout) == (0, "all.csv: 48 runs\n")
    assert pandas.read_csv(folder / "all.csv").key.nunique() == 48
    monkeypatch.setenv("EVENBATCH_STORE", str(folder / "s"))
    assert evenbatch(folder, "export", "all.json").stdout == "all.json: 48 runs\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["t.csv", "--store", "none"], "store none: there is no such file"),
        (["t.csv", "--store", "off"], "there is nothing to export"),
        (["t.csv"], "nothing is stored yet: there is no file"),
        (["t.doc", "--store", "tea.csv"], "this file is no store"),
    ],
)
def test_what_cannot_be_exported(
    folder: Path, args: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENBATCH_STORE", str(folder / "nothing"))
    before = sorted(folder.iterdir())
    result = evenbatch(folder, "export", *args)
    assert result.exit_code == 2
    assert message in plain(result.stderr)
    assert sorted(folder.iterdir()) == before
