"""Settings of the atlas that are really measured: the cheapest of the design, in a few seconds."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.atlas import carry_out, table
from evenbatch.atlas.design import NORMS, SEEDS, STEPS, Setting, settings
from evenbatch.atlas.measure import Measurement, Row, dataset
from evenbatch.engine import Curve, Trial, train
from evenbatch.protocol.cells import TUNING_SEED
from evenbatch.protocol.verdict import ExperimentError
from evenbatch.runners import Local

pytestmark = pytest.mark.xdist_group("atlas measured")  # one process measures for all

CHEAP = 267
"""Number of the first of three settings that take a second or so each."""
TIMED = ("time_ratio", "time_low", "time_high")
DEEP = Setting("digits", 6, 16, "relu", "torch", "sgd", 32, 0, "before")


def untimed(rows: Sequence[Row]) -> list[Row]:
    """What must be the same whenever it is measured, with NaN equal to itself."""
    return [
        {k: repr(v) if isinstance(v, float) else v for k, v in row.items() if k not in TIMED}
        for row in sorted(rows, key=lambda row: (row["setting"], row["norm"]))
    ]


@pytest.fixture(scope="module")
def measured() -> list[Row]:
    """The rows of two settings, measured together."""
    rows: list[Row] = []
    standing = carry_out.measure(settings(CHEAP, 2), rows.extend)
    assert (standing.settings, standing.interrupted) == (2, False)
    assert standing.runs == sum(row["runs"] for row in rows if row["norm"] == "batch")
    return rows


def whole(number: int, setting: Setting, norms: Sequence[str] = NORMS) -> Measurement:
    one = Measurement(number, setting, norms=norms)
    while wanted := one.wanted():
        for curve in train(wanted, {one.data.name: one.data}):
            one.curves[curve.trial.key] = curve
    return one


# ---- the protocol --------------------------------------------------------------------------------


def test_a_row_for_each_normalizer_with_every_column(measured: list[Row]) -> None:
    assert [(row["setting"], row["norm"]) for row in measured] == [
        (number, norm) for number in (CHEAP, CHEAP + 1) for norm in NORMS
    ]
    for row in measured:
        assert set(row) == set(table.COLUMNS)
        if np.isfinite(row["ratio"]):
            assert row["low"] <= row["ratio"] <= row["high"]
            assert row["time_ratio"] > 0


def test_a_setting_measured_alone_gives_the_same_rows(measured: list[Row]) -> None:
    ((number, setting),) = settings(CHEAP + 1, 1)
    alone = whole(number, setting).rows()
    assert untimed(alone) == untimed([row for row in measured if row["setting"] == number])


def test_rates_are_tuned_on_other_seeds_and_arms_are_paired() -> None:
    ((number, setting),) = settings(CHEAP, 1)
    one = whole(number, setting, ("batch",))
    trials = [c.trial for c in one.curves.values() if c.trial.steps == STEPS]
    tuned = {t.seed for t in trials if t.seed >= TUNING_SEED}
    final = [t for t in trials if t.seed < TUNING_SEED]
    assert len(tuned) == 2
    for norm in ("none", "batch"):
        own = [t for t in final if t.network.norm == norm]
        assert {t.seed for t in own} == set(range(SEEDS))
        assert {t.learning_rate for t in own} == {
            one.rows()[0]["rate_none" if norm == "none" else "rate_norm"]
        }
    assert len({(t.data, t.batch_size, t.optimizer, t.network.hidden) for t in trials}) == 1


def test_a_deep_plain_network_learns_nothing_and_the_ratio_is_a_bound() -> None:
    (row,) = whole(0, DEEP, ("batch",)).rows()
    assert (row["learned_none"], row["learned_norm"], row["bound"]) == (False, True, "at least")
    assert row["ratio"] > 1
    assert row["lost_none"] == SEEDS
    assert not row["goal_of_weaker"]


class Mirror(Local):
    """Trains the plain network in place of the normalized one."""

    def run(
        self, trials: Sequence[Trial], datasets: Mapping[str, Any], on_curve: Any, threads: Any
    ) -> None:
        from dataclasses import replace

        def plain(curve: Curve, machine: Any) -> None:
            trial = back[curve.trial]
            on_curve(replace(curve, trial=trial), machine)

        for norm in ("none", *NORMS):
            own = [t for t in trials if t.network.norm == norm]
            back = {replace(t, network=replace(t.network, norm="none")): t for t in own}
            super().run(list(back), datasets, plain, threads)


def test_a_normalizer_that_does_nothing_gets_the_ratio_1() -> None:
    rows: list[Row] = []
    carry_out.measure(settings(CHEAP, 1), rows.extend, runner=Mirror())
    for row in rows:
        assert (row["ratio"], row["end"], row["end_low"], row["end_high"]) == (1.0, 0.0, 0.0, 0.0)
        assert row["low"] == pytest.approx(1 / row["high"])
        assert (row["high"] > 1) == (row["lost_none"] > 0)
        assert row["width_none"] == row["width_norm"] > 0
        assert row["rate_none"] == row["rate_norm"]


# ---- interrupted, killed, resumed ----------------------------------------------------------------


class Interrupted(Local):
    """Ctrl-C after so many runs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def run(
        self, trials: Sequence[Trial], datasets: Mapping[str, Any], on_curve: Any, threads: Any
    ) -> None:
        def count(curve: Curve, machine: Any) -> None:
            on_curve(curve, machine)
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

        super().run(trials, datasets, count, threads)


