"""CSV and its relatives: what is read, and what is said about every kind of nonsense."""

from __future__ import annotations

import contextlib
import csv
import io
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


def numbers(cells: list[str], extra: str = "") -> str:
    """A column "a" with these cells, quoted, after six good rows, and a target of 0 and 1."""
    good = [str(i) for i in range(6)]
    return "a,y\n" + "".join(f'"{c}",{i % 2}\n' for i, c in enumerate(good + cells)) + extra


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
    assert data.notes == ()


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
    ],
)
def test_one_table_written_in_many_ways(write: Write, content: str | bytes, name: str) -> None:
    data = load_table(write(content, name), "y")
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
    task, keep = "regression", len(kinds) == 1
    assume(len({row[3] for row in table}) > 1)
    spreads = [np.std([row[j] for row in table]) for j in (0, 3)]
    largest = [max(abs(row[j]) for row in table) for j in (0, 3)]
    # Refused on purpose: test_numbers_that_float32_cannot_tell_apart.
    assume(all(s >= 1e-3 * m for s, m in zip(spreads, largest, strict=True)))
    data = load_table(path, names[3], task=task, keep_constant=keep, delimiter=delimiter)
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
    refused(write(text), "target is empty", target=[])


def test_categories_and_drop(write: Write) -> None:
    text = "zip,id,y\n" + "".join(f"0{i % 3}100,name{i},{i % 2}\n" for i in range(60))
    data = load_table(write(text), "y", categories="zip", drop=["id"])
    assert data.features == ("zip=00100", "zip=01100", "zip=02100")
    assert load_table(write(text), "y", drop="id").features == ("zip",)
    refused(write(text), "categories names a column 'zpi'", "Did you mean 'zip'?", categories="zpi")
    refused(write(text), "drop names a column 'Id'", "Did you mean 'id'?", drop="Id")
    refused(write(text), "'y' cannot be the target and be dropped", drop="y")
    refused(write(text), "nothing is left to learn from", drop=["zip", "id"])


def test_decimal_comma(write: Write) -> None:
    text = "a;y\n" + "".join(f"{i},5;{i % 2}\n" for i in range(9))
    assert rows(load_table(write(text), "y", decimal=",")) == {(i + 0.5, i % 2) for i in range(9)}
    refused(write(text), "decimal is ';'", decimal=";")
    mixed = text + "1.000,5;1\n2.5;0\n"
    refused(
        write(mixed),
        "row 11, column 'a': '1.000,5' holds a point, but decimal=',' was passed",
        "row 12, column 'a': '2.5' holds a point",
        decimal=",",
    )


def test_the_split_follows_the_seed_and_the_share(write: Write) -> None:
    path = write(TABLE)
    assert load_table(path, "y").n_test == 4
    assert load_table(path, "y", test_share=0.5).n_test == 10
    prints = {load_table(path, "y", seed=seed).fingerprint for seed in range(5)}
    assert len(prints) == 5
    refused(path, "test_share is 1.5", test_share=1.5)
    refused(path, "seed is -1", seed=-1)


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


def test_notes(write: Write) -> None:
    """What is usable, but worth knowing."""
    text = "a,kind,y\n" + "".join(
        f"{i},{'rare' if i == 7 else 'usual'},{i % 2}\n" for i in range(9)
    )
    notes = [load_table(write(text), "y", seed=s, test_share=0.5).notes for s in range(8)]
    still = ("The same value in every training row: 'kind=rare', 'kind=usual'.",)
    assert set(notes) == {(), still}
    text = "a,y\n" + "".join(f"{i},{'xyyyy'[i % 5] if i else 'z'}\n" for i in range(20))
    assert load_table(write(text), "y").notes == (
        "Classes with a single row are never tested: 'z'.",
    )
    text = "a,b,y\n" + "".join(f"{i},3,{i % 2}\n" for i in range(9))
    data = load_table(write(text), "y", keep_constant=True)
    assert data.notes == ("The same value in every training row: 'b'.",)
    assert data.features == ("a", "b")


# What is refused: the file


