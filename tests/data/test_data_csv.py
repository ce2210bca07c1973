"""CSV and its relatives: what is read, and how the options change it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from evenbatch.data import DataError, Dataset, load, load_table

Write = Callable[..., Path]

ROWS = "".join(f"{i},{i * i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(1, 21))
TABLE = "a,b,y\n" + ROWS  # 20 rows; row 2 of the file is 1,1,yes


def rows(data: Dataset) -> set[tuple[float, ...]]:
    """Every row, inputs and target, whichever part it is in."""
    x = np.concatenate([data.x_train, data.x_test]).astype(np.float64)
    y = np.concatenate([data.y_train, data.y_test]).reshape(len(x), -1)
    return {tuple(row) for row in np.hstack([x, y]).tolist()}


def refused(path: Path, *messages: str, target: Any = "y", **options: Any) -> None:
    with pytest.raises(DataError) as error:
        load_table(path, target, **options)
    for message in messages:
        assert message in str(error.value)


# What is read


def test_numbers_and_categories(write: Write) -> None:
    text = "size,colour,price,good\n" + "".join(
        f"{i},{('red', 'green', 'blue')[i % 3]},{i / 4},{i % 2}\n" for i in range(12)
    )
    data = load_table(write(text, "tea.csv"), "good")
    assert data.name == "table:tea"
    assert data.task == "classification"
    assert data.classes == ("0", "1")
    assert data.features == ("size", "colour=blue", "colour=green", "colour=red", "price")
    assert rows(data) == {(i, i % 3 == 2, i % 3 == 1, i % 3 == 0, i / 4, i % 2) for i in range(12)}
    assert data.source == "Your table tea.csv, 12 rows, target 'good'."
    assert data.notes[0] == "Read as categories (how many): 'colour' (3)."


def test_nothing_is_standardized(write: Write) -> None:
    data = load_table(write(TABLE), "y")
    assert rows(data) == {(i, i * i % 7, i % 3 > 0) for i in range(1, 21)}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TABLE, "t.csv"),
        (TABLE.replace(",", "\t"), "t.tsv"),
        (TABLE.replace(",", ";"), "t.txt"),
        (TABLE.replace(",", "|"), "t"),
        (TABLE.replace(",", " , "), "t.csv"),
        (TABLE.replace("\n", "\r\n"), "t.csv"),
        (TABLE.replace("\n", "\r"), "t.csv"),
        (TABLE.rstrip("\n"), "t.csv"),
        ("\n\n" + TABLE.replace("\n", "\n\n") + "\n,,\n", "t.csv"),
        (TABLE.replace("yes", '"yes"').replace("a,", '"a",'), "t.csv"),
        (b"\xef\xbb\xbf" + TABLE.encode(), "t.csv"),
        (TABLE.encode("utf-16"), "t.csv"),
        (b"\xfe\xff" + TABLE.encode("utf-16-be"), "t.csv"),
        (TABLE.encode("utf-32"), "t.csv"),
        (gzip.compress(TABLE.encode()), "t.csv.gz"),
        (bz2.compress(TABLE.encode()), "t.csv.bz2"),
        (lzma.compress(TABLE.encode()), "t.csv.xz"),
        (TABLE.replace(",", "  ").replace("\n", " \n  "), "t.dat"),
        (TABLE.replace(",", ", "), "t.csv"),
        (TABLE.replace("\n", ",\n"), "t.csv"),
    ],
)
def test_one_table_written_in_many_ways(write: Write, content: str | bytes, name: str) -> None:
    data = load_table(write(content, name), "y")
    assert data.name == "table:t"
    assert data.features == ("a", "b")
    assert data.classes == ("no", "yes")
    assert data.fingerprint == load_table(write(TABLE, "reference.csv"), "y").fingerprint


@given(
    table=st.lists(
        st.tuples(
            st.floats(-1e6, 1e6, width=32),
            st.integers(-1000, 1000),
            st.sampled_from(["plain", "with, comma", 'with "quotes"', "two\nlines", "é€𝄞", "none"]),
            st.floats(-1e3, 1e3, width=32),
        ),
        min_size=4,
        max_size=30,
        unique_by=(lambda row: row[0], lambda row: row[1]),
    ),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    names=st.lists(
        st.text(string.ascii_letters + ' "é;,', min_size=1).filter(lambda n: n == n.strip()),
        min_size=4,
        max_size=4,
        unique=True,
    ),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip(
    tmp_path: Path, table: list[Any], delimiter: str, encoding: str, names: list[str]
) -> None:
    """What csv.writer writes is what is read, whatever the delimiter, encoding and texts."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows(table)
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    kinds = sorted({row[2] for row in table})
    assume(len({row[3] for row in table}) > 1)
    spreads = [np.std([row[j] for row in table]) for j in (0, 3)]
    largest = [max(abs(row[j]) for row in table) for j in (0, 3)]
    # Refused on purpose: test_numbers_that_float32_cannot_tell_apart.
    assume(all(s >= 1e-3 * m for s, m in zip(spreads, largest, strict=True)))
    data = load_table(path, names[3], task="regression", delimiter=delimiter)
    assert data.features == (names[0], names[1], *[f"{names[2]}={kind}" for kind in kinds])
    assert rows(data) == {
        (row[0], row[1], *[float(row[2] == kind) for kind in kinds], row[3]) for row in table
    }