def test_ctrl_c_keeps_whole_settings_and_the_rest_is_measured_later(
    measured: list[Row], tmp_path: Path
) -> None:
    path, wanted = tmp_path / "a.parquet", list(settings(CHEAP, 2))
    kept = table.Growing(path)
    first = carry_out.measure(wanted, kept.add, runner=Interrupted(150), window=1)
    assert (first.interrupted, first.settings) == (True, 1)
    assert 0 < first.lost < first.runs
    known = {row["setting"] for row in table.read(path)}
    assert known == {CHEAP}
    again = table.Growing(path)
    carry_out.measure([each for each in wanted if each[0] not in known], again.add)
    other = tmp_path / "b.parquet"
    table.write(other, measured)
    assert untimed(table.read(path)) == untimed(table.read(other))


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_command_that_is_stopped_leaves_a_file_to_go_on_with(
    tmp_path: Path, how: signal.Signals, code: int
) -> None:
    words = ["atlas", "--settings", "5000", "--first", str(CHEAP), "--file", "a.parquet"]
    with subprocess.Popen(
        [sys.executable, "-m", "evenbatch", *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUTF8": "1"},
    ) as run:  # fmt: skip
        assert run.stderr is not None
        for line in run.stderr:
            if re.search(r"settings, [1-9]\d* runs", line):
                break
        run.send_signal(how)
        out, err = run.communicate(timeout=60)
    assert run.returncode == code, err
    assert "Traceback" not in err
    rows = table.read(tmp_path / "a.parquet")
    assert len(rows) == len(NORMS) * len({row["setting"] for row in rows})
    if how == signal.SIGINT:
        assert re.match(r"Interrupted\. a\.parquet: \d+ settings; [1-9]\d* runs now", out)
        assert f"To go on, run: evenbatch {' '.join(words)}" in out


def test_ray_gives_the_same_rows(measured: list[Row]) -> None:
    pytest.importorskip("ray")
    from evenbatch.runners.on_ray import OnRay

    runner, rows = OnRay(), list[Row]()
    try:
        carry_out.measure(settings(CHEAP, 1), rows.extend, runner=runner, threads=2)
    finally:
        runner.close()
    assert untimed(rows) == untimed([row for row in measured if row["setting"] == CHEAP])


# ---- the file ------------------------------------------------------------------------------------


def test_rows_come_back_as_they_were(measured: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table.write(path, measured)
    back = table.read(path)
    for old, new in zip(measured, back, strict=True):
        for name, value in old.items():
            exact = isinstance(value, str)
            same = value if exact else pytest.approx(value, rel=1e-6, nan_ok=True)
            assert new[name] == same, name


def test_a_full_disk_leaves_the_file_as_it_was(
    measured: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    table.write(path, measured[:3])
    before = path.read_bytes()

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.parquet"):
        table.write(path, measured)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_another_program_changed_is_left_alone(
    measured: list[Row], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    kept = table.Growing(path)
    table.write(path, measured[3:])
    with pytest.raises(ExperimentError, match=r"changed or removed by another .* --file"):
        kept.add(measured[:3])
    assert {row["setting"] for row in table.read(path)} == {CHEAP + 1}


def test_the_test_rows_are_few_and_fair() -> None:
    data = dataset("digits")
    assert data.n_test == 200
    assert np.bincount(data.y_test).min() >= 18
