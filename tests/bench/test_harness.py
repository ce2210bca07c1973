"""The harness: shares of trials, checks before timing, and what it says when a peer fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench.harness import Contestant, Variant
from bench.peers import products, torch_batched, variants
from bench.peers.work import DEEP, MEDIUM, SMALL, WORKLOADS, Workload

from bench import harness

TINY = Workload("tiny", 5, (7, 3), 4, batch=13, trials=5, rows=97)


def test_processes_and_groups_share_the_trials_between_them() -> None:
    contestant = Contestant(Variant("batched", "torch_batched", processes=2, groups=2), TINY)
    whole = torch_batched.setup(TINY, range(TINY.trials), 0)
    wanted = [whole(1) for _ in range(3)]
    np.testing.assert_allclose(contestant.opening, wanted, rtol=1e-5)
    assert contestant.versions["torch"]
    harness.interleave([contestant], rounds=2, seconds=0.01)
    report = contestant.report()
    contestant.close()
    assert len(report["microseconds"]["rounds"]) == 2
    assert report["microseconds"]["min"] > 0
    assert all(worker.returncode == 0 for worker in contestant.workers)


def test_a_failing_peer_says_who_and_why() -> None:
    with pytest.raises(RuntimeError) as raised:
        Contestant(Variant("eager", "torch_eager", {"optimizer": "fused", "cores": 3}), TINY)
    assert "eager (optimizer=fused cores=3 processes=1) failed" in str(raised.value)
    assert "unexpected keyword argument 'cores'" in str(raised.value)


def stand_in(opening: Any, hidden: tuple[int, ...] = (3,)) -> Any:
    work = replace(TINY, hidden=hidden)
    return SimpleNamespace(variant=Variant("peer", "none"), work=work, opening=opening)


@pytest.mark.parametrize(
    ("opening", "step"),
    [([[1.0, 2.003], [1.0, 2.0]], 1), ([[1.0, 2.0], [0.97, 2.0]], 2), ([[1.0, np.nan]] * 2, 1)],
)
def test_a_peer_that_trains_something_else_is_not_timed(opening: Any, step: int) -> None:
    truth = stand_in([[1.0, 2.0], [1.0, 2.0]])
    harness.check_agreement(truth, truth)
    with pytest.raises(RuntimeError, match=f"its loss at step {step} differs from peer's by"):
        harness.check_agreement(truth, stand_in(opening))


def test_flops_count_every_product_once() -> None:
    one = Workload("one", 3, (5,), 2, batch=7)
    assert one.flops() == 2 * 7 * (3 * 5 + 5 * 2) * 2 + 2 * 7 * 5 * 2
    line = Workload("conv", 25, (), 4, batch=7, conv=((5, 1), (3, 2)), side=5)
    first, second, last = 25 * 9 * 5, 9 * 45 * 3, 3 * 4  # multiplications of an example
    assert line.flops() == 2 * 7 * (2 * first + 3 * second + 3 * last)
    assert [work.flops() for work in (SMALL, MEDIUM, DEEP)] == [483_328, 14_200_000, 122_444_800]


@pytest.mark.parametrize("order", ["plain", "step"])
def test_the_yardstick_multiplies_what_a_step_multiplies(order: str) -> None:
    yardstick = products.setup(TINY, range(1), 0, order=order)
    yardstick(1)
    for a, b, out in yardstick.products:
        np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-5)
    shapes = [(a.shape[0], a.shape[1], b.shape[1]) for a, b, _ in yardstick.products]
    assert shapes == [tuple(sizes) for _, *sizes in TINY.products()]
    transposed = [not (a.flags.c_contiguous and b.flags.c_contiguous) for a, b, _ in
                  yardstick.products]  # fmt: skip
    kinds = [kind for kind, *_ in TINY.products()]
    assert transposed == [order == "step" and kind != "forward" for kind in kinds]


def test_every_workload_has_candidates_and_each_names_a_file() -> None:
    folder = Path(harness.__file__).parent / "peers"
    for name in WORKLOADS:
        peers = variants.candidates(name, quick=False)
        assert len(peers) > len(variants.candidates(name, quick=True))
        for variant in [v for peer in peers for v in peer] + [variants.ours()]:
            assert (folder / f"{variant.module}.py").exists()


def test_a_result_carries_machine_commit_and_date(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    harness.write_json(path, {"figure": 3})
    found = json.loads(path.read_text())
    assert found["figure"] == 3
    assert found["machine"]["cores"] >= 1
    assert found["commit"]
    assert found["date"].endswith("Z")
