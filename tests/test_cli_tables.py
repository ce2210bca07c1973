"""A table of one's own on the command line: what is refused, and the line to paste then."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.app.tables import Tables
from evenbatch.data import Dataset
from evenbatch.table_options import DEFAULTS

TOML = """
data = "tea.csv"
{options}
seeds = 1

[network]
hidden = [[4]]

[trial]
steps = 10
batch_size = 8
"""

Run = Callable[..., Any]


class Loaded(Exception):
    """Ends a command once its table is read."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a line in a folder of its own; `.data` is what was loaded, nothing is trained."""
    monkeypatch.chdir(tmp_path)
    loaded: list[Dataset] = []

    def show(self: Tables | None, *_: Any) -> None:
        assert self is not None
        loaded.extend(self._loaded.values())
        raise Loaded

    monkeypatch.setattr(Tables, "show", show)

    def run_line(line: str) -> Any:
        loaded.clear()
        arguments = shlex.split(line)
        assert arguments.pop(0) == "evenbatch"
        monkeypatch.setattr(sys, "argv", ["evenbatch", *arguments])
        result = CliRunner().invoke(cli.app, arguments)
        result.data = loaded[0] if loaded else None
        return result

    return run_line


def pasted(result: Any) -> str:
    """The last line of a message, which is to be pasted."""
    assert result.exit_code == 2, result.output
    text = str(result.stderr).rstrip("\n")
    assert "\nThis reads it (" in text, text
    return text.rsplit("\n  ", 1)[1]


def tea(rows: int = 60) -> str:
    lines = [
        f'k{i},"1,{i:03d}",{"" if i == 9 else i % 9},{"-" if i == 8 else i},{"uv"[i % 2]}'
        for i in range(rows)
    ]
    return "# tea\n" + "\n".join(['"id, old",grams,milk,--drop,good', *lines])


@pytest.mark.parametrize("command", ["race --steps 50", "prove speed --quick"])
def test_the_line_of_a_message_reads_the_file(run: Run, command: str) -> None:
    Path("tea.csv").write_text(tea())
    result = run(f"evenbatch {command} --data tea.csv --target good")
    assert "tea.csv cannot be used as it is:" in result.stderr
    line = pasted(result)
    assert line == (
        f"evenbatch {command} --data tea.csv --target good --drop '\"id, old\"' --missing=- "
        "--drop-missing rows --thousands , --comment '#'"
    )
    again = run(line)
    assert isinstance(again.exception, Loaded), again.output
    assert again.data.features == ("grams", "milk", "--drop")
    assert again.data.n_train + again.data.n_test == 58


def test_options_already_given_are_kept_and_not_repeated(run: Run) -> None:
    Path("tea.csv").write_text(tea())
    line = pasted(run("evenbatch race --target=good --missing=- --comment '#' --data tea.csv -q"))
    assert line == (
        "evenbatch race --data tea.csv -q --target good --drop '\"id, old\"' --missing=- "
        "--drop-missing rows --thousands , --comment '#'"
    )
    assert run(line).data.n_features == 3


def test_a_target_is_proposed(run: Run) -> None:
    Path("tea.csv").write_text("a,b,good\n" + "1,2,u\n2,1,v\n" * 30)
    line = pasted(run("evenbatch race --data tea.csv"))
    assert line == "evenbatch race --data tea.csv --target good"
    assert run(line).data.n_features == 2
    assert pasted(run("evenbatch race --data tea.csv --target Goood")) == line
    Path("raw.csv").write_text("".join(f"{i}.5,{i % 7}.5,{i % 2}\n" for i in range(40)))
    line = pasted(run("evenbatch race --data raw.csv --target label"))
    assert line == "evenbatch race --data raw.csv --target 'column 3' --no-header"
    assert run(line).data.n_features == 2


def test_names_that_look_like_options(run: Run) -> None:
    rows = "".join(f"k{i},{i % 7},{'uv'[i % 2]}\n" for i in range(60))
    Path("tea.csv").write_text("--categories,-x,--target\n" + rows)
    line = pasted(run("evenbatch race --data tea.csv --target --target"))
    assert line == "evenbatch race --data tea.csv --target=--target --drop=--categories"
    assert run(line).data.features == ("-x",)


def test_every_option_is_there_on_every_command(run: Run) -> None:
    for command in ("race", "prove", "sweep"):
        text = run(f"evenbatch {command} --help").output
        for name in DEFAULTS:
            assert f"--{name.replace('_', '-')} " in text, (command, name)


