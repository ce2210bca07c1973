"""The table: one row per trial and evaluation, the same in every format."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from stored import some_trials

from evenbatch.engine import Curve, Network, Trial, train
from evenbatch.store import Store, StoreError, record_of, tidy


@pytest.fixture(scope="session")
def curves(trained: list[Curve]) -> list[Curve]:
    """With one that diverged, which has fewer rows."""
    found = train(some_trials(1, learning_rate=1e6, weight_decay=1.0))
    assert found[0].diverged
    return [*trained[:3], found[0].rounded()]


@pytest.fixture
def store(tmp_path: Path, curves: list[Curve]) -> Any:
    with Store(tmp_path / "my.store") as opened:
        opened.put(curves)
        yield opened


def expect(table: pandas.DataFrame, curves: list[Curve]) -> None:
    """The table tells what the curves do, value by value."""
    assert list(table.columns) == list(tidy.COLUMNS)
    assert len(table) == sum(len(curve.step) for curve in curves)
    for curve in curves:
        rows = table[table["key"] == curve.trial.key]
        for name in tidy.EVALUATED:
            np.testing.assert_array_equal(rows[name].to_numpy(float), getattr(curve, name), name)
        assert set(rows["ended"]) == {curve.ended}
        assert set(rows["ended_at"]) == {curve.ended_at}
        for field in fields(Trial):
            if field.name != "network":
                assert set(rows[field.name]) == {getattr(curve.trial, field.name)}, field.name
        for field in fields(Network):
            value = getattr(curve.trial.network, field.name)
            if isinstance(value, tuple):
                value = json.dumps(value)
            assert set(rows[f"network_{field.name}"]) == {value}, field.name


def test_to_pandas(store: Store, curves: list[Curve]) -> None:
    table = store.to_pandas()
    expect(table, curves)
    assert table.loc[0, "network_hidden"] == "[8, 8]"
    best = table[table.step == 30].groupby("seed").metric.mean()
    assert len(best) == 3


def read_csv(path: Path) -> Any:
    """To the last bit: by default pandas before 3 reads some numbers one unit off."""
    exact = {} if pandas.__version__ >= "3" else {"float_precision": "round_trip"}
    return pandas.read_csv(path, **exact)


def test_csv(store: Store, curves: list[Curve], tmp_path: Path) -> None:
    assert store.export(tmp_path / "deep" / "t.csv") == len(curves)
    expect(read_csv(tmp_path / "deep" / "t.csv"), curves)
    text = (tmp_path / "deep" / "t.csv").read_text()
    assert "nan" not in text
    assert "None" not in text


def test_parquet(store: Store, curves: list[Curve], tmp_path: Path) -> None:
    assert store.export(tmp_path / "t.parquet") == len(curves)
    table = pandas.read_parquet(tmp_path / "t.parquet")
    expect(table, curves)
    assert table.dtypes["metric"] == "float64"
    assert table.dtypes["step"] == "int64"
    assert table.dtypes["evaluate_train"] == "bool"


def test_json_has_everything(store: Store, curves: list[Curve], tmp_path: Path) -> None:
    assert store.export(tmp_path / "t.json") == len(curves)
    content = json.loads((tmp_path / "t.json").read_text())
    assert content["format"] == 1
    by_key = {entry["key"]: entry for entry in content["trials"]}
    for curve in curves:
        entry = by_key[curve.trial.key]
        assert Trial.from_dict(entry["trial"]) == curve.trial
        assert entry["curve"]["probes"]["gradient_norm"] == curve.probes.gradient_norm.tolist()
        losses = [None if math.isnan(x) else x for x in curve.train_loss.tolist()]
        assert entry["curve"]["train_loss"] == losses
        assert entry["machine"]["cores"] >= 1
        assert "numpy" in entry["versions"]


def test_chosen_trials_come_in_their_order(store: Store, curves: list[Curve]) -> None:
    wanted = [curves[2].trial, curves[0].trial, some_trials(9)[8], curves[1].trial]
    found = [record["trial"]["seed"] for record in store.records(wanted)]
    assert found == [2, 0, 1]


def test_a_curve_that_is_not_stored_has_the_same_record(store: Store, curves: list[Curve]) -> None:
    [stored] = store.records([curves[1].trial])
    fresh = record_of(curves[1])
    assert tidy._json(stored | {"stored": 0}) == tidy._json(fresh | {"stored": 0})


def test_more_than_one_piece(
    store: Store, curves: list[Curve], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidy, "TRIALS_AT_ONCE", 2)
    monkeypatch.setattr("evenbatch.store.store.AT_ONCE", 2)
    for name, read in (("t.csv", read_csv), ("t.parquet", pandas.read_parquet)):
        tidy.write(tmp_path / name, store.records([curve.trial for curve in curves]))
        expect(read(tmp_path / name), curves)


def test_an_empty_store(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        assert len(store.to_pandas()) == 0
        for ending in tidy.ENDINGS:
            assert store.export(tmp_path / f"t{ending}") == 0
    assert json.loads((tmp_path / "t.json").read_text())["trials"] == []
    assert len(pandas.read_parquet(tmp_path / "t.parquet")) == 0


def test_a_failed_export_leaves_the_old_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("precious")
    monkeypatch.setattr(tidy, "_once", lambda record: {}["x"])
    with pytest.raises(KeyError):
        store.export(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir() if "my.store" not in p.name) == ["t.csv"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "t.xlsx",
            r"the ending '\.xlsx' stands for no format; use one of \.csv, \.parquet, \.json",
        ),
        ("t", r"the ending '' stands for no format"),
        ("folder.csv", "this is a folder; name a file in it"),
        ("file/t.csv", "nothing can be written in .*/file"),
    ],
)
def test_files_that_cannot_be_made(store: Store, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=message):
        store.export(tmp_path / name)


def test_what_is_not_installed_is_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pandas", "pyarrow"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"DataFrame needs pandas.*pip install 'evenbatch\[tab"):
        store.to_pandas()
    with pytest.raises(StoreError, match="Parquet file needs pyarrow, which is not installed"):
        store.export(tmp_path / "t.parquet")
