"""Each worked example runs, quickly, and writes its report with an answer."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["digits", "stories", "table"])
def test_an_example_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / f"compare_{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(["--quick", "--report", str(tmp_path)])
    shown = capsys.readouterr().out
    assert result.complete
    assert all(verdict.effects for verdict in result.verdicts.values())
    assert all(verdict.sentence in shown for verdict in result.verdicts.values())
    page = (tmp_path / "report.html").read_text("utf-8")
    assert result.data in page
    assert all(f"trains faster than {result.arms[0]}" in page for _ in result.verdicts)
