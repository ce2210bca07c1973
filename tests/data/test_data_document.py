"""What docs/data.md says about tables is so: its code runs, its message is the one that comes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.table_options import DEFAULTS

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{i * 7 % 90},{10115 + i % 3},{i % 9},{i % 4}\n" for i in range(90))
    Path("wine.csv").write_text("id,postcode,acid,quality\n" + rows)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        exec(compile(block, "data.md", "exec"), names)
    assert "Only 18 test rows" in capsys.readouterr().out


def test_its_message_is_the_one_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["Arneis", "Barolo", "Chianti", "Dolcetto", "Etna", "Fiano", "Gavi"]
    lines = ["name,alcohol,price,acid,colour,quality", "-,%,EUR,g/l,-,points"]
    for i in range(178):
        alcohol = "" if i in (6, 50, 120) else f"{11 + i % 31 / 10:.1f}"
        name, colour = f"{kinds[i % 7]} {i // 7 + 1}", "red" if i % 3 else "white"
        lines.append(f'{name},{alcohol},"{1065 + 5 * i:,}",{i % 9 / 10},{colour},{i % 4 + 4}')
    Path("wine.csv").write_text("\n".join(lines))
    said = re.search(r"```\n(evenbatch: wine.csv cannot .*?)```", PAGE, re.DOTALL)
    assert said is not None
    arguments = ["race", "--data", "wine.csv", "--target", "quality"]
    monkeypatch.setattr(sys, "argv", ["evenbatch", *arguments])
    result = CliRunner().invoke(cli.app, arguments)
    assert result.stderr.split() == said[1].split()


def test_it_names_every_option() -> None:
    table = PAGE[PAGE.index("| option |") : PAGE.index("On the command line, names stand")]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M)))) == set(
        DEFAULTS
    )
