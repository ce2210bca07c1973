"""The examples of docs/store.md run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.sweeps.sweep_file import read_sweep

PAGE = (Path(__file__).parent.parent / "docs" / "store.md").read_text("utf-8")


def test_the_sweep_and_the_table_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, network = re.findall(r"^ *```toml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    commands = re.findall(r"^evenbatch (.*?)(?:   .*)?$", PAGE, re.MULTILINE)
    assert commands == ["sweep sweep.toml --table results.csv", "export all.csv"]
    monkeypatch.setenv("EVENBATCH_STORE", str(tmp_path / "my.store"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(sweep, encoding="utf-8")
    for command in commands:
        result = CliRunner().invoke(cli.app, command.split())
        assert result.exit_code == 0, result.output
    count = re.search(r"= (\d+) runs", PAGE)
    assert count
    assert result.stdout == f"all.csv: {count[1]} runs\n"
    found: dict[str, object] = {}
    exec(compile(code, "store.md", "exec"), found)
    assert len(found["table"]) == 2 * int(count[1])  # type: ignore[arg-type]
    assert sorted(os.listdir()) == ["all.csv", "my.store", "results.csv", "sweep.toml"]
    rates = "[trial]\nlearning_rate = 0.1\n"
    (tmp_path / "conv.toml").write_text(f'data = "digits"\n{dedent(network)}{rates}', "utf-8")
    assert read_sweep(tmp_path / "conv.toml").settings == 2