def test_files_that_are_not_there(write: Write, tmp_path: Path) -> None:
    write(TABLE, "wine.csv")
    refused(tmp_path / "wine.cvs", "there is no file", "Did you mean 'wine.csv'?")
    refused(tmp_path / "none" / "wine.csv", f"There is no folder {tmp_path / 'none'}")
    refused(tmp_path, "is a folder, not a file")


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (b"", ["the file is empty (0 bytes)"]),
        (b" \n\n \n", ["the file is empty. It needs a header row"]),
        (b"\xef\xbb\xbf", ["the file is empty"]),
        (b"a,b,y\n", ["there are no rows below the header"]),
        (b"a,b,y\n1,2,yes\n", ["1 row of data cannot be split", "At least 2"]),
        (bytes(range(256)) * 9, ["a binary file (a zero byte at position 0)"]),
        (b"\x89PNG\r\n\x1a\n\0\0", ["this is a PNG picture", "save or export it"]),
        (b"%PDF-1.7\n", ["this is a PDF document"]),
        (b"\x1f\x8b\x08\0", ["this is a gzip archive"]),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 9, ["this is an old Excel workbook"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", ["this is an Excel workbook"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.oasis.opendocument", ["OpenDocu"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"thing.txt", ["this is a ZIP archive"]),
        (b"PAR1" + b"\0" * 9, ["this is a Parquet file", "Rename it to end in .parquet"]),
        (b"SQLite format 3\0", ["this is a SQLite database"]),
        (b"\x89HDF\r\n", ["this is an HDF5 file"]),
        (TABLE.encode("utf-16-le"), ["UTF-16 text without", "encoding='utf-16-le'"]),
        (TABLE.encode("utf-16-be"), ["UTF-16 text without", "encoding='utf-16-be'"]),
        (b"\xff\xfe" + b"\x00\xd8" * 3, ["that is not utf-16 text"]),
    ],
)
def test_files_that_are_no_tables(write: Write, content: bytes, messages: list[str]) -> None:
    refused(write(content), "t.csv: ", *messages)


def test_encodings(write: Write) -> None:
    latin = TABLE.replace("no", "né").encode("latin-1")  # first in row 4
    refused(write(latin), "line 4 holds a byte 0xE9 that is not utf-8", "encoding='cp1252'")
    assert load_table(write(latin), "y", encoding="cp1252").classes == ("né", "yes")
    refused(write(latin), "there is no encoding 'klingon'", encoding="klingon")
    assert load_table(write(TABLE.encode("utf-16-le")), "y", encoding="utf-16-le").n_train == 16


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (TABLE + "5,6\n", ["the header has 3 cells, but row 22 has 2."]),
        (TABLE + "5,6,no,8\n\n9\n", ["but row 22 has 4, row 24 has 1."]),
        (TABLE + "9\n" * 8, ["row 26 has 1 and 3 more rows differ"]),
        ("a,a,y\n" + ROWS, ["'a' appears 2 times", "columns 1 and 2"]),
        (" b ,b,y\n" + ROWS, ["'b' appears 2 times"]),
        (",b,y\n" + ROWS, ["column 1 has no name", "drop=['column 1']"]),
        ("1,2,3\n" + ROWS, ["row 1 holds numbers ('1', '2', '3')", "Put a header row above"]),
        ("a b y\n1 2 3\n", ["only one column was found, 'a b y'", "delimiter="]),
        ('a,y\n1,"open\n2,b\n', ["row 2 cannot be split", "opened and never closed"]),
        ('a,y\n1,no\n2,"x"y\n3,c\n', ["row 3 cannot be split"]),
        ("a,y\n" + "x" * 200_000 + ",1\n", ["row 2 cannot be split", "field limit"]),
    ],
)
def test_rows_that_are_no_table(write: Write, content: str, messages: list[str]) -> None:
    refused(write(content), *messages)


def test_an_index_without_a_name_can_be_dropped(write: Write) -> None:
    assert load_table(write(",b,y\n" + ROWS), "y", drop="column 1").features == ("b",)