def test_the_task_is_inferred_by_the_stated_rule(write: Write) -> None:
    def task(values: list[Any]) -> str:
        text = "a,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
        return load_table(write(text), "y").task

    assert task(["a", "b"] * 5) == "classification"
    assert task([0, 1] * 5) == "classification"
    assert task([1.0, 2.0] * 5) == "classification"
    assert task([0.5, 1.5] * 5) == "regression"
    assert task([*range(20)] * 2) == "classification"
    assert task([*range(21)] * 2) == "regression"
    assert task([1, 2, 3, 4, 5, 5, 5]) == "regression"  # fewer than two rows each
    assert task([1, 2, 3, 3, 3, 3]) == "classification"


def test_the_task_can_be_overruled(write: Write) -> None:
    path = write("a,y\n" + "".join(f"{i},{i % 3 / 2}\n" for i in range(12)))
    data = load_table(path, "y")
    assert (data.task, data.classes, data.y_train.shape[1]) == ("regression", (), 1)
    data = load_table(path, "y", task="classification")
    assert data.classes == ("0", "0.5", "1")
    refused(path, "task is 'classify'", "Did you mean 'classification'?", task="classify")


def test_classes_are_in_order_of_size(write: Write) -> None:
    text = "a,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate([10, 9, -2, 100] * 3))
    assert load_table(write(text), "y").classes == ("-2", "9", "10", "100")


def test_several_targets(write: Write) -> None:
    text = "a,t1,t2\n" + "".join(f"{i},{i / 2},{i / 4}\n" for i in range(10))
    data = load_table(write(text), ["t1", "t2"])
    assert (data.task, data.n_outputs, data.features) == ("regression", 2, ("a",))
    assert rows(data) == {(i, i / 2, i / 4) for i in range(10)}
    message = "2 targets ('t1', 't2') cannot be one class"
    refused(write(text), message, target=["t1", "t2"], task="classification")


def test_categories_and_drop(write: Write) -> None:
    text = "zip,id,y\n" + "".join(f"0{i % 3}100,name{i},{i % 2}\n" for i in range(60))
    data = load_table(write(text), "y", categories="zip", drop=["id"])
    assert data.features == ("zip=00100", "zip=01100", "zip=02100")
    assert load_table(write(text), "y", drop="id").features == ("zip",)
    many = "town,y\n" + "".join(f"t{i % 70},{i % 2}\n" for i in range(140))
    assert load_table(write(many), "y", categories="town").n_features == 70


def test_decimal_comma(write: Write) -> None:
    text = "a;y\n" + "".join(f"{i},5;{i % 2}\n" for i in range(9))
    assert rows(load_table(write(text), "y", decimal=",")) == {(i + 0.5, i % 2) for i in range(9)}
    mixed = write(text + "1.000,5;1\n2.5;0\n")
    refused(mixed, "'1.000,5'", "a point between thousands", decimal=",")
    refused(mixed, "'2.5' (row 12)", decimal=",", thousands=".")


def test_thousands(write: Write) -> None:
    text = "a;y\n" + "".join(f"1'00{i}.5;{i % 2}\n" for i in range(9))
    expected = {(1000.5 + i, i % 2) for i in range(9)}
    assert rows(load_table(write(text), "y", thousands="'")) == expected
    both = text.replace(".", ",").replace("'", ".")
    assert rows(load_table(write(both), "y", thousands=".", decimal=",")) == expected
    refused(write(text + "1'23;1\n"), '"1\'23" (row 11)', thousands="'")


