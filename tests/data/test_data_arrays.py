"""Tables that come as arrays: Parquet and NPZ."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenbatch.data import DataError, Dataset, load_table

Write = Callable[..., Path]
Mended = Callable[..., Dataset]

N = 12
X = np.arange(2 * N, dtype=np.float64).reshape(N, 2)
Y = np.arange(N) % 3


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """``parquet(a=[…], y=[…])``: a Parquet file with these columns."""

    def write(**columns: Any) -> Path:
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """``npz(x=…, y=…)``: an NPZ file with these arrays."""

    def write(**arrays: Any) -> Path:
        np.savez(tmp_path / "t.npz", **arrays)
        return tmp_path / "t.npz"

    return write


def refused(path: Path, *messages: str, target: Any = "y", **options: Any) -> None:
    with pytest.raises(DataError) as error:
        load_table(path, target, **options)
    for message in messages:
        assert message in str(error.value)


def by_first(data: Dataset) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """All rows again, ordered by the first input."""
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    order = np.argsort(x[:, 0])
    return x[order], y[order]


# Parquet


def test_parquet_columns(parquet: Write) -> None:
    """Every kind of number, text and dictionary; a bool is 0 or 1."""
    path = parquet(
        small=pa.array(range(N), pa.int8()),
        real=pa.array([i / 4 for i in range(N)], pa.float32()),
        price=pa.array([Decimal(i) / 2 for i in range(N)], pa.decimal128(8, 2)),
        yes=[i % 2 == 0 for i in range(N)],
        colour=pa.array([("red", "blue")[i % 2] for i in range(N)]).dictionary_encode(),
        word=pa.array([("x", "z")[i // 6] for i in range(N)], pa.large_string()),
        y=[f"kind {i % 3}" for i in range(N)],
    )
    data = load_table(path, "y")
    assert data.name == "table:t"
    assert data.classes == ("kind 0", "kind 1", "kind 2")
    x, y = by_first(data)
    assert data.features == (
        *("small", "real", "price", "yes"),
        *("colour=blue", "colour=red", "word=x", "word=z"),
    )
    i = np.arange(N)
    even, late = i % 2 == 0, i >= 6
    expected = np.stack([i, i / 4, i / 2, even, ~even, even, ~late, late], axis=1)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y, i % 3)


def test_parquet_and_csv_hold_the_same_table(parquet: Write, write: Write) -> None:
    text = "a,b,y\n" + "".join(f"{i},{i / 8},{'pq'[i % 2]}\n" for i in range(N))
    path = parquet(a=list(range(N)), b=[i / 8 for i in range(N)], y=["pq"[i % 2] for i in range(N)])
    assert load_table(path, "y").fingerprint == load_table(write(text), "y").fingerprint


def test_parquet_in_several_row_groups(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(50)), "y": [float(i) / 2 for i in range(50)]})
    pq.write_table(table, tmp_path / "t.pq", row_group_size=7)
    x, y = by_first(load_table(tmp_path / "t.pq", "y"))
    np.testing.assert_array_equal(x[:, 0], np.arange(50))
    np.testing.assert_array_equal(y[:, 0], np.arange(50) / 2)


def test_parquet_gaps(parquet: Write, mended: Mended) -> None:
    path = parquet(
        a=[1.0, None, float("nan"), *range(4, 14)],
        b=pa.array([1, 2, 3, None, *range(5, 14)], pa.int64()),
        c=["x", "y", "x", "y", None, "", *("xy"[i % 2] for i in range(7))],
        d=pa.nulls(13),
        e=[*[0.5] * 6, float("inf"), *range(6)],
        y=[*[0, 1] * 6, None],
    )
    data = mended(
        path,
        "\n  column 'e': inf is infinite (row 7); read as missing below",
        "\n  values are missing in 'd' (13), 'a' (2), 'c' (2), 'y' (1), 'b' (1), 'e' (1), "
        "the first of them in row 1; columns with many",
        missing=["inf"],
        drop=["d"],
        drop_missing="rows",
    )
    x, _ = by_first(data)
    np.testing.assert_array_equal(x[:, 0], [1, *range(8, 13)])


def test_parquet_columns_that_are_no_numbers(parquet: Write, mended: Mended) -> None:
    days = [datetime.date(2024, 1, 1 + i) for i in range(4)]
    path = parquet(a=[1, 2, 3, 4], day=days, tags=[[1]] * 4, y=[0, 1, 0, 1])
    said = ("\n  column 'day' holds date32[day]", "\n  column 'tags' holds list", "left out below")
    assert mended(path, *said, drop=["day", "tags"]).features == ("a",)
    refused(path, "drop names a column 'dya'", "Did you mean 'day'?", drop=["dya", "day", "tags"])
    refused(path, "categories names a column 'b'", categories="b", drop=["day", "tags"])


def test_parquet_missing_codes_and_samples(parquet: Write) -> None:
    path = parquet(a=[-9.0, *range(30)], b=["n", *"xyz" * 9, *"NNN"], y=[0.5, *range(30)])
    data = load_table(path, "y", missing=["-9", "n"], drop_missing="rows")
    np.testing.assert_array_equal(by_first(data)[0][:, 0], range(27))
    assert data.features == ("a", "b=x", "b=y", "b=z")
    data = load_table(path, "y", missing="-9", drop_missing="rows", categories="a")
    assert data.n_features == 30 + 4
    few = load_table(path, "y", rows=12, task="regression")
    x, y = by_first(few)
    assert len(x) == 12
    np.testing.assert_array_equal(x[x[:, 0] >= 0, 0], y[x[:, 0] >= 0, 0])  # rows stay together
    assert few.notes[0].startswith("12 of 31 rows are used, drawn at random")


def test_parquet_categories(parquet: Write) -> None:
    path = parquet(a=list(range(6)), zip=[10115, 80331, 10115] * 2, y=[0, 1] * 3)
    data = load_table(path, "y", categories=["zip"])
    assert data.features == ("a", "zip=10115", "zip=80331")


def test_parquet_that_is_damaged(parquet: Write, write: Write) -> None:
    path = parquet(a=[1, 2], y=[0, 1])
    content = path.read_bytes()
    refused(write(content[:-20], "cut.parquet"), "not a Parquet file, or a damaged one")
    refused(write(content[:4] + b"?" * 30, "bad.parquet"), "bad.parquet: ", "damaged")
    refused(write("a,y\n1,2\n", "text.parquet"), "not a Parquet file")
    refused(write(content, "t.csv"), "this is a Parquet file. Rename it to end in .parquet")
    refused(write(b"", "empty.parquet"), "the file is empty")
    refused(parquet(a=pa.array([], pa.int64()), y=pa.array([], pa.int64())), "0 rows of data")


def test_parquet_with_one_name_twice(tmp_path: Path) -> None:
    table = pa.table([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"])
    pq.write_table(table, tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "the column name 'a' appears twice", target="a")


def test_parquet_without_pyarrow(parquet: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(a=[1, 2], y=[0, 1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(path, "reading Parquet needs pyarrow: pip install 'evenbatch[tables]'")


def test_options_of_text_files_are_refused_elsewhere(parquet: Write, npz: Write) -> None:
    for path in (parquet(a=[1, 2, 3, 4], y=[0, 1, 0, 1]), npz(x=X, y=Y)):
        for option in (
            {"decimal": ","},
            {"delimiter": ";"},
            {"encoding": "utf-8"},
            {"skip_rows": "2"},
            {"header": False},
            {"comment": "#"},
            {"thousands": ","},
        ):
            refused(path, f"{next(iter(option))} is about text files", path.name, **option)


# NPZ


def test_npz_with_inputs_and_target(npz: Write) -> None:
    data = load_table(npz(x=X, y=Y), "y")
    assert data.features == ("x[0]", "x[1]")
    assert data.classes == ("0", "1", "2")
    x, y = by_first(data)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_npz_with_one_array_a_column(npz: Write) -> None:
    colour = np.array(["red", "blue"] * 6)
    data = load_table(npz(size=X[:, 0].astype(np.float16), colour=colour, y=Y / 7), "y")
    assert data.task == "regression"
    assert data.features == ("size", "colour=blue", "colour=red")


def test_npz_with_pictures_and_several_targets(npz: Write) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (N, 2, 3), dtype=np.uint8)
    targets = np.stack([np.arange(N) / 2, -np.arange(N) / 2], axis=1)
    data = load_table(npz(pictures=pictures, where=targets), "where")
    assert (data.n_features, data.n_outputs) == (6, 2)
    y = np.concatenate([data.y_train, data.y_test])
    x = np.concatenate([data.x_train, data.x_test])
    order = np.argsort(y[:, 0])
    np.testing.assert_array_equal(y[order], targets)
    np.testing.assert_array_equal(x[order], pictures.reshape(N, 6))


def test_npz_drop_and_constant_columns(npz: Write, mended: Mended) -> None:
    """A border pixel that never changes is kept, and said; it can be dropped by its name."""
    x = np.concatenate([np.ones((N, 1)), X], axis=1)
    path = npz(x=x, y=Y, other=np.arange(5))
    said = ("the arrays must have the same number of rows", "other (5,)", "left out below")
    data = mended(path, *said, drop=["other"])
    assert "The same value in every row: 'x[0]'." in data.notes
    assert load_table(path, "y", drop=["other", "x[0]"]).features == ("x[1]", "x[2]")
    refused(path, "drop names a column 'x[9]'", drop=["other", "x[9]"])
    data = load_table(path, "y", drop=["other", "x[0]"], categories="x[1]")
    assert data.features == (*sorted(f"x[1]={2 * i}" for i in range(N)), "x[2]")


def test_npz_that_is_split_already(npz: Write, mended: Mended) -> None:
    """As Keras keeps MNIST: the arrays that are as long as the target belong to it."""
    path = npz(x_test=X[:4], x_train=X, y_test=Y[:4], y_train=Y)
    data = mended(path, target="y_train", drop=["x_test", "y_test"])
    assert data.features == ("x_train[0]", "x_train[1]")


def test_npz_gaps(npz: Write, mended: Mended) -> None:
    x, y = np.tile(X, (3, 1)), np.arange(3 * N) / 2
    x[3, 1], x[5, 0], y[2] = np.nan, np.inf, np.nan
    data = mended(
        npz(x=x, y=y),
        "t.npz cannot be used as it is:",
        "\n  column 'x[0]': inf is infinite (index 5); read as missing below",
        "\n  values are missing in 'y' (1), 'x[0]' (1), 'x[1]' (1), the first of them in index 2",
        missing=["inf"],
        drop_missing="rows",
    )
    assert data.n_train + data.n_test == 3 * N - 3
    texts = npz(x=X, y=np.array(["u", "", "v"] * 4))
    mended(texts, "values are missing in 'y' (4), the first of them in index 1",
           drop_missing="rows")  # fmt: skip


def test_npz_samples(npz: Write) -> None:
    data = load_table(npz(x=X, y=Y / 2), "y", rows=7)
    assert data.n_train + data.n_test == 7
    assert data.notes[0].startswith("7 of 12 rows are used, drawn at random")


def test_npz_arrays_that_are_no_columns(npz: Write, mended: Mended, tmp_path: Path) -> None:
    objects = np.array([1, "two"] * 6, dtype=object)
    path = npz(x=X, o=objects, z=X + 1j, y=Y)
    said = ("\n  array 'o' holds Python objects", "array.astype(str)", "array 'z' holds complex128")
    assert mended(path, *said, drop=["o", "z"]).n_features == 2
    refused(npz(x=X, y=objects), "array 'y' holds Python objects")
    dates = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    mended(npz(x=X, d=dates, y=Y), "array 'd' holds datetime64[D]", drop=["d"])
    refused(npz(x=X, y=np.int64(3)), "same number of rows", "y ()")
    refused(npz(x=X[:0], y=Y[:0]), "at least one")
    refused(npz(), "holds no arrays")
    np.save(tmp_path / "one.npy", Y)
    said = f"one array {Y.shape} without a name (NPY)"
    refused(tmp_path / "one.npy", said, "np.savez(path, x=x, y=y)")


def test_an_array_without_a_name_is_a_table_if_it_has_columns(
    tmp_path: Path, mended: Mended
) -> None:
    path = tmp_path / "one.npy"
    np.save(path, np.column_stack([X, Y]))
    assert mended(path, "the target below is 'column 3'", target=()).features == (
        "column 1",
        "column 2",
    )
    fields = np.zeros(len(Y), [("a", "f4"), ("kind", "S3"), ("y", "i8")])
    fields["a"], fields["kind"], fields["y"] = X[:, 0], ["pot", "bag"] * (len(Y) // 2), Y
    np.save(path, fields)
    assert load_table(path, "y").features == ("a", "kind=bag", "kind=pot")


def test_npz_target_that_is_not_there(npz: Write) -> None:
    refused(npz(x=X, label=Y), "no target column 'labels'. Did you mean 'label'?", target="labels")
    refused(npz(x=X, y=Y), "The columns are 'x', 'y'.", target="zzz")
    assert load_table(npz(x=X, y=Y), "x[1]", task="regression").features == ("x[0]", "y")


def test_npz_that_is_damaged(npz: Write, write: Write) -> None:
    content = npz(x=X, y=Y).read_bytes()
    refused(write(content[:-30], "cut.npz"), "not an NPZ file, or a damaged one")
    broken = bytearray(content)
    broken[200] ^= 255  # within the first array: the checksum of its member is wrong
    refused(write(bytes(broken), "broken.npz"), "damaged", "CRC")
    refused(write("a,y\n1,2\n", "text.npz"), "not an NPZ file")
    refused(write(content, "t.csv"), "this is an NPZ file. Rename it to end in .npz")


@given(
    x=st.lists(st.tuples(*[st.floats(-1e3, 1e3, width=16)] * 3), min_size=6, max_size=20),
    kind=st.sampled_from([np.float16, np.float32, np.float64, ">f4"]),
    order=st.sampled_from("CF"),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_npz_round_trip(npz: Write, x: list[Any], kind: Any, order: Any) -> None:
    """Any type, byte order and memory order: the same rows come back."""
    array = np.array(x).astype(kind, order=order)
    y = np.arange(len(x), dtype=np.float64)
    data = load_table(npz(x=array, y=y), "y", task="regression")
    got = np.concatenate([data.x_train, data.x_test])
    back = np.argsort(np.concatenate([data.y_train, data.y_test])[:, 0])
    np.testing.assert_array_equal(got[back], array.astype(np.float32))


@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"PK\x03\x04", b"PAR1"]))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_a_data_error(tmp_path: Path, content: bytes, start: bytes) -> None:
    for name in ("t.npz", "t.parquet"):
        (tmp_path / name).write_bytes(start + content)
        with pytest.raises(DataError):
            load_table(tmp_path / name, "y")