def test_delimiters_that_are_given(write: Write) -> None:
    path = write(TABLE.replace(",", " "))
    assert load_table(path, "y", delimiter=" ").features == ("a", "b")
    for wrong in (",,", "", "\n", '"'):
        refused(path, "it must be one character", delimiter=wrong)


def test_a_target_that_is_not_there(write: Write) -> None:
    refused(write(TABLE), "there is no target column 'Y'. Did you mean 'y'?", target="Y")
    refused(write(TABLE), "The columns are 'a', 'b', 'y'.", target="quality")


# What is refused: cells and columns


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the value is missing"),
        ("NA", "the value is missing"),
        (" nan ", "the value is missing"),
        ("#N/A", "the value is missing"),
        ("?", "the value is missing"),
        ("abc", "'abc' is not a number"),
        ("none", "'none' is not a number"),
        ("1.2.3", "'1.2.3' is not a number"),
        ("#DIV/0!", "'#DIV/0!' is not a number"),
        ("inf", "inf is infinite"),
        ("-Infinity", "-inf is infinite"),
        ("1e999", "inf is infinite"),
        ("1e39", "1e+39 is beyond 3.4e38, the largest float32"),
        ("9" * 60, "is beyond 3.4e38"),
        ("3,5", "'3,5' has a decimal comma: write a point, or pass decimal=','"),
        ("-0,25", "has a decimal comma"),
        ("1,234", "'1,234' may mean 1234 or 1.234"),
        ("1,234,567", "'1,234,567' has thousands separators: write the digits only"),
        ("1,234,567.89", "has thousands separators"),
        ("1.234,5", "has thousands separators"),
        ("1 234", "has thousands separators"),
        ("1\u202f234,5", "has thousands separators"),
        ("1'234", "has thousands separators"),
        ("1_000", "has thousands separators"),
        ("12%", "'12%' carries a unit: write the number alone"),
        ("$12.50", "carries a unit"),
        ("12 €", "carries a unit"),
        ("\u22125", "begins with a typographic minus"),
    ],
)
def test_one_bad_cell_is_found(write: Write, cell: str, message: str) -> None:
    path = write(numbers(["6", cell, "7"]))
    refused(path, "1 cell cannot be used:\n  row 9, column 'a': ", message, "drop=['a']")


def test_a_column_of_numbers_written_another_way_is_not_taken_for_categories(write: Write) -> None:
    for cells in (["1,5", "2,5", "3,5"], ["1,000,000", "2,000,000"], ["5%", "6%"]):
        text = "a,y\n" + "".join(f'"{c}",{i % 2}\n' for i, c in enumerate(cells * 4))
        refused(write(text), f"{4 * len(cells)} cells cannot be used", "row 2, column 'a'")


def test_a_column_that_is_half_numbers(write: Write) -> None:
    """Half or more: numbers with mistakes; fewer: categories. Missing cells do not count."""
    half = "a,y\n" + "".join(f"{c},{i % 2}\n" for i, c in enumerate(["1", "x"] * 4))
    refused(write(half), "4 cells", "row 3, column 'a': 'x' is not a number", "categories=['a']")
    fewer = half + "x,0\n"
    assert load_table(write(fewer), "y").features == ("a=1", "a=x")
    assert load_table(write(half), "y", categories="a").features == ("a=1", "a=x")


def test_all_mistakes_are_reported_together_in_the_order_of_the_file(write: Write) -> None:
    text = TABLE + "\nabc,3,no\n,4,yes\n7,,\n"
    refused(
        write(text),
        "t.csv: 4 cells cannot be used:\n"
        "  row 23, column 'a': 'abc' is not a number\n"
        "  row 24, column 'a': the value is missing\n"
        "  row 25, column 'b': the value is missing\n"
        "  row 25, column 'y': the target is missing\n"
        "Correct or fill these cells, or delete their rows; or leave whole columns out: "
        "drop=['a', 'b']; or read them as categories: categories=['a'].",
    )
    refused(write(TABLE + ",1,no\n" * 30), "30 cells", "and 25 more")