def test_missing(write: Write) -> None:
    """Texts in any case, numbers however they are written; in categories and targets too."""
    text = "a,k,y\n" + "".join(f"{i},{'pq'[i % 2]},{'uv'[i % 2]}\n" for i in range(20))
    text += "-999.0,p,u\n5,None,u\n6,p,NONE\n"
    data = load_table(write(text), "y", missing=["-999", "none"], drop_missing="rows")
    assert rows(data) == {(i, i % 2 == 0, i % 2, i % 2) for i in range(20)}
    assert data.features == ("a", "k=p", "k=q")


def test_rows_and_comments_that_are_left_out(write: Write) -> None:
    path = write("// tea\na,b,y\n" + ROWS + "// more\n" + ROWS)
    data = load_table(path, "y", comment="//", skip_rows="24-43")
    assert data.fingerprint == load_table(write(TABLE), "y").fingerprint


def test_a_file_without_names(write: Write) -> None:
    data = load_table(write(ROWS), "column 3", header=False)
    assert data.features == ("column 1", "column 2")
    assert data.fingerprint == load_table(write(TABLE), "y").fingerprint


def test_delimiters_that_are_given(write: Write) -> None:
    for delimiter in ("~", " ", "space", "tab", "\t"):
        text = TABLE.replace(",", {"space": " ", "tab": "\t"}.get(delimiter, delimiter))
        assert load_table(write(text), "y", delimiter=delimiter).features == ("a", "b")


def test_encodings_that_are_given(write: Write) -> None:
    latin = TABLE.replace("no", "né").encode("latin-1")
    assert load_table(write(latin), "y", encoding="cp1252").classes == ("né", "yes")
    assert load_table(write(TABLE.encode("utf-16-le")), "y", encoding="utf-16-le").n_train == 16


def test_the_split_follows_the_seed_and_the_share(write: Write) -> None:
    path = write(TABLE)
    assert load_table(path, "y").n_test == 4
    assert load_table(path, "y", test_share=0.5).n_test == 10
    prints = {load_table(path, "y", seed=seed).fingerprint for seed in range(5)}
    assert len(prints) == 5


def test_load_finds_a_table_that_was_loaded(write: Write) -> None:
    first = load_table(write(TABLE, "tea.csv"), "y")
    assert load("table:tea") is first
    assert load_table(write(TABLE, "tea.csv"), "y").fingerprint == first.fingerprint
    load("table:tea")  # the same content again is the same table
    with pytest.raises(DataError, match=r"no table was loaded as 'table:te'.*Did you mean"):
        load("table:te")
    load_table(write(TABLE, "tea.csv"), "y", seed=1)
    with pytest.raises(DataError, match="2 different tables were loaded as 'table:tea'"):
        load("table:tea")
    named = load_table(write(TABLE, "tea.csv"), "y", seed=1, name="other tea")
    assert load("table:other tea") is named


def test_only_one_reading_of_a_large_file_is_in_memory(write: Write) -> None:
    """Rows are read some thousand at a time; kinds may change on the way."""
    many = "".join(f"{i},{'x' if i == 11_999 else i},{i % 2}\n" for i in range(12_000))
    data = load_table(write("a,b,y\n" + many), "y", missing="x", drop_missing="rows")
    assert rows(data) == {(i, i, i % 2) for i in range(11_999)}
    late = "".join(f"{i},{i if i < 5_500 else 'pq'[i % 2]},{i % 2}\n" for i in range(12_000))
    data = load_table(write("a,b,y\n" + late), "y", categories="b")
    assert data.n_features == 1 + 5_500 + 2


def test_numbers_are_read_alike_wherever_they_stand(write: Write) -> None:
    """By the quick way of columns without gaps, and cell by cell."""
    cells = ["1", "-2.5", "1e3", ".5", "5.", "+7", " 8 ", "1E-2", "\u22124"]
    text = "a,y\n" + "".join(f"{c},{i % 2}\n" for i, c in enumerate(cells * 2))
    with_gap = load_table(write(text + ",1\n"), "y", drop_missing="rows")
    assert rows(with_gap) == rows(load_table(write(text), "y"))
    assert {x for x, _ in rows(with_gap)} == {1, -2.5, 1000, 0.5, 5, 7, 8, np.float32(0.01), -4}
