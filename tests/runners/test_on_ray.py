"""Ray changes where trials run, and no curve: a real local Ray with two workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster import busy_workers

from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Network, SettingError, Trial
from evenbatch.engine.machine import machine
from evenbatch.runners import Local, RunnerError, on_ray
from evenbatch.runners.on_ray import OnRay
from evenbatch.store import Store
from evenbatch.sweeps.grid import Grid
from evenbatch.sweeps.sweep import run_sweep

pytestmark = pytest.mark.usefixtures("ray")


def eye() -> Dataset:
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    y = x[:, :2] @ np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    return Dataset("table:eye", "regression", x, y, x[:9], y[:9], tuple("abcde"), ())


def many(count: int = 40, **settings: Any) -> list[Trial]:
    """Trials of different kinds and lengths."""
    found = []
    for seed in range(count):
        norm = ("none", "batch", "layer", "group")[seed % 4]
        data, sizes = (("digits", (64, 10)), ("table:eye", (5, 2)))[seed % 3 == 0]
        net = Network(sizes[0], (8,) * (1 + seed % 3), sizes[1], norm=norm, dropout=seed % 2 / 5)
        trial = Trial(net, data, seed=seed, steps=30 + seed, evaluate_every=10, batch_size=16)
        found.append(replace(trial, probe_every=seed % 5, **settings))
    return found


def trained(runner: Any, trials: Any) -> tuple[dict[str, Curve], list[Any]]:
    curves, machines = {}, []

    def keep(curve: Curve, where: Any) -> None:
        assert curve.trial.key not in curves, "handed over twice"
        curves[curve.trial.key] = curve
        machines.append(where)

    runner.run(trials, {"table:eye": eye()}, keep, None)
    return curves, machines


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    for field in fields(a):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if field.name == "seconds":
            continue
        if isinstance(one, np.ndarray):
            assert one.dtype == two.dtype
            assert one.tobytes() == two.tobytes(), field.name
        elif hasattr(one, "__dataclass_fields__"):
            assert_same(one, two)
        else:
            assert one == two, field.name


def test_curves_are_those_of_the_local_runner_to_the_bit() -> None:
    trials = many()
    here, _ = trained(Local(), trials)
    there, machines = trained(OnRay(), trials)
    assert here.keys() == there.keys() == {trial.key for trial in trials}
    for key, curve in here.items():
        assert_same(curve, there[key])
    assert machines == [machine()] * len(trials)


def test_nothing_to_do_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnRay, "_start", None)
    assert trained(OnRay("nowhere:1"), []) == ({}, [])


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker by /proc")
def test_a_killed_worker_loses_nothing() -> None:
    trials = many(60, steps=1500)
    killed: list[int] = []
    curves: dict[str, Curve] = {}

    def keep(curve: Curve, _where: Any) -> None:
        assert curve.trial.key not in curves
        curves[curve.trial.key] = curve
        if len(killed) < 2 and len(curves) % 5 == 1:
            for pid in busy_workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    OnRay().run(trials, {"table:eye": eye()}, keep, None)
    assert killed, "no worker was busy: nothing was tested"
    here, _ = trained(Local(), trials)
    assert curves.keys() == here.keys()
    for key, curve in here.items():
        assert_same(curve, curves[key])


def test_a_trial_that_always_kills_its_worker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "RETRIES", 0)

    def deadly(*_: Any) -> None:
        os._exit(1)

    monkeypatch.setattr(on_ray, "train_chunk", deadly)
    with pytest.raises(RunnerError, match=r"worker of 1 trials died 1 times.*Trial\(network=.*mem"):
        trained(OnRay(), many(1))


def test_what_cannot_be_trained_is_the_same_error_as_here() -> None:
    with pytest.raises(SettingError, match="batch_size is 5000 but data set 'digits' has only"):
        trained(OnRay(), [replace(many(2)[1], batch_size=5000)])


def test_another_evenbatch_on_a_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "code_version", lambda: ("0.0.9", 1, "abc"))
    message = r"has evenbatch .*, this one has .'0\.0\.9', 1, 'abc'"
    with pytest.raises(RunnerError, match=message):
        trained(OnRay(), many(1))


def test_ctrl_c_keeps_what_is_stored_and_it_goes_on(tmp_path: Path) -> None:
    axes = {"hidden": ((8,), (16,)), "norm": ("none", "batch")}
    grid = Grid({"digits": load("digits")}, axes, {"steps": (2000,)}, tuple(range(50)))

    def interrupt(done: int) -> None:
        if done == 25:
            raise KeyboardInterrupt

    with Store(tmp_path / "s") as store:
        result = run_sweep(grid, store=store, runner=OnRay(), watch=interrupt)
        assert result.interrupted
        assert 25 <= result.done == len(store) < 200
        kept = result.done
        result = run_sweep(grid, store=store, runner=OnRay())
        assert (result.done, result.found) == (200, kept)
    local = run_sweep(grid)
    np.testing.assert_array_equal(result.metric, local.metric)


def test_the_command_joins_a_cluster_and_is_silent(ray: Any, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        'data = "digits"\nseeds = 3\n[network]\nhidden = [8]\n[trial]\nsteps = [50, 100]\n'
    )
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "evenbatch", "sweep", "my.toml", "--on", "ray", "--quiet"]
    run = subprocess.run(
        [*command, "--address", address, "--store", "s"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | {"RAY": ""},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "6 of 6 runs; they are kept in s\n"
    assert ray.is_initialized()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_command_starts_ray_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        'data = "digits"\nseeds = 3\n[network]\nhidden = [8]\n[trial]\nsteps = 50\n'
    )
    mark = f"EVENBATCH_TEST_MARK={os.getpid()}-{time.time()}"
    name, _, value = mark.partition("=")
    run = subprocess.run(
        [sys.executable, "-m", "evenbatch", "sweep", "my.toml", "--on", "ray", "--threads", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | {name: value},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "my.toml: training, 0 of about 3 runs" in run.stderr
    assert "ray" not in run.stderr.lower()
    assert "3 of 3 runs; 3 are stored nowhere" in run.stdout
    left = []
    for _ in range(100):  # its processes need a moment to end
        left = [path for path in Path("/proc").glob("[0-9]*/environ") if mark in read(path)]
        if not left:
            break
        time.sleep(0.1)
    assert not left, "processes of Ray are still running"


def read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
