"""The example with five planted problems: all five found, and printed as documented."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader
from typer.testing import CliRunner

from evenbatch import cli

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "audit_five.py"
PLANTED = {
    "EB403": ("error", ["hidden.3"]),
    "EB404": ("error", ["groups"]),
    "EB102": ("warning", ["hidden.3"]),
    "EB205": ("warning", ["stem.1"]),
    "EB301": ("warning", ["norm"]),
}


def test_the_five_are_found_and_printed_as_documented() -> None:
    result = CliRunner().invoke(cli.app, ["audit", f"{EXAMPLE}:build"])
    assert result.exit_code == 1, result.output
    [documented] = re.findall(
        r"```text\n(.*?)```", (ROOT / "docs/audit.md").read_text("utf-8"), re.S
    )
    assert result.stdout == documented


def test_the_five_as_json() -> None:
    result = CliRunner().invoke(cli.app, ["audit", f"{EXAMPLE}:build", "--json", "-"])
    content = json.loads(result.stdout)
    found = {f["code"]: (f["severity"], f["paths"]) for f in content["findings"]}
    assert found == PLANTED
    assert content["complete"] is True
    assert content["not_audited"] == []


def epoch(model: Any, loader: Any) -> None:
    for (x,) in loader:
        model(x)


def test_the_first_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch of training fails as the audit says, and with the fix it says it does not."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    made = importlib.import_module("audit_five").build()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        epoch(made["model"], made["loader"])
    epoch(made["model"], DataLoader(made["loader"].dataset, batch_size=32, drop_last=True))
