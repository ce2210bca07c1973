"""What goes into the store comes out, to the bit, and only for what it was put in for."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored import of_seed, same, some_trials

from evenbatch import engine
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, train
from evenbatch.store import Store, StoreError, default_path
from evenbatch.store.parts import LEFT_OUT, pack, unpack


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "my.store") as opened:
        yield opened


def test_curves_come_back_to_the_bit(store: Store, trained: list[Curve]) -> None:
    store.put(trained)
    found = store.get([curve.trial for curve in trained])
    assert len(store) == len(found) == len(trained)
    for curve in trained:
        assert same(curve, found[curve.trial.key])
    assert trained[0].probes is not None


def test_they_are_still_there_later(tmp_path: Path, trained: list[Curve]) -> None:
    for _ in range(2):
        with Store(tmp_path / "a" / "b" / "my.store") as store:
            store.put(trained)
    with Store(tmp_path / "a" / "b" / "my.store", read_only=True) as store:
        assert len(store) == len(trained)
        assert same(trained[2], store.get([trained[2].trial])[trained[2].trial.key])


def filled(kind: type, rng: np.random.Generator) -> Any:
    """An object of a dataclass with something of its own in every field."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        said = str(field.type)
        inner = re.match(r"([A-Z]\w+)( \| None)?$", said)
        if field.name in LEFT_OUT:
            values[field.name] = None
        elif "NDArray" in said:
            number = rng.normal(size=(3, 2)) if "float" in said else rng.integers(-5, 9, (4,))
            dtype = re.search(r"(float|int|bool)\w*", said)
            values[field.name] = number.astype(
                dtype[0] if dtype and dtype[0] != "floating" else "f8"
            )
        elif inner:
            values[field.name] = filled(getattr(engine, inner[1]), rng)
        else:
            values[field.name] = {"str": "finished", "int": 7, "float": 0.1, "bool": True}[said]
    return kind(**values)


def test_every_field_survives() -> None:
    """Fields are found by looking at the classes: one that is added later is tested too."""
    curve = filled(Curve, np.random.default_rng(0))
    names = {f.name for f in fields(Curve)} - set(LEFT_OUT)
    assert names >= {"step", "seconds", "metric", "ended", "ended_at", "probes"}
    again = unpack(pack(curve))
    assert set(again) == names
    assert same(curve.rounded(), Curve(trial=None, **again))
    assert not same(curve, curve.rounded()), "float64 is rounded"
    assert is_dataclass(again["probes"])
    assert {f.name for f in fields(again["probes"])} == {f.name for f in fields(curve.probes)}


def test_a_field_nobody_knows_how_to_store_is_an_error(trained: list[Curve]) -> None:
    @dataclass(frozen=True, eq=False)
    class More(Curve):
        colours: Any = ("red",)

    values = {f.name: getattr(trained[0], f.name) for f in fields(Curve)}
    with pytest.raises(TypeError, match=r"More\.colours is a tuple"):
        pack(More(**values))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e-300, 0.1])
def test_any_number_is_rounded_as_it_is_stored(trained: list[Curve], value: float) -> None:
    metric = np.full_like(trained[0].metric, value)
    curve = replace(trained[0], metric=metric)
    again = Curve(curve.trial, **unpack(pack(curve)))
    assert same(curve.rounded(), again)
    assert same(again.rounded(), again)
    with np.errstate(over="ignore"):
        assert str(again.metric[0]) == str(np.float64(np.float32(value)))


def test_large_step_numbers_survive(trained: list[Curve]) -> None:
    for top in (100, 20_000, 10_000_000, 1 << 40):
        curve = replace(trained[0], step=np.array([0, 3, top - 1, top]))
        assert unpack(pack(curve))["step"].tolist() == [0, 3, top - 1, top]


def test_weights_are_not_stored(store: Store) -> None:
    [curve] = train(some_trials(1), keep_weights=True)
    assert curve.weights is not None
    store.put([curve])
    assert store.get([curve.trial])[curve.trial.key].weights is None


def test_a_diverged_curve_is_a_result(store: Store) -> None:
    [curve] = train(some_trials(1, learning_rate=1e6, weight_decay=1.0))
    assert curve.diverged
    store.put([curve])
    found = store.get([curve.trial])[curve.trial.key]
    assert (found.ended, found.ended_at) == ("diverged", curve.ended_at)


@pytest.mark.parametrize("ended", ["stopped", "running"])
def test_what_did_not_end_by_itself_is_not_stored(
    store: Store, trained: list[Curve], ended: str
) -> None:
    with pytest.raises(ValueError, match=f"is '{ended}'; only curves of trials that came to their"):
        store.put([trained[0], replace(trained[1], ended=ended)])
    with pytest.raises(ValueError, match=f"is '{ended}'"):
        store.put_timed([replace(trained[1], ended=ended)])
    assert len(store) == 0


def eye(rows: int) -> Dataset:
    x = np.random.default_rng(rows).normal(size=(rows, 64)).astype(np.float32)
    y = np.arange(rows) % 10
    names = tuple(f"x{i}" for i in range(64))
    return Dataset("table:eye", "classification", x, y, x, y, names, tuple("abcdefghij"))