def test_every_option_arrives(run: Run) -> None:
    rows = "".join(
        f"{i};{i % 3}0;1'00{i % 9},5;{'x' if i == 5 else i};{i % 2}\n" for i in range(60)
    )
    Path("tea.csv").write_bytes(("# é\nunit;unit;;;\n" + rows).encode("latin-1"))
    result = run(
        "evenbatch race --data tea.csv --target 'column 5' --drop 'column 1' --categories "
        "'column 2' --missing x --drop-missing columns --task regression --decimal , --thousands "
        "\"'\" --delimiter semicolon --comment '#' --skip-rows 2 --no-header --encoding latin-1 "
        "--rows 50"
    )
    assert isinstance(result.exception, Loaded), result.output
    data = result.data
    assert data.task == "regression"
    assert data.features[:3] == ("column 2=00", "column 2=10", "column 2=20")
    assert data.features[3] == "column 3"
    assert 1000.5 <= data.x_train[:, 3].min() <= data.x_train[:, 3].max() <= 1008.5
    assert data.n_train + data.n_test == 50


def test_options_of_tables_are_refused_without_one(run: Run) -> None:
    for option in ("--drop a", "--rows 50", "--no-header", "--missing=-1"):
        result = run(f"evenbatch race --data digits {option}")
        assert result.exit_code == 2
        flag = option.split()[0].partition("=")[0]
        assert f"{flag} is about a table of your own, and digits is none" in result.stderr


def test_a_wrong_option_is_one_message(run: Run) -> None:
    Path("tea.csv").write_text(tea())
    result = run("evenbatch race --data tea.csv --target good --drop-missing cells")
    assert result.exit_code == 2
    assert "drop_missing is 'cells', not one of ('rows', 'columns')" in result.stderr


def test_notes_are_shown_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{i % 7}.5,{'ok' if i % 10 else 'fraud'}\n" for i in range(400))
    (tmp_path / "tea.csv").write_text("customer_id,b,y\n" + rows)
    small = ["--width", "4", "--depth", "1", "--steps", "50", "--lr-grid", "0.1", "--seeds", "1"]
    arguments = ["race", "--data", "tea.csv", "--target", "y", *small]
    result = CliRunner().invoke(cli.app, arguments)
    said = result.stderr.splitlines()
    assert said[0] == "Your table tea.csv, 400 rows, target 'y'."
    assert said[1].startswith("  Whole numbers that look like identifiers, used as numbers: 'cus")
    assert said[2].startswith("  90.0 % of the rows are 'ok'")
    assert "identifiers" not in CliRunner().invoke(cli.app, [*arguments, "--quiet"]).stderr


def test_a_sweep_reads_tables_by_its_file_and_by_the_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("tea.csv").write_text(tea())
    Path("my.toml").write_text(TOML.format(options='target = "good"\ncomment = "#"'))
    line = pasted(run("evenbatch sweep my.toml --store off"))
    assert line == (
        "evenbatch sweep my.toml --store off --target good --drop '\"id, old\"' --missing=- "
        "--drop-missing rows --thousands , --comment '#'"
    )
    result = run(line)
    assert result.exit_code == 0, result.output
    assert "table:tea: the best 1 of 1 setting" in result.stdout
    assert "Your table tea.csv, 58 of 60 rows, target 'good'." in result.stderr
    options = """target = "good"
comment = "#"
drop = ["id, old"]
missing = ["-"]
drop_missing = "rows"
thousands = ","
"""
    Path("all.toml").write_text(TOML.format(options=options))
    assert run("evenbatch sweep all.toml --store off").stdout == result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('drpo = ["id"]', "there is no field 'drpo'. Did you mean 'drop'?"),
        ('drop_missing = "cells"', "my.toml, line 3: drop_missing is 'cells', not one of"),
        ("drop = 3", "drop names a column '3', which is not there"),
        ("header = 1", "my.toml, line 3: header is 1; it must be True or False"),
    ],
)
def test_options_in_a_sweep_file_that_cannot_be(run: Run, options: str, message: str) -> None:
    Path("tea.csv").write_text("a,b,good\n" + "1,2,u\n2,1,v\n" * 30)
    Path("my.toml").write_text(TOML.format(options=options).replace('"tea.csv"\n', '"tea.csv"\n'))
    result = run("evenbatch sweep my.toml --store off --target good")
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())


def test_options_in_a_sweep_file_without_a_table(run: Run) -> None:
    text = TOML.format(options='drop = ["id"]').replace("tea.csv", "digits")
    Path("my.toml").write_text(text)
    result = run("evenbatch sweep my.toml --store off")
    assert result.exit_code == 2
    assert "my.toml, line 3: drop is about files, and data names none" in result.stderr


def test_a_table_is_read_once_for_all_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evenbatch.app.parts import parts_of
    from evenbatch.claims.claim import QUICK

    path = tmp_path / "tea.csv"
    path.write_text("a,b,good\n" + "1,2,u\n2,1,v\n" * 30)
    tables = Tables()
    for claim in ("layer-norm", "batch-size"):
        (part,) = parts_of(claim, (str(path),), "good", None, QUICK, tables)
        assert part.study is not None
        os.utime(path)
        path.write_text("gone")  # were it read again, it would be refused
