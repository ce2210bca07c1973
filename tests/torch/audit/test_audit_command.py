"""`evenbatch audit`: what it prints and writes, its exit codes, and one message for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from evenbatch import cli

MODELS = """
import torch
from torch import nn
from evenbatch.torch import Context

print("made by a chatty module")

class Net(nn.Sequential):
    pass

def healthy():
    return Net(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))

def keras():
    return Net(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8, momentum=0.99))

def with_batch():
    return keras(), torch.zeros(8, 3, 8, 8)

def everything():
    model = keras()
    return {"model": model, "batch": torch.zeros(8, 3, 8, 8),
            "optimizer": torch.optim.AdamW(model.parameters(), weight_decay=0.1),
            "context": Context(batch_size=2)}

def wrong_batch():
    return healthy(), torch.zeros(8, 1, 8, 8)

def wrong_key():
    return {"modle": healthy()}

def needs(classes, width=3):
    return healthy()

def fails():
    raise RuntimeError("no weights here")

def number():
    return 3

def exits():
    raise SystemExit("no GPU here")

def reads_arguments():
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    return parser.parse_args([])

def in_torch():
    return nn.Linear("four", 2)

constant = 5
ready = healthy()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "lacking.py").write_text("import surely_not_here\n", encoding="utf-8")
    (tmp_path / "ends.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    (tmp_path / "relative.py").write_text("from .models import Net\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("def make(:\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("models", "lacking", "broken", "ends", "relative"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def command(*args: object) -> Any:
    return CliRunner().invoke(cli.app, ["audit", *(str(arg) for arg in args)])


def test_findings_end_with_1_and_nothing_with_0(folder: Path) -> None:
    result = command("models:keras")
    assert result.exit_code == 1, result.output
    assert "EB205 warning: momentum-out-of-range, at 1" in result.stdout
    assert "chatty" not in result.stdout
    result = command("models:healthy", "--shape", "8,3,8,8")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("Nothing found.\n")


def test_the_threshold_and_the_selection(folder: Path) -> None:
    assert command("models:keras", "--fail-on", "error").exit_code == 0
    assert command("models:everything", "--select", "EB301").exit_code == 0
    result = command("models:everything", "--select", "EB301", "--fail-on", "info")
    assert result.exit_code == 1
    assert "EB205" not in result.stdout
    assert command("models:keras", "--ignore", "EB2,EB3").exit_code == 0


def test_what_a_factory_may_give(folder: Path) -> None:
    assert "batch: (8, 3, 8, 8)" in " ".join(command("models:with_batch").stdout.split())
    text = command("models:everything").stdout
    for code in ("EB205", "EB301", "EB402"):
        assert code in text
    assert "batch_size=2" in text
    assert "batch_size=4" in command("models:everything", "--context", "batch_size=4").stdout
    assert command("models:ready").exit_code == 0
    assert command("models.py:keras").exit_code == 1
    assert command(folder / "models.py:Net").exit_code == 0


def test_json(folder: Path) -> None:
    result = command("models:everything", "--json", "-")
    content = json.loads(result.stdout)
    assert content["complete"] is True
    by_code = {finding["code"]: finding for finding in content["findings"]}
    assert by_code["EB205"]["paths"] == ["1"]
    assert by_code["EB205"]["evidence"] == {"layers": 1, "momentum": 0.99}
    command("models:everything", "--json", "deep/report.json")
    assert json.loads((folder / "deep" / "report.json").read_text("utf-8")) == content


def test_sarif(folder: Path) -> None:
    command("models:everything", "--sarif", "audit.sarif")
    log = json.loads((folder / "audit.sarif").read_text("utf-8"))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [r["ruleId"] for r in run["results"]] == ["EB205", "EB402", "EB301"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "models.py"
        line = MODELS.splitlines()[place["region"]["startLine"] - 1]
        assert line == "class Net(nn.Sequential):"
        assert location["logicalLocations"][0]["fullyQualifiedName"] == "1"
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_fix_and_save(folder: Path) -> None:
    result = command("models:everything", "--fix", "--save", "out/fixed.pt", "--ignore", "EB402")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert (
        "EB205 fixed: momentum = 0.01 in 1 batch norm; output in evaluation mode unchanged." in text
    )
    assert "EB301 fixed: 2 parameter tensors moved" in text
    assert set(torch.load(folder / "out" / "fixed.pt")) >= {"0.weight", "1.running_mean"}
    content = json.loads(command("models:everything", "--fix", "--json", "-").stdout)
    assert [f["code"] for f in content["fixed"]["changed"]] == ["EB205", "EB301"]


def test_a_failing_batch_is_named_and_the_rest_reported(folder: Path) -> None:
    result = command("models:wrong_batch")
    assert result.exit_code == 2
    text = " ".join(result.stdout.split())
    assert "the forward pass in evaluation mode failed in '0' on the batch (8, 1, 8, 8)" in text
    assert "1 norm layer (1 BatchNorm2d)" in text
    assert "Nothing found in what could be audited." in text


def test_explain(folder: Path) -> None:
    result = command("--explain", "eb205")
    assert result.exit_code == 0
    assert result.stdout.startswith("EB205 momentum-out-of-range (warning")
    assert "## Why is this bad?" in result.stdout


BAD = {
    ("models",): "'models' names no factory; write package.module:factory",
    ("nowhere.to:be",): "there is no module 'nowhere' here; run the command from the folder",
    ("missing.py:make",): "there is no file missing.py",
    ("lacking:make",): "lacking could not be imported: it needs 'surely_not_here'",
    ("broken:make",): "broken could not be imported: SyntaxError",
    ("ends:make",): "ends could not be imported: it ends the program (ends.py, line 1); what is "
    'meant for a script belongs under if __name__ == "__main__":',
    ("relative.py:Net",): "as part of a package it is named package.module:factory",
    ("models:exits",): "models:exits failed: it ends the program, saying 'no GPU here' (models.py,",
    ("models:reads_arguments",): "models:reads_arguments failed: it ends the program (models.py, ",
    ("models:in_torch",): 'got str" (models.py, line',
    ("models:helthy",): "there is no 'helthy' in models. Did you mean 'healthy'?",
    ("models:constant",): "models:constant is neither a function nor a module but int",
    ("models:needs",): "models:needs needs arguments (classes); write a function without any",
    ("models:fails",): "models:fails failed: RuntimeError: no weights here (models.py, line",
    ("models:number",): "models:number gave int where a torch.nn.Module is wanted",
    ("models:wrong_key",): "the mapping from models:wrong_key has 'modle'; its keys are model",
    ("models:healthy", "--shape", "8,x"): "--shape '8,x' is no shape",
    ("models:with_batch", "--shape", "8"): "the factory gives one already",
    ("models:healthy", "--select", "XY1"): "no rule's code begins with 'XY1'",
    ("models:healthy", "--fail-on", "eror"): "'eror' is no severity; there are info, warning",
    ("models:healthy", "--context", "world=2"): "there is no 'world'. Did you mean 'world_size'?",
    ("models:healthy", "--context", "world_size=two"): "world_size = 'two'; it is a whole number",
    ("models:healthy", "--context", "amp=int8"): "amp = 'int8'; it is float16 or bfloat16",
    ("models:healthy", "--context", "batch_size=0"): "batch_size = 0; it is a count from 1 up",
    ("models:healthy", "--context", "ema"): "'ema' has no value; write ema=VALUE",
    ("models:healthy", "--save", "x.pt"): "it needs --fix",
    ("--explain", "EB999"): "there is no rule 'EB999'",
    (): "name the model: evenbatch audit package.module:factory",
}


@pytest.mark.parametrize("args", BAD, ids=" ".join)
def test_bad_input_ends_with_one_message_and_2(folder: Path, args: tuple[str, ...]) -> None:
    result = command(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert BAD[args] in result.stderr
    assert result.stderr.splitlines()[-1].startswith("evenbatch: ")
    assert "Traceback" not in result.output


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n", encoding="utf-8"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[2])])
    run = [sys.executable, "-m", "evenbatch"]
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [*run, "audit", "m:f"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "evenbatch[torch]"' in done.stderr
    other = subprocess.run([*run, "--version"], env=env, capture_output=True, text=True, check=True)
    assert other.stdout.startswith("evenbatch ")
