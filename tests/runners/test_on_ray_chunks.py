"""How trials are cut into chunks and how many are on their way, with a Ray that is made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evenbatch.data import load
from evenbatch.engine import Network, Trial
from evenbatch.runners import on_ray
from evenbatch.runners.on_ray import LONGEST, MOST, SHORTEST, OnRay, Pace, work


class MadeUp:
    """Ray with workers of invented speed. Chunks end out of order, one at a time."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self, slots: int, seconds: Any) -> None:
        self.slots, self.seconds = slots, seconds
        self.chunks: list[list[Trial]] = []
        self.times: list[float] = []
        self.running: list[int] = []
        self.most = 0
        self.stored: list[Any] = []
        self.rng = np.random.default_rng(0)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.slots)}

    def put(self, thing: Any) -> str:
        self.stored.append(thing)
        return f"reference {len(self.stored)}"

    def remote(self, **options: Any) -> Any:
        assert options == {"num_cpus": 1, "max_retries": 3}
        return lambda _function: self

    # What a remote function has: `remote(…)` starts a task.
    def submit(self, trials: list[Trial], data: dict[str, str], _code: Any) -> int:
        assert data == {"digits": "reference 1"}
        self.chunks.append(trials)
        self.times.append(sum(map(self.seconds, trials)))
        self.running.append(len(self.chunks) - 1)
        self.most = max(self.most, len(self.running))
        return len(self.chunks) - 1

    def wait(self, references: list[int], num_returns: int, timeout: float) -> Any:
        assert sorted(references) == sorted(self.running)
        done = int(self.rng.choice(references))
        return [done], [r for r in references if r != done]

    def get(self, reference: int) -> Any:
        self.running.remove(reference)
        return [f"curve of {t.seed}" for t in self.chunks[reference]], {}, self.times[reference]

    def cancel(self, reference: int, force: bool) -> None:
        assert force
        self.running.remove(reference)


class _Task:
    def __init__(self, ray: MadeUp) -> None:
        self.remote = ray.submit


def run(ray: MadeUp, trials: list[Trial], monkeypatch: pytest.MonkeyPatch, keep: Any) -> None:
    monkeypatch.setattr(OnRay, "_start", lambda self, threads: ray)
    monkeypatch.setattr(MadeUp, "remote", lambda self, **options: lambda function: _Task(self))
    OnRay().run(trials, {}, keep, None)


def trials(count: int, **settings: Any) -> list[Trial]:
    net = Network(inputs=64, hidden=(16,), outputs=10)
    return [Trial(net, "digits", seed=seed, **settings) for seed in range(count)]


@pytest.mark.parametrize("each", [0.0005, 0.02, 0.9, 30.0])
def test_chunks_become_as_long_as_they_should(each: float, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = MadeUp(2, lambda trial: each)
    got: list[str] = []
    wanted = trials(3000 if each < 1 else 40)
    run(ray, wanted, monkeypatch, lambda curve, _: got.append(curve))
    assert sorted(got) == sorted(f"curve of {t.seed}" for t in wanted)
    assert [len(chunk) for chunk in ray.chunks[:4]] == [1] * 4, "nothing is known yet"
    assert ray.most == 4, "two for each core: one that runs and one that waits"
    assert [t.seed for chunk in ray.chunks for t in chunk] == list(range(len(wanted)))
    for chunk, seconds in list(zip(ray.chunks, ray.times, strict=True))[6:-1]:
        assert seconds >= 0.9 * SHORTEST - each or len(chunk) == MOST
        assert seconds <= max(LONGEST, each)
    assert len(ray.stored) == 1, "a data set is sent once"
    assert ray.stored[0] is load("digits")


def test_costs_that_differ_are_seen_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows a hundredfold in the middle of the grid: chunks shrink at once."""
    mixed = trials(2000, steps=100) + trials(300, steps=10_000)
    ray = MadeUp(2, lambda trial: work(trial) * 5e-11)
    run(ray, mixed, monkeypatch, lambda *_: None)
    assert max(ray.times) <= LONGEST


def test_chunks_shrink_towards_the_end() -> None:
    pace = Pace()
    some = trials(100)
    pace.learn(some, 10.0)
    assert pace.target(100_000, 2) == pytest.approx(2 * SHORTEST)
    assert pace.target(25, 2) == pytest.approx(max(SHORTEST, 25 * 0.1 / 4))
    assert pace.target(1, 2) == SHORTEST


def test_with_many_cores_chunks_are_longer() -> None:
    pace = Pace()
    pace.learn(trials(100), 10.0)
    assert pace.target(10**7, 1600) == LONGEST
    assert pace.target(10**7, 800) == pytest.approx(800 / on_ray.TASKS_PER_SECOND)


def test_an_interrupt_cancels_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = MadeUp(4, lambda trial: 0.1)
    got: list[str] = []

    def keep(curve: str, _: Any) -> None:
        got.append(curve)
        if len(got) == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ray, trials(500), monkeypatch, keep)
    assert ray.running == []
    assert len(got) > 60, "the rest of that chunk was finished"
    assert len(set(got)) == len(got)
