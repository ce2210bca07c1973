"""Carrying out: rounds until nothing is wanted, and Ctrl-C keeps what is finished."""

from __future__ import annotations

import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import race_study
from evenbatch.data import load
from evenbatch.engine import Curve, train
from evenbatch.protocol.carry_out import Outcome, carry_out
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.verdict import Round
from evenbatch.runners import Local
from evenbatch.store import Store
from support.disks import leave_room


@pytest.fixture
def study() -> RaceStudy:
    digits = load("digits")
    return race_study(digits, width=8, depth=1, steps=60, seeds=5, tuning=2, rates=(0.3, 1))


def test_rounds_follow_until_nothing_is_wanted(study: RaceStudy) -> None:
    seen: list[tuple[str, int, int]] = []
    outcome = carry_out(study, watch=lambda r, done: seen.append((r.phase, done, len(r.trials))))
    assert not study.trials(outcome.curves).trials
    assert len(outcome.timed) == 102
    phases = list(dict.fromkeys(phase for phase, _, _ in seen))
    assert phases == ["tuning", "measuring", "timing"]
    for phase in phases[:2]:
        done = [d for t, d, _ in seen if t == phase]
        total = next(n for t, _, n in seen if t == phase)
        assert done == list(range(total + 1))


@pytest.mark.parametrize("after", [0, 3, 8, 12])
def test_ctrl_c_keeps_what_is_finished_and_it_can_go_on(study: RaceStudy, after: int) -> None:
    finished = 0

    def interrupt(_round: Round, done: int) -> None:
        nonlocal finished
        finished += done > 0
        if finished == after:
            raise KeyboardInterrupt

    outcome = carry_out(study, watch=interrupt)
    assert outcome.interrupted
    assert len(outcome.curves) == after
    assert outcome.timed == []
    assert outcome.verdict(study).answer == "cannot tell"
    for curve in outcome.curves.values():
        assert curve.ended in ("finished", "diverged")

    outcome.interrupted = False
    trained = []
    carry_out(study, outcome=outcome, watch=lambda r, done: trained.append((r.phase, done)))
    again = sum(done > 0 for _, done in trained)
    assert again == len(outcome.curves) - after
    whole = carry_out(study)
    a, b = (o.verdict(study).effects[0] for o in (outcome, whole))
    assert a == b


class Stopped(Local):
    """A runner that is stopped: no curve is complete."""

    def run(self, trials: Any, datasets: Any, on_curve: Any, threads: Any) -> None:
        def keep(curve: Curve, machine: Any) -> None:
            on_curve(replace(curve, ended="stopped"), machine)

        super().run(trials, datasets, keep, threads)
        raise KeyboardInterrupt