def test_rows_are_counted_as_a_spreadsheet_does(write: Write) -> None:
    """A line break inside a cell begins no row; a blank line is one."""
    text = "a,b,y\n" + "".join(f'{i},"two\nlines {i % 2}",{i % 2}\n' for i in range(6))
    refused(write(text + "\nx,two,1\n"), "row 9, column 'a': 'x' is not a number")


def test_missing_categories_and_targets(write: Write) -> None:
    text = "a,kind,y\n" + "".join(f"{i},{'pq'[i % 2]},{'uv'[i % 2]}\n" for i in range(8))
    refused(write(text + "8,,u\n"), "row 10, column 'kind': the value is missing")
    refused(write(text + "8,p,NaN\n"), "row 10, column 'y': the target is missing")
    labels = "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(8)) + "8,nan\n"
    refused(write(labels), "row 10, column 'y': the target is missing")
    with pytest.raises(DataError) as error:
        load_table(write(labels), "y")
    assert "drop=" not in str(error.value)  # a target cannot be dropped
    assert "1 cell cannot" in str(error.value)


def test_an_empty_column(write: Write) -> None:
    refused(
        write("a,b,y\n" + "".join(f"{i},,{i % 2}\n" for i in range(8))), "8 cells", "drop=['b']"
    )


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        (["3"] * 9, ["column 'b' holds the same value in all 9 rows", "drop=['b']"]),
        (["x"] * 9, ["column 'b' holds the same value in all 9 rows", "keep_constant=True"]),
        ([f"{i}e-60" for i in range(9)], ["near 4e-60", "float32"]),
        ([f"name {i}" for i in range(60)], ["60 different texts in 60 rows", "drop=['b']"]),
    ],
)
def test_columns_that_say_nothing(write: Write, values: list[str], messages: list[str]) -> None:
    text = "a,b,y\n" + "".join(f"{i},{v},{i % 2}\n" for i, v in enumerate(values))
    refused(write(text), *messages)


def test_several_constant_columns_are_named_together(write: Write) -> None:
    text = "a,b,c,y\n" + "".join(f"{i},1,x,{i % 2}\n" for i in range(9))
    refused(write(text), "columns 'b', 'c' hold the same value", "Leave them out")


def test_numbers_that_float32_cannot_tell_apart(write: Write) -> None:
    """Seconds since 1970: neighbours in time become the same number."""
    text = "t,y\n" + "".join(f"{1_700_000_000 + i},{i % 2}\n" for i in range(30))
    refused(write(text), "column 't' holds numbers near 1.7e+09", "Subtract a constant")
    year = "t,y\n" + "".join(f"{1_700_000_000 + 86_400 * i},{i % 2}\n" for i in range(30))
    assert load_table(write(year), "y").n_train == 24  # days apart: fine
    huge = "t,y\n" + "".join(f"{10**30 + i * 10**28},{i % 2}\n" for i in range(30))
    assert load_table(write(huge), "y").x_train.max() > 1e30


def test_targets_that_cannot_be_learned(write: Write) -> None:
    def refused_target(values: list[Any], *messages: str, **options: Any) -> None:
        text = "a,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
        refused(write(text), *messages, **options)

    refused_target(["yes"] * 9, "the target 'y' is 'yes' in all 9 rows", "two are needed")
    refused_target([1] * 9, "the target 'y' is '1' in all 9 rows")
    refused_target([4.5] * 9, "the target 'y' is 4.5 in all 9 rows", "nothing to learn")
    refused_target([f"n{i}" for i in range(9)], "9 classes in 9 rows", "choose another target")
    refused_target(
        ["u", "v"] * 5, "holds texts (row 2: 'u')", "task='classification'", task="regression"
    )
    labels = [2**60, 2**60 + 1] * 5
    refused_target(labels, "whole numbers beyond 2^53", task="classification")


@given(content=st.binary(max_size=400))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_a_data_set_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    """No other exception, whatever the file."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        load_table(path, "no such column")


@given(content=st.text("ab01.,;\t\n\"' -eé%", max_size=200), head=st.booleans())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_a_data_set_or_a_data_error(tmp_path: Path, content: str, head: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" * head + content, newline="")
    with contextlib.suppress(DataError):
        assert load_table(path, "b").n_train >= 1
