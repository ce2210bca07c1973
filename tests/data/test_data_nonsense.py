"""CSV and its relatives: what is said about every kind of nonsense."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenbatch.data import DataError, load_table

Write = Callable[..., Path]

ROWS = "".join(f"{i},{i * i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(1, 21))
TABLE = "a,b,y\n" + ROWS  # 20 rows; row 2 of the file is 1,1,yes


def numbers(cells: list[str], extra: str = "") -> str:
    """A column "a" with these cells, quoted, after six good rows, and a target of 0 and 1."""
    good = [str(i) for i in range(6)]
    return "a,y\n" + "".join(f'"{c}",{i % 2}\n' for i, c in enumerate(good + cells)) + extra


def refused(path: Path, *messages: str, target: Any = "y", **options: Any) -> None:
    with pytest.raises(DataError) as error:
        load_table(path, target, **options)
    for message in messages:
        assert message in str(error.value)


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