def test_trials_that_a_stop_cut_short_are_no_results(study: RaceStudy, tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        outcome = carry_out(study, runner=Stopped(), store=store)
        assert len(store) == 0
    assert outcome.interrupted
    assert outcome.curves == {}


def test_an_outcome_can_be_given_and_is_returned(study: RaceStudy) -> None:
    outcome = Outcome()
    assert carry_out(study, outcome=outcome) is outcome


# With a store.


class Never(Local):
    """A runner that must not be needed."""

    def run(self, trials: Any, *_: Any) -> None:
        assert not trials, f"{len(trials)} trials were trained again"


def bits(outcome: Outcome, *but: str) -> Any:
    """Everything there is in an outcome, as bytes."""

    def of(curve: Curve) -> list[Any]:
        return [np.asarray(getattr(curve, f.name)).tobytes() for f in fields(curve)
                if f.name not in ("trial", "probes", "weights", *but)]  # fmt: skip

    curves = {key: of(curve) for key, curve in sorted(outcome.curves.items())}
    return curves, [of(curve) for curve in outcome.timed]


def test_what_is_stored_is_not_trained_again(
    study: RaceStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s") as store:
        first = carry_out(study, store=store)
        assert len(store) == len(first.curves)
    # The package's name `carry_out` is the function; the module lies behind it.
    monkeypatch.setattr(sys.modules["evenbatch.protocol.carry_out"], "train", Never().run)
    seen: list[tuple[str, int]] = []
    with Store(tmp_path / "s") as store:
        again = carry_out(
            study, store=store, runner=Never(), watch=lambda r, n: seen.append((r.phase, n))
        )
    assert bits(first) == bits(again)
    assert first.verdict(study) == again.verdict(study)
    assert seen == [
        ("tuning", 0), ("tuning", 8), ("measuring", 0), ("measuring", 20), ("timing", 0),
    ]  # fmt: skip


def test_a_store_changes_no_result(study: RaceStudy, tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        with_store = carry_out(study, store=store)
    without = carry_out(study)
    assert bits(with_store, "seconds")[0] == bits(without, "seconds")[0]
    for curve in without.curves.values():
        assert np.array_equal(curve.test_loss, curve.test_loss.astype(np.float32)), "not rounded"


@pytest.mark.parametrize("after", [0, 1, 5, 12])
def test_what_was_told_is_committed(study: RaceStudy, tmp_path: Path, after: int) -> None:
    outcome, told = Outcome(), 0
    with Store(tmp_path / "s") as store, Store(tmp_path / "s", read_only=True) as reader:

        def watch(_round: Round, done: int) -> None:
            nonlocal told
            told += done > 0
            assert len(reader) >= told
            assert reader.known(c.trial for c in outcome.curves.values()) == set(outcome.curves)
            if told == after:
                raise KeyboardInterrupt

        carry_out(study, store=store, outcome=outcome, watch=watch)
        assert outcome.interrupted
        kept = len(store)
        assert kept == len(outcome.curves) >= after
    trained = []
    with Store(tmp_path / "s") as store:
        final = carry_out(study, store=store, runner=Counting(trained))
    assert len(trained) == len(final.curves) - kept, "only what is missing is trained"


class Counting(Local):
    """Remembers what it was asked to train."""

    def __init__(self, trained: list[Any]) -> None:
        self.trained = trained

    def run(self, trials: Any, *others: Any) -> None:
        self.trained += trials
        super().run(trials, *others)


def test_slow_commits_are_made_for_several_curves_at_once(
    study: RaceStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    real = Store.put

    def slow(self: Store, curves: Any, *others: Any) -> None:
        commits.append(len(curves))
        time.sleep(0.02)
        real(self, curves, *others)

    monkeypatch.setattr(Store, "put", slow)
    with Store(tmp_path / "s") as store:
        outcome = carry_out(study, store=store)
        assert sum(commits) == len(store) == len(outcome.curves)
    assert max(commits) > 1
    assert len(commits) < sum(commits)


def test_a_disk_that_fills_up_ends_the_storing_and_nothing_else(
    study: RaceStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "s") as store:
        leave_room(store, 12)
        outcome = carry_out(study, store=store)
        assert 0 < len(store) < len(outcome.curves)
        assert "the disk is full" in store.failed
    said = capsys.readouterr().err
    assert said.count("the disk is full (SQLITE_FULL)") == 1, "once"
    assert said.count("Going on without storing; nothing that is finished is lost.") == 1
    fresh = carry_out(study)
    assert bits(outcome, "seconds")[0] == bits(fresh, "seconds")[0]


def test_a_disk_with_room_again_gets_what_is_missing(
    study: RaceStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "s") as store:
        leave_room(store, 5)

        def watch(round_: Round, _done: int) -> None:
            if round_.phase == "timing":
                store._connection.execute("PRAGMA max_page_count=1000000")

        outcome = carry_out(study, store=store, watch=watch)
        assert len(store) == len(outcome.curves)
        assert store.failed == ""
    assert "it can be written again, and nothing is missing" in capsys.readouterr().err


class Interrupted(Local):
    """Ctrl-C comes after five curves, most of which wait for the next commit."""

    def run(self, trials: Any, datasets: Any, on_curve: Any, threads: Any) -> None:
        for curve in train(trials[:5], datasets):
            on_curve(curve, {"processor": "abacus"})
        raise KeyboardInterrupt


def test_ctrl_c_commits_what_waits(
    study: RaceStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenbatch.protocol.shelf.PATIENCE", 1e9)
    told = 0

    def watch(_round: Round, done: int) -> None:
        nonlocal told
        told = max(told, done)

    with Store(tmp_path / "s") as store:
        outcome = carry_out(study, store=store, runner=Interrupted(), watch=watch)
        assert outcome.interrupted
        assert told < 5
        assert len(store) == len(outcome.curves) == 5
