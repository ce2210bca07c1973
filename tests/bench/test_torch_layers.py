"""The layers' benchmark on small shapes: what it writes, and what it refuses to time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bench.torch_layers import Case

from bench import torch_layers


def test_it_runs_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        Case("BatchNorm2d", (4,), (3, 4, 5, 5), last=True, goal=1e9),
        Case("GroupNorm", (2, 4), (3, 4, 5, 5), goal=1e-9),
        Case("RMSNorm", (8,), (9, 8), dtype="bfloat16", goal=1e-9),
    ]
    monkeypatch.setattr(torch_layers, "CASES", cases)
    threads = torch.get_num_threads()
    rows = torch_layers.run(tmp_path / "layers.json", quick=True, threads=1, rounds=1)
    torch.set_num_threads(threads)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "2 of 3 goals met"
    assert said[2].startswith("BatchNorm2d    3x4x5x5 last")
    assert said[2].endswith("goal 1000000000.0x, missed")
    written = json.loads((tmp_path / "layers.json").read_text())
    assert written["rows"] == rows
    assert {"machine", "commit", "date", "versions", "threads", "rounds"} <= set(written)
    assert [row["met"] for row in rows] == [False, True, True, None, None]
    assert [row["last"] for row in rows[-2:]] == [False, True]
    assert rows[-1]["over_eager"] == rows[-1]["eager_ms"] / rows[-1]["ours_ms"]


def test_the_goals_stand_in_the_table() -> None:
    goals = {(c.layer, c.last): c.goal for c in torch_layers.CASES if c.goal > 1}
    assert goals == {
        ("BatchNorm2d", False): 3, ("InstanceNorm2d", False): 3, ("InstanceNorm2d", True): 3,
        ("RMSNorm", False): 5, ("GroupNorm", True): 4,
    }  # fmt: skip
    assert {c.goal for c in torch_layers.CASES} == {0.95, 3, 4, 5}
    assert {c.dtype for c in torch_layers.CASES} == {"float32", "float64", "bfloat16"}


def test_layers_that_disagree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    import evenbatch.torch as ours

    right = ours.LayerNorm.forward

    def wrong(self: Any, x: Any, mask: Any = None) -> Any:
        return 1.02 * right(self, x, mask)

    monkeypatch.setattr(ours.LayerNorm, "forward", wrong)
    with pytest.raises(RuntimeError, match=r"the gradients of ours and eager are 2\.0% apart"):
        torch_layers.measure(Case("LayerNorm", (16,), (8, 16)), 1, compiled=False)


def test_the_network_is_as_large_as_resnet_18() -> None:
    model = torch_layers.residual_network()
    assert sum(p.numel() for p in model.parameters()) == 11_689_512
    kinds = [type(m).__name__ for m in model.modules()]
    assert (kinds.count("Conv2d"), kinds.count("BatchNorm2d")) == (20, 20)
