"""The engine's side of the benchmark: it trains the workload, and goals are judged rightly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from bench.peers import evenbatch_session
from bench.peers.work import Workload

from bench import engine

TINY = Workload("tiny", 5, (7, 3), 4, batch=13, trials=3, rows=97)


def test_the_engine_runs_under_the_peers_protocol() -> None:
    runner = evenbatch_session.setup(TINY, range(TINY.trials), 0, threads=2)
    runner(4)
    runner(5)
    assert [curve.ended_at for curve in runner.session.curves()] == [9, 9, 9]
    runner.session.close()


def timed(peer: str, wall: list[float]) -> Any:
    return SimpleNamespace(wall=wall, variant=SimpleNamespace(peer=peer))


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    ours, slow = timed("evenbatch", [1.0, 2.0, 1.0]), timed("peer", [4.0, 2.0, 3.0])
    row = engine.ratio_row(TINY, slow, ours, 3)
    assert (row.measure, row.goal, row.met) == ("times peer", "≥ 3", True)
    assert row.measured == "3.0  (1.0 to 4.0)"
    assert engine.ratio_row(TINY, slow, ours, 3.01).met is False
    assert engine.ratio_row(TINY, slow, ours, None).met is None


def test_a_first_training_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FIRST_TRAINING", "raise SystemExit('no such thing')")
    with pytest.raises(RuntimeError, match=r"cache folder .*:\nno such thing"):
        engine.new_process("off")