def test_tables_of_one_name_do_not_answer_for_each_other(store: Store) -> None:
    one, two = eye(50), eye(60)
    trials = [replace(trial, data="table:eye") for trial in some_trials(2)]
    store.put(train(trials, {"table:eye": one}), {"table:eye": one})
    assert len(store.get(trials, {"table:eye": one})) == 2
    assert store.get(trials, {"table:eye": two}) == {}
    store.put(train(trials, {"table:eye": two}), {"table:eye": two})
    assert len(store) == 4


def test_only_the_settings_asked_for_are_answered(store: Store, trained: list[Curve]) -> None:
    store.put(trained)
    trial = trained[0].trial
    for other in (
        replace(trial, learning_rate=0.2),
        replace(trial, network=replace(trial.network, norm="layer")),
        replace(trial, probe_every=0),
    ):
        assert store.get([other, trial]).keys() == {trial.key}


def test_another_engine_version_is_another_curve(
    store: Store, trained: list[Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(trained)
    monkeypatch.setattr("evenbatch.engine.trial.ENGINE_VERSION", 10_000)
    assert store.get(some_trials()) == {}


def test_thousands_are_found_at_once(store: Store, trained: list[Curve]) -> None:
    curves = [of_seed(trained[0], seed) for seed in range(2345)]
    store.put(curves[::2])
    trials = [curve.trial for curve in curves]
    assert store.get(trials).keys() == {t.key for t in trials[::2]} == store.known(trials)


def test_what_is_there_stays(store: Store, trained: list[Curve]) -> None:
    store.put(trained[:1])
    store.put([replace(trained[0], seconds=trained[0].seconds + 1)])
    assert same(store.get([trained[0].trial])[trained[0].trial.key], trained[0])


# Timed passes.


def test_a_timing_pass_comes_back_whole_and_in_order(store: Store, trained: list[Curve]) -> None:
    turns = [trained[0], trained[1], trained[0], trained[1]]
    turns = [replace(c, seconds=c.seconds + i) for i, c in enumerate(turns)]
    turns = [curve.rounded() for curve in turns]
    trials = [curve.trial for curve in turns]
    assert store.get_timed(trials) is None
    store.put_timed(turns)
    found = store.get_timed(trials)
    assert found is not None
    assert all(same(a, b) for a, b in zip(turns, found, strict=True))
    assert store.get_timed(trials[:2]) is None
    assert store.get_timed(trials[::-1]) is None
    assert store.get(trials) == {}, "they are no results: nothing else was asked of them"
    assert len(store) == 0


def test_seconds_of_another_machine_are_not_ours(
    store: Store, trained: list[Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_timed(trained)
    monkeypatch.setattr("evenbatch.store.keys.this_machine", lambda: '{"processor": "other"}')
    assert store.get_timed([c.trial for c in trained]) is None


# Provenance.


def test_each_row_says_how_it_was_made(store: Store, trained: list[Curve]) -> None:
    from evenbatch import __version__
    from evenbatch.engine.machine import machine

    store.put(trained[:2])
    store.put(trained[2:4], made_on={"processor": "abacus", "cores": 10})
    rows = list(store.records())
    assert len(rows) == 4
    assert {row["machine"]["processor"] for row in rows} == {"abacus", machine()["processor"]}
    for row in rows:
        assert row["versions"]["evenbatch"] == __version__
        assert row["fingerprint"] == load("digits").fingerprint
        assert row["stored"] > 1_700_000_000
        assert isinstance(row["code"], str)
    keys = {engine.Trial.from_dict(row["trial"]).key for row in rows}
    assert keys == {curve.trial.key for curve in trained[:4]}


def test_the_commit_is_told_in_a_checkout() -> None:
    from evenbatch.engine import machine

    root = Path(machine.__file__).parents[3]
    found = machine.code()
    # Refused where another user owns the folder.
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    is_checkout = (root / ".git").exists() and subprocess.run(git, check=False).returncode == 0
    assert re.fullmatch(r"[0-9a-f]{40}\+?", found) if is_checkout else found == ""


# Where it lies.


def test_the_default_place_can_be_chosen_and_turned_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVENBATCH_STORE", str(tmp_path / "x.store"))
    with Store() as store:
        assert store.path == tmp_path / "x.store"
    monkeypatch.setenv("EVENBATCH_STORE", "off")
    assert default_path() is None
    with pytest.raises(StoreError, match="EVENBATCH_STORE is off"):
        Store()
    monkeypatch.delenv("EVENBATCH_STORE")
    for system, variable, end in (
        ("linux", "XDG_DATA_HOME", "evenbatch/store.sqlite"),
        ("win32", "LOCALAPPDATA", "evenbatch/store.sqlite"),
    ):
        monkeypatch.setattr("sys.platform", system)
        monkeypatch.setenv(variable, str(tmp_path))
        assert default_path() == tmp_path / end
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setenv("HOME", str(tmp_path))
    found = default_path()
    assert found == tmp_path / "Library" / "Application Support" / "evenbatch" / "store.sqlite"
