"""`evenbatch compare`: both kinds of factory, what it prints and writes, and its messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evenbatch import cli

MODELS = """
import torch
from torch import nn
from evenbatch.data import load

print("a chatty module")
NORMS = {"none": nn.Identity, "batch": lambda: nn.BatchNorm1d(8), "layer": lambda: nn.LayerNorm(8)}

def make_model(arm):
    return nn.Sequential(nn.Linear(64, 8), NORMS[arm](), nn.ReLU(), nn.Linear(8, 10))

def of_a_norm(width=8, norm="batch"):
    return make_model(norm)

def for_price(arm):
    return nn.Sequential(nn.Linear(2, 8), NORMS[arm](), nn.ReLU(), nn.Linear(8, 1))

def build():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                         nn.Linear(288, 10))

def two_kinds():
    return nn.Sequential(nn.BatchNorm2d(1), nn.GroupNorm(1, 1))

def images():
    digits = load("digits")
    parts = ((digits.x_train, digits.y_train), (digits.x_test, digits.y_test))
    return tuple((torch.tensor(x).reshape(-1, 1, 8, 8), torch.tensor(y)) for x, y in parts)

def as_mappings(seed):
    rows = [{"x": torch.zeros(64), "y": 0}] * 64
    return torch.utils.data.DataLoader(rows, 32), torch.utils.data.DataLoader(rows, 32)

number = 3
"""
QUICK = ["--budget", "10", "--rates", "0.01", "--threads", "1", "--quiet"]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(MODELS, encoding="utf-8")
    return lambda *words: CliRunner().invoke(cli.app, ["compare", *words])


@pytest.mark.parametrize("factory", ["make_model", "of_a_norm"])
def test_arms_by_name_with_report(compare: Any, factory: str) -> None:
    done = compare(f"nets.py:{factory}", *QUICK, "--out", "report", "--json", "all.json")
    assert done.exit_code == 0, done.output
    assert "with batch" in done.stdout
    assert "chatty" not in done.stdout
    found = json.loads(Path("all.json").read_text("utf-8"))
    assert [part["claim"] for part in found["experiments"]] == ["compare-batch"]
    assert Path("report", "report.html").is_file()


def test_a_record_is_json_where_an_interval_has_no_end(compare: Any) -> None:
    done = compare("nets.py:make_model", *QUICK[:2], "--rates", "1e5", *QUICK[4:], "--json", "-")
    assert done.exit_code == 0, done.output

    def refused(word: str) -> None:
        raise AssertionError(word)

    json.loads(done.stdout, parse_constant=refused)


def test_norm_layers_of_a_model_are_swapped(compare: Any) -> None:
    done = compare("nets.py:build", "--data", "nets.py:images", "--arms", "batch,group", *QUICK)
    assert done.exit_code == 0, done.output
    assert "with group" in done.stdout


def test_a_regression_on_a_table(compare: Any) -> None:
    rows = "\n".join(f"{i % 70},{i % 5 * 1000},{i % 70 * 3e3 + 0.5}" for i in range(200))
    Path("homes.csv").write_text(f"a,b,price\n{rows}\n", encoding="utf-8")
    done = compare("nets.py:for_price", "--data", "homes.csv", "--target", "price", *QUICK)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nets.py:make_model", "--out", "nets.py"], "not a folder: "),
        (["nets.py:make_model", "--json", "."], "--json names a folder, not a file"),
        ([], "name the model: evenbatch compare package.module:make_model"),
        (["nets.py:nothing"], "there is no 'nothing' in nets.py."),
        (["nets.py:number"], "nets.py:number is neither a function nor a module but int"),
        (["nets.py:make_model", "--budget", "soon"], "give the steps of each run, --budget 2000"),
        (["nets.py:make_model", "--arms", "none"], "at least two are needed"),
        (["nets.py:make_model", "--arms", "none,lyer"], "make_model('lyer') fails: KeyError"),
        (["nets.py:build"], "say what to put in place of batch norm: --arms batch,layer"),
        (["nets.py:build", "--arms", "none,batch"], "that makes it for 'none' too"),
        (["nets.py:two_kinds"], "the model of nets.py:two_kinds has batch and group"),
        (["nets.py:images"], "nets.py:images gives a tuple; it makes a torch.nn.Module"),
        (["nets.py:make_model", "--data", "nets.py:as_mappings"], "a batch of the data is a dict"),
        (["nets.py:make_model", "--data", "digit"], "digits"),
    ],
)
def test_what_cannot_work(compare: Any, words: list[str], message: str) -> None:
    done = compare(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
